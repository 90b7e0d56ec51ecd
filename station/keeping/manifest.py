"""What is signed of a backup: every file with its SHA-256, the rows it has, and where the audit log was then."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

import rfc8785
from cryptography import x509

from station.errors import ConfigError, StationError
from station.strict import parse
from station.trace.export.envelope import Opened, Signer, opened, sealed, statement_of

PREDICATE = "urn:charger-station:backup:1"
SCHEMA, VERSION = "charger-station/backup", 1
FILE = "manifest.json"
MOST_MANIFEST = 64_000_000
HINT = "Do not rely on this backup; take another one."


@dataclass(frozen=True)
class Kept:
    """One file of a backup."""

    path: str
    bytes: int
    sha256: str
    mode: int


@dataclass(frozen=True)
class LogPosition:
    """Where the audit log was."""

    entries: int
    root: str
    checkpoint: str
    """The newest that was signed; empty before the first."""


@dataclass(frozen=True)
class Manifest:
    """What a backup is."""

    name: str
    station: str
    made_at: str
    who: str
    software: str
    database_schema: str
    records: str
    """Which of the files are the records."""
    ledger: str
    """Which is the PKI's ledger; empty for none."""
    files: tuple[Kept, ...]
    rows: dict[str, int]
    """Rows of each table of the records."""
    ledger_rows: dict[str, int]
    log: LogPosition
    left_out: dict[str, str]
    secrets: tuple[str, ...]
    """Names of secrets that a restored station needs again."""

    @property
    def bytes(self) -> int:
        """Return how large it is."""
        return sum(file.bytes for file in self.files)


def seal_manifest(manifest: Manifest, signer: Signer) -> bytes:
    """Return the signed manifest: an in-toto statement about the list of files, by the record key."""
    told = {"schema": SCHEMA, "version": VERSION, "signer_sha256": signer.sha256, **asdict(manifest)}
    return sealed(statement_of(manifest.name, _digest(told["files"]), PREDICATE, _plain(told)), signer)


def open_manifest(envelope: bytes, anchors: Sequence[x509.Certificate]) -> Manifest:
    """Return what a manifest says, once it is shown that a trust anchor signed it.

    Raises:
        StationError: It is none, was not signed by the anchor, or names files outside of the backup.
    """
    try:
        found = opened(envelope, anchors)
        manifest = parse(Manifest, _told(found), FILE)
        _demand_names(manifest)
    except ConfigError as error:
        raise StationError(f"backup: {error.message}", hint=HINT) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StationError(f"backup: {error}", hint=HINT) from error
    return manifest


def _told(found: Opened) -> dict[str, Any]:
    """Return what a statement says of a backup."""
    told = dict(found.statement["predicate"])
    if (found.statement["predicateType"], told.pop("schema"), told.pop("version")) != (PREDICATE, SCHEMA, VERSION):
        raise ValueError("it is the manifest of something else, or of another version")
    told.pop("signer_sha256")
    return told


def _demand_names(manifest: Manifest) -> None:
    names = [file.path for file in manifest.files]
    for name in names:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name or not name.isprintable():
            raise ValueError(f"'{name[:80]}' is no name of a file in it")
    if len(set(names)) != len(names) or manifest.records not in names or manifest.ledger not in ("", *names):
        raise ValueError("its list of files contradicts itself")


def _digest(files: Sequence[Mapping[str, Any]]) -> str:
    return sha256(rfc8785.dumps(_plain(files))).hexdigest()


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value
