"""Software bills of materials: CycloneDX JSON 1.5 and 1.6, read strictly enough to answer which part is in which unit.

Only what we rely on is looked into (what the document describes, its components, their names, versions and hashes);
every other key must be one that the specification has, so that a misspelt one is not taken for one that is missing.
Ref: CycloneDX 1.6 JSON reference; Regulation (EU) 2024/2847, Annex I part II (1).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType

from station.errors import ConfigError
from station.strict import nearest

_TOP_KEYS = (
    "$schema bomFormat specVersion serialNumber version metadata components services externalReferences dependencies "
    "compositions vulnerabilities annotations formulation properties signature"
)
_PART_KEYS = (
    "type mime-type bom-ref supplier author publisher group name version description scope hashes licenses copyright "
    "cpe purl swid modified pedigree externalReferences components evidence releaseNotes modelCard data properties "
    "signature"
)
_PART_TYPES = (
    "application framework library container platform operating-system device device-driver firmware file "
    "machine-learning-model data"
)
_TOP, _COMPONENT, _TYPES = (frozenset(words.split()) for words in (_TOP_KEYS, _PART_KEYS, _PART_TYPES))
_FAMILIES = {"SHA-": (256, 384, 512), "SHA3-": (256, 384, 512), "BLAKE2b-": (256, 384, 512)}
_DIGITS: Mapping[str, int] = MappingProxyType(
    {"MD5": 32, "SHA-1": 40, "BLAKE3": 64}
    | {f"{family}{bits}": bits // 4 for family, sizes in _FAMILIES.items() for bits in sizes}
)
"""Hash algorithms and how many hexadecimal digits their values have."""
SPECS: Mapping[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = MappingProxyType(
    {
        "1.5": (_TOP, _COMPONENT, _TYPES),
        "1.6": (
            _TOP | {"declarations", "definitions"},
            _COMPONENT | {"manufacturer", "authors", "omniborId", "swhid", "cryptoProperties", "tags"},
            _TYPES | {"cryptographic-asset"},
        ),
    }
)
"""Version of the specification -> keys of a document, keys and types of a component."""
SERIAL = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOST_COMPONENTS = 10_000
DEEPEST = 8
"""How deep components may stand in components."""


@dataclass(frozen=True)
class Component:
    """One part that a firmware image is made of."""

    name: str
    version: str
    purl: str = ""
    """Package URL, by which vulnerability databases name it."""


@dataclass(frozen=True)
class Sbom:
    """A bill of materials that passed every check."""

    name: str
    """What it describes."""
    version: str
    spec: str
    serial_number: str
    components: tuple[Component, ...]
    sha256: str
    """Of the document's bytes."""


class _Document:
    """One document on its way through the checks, which all name the file and the key path."""

    def __init__(self, raw: bytes, where: str) -> None:
        self._where = where
        self._references: set[str] = set()
        self.components: list[Component] = []
        self.table = self._object(self._json(raw), "document")
        self.spec = self._text(self.table, "specVersion", "specVersion")
        if self.spec not in SPECS:
            raise self.wrong("specVersion", f"'{self.spec}' is not one of {', '.join(SPECS)}")
        self._top, self._keys, self._types = SPECS[self.spec]

    def wrong(self, key: str, reason: str) -> ConfigError:
        """Return the refusal of a key."""
        return ConfigError(f"{self._where}: {key}: {reason}", hint="Have the maker of the firmware correct its SBOM.")

    def _json(self, raw: bytes) -> object:
        try:
            return json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
            raise ConfigError(f"{self._where}: not valid JSON: {reason[:200]}") from error

    def _object(self, value: object, key: str) -> dict[str, object]:
        if not isinstance(value, dict):
            raise self.wrong(key, "an object is expected")
        return value

    def _list(self, table: dict[str, object], name: str, key: str) -> list[object]:
        value = table.get(name, [])
        if not isinstance(value, list) or len(value) > MOST_COMPONENTS:
            raise self.wrong(key, f"a list of at most {MOST_COMPONENTS} entries is expected")
        return value

    def _text(self, table: dict[str, object], name: str, key: str) -> str:
        value = table.get(name)
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self.wrong(key, "a text is expected")
        return value

    def check_head(self) -> str:
        """Check what stands around the components and return the serial number."""
        self._known(self.table, self._top, "document")
        if self.table.get("bomFormat") != "CycloneDX":
            raise self.wrong("bomFormat", "'CycloneDX' is expected")
        revision = self.table.get("version", 1)
        if type(revision) is not int or revision < 1:
            raise self.wrong("version", "a number from 1 is expected")
        serial = self._text(self.table, "serialNumber", "serialNumber")
        if not SERIAL.fullmatch(serial):
            raise self.wrong("serialNumber", "'urn:uuid:' and a UUID in small letters are expected")
        return serial

    def check_subject(self) -> tuple[str, str, str]:
        """Check what the document describes; return its name, its version and its SHA-256, if that is told."""
        metadata = self._object(self.table.get("metadata"), "metadata")
        subject = self._object(metadata.get("component"), "metadata.component")
        part = self._component(subject, "metadata.component", 0)
        found = [one for one in self._hashes(subject, "metadata.component.hashes") if one[0] == "SHA-256"]
        return part.name, part.version, found[0][1] if found else ""

    def check_components(self) -> None:
        """Check every part; a document that lists none describes nothing."""
        self._parts(self.table, "components", 0)
        if not self.components:
            raise self.wrong("components", "at least one component is expected")

    def check_dependencies(self) -> None:
        """Check that dependencies name parts that are there."""
        for index, entry in enumerate(self._list(self.table, "dependencies", "dependencies")):
            key = f"dependencies[{index}]"
            edge = self._object(entry, key)
            named = [edge.get("ref"), *self._list(edge, "dependsOn", f"{key}.dependsOn")]
            for reference in named:
                if not isinstance(reference, str) or reference not in self._references:
                    raise self.wrong(key, f"'{str(reference)[:80]}' is no bom-ref of this document")

    def _parts(self, table: dict[str, object], key: str, depth: int) -> None:
        if depth > DEEPEST:
            raise self.wrong(key, "components stand too deep in components")
        for index, entry in enumerate(self._list(table, "components", key)):
            at = f"{key}[{index}]"
            part = self._object(entry, at)
            self.components.append(self._component(part, at, depth))
            if len(self.components) > MOST_COMPONENTS:
                raise self.wrong(at, f"more than {MOST_COMPONENTS} components")

    def _component(self, table: dict[str, object], key: str, depth: int) -> Component:
        self._known(table, self._keys, key)
        kind = self._text(table, "type", f"{key}.type")
        if kind not in self._types:
            raise self.wrong(f"{key}.type", f"unknown word '{kind}'{nearest(kind, list(self._types))}")
        self._hashes(table, f"{key}.hashes")
        self._remember(table, key)
        purl = self._text(table, "purl", f"{key}.purl") if "purl" in table else ""
        if purl and not purl.startswith("pkg:"):
            raise self.wrong(f"{key}.purl", "a package URL begins with 'pkg:'")
        name, version = (self._text(table, word, f"{key}.{word}") for word in ("name", "version"))
        self._parts(table, f"{key}.components", depth + 1)
        return Component(name, version, purl)

    def _remember(self, table: dict[str, object], key: str) -> None:
        if "bom-ref" not in table:
            return
        reference = self._text(table, "bom-ref", f"{key}.bom-ref")
        if reference in self._references:
            raise self.wrong(f"{key}.bom-ref", f"'{reference}' stands there twice")
        self._references.add(reference)

    def _hashes(self, table: dict[str, object], key: str) -> list[tuple[str, str]]:
        found = []
        for index, entry in enumerate(self._list(table, "hashes", key)):
            at = f"{key}[{index}]"
            one = self._object(entry, at)
            kind, value = self._text(one, "alg", f"{at}.alg"), self._text(one, "content", f"{at}.content")
            if kind not in _DIGITS:
                raise self.wrong(f"{at}.alg", f"unknown word '{kind}'{nearest(kind, list(_DIGITS))}")
            if not re.fullmatch(rf"[0-9a-fA-F]{{{_DIGITS[kind]}}}", value):
                raise self.wrong(f"{at}.content", f"{_DIGITS[kind]} hexadecimal digits are expected")
            found.append((kind, value.lower()))
        return found

    def _known(self, table: dict[str, object], keys: frozenset[str], key: str) -> None:
        strange = next((name for name in table if name not in keys), None)
        if strange is not None:
            raise self.wrong(key, f"unknown key '{strange[:80]}'{nearest(strange[:80], list(keys))}")


def read_sbom(raw: bytes, where: str, *, version: str, image_sha256: str = "") -> Sbom:
    """Read the SBOM of one firmware member; `where` names the file in messages.

    Args:
        raw: the document.
        where: its path, for messages.
        version: the member's version, which the document must describe.
        image_sha256: of the member's file; a document that names a hash of what it describes must name this one.

    Raises:
        ConfigError: It is not CycloneDX JSON 1.5 or 1.6, or describes something else.
    """
    document = _Document(raw, where)
    serial = document.check_head()
    name, described, digest = document.check_subject()
    document.check_components()
    document.check_dependencies()
    if described != version:
        raise document.wrong("metadata.component.version", f"'{described}', the manifest says {version}")
    if digest and image_sha256 and digest != image_sha256:
        raise document.wrong("metadata.component.hashes", "the SHA-256 is not that of the member's file")
    return Sbom(name, described, document.spec, serial, tuple(document.components), sha256(raw).hexdigest())


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return table


def _no_number(word: str) -> None:
    raise ValueError(f"'{word}' is not JSON")
