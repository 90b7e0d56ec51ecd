"""What definitions are made of: their images, the parts of their SBOMs, and the roots that units built of them trust.

Units are built of one digest, so a question of contents is answered once for each digest, not once for each unit. The
answers come from the release bundles and passports in the records; a draft that nobody kept can't be judged, and is
told apart from what was judged and is not concerned.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

from station.records import Definition

SBOM_FORMAT = "CycloneDX"
MOST_PARTS = 100_000
"""Parts of SBOMs that are kept in memory between questions: some 40 MB."""


@dataclass(frozen=True)
class Component:
    """A part of a firmware image."""

    name: str
    version: str
    purl: str

    def fits(self, wanted: str) -> bool:
        """Tell whether it is `name`, `name@version`, or a package URL or the beginning of one."""
        if wanted.startswith("pkg:"):
            own, meant = _bare(self.purl), _bare(wanted)
            return own == meant or own.startswith(f"{meant}@")
        name, _, version = wanted.rpartition("@")
        if not name:  # no version, or the @ of a scope
            name, version = wanted, ""
        return self.name.casefold() == name.casefold() and version in ("", self.version)


def _bare(purl: str) -> str:
    """Return a package URL without qualifiers and subpath: they say where it came from, not what it is."""
    return purl.partition("#")[0].partition("?")[0]


@dataclass(frozen=True)
class Anchor:
    """A root that units trust."""

    subject: str
    sha256: str
    not_after: str

    def fits(self, wanted: str) -> bool:
        """Tell whether it has this SHA-256 or this name."""
        return wanted in (self.subject, self.sha256)


OfBundle = tuple[frozenset[str] | None, tuple[Component, ...] | None]
"""Digests of a bundle's images, and the parts of its SBOMs; None for what it does not tell."""


@dataclass(frozen=True)
class Contents:
    """What one definition is made of, as far as it is known."""

    images: frozenset[str] | None
    """SHA-256 of firmware images; None where neither bundle nor passport tells."""
    components: tuple[Component, ...] | None
    """None where no SBOM was kept."""
    anchors: tuple[Anchor, ...] | None
    """None where no passport tells."""


class Bundles:
    """What bundles are made of, read once each and kept while there is room; safe from all threads."""

    def __init__(self, most: int = MOST_PARTS) -> None:
        """Keep as many parts of SBOMs as this, all bundles together."""
        self._most, self._parts = most, 0
        self._kept: OrderedDict[str, OfBundle] = OrderedDict()
        self._lock = Lock()

    @property
    def parts(self) -> int:
        """Return how many parts are kept."""
        return self._parts

    def read(self, definition: Definition) -> OfBundle:
        """Return images and parts of a definition's bundle; under a digest its bytes never change."""
        with self._lock:
            kept = self._kept.get(definition.digest)
        if kept is not None or not definition.bundle:
            return kept or (None, None)
        found = _of_bundle(definition.bundle)
        with self._lock:
            if definition.digest not in self._kept:
                self._kept[definition.digest] = found
                self._parts += _weight(found)
            while self._parts > self._most:
                _, oldest = self._kept.popitem(last=False)
                self._parts -= _weight(oldest)
        return found


def _weight(found: OfBundle) -> int:
    return 1 + len(found[1] or ())


def contents_of(definition: Definition, bundles: Bundles) -> Contents:
    """Return what a definition is made of."""
    images, components = bundles.read(definition)
    passport = _object(definition.passport)
    told = passport.get("trust_anchors") if passport else None
    anchors = tuple(_anchor(one) for one in told if isinstance(one, dict)) if isinstance(told, list) else None
    passed = frozenset(_digests(passport.get("firmware")))
    return Contents(passed or None if images is None else images | passed, components, anchors)


def _of_bundle(document: bytes) -> OfBundle:
    bundle = _object(document)
    if not bundle:
        return None, None
    boms = [bom for text in bundle.get("files", {}).values() if SBOM_FORMAT in text and (bom := _object(text.encode()))]
    parts = [_component(part) for bom in boms for part in _parts(bom.get("components"))]
    images = frozenset(pin["sha256"] for pin in bundle.get("binaries", {}).values())
    return images, tuple(dict.fromkeys(parts)) if boms else None


def _parts(components: Any) -> Iterator[dict[str, Any]]:
    """Yield all components of a bill, also those within others."""
    waiting = list(components) if isinstance(components, list) else []
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.get("components") or ())


def _component(part: dict[str, Any]) -> Component:
    return Component(*(str(part.get(name, "")) for name in ("name", "version", "purl")))


def _anchor(told: dict[str, Any]) -> Anchor:
    return Anchor(*(str(told.get(name, "")) for name in ("subject", "sha256", "not_after")))


def _digests(told: Any) -> Iterator[str]:
    """Yield every SHA-256 within a passport's section of firmware, however it is nested."""
    waiting: list[Any] = [told]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("sha256"), str):
                yield one["sha256"]
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _object(document: bytes) -> dict[str, Any]:
    """Return a JSON object, or nothing for what is none."""
    try:
        found = json.loads(document) if document else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Wanted:
    """What is asked of contents; what is empty is not asked."""

    digest: str = ""
    """Digest of a recipe or bundle, or how it begins."""
    image: str = ""
    component: str = ""
    anchor: str = ""
    anchor_ends_before: str = ""
    """RFC 3339 in UTC."""

    @property
    def asks(self) -> bool:
        """Tell whether anything is asked."""
        return any(vars(self).values())

    def judge(self, digest: str, contents: Contents) -> bool | None:
        """Tell whether a definition has all of it; None where one of it is not known and nothing speaks against it."""
        verdicts: list[bool | None] = [digest.startswith(self.digest)]
        if self.image:
            verdicts.append(None if contents.images is None else self.image in contents.images)
        if self.component:
            parts = contents.components
            verdicts.append(None if parts is None else any(part.fits(self.component) for part in parts))
        if self.anchor or self.anchor_ends_before:
            verdicts.append(None if contents.anchors is None else any(map(self._is_meant, contents.anchors)))
        return False if False in verdicts else None if None in verdicts else True

    def _is_meant(self, anchor: Anchor) -> bool:
        ends = not self.anchor_ends_before or anchor.not_after < self.anchor_ends_before
        return ends and (not self.anchor or anchor.fits(self.anchor))


def split(
    definitions: Iterable[Definition], wanted: Wanted, bundles: Bundles
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the digests of the definitions that have what is wanted, and of those that can't be judged."""
    verdicts = {one.digest: wanted.judge(one.digest, contents_of(one, bundles)) for one in definitions}
    fitting = tuple(digest for digest, verdict in verdicts.items() if verdict)
    return fitting, tuple(digest for digest, verdict in verdicts.items() if verdict is None)
