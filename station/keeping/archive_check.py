"""Is this archive what it says? Judged anywhere, offline, with the factory's certificates as only trust."""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from pki.errors import PkiError
from pki.log import prove_document
from station.certificates import has_signed
from station.errors import ConfigError, StationError
from station.keeping.archive_form import PASSPORTS, PREDICATE, ROWS, SCHEMA, VERSION
from station.strict import read_bounded
from station.trace.export.envelope import MOST_ENVELOPE, Opened, opened
from station.trace.export.partial import Running, manifest_of

HINT = "Do not rely on this archive; ask the manufacturer for it again."
MOST_PART = 4_000_000
BLOCK = 1 << 20


@dataclass(frozen=True)
class ArchiveProof:
    """What a check of an archive showed."""

    order: str
    proved: tuple[str, ...]
    not_proved: tuple[str, ...]


def prove_archive(path: Path, anchors: Sequence[x509.Certificate], log_key: bytes = b"") -> ArchiveProof:
    """Judge an archive by the manifest beside it.

    Args:
        path: The archive.
        anchors: The factory's record certificates.
        log_key: The audit key (SPKI, DER); without it the log proofs are counted and not judged.

    Raises:
        ConfigError: A file can't be read.
        StationError: It is not what was signed; one sentence tells why.
    """
    place = manifest_of(path)
    envelope = read_bounded(place, str(place), MOST_ENVELOPE, "Keep the manifest beside the archive.")
    try:
        told = _told(opened(envelope, anchors), path)
        with zipfile.ZipFile(path) as archive:
            proved = (*_rows(archive, told), *_passports(archive, anchors, log_key, told))
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}", hint="Check its name.") from error
    except PkiError as error:
        raise StationError(f"archive: {error.message}", hint=HINT) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile) as error:
        raise StationError(f"archive: {error}", hint=HINT) from error
    first = f"It is order {told['order']} of station {told['station']}, archived {told['made_at']} by {told['who']}."
    missing = "That the records say what happened: only that this is what they said then."
    unjudged = () if log_key else ("That the audit log has the passports: name the audit certificate with --log-key.",)
    return ArchiveProof(told["order"], (first, *proved), (missing, *unjudged))


def _told(found: Opened, path: Path) -> dict[str, Any]:
    told: dict[str, Any] = found.statement["predicate"]
    (subject,) = found.statement["subject"]
    if (found.statement["predicateType"], told["schema"], told["version"]) != (PREDICATE, SCHEMA, VERSION):
        raise ValueError("what was signed is no manifest of an archive, or of another version")
    with path.open("rb") as file:
        if Running(file).all() != subject["digest"]["sha256"]:
            raise ValueError("it was changed after it was signed: its SHA-256 is another")
    return told


def _rows(archive: zipfile.ZipFile, told: dict[str, Any]) -> Iterator[str]:
    for table, count in told["rows"].items():
        with archive.open(f"{ROWS}/{table}.jsonl") as lines:
            if sum(1 for _ in lines) != count:
                raise ValueError(f"{table} has another number of rows than its manifest says")
    units, rows = told["rows"]["unit"], sum(told["rows"].values())
    yield f"It has {units} units in {rows} rows of {len(told['rows'])} tables, counted; no byte was changed since."


def _passports(
    archive: zipfile.ZipFile, anchors: Sequence[x509.Certificate], log_key: bytes, told: dict[str, Any]
) -> Iterator[str]:
    names = set(archive.namelist())
    documents = sorted(name for name in names if name.startswith(f"{PASSPORTS}/") and name.endswith(".json"))
    if len(documents) != told["rows"]["passport"]:
        raise ValueError("it has another number of passports than its rows say")
    proofs = 0
    for name in documents:
        document, signature = _part(archive, name), _part(archive, f"{name}.sig")
        if not any(has_signed(anchor, document, signature) for anchor in anchors):
            raise ValueError(f"{name} was not signed by the trust anchor")
        if f"{name}.log" in names:
            proofs += 1
            if log_key:
                prove_document(_part(archive, f"{name}.log"), document, log_key)
    yield f"Each of its {len(documents)} passports was signed by the trust anchor."
    if log_key:
        yield f"The audit log has {proofs} of them, each shown by a checkpoint that the audit key signed."


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a part of an archive, if it is no larger than any is."""
    with archive.open(name) as part:
        content = part.read(MOST_PART + 1)
    if len(content) > MOST_PART:
        raise ValueError(f"{name[:80]} is larger than any passport")
    return content
