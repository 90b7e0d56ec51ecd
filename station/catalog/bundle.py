"""Release bundles: everything that a product is built of under one digest, as it was when people approved it.

A bundle is one file, `bundle.json` in RFC 8785 form; its SHA-256 is what is signed, ordered and recorded. It holds the
texts themselves, so an old revision stays loadable whatever becomes of the catalogue; binary files such as firmware
images stay in the catalogue, and the bundle pins them by digest.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785

from station.catalog.recipes import Recipe, StepKind, load_recipe
from station.catalog.signatures import PERSON
from station.catalog.source import Folder, Frozen, checked
from station.clock import iso, utc_now
from station.errors import ConfigError
from station.strict import parse, read_bounded, utf8_text

SCHEMA = "charger-station/release-bundle"
VERSION = 1
FOLDER = "bundles"
DOCUMENT = "bundle.json"
OVERRIDE = "override.json"
MOST_BYTES = 32_000_000
MOST_BESIDE, LARGEST_BESIDE = 64, 65_536
"""Most files beside a bundle that are read, and the most bytes of each."""
LONGEST_LIFE = timedelta(days=731)
"""No bundle builds for longer than two years without being approved again."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
BUNDLE_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,39})-r([1-9][0-9]{0,5})")
DIGEST = re.compile(r"[0-9a-f]{64}")
LIST_FIRST = "List the bundles first."
LOOK_AGAIN = "Restore the bundle as it was approved, or make a new revision."


@dataclass(frozen=True)
class Binary:
    """A file that stays in the catalogue."""

    sha256: str
    size: int

    def __post_init__(self) -> None:
        """Refuse what pins nothing."""
        if not DIGEST.fullmatch(self.sha256) or self.size < 0:
            raise ValueError("sha256 is 64 lower-case hexadecimal digits, and size is not negative")


@dataclass(frozen=True)
class Content:
    """What a bundle's document says."""

    schema: str
    version: int
    name: str
    revision: int
    recipe: str
    author: str
    """By the name that stands in the station's file of approvers."""
    created: str
    expires: str
    previous: str
    """Digest of the revision before; empty for the first."""
    files: Mapping[str, str]
    """Texts by their path in the catalogue."""
    binaries: Mapping[str, Binary]

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        if (self.schema, self.version) != (SCHEMA, VERSION):
            raise ValueError(f"schema {self.schema} version {self.version} is not known here")
        if not NAME.fullmatch(self.name) or not 1 <= self.revision <= 999_999:
            raise ValueError("name is of letters, digits, - and _, and revision is 1 to 999999")
        if not PERSON.fullmatch(self.author):
            raise ValueError("author is no name of a person")
        if self.previous and not DIGEST.fullmatch(self.previous):
            raise ValueError("previous is no digest")
        created, expires = moment(self.created), moment(self.expires)
        if not timedelta(0) < expires - created <= LONGEST_LIFE:
            raise ValueError(f"expires: a bundle expires within {LONGEST_LIFE.days} days of its creation")


@dataclass(frozen=True)
class Bundle:
    """One release bundle."""

    document: bytes
    content: Content
    catalog: Path

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the document, as `sha256sum bundle.json` gives it."""
        return sha256(self.document).hexdigest()

    @property
    def title(self) -> str:
        """Return name and revision as people say it."""
        return f"{self.content.name} r{self.content.revision}"

    @property
    def name(self) -> str:
        """Return the name of its directory in the catalogue."""
        return f"{self.content.name}-r{self.content.revision}"

    @property
    def expires(self) -> datetime:
        """Return when it stops building."""
        return moment(self.content.expires)

    def recipe(self, steps: Mapping[str, StepKind]) -> Recipe:
        """Load the recipe from what the bundle holds; its digest is the bundle's.

        Raises:
            ConfigError: This version of the station can't read it.
        """
        texts = {path: text.encode() for path, text in self.content.files.items()}
        return replace(load_recipe(Frozen(texts, self.catalog), self.content.recipe, steps), digest=self.digest)

    def check_binaries(self) -> None:
        """Check that the catalogue's binary files are those that were approved.

        Raises:
            ConfigError: A file is missing or was replaced.
        """
        for path, pinned in self.content.binaries.items():
            if _pin(self.catalog / checked(path), path) != pinned:
                message = f"{path} is not the file that bundle {self.title} was approved with"
                raise ConfigError(message, hint="Restore the file, or approve a bundle that holds the new one.")


@dataclass(frozen=True)
class BundleOptions:
    """What a new bundle is made of."""

    recipe: str
    author: str
    days: int = 365
    """How long it may build."""


@dataclass(frozen=True)
class Change:
    """What differs in one file of two bundles."""

    path: str
    lines: tuple[str, ...]
    """As a unified diff, without its head."""


def make_bundle(catalog: Path, options: BundleOptions, steps: Mapping[str, StepKind]) -> Bundle:
    """Freeze a recipe of the catalogue with everything it names as the next revision of its bundle.

    Raises:
        ConfigError: The recipe, or something it names, is wrong.
    """
    folder = Folder(catalog)
    load_recipe(folder, options.recipe, steps)
    earlier = latest(catalog, options.recipe)
    now = utc_now()
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "version": VERSION,
        "name": options.recipe,
        "revision": earlier.content.revision + 1 if earlier else 1,
        "recipe": options.recipe,
        "author": options.author,
        "created": iso(now),
        "expires": iso(now + timedelta(days=options.days)),
        "previous": earlier.digest if earlier else "",
        "files": {path: utf8_text(raw, path) for path, raw in folder.seen.items()},
        "binaries": {path: asdict(_pin(place, path)) for path, place in folder.located.items()},
    }
    bundle = parse_bundle(rfc8785.dumps(content), catalog, options.recipe)
    bundle.recipe(steps)
    return bundle


def write_bundle(bundle: Bundle) -> Path:
    """Write a new bundle into the catalogue and return its document's path.

    Raises:
        ConfigError: There is such a revision, or it can't be written.
    """
    directory = bundle.catalog / FOLDER / bundle.name
    try:
        directory.mkdir(parents=True)
        (directory / DOCUMENT).write_bytes(bundle.document)
    except OSError as error:
        raise ConfigError(f"{directory}: {error.strerror or error}", hint="Try again.") from error
    return directory / DOCUMENT


def load_bundle(catalog: Path, name: str) -> Bundle:
    """Read `bundles/<name>/bundle.json`; whether it may build is judged in `approvals`.

    Raises:
        ConfigError: There is no such bundle, or its document is not as this program writes it.
    """
    path = f"{FOLDER}/{name}/{DOCUMENT}"
    if not BUNDLE_NAME.fullmatch(name):
        raise ConfigError(f"'{name[:60]}' is not the name of a bundle, such as 'ac22-eu-r3'", hint="List them first.")
    raw = read_bounded(catalog / path, path, MOST_BYTES, LIST_FIRST)
    bundle = parse_bundle(raw, catalog, path)
    if bundle.name != name:
        raise ConfigError(f"{path}: it is {bundle.title}, and lies in the wrong directory", hint=LOOK_AGAIN)
    return bundle


def parse_bundle(document: bytes, catalog: Path, where: str) -> Bundle:
    """Read a bundle's document; `where` names it in messages.

    Raises:
        ConfigError: It is no bundle, of another version, or not in canonical form.
    """
    try:
        table = json.loads(document)
        canonical = rfc8785.dumps(table)
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{where}: it is no bundle: {error}", hint=LOOK_AGAIN) from error
    content = parse(Content, table, where)
    if canonical != document:
        raise ConfigError(f"{where}: it is not in canonical form (RFC 8785): it was edited", hint=LOOK_AGAIN)
    for path in (*content.files, *content.binaries):
        checked(path)
    return Bundle(document, content, catalog)


def bundle_names(catalog: Path) -> tuple[str, ...]:
    """List the bundles of the catalogue by name and revision."""
    found = (BUNDLE_NAME.fullmatch(path.parent.name) for path in (catalog / FOLDER).glob(f"*/{DOCUMENT}"))
    return tuple(match[0] for match in sorted((m for m in found if m), key=lambda match: (match[1], int(match[2]))))


def latest(catalog: Path, name: str) -> Bundle | None:
    """Return the latest revision of a bundle in the catalogue.

    Raises:
        ConfigError: It can't be read.
    """
    matches = [match for match in map(BUNDLE_NAME.fullmatch, bundle_names(catalog)) if match and match[1] == name]
    last = max(matches, key=lambda match: int(match[2]), default=None)
    return load_bundle(catalog, last[0]) if last else None


def files_beside(catalog: Path, name: str) -> dict[str, bytes]:
    """Return what lies beside a bundle's document: signatures, and an override.

    Raises:
        ConfigError: There are too many files, or one is too large.
    """
    directory = catalog / FOLDER / checked(name)
    paths = sorted(path for path in directory.glob("*") if path.suffix == ".sig" or path.name == OVERRIDE)
    if len(paths) > MOST_BESIDE:
        raise ConfigError(f"{directory}: more than {MOST_BESIDE} files", hint="Remove signatures that do not count.")
    where = f"{FOLDER}/{name}"
    return {path.name: read_bounded(path, f"{where}/{path.name}", LARGEST_BESIDE, LIST_FIRST) for path in paths}


def differences(before: Bundle | None, after: Bundle) -> tuple[Change, ...]:
    """Return what changed from one bundle to another, by file; without an earlier one everything is new."""
    old, new = _lines_by_path(before), _lines_by_path(after)
    changes = (Change(path, _diff(old.get(path, ()), new.get(path, ()))) for path in sorted(old.keys() | new.keys()))
    return tuple(change for change in changes if change.lines)


def as_text(changes: Iterable[Change]) -> str:
    """Return changes as one unified diff."""
    return "\n".join("\n".join((f"--- {one.path}", f"+++ {one.path}", *one.lines)) for one in changes)


def moment(text: str) -> datetime:
    """Read a time of a document, such as `2026-03-01T12:00:00.000Z`.

    Raises:
        ValueError: It is written in another way.
    """
    found = datetime.fromisoformat(text)
    if found.tzinfo is None or iso(found) != text:
        raise ValueError(f"'{text[:40]}' is not a UTC time such as 2026-03-01T12:00:00.000Z")
    return found


def _lines_by_path(bundle: Bundle | None) -> dict[str, tuple[str, ...]]:
    """Return everything that a bundle says as lines, its own particulars first."""
    if bundle is None:
        return {}
    content = bundle.content
    particulars = ("name", "revision", "recipe", "author", "created", "expires", "previous")
    lines = {DOCUMENT: tuple(f"{name} = {getattr(content, name)}" for name in particulars)}
    lines |= {path: tuple(text.split("\n")) for path, text in content.files.items()}
    return lines | {path: (f"sha256 {pin.sha256}", f"{pin.size} bytes") for path, pin in content.binaries.items()}


def _diff(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(difflib.unified_diff(old, new, lineterm=""))[2:]


def _pin(place: Path, path: str) -> Binary:
    try:
        with place.open("rb") as file:
            digest, size = sha256(), 0
            while block := file.read(1_000_000):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}", hint="Restore the file.") from error
    return Binary(digest.hexdigest(), size)
