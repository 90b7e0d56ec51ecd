"""Is this export what it says? Judged anywhere, offline, with the factory's record certificate as only trust.

The signature over the manifest comes first, then every byte of the file, and only then its rows are read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from station.certificates import fingerprint
from station.errors import ConfigError, StationError
from station.records import ExportSet
from station.strict import read_bounded
from station.trace.export.cells import Canon
from station.trace.export.columns import table_of
from station.trace.export.envelope import MOST_ENVELOPE, Opened, opened
from station.trace.export.formats import FORMATS
from station.trace.export.manifest import PREDICATE, SCHEMA, VERSION
from station.trace.export.partial import Running, manifest_of
from station.trace.export.position import Kept, judged

HINT = "Do not rely on this file; ask the manufacturer for it again."
NOT_PROVED = (
    "That the records were not rewritten before it was made: a checkpoint that was kept elsewhere shows that.",
    "That the records say what happened: only that this is what they said. The audit log shows whether they changed.",
    "When it was signed: the time is the station's word, no authority stamped it.",
)


@dataclass(frozen=True)
class ExportProof:
    """What a check of an export showed, each as one sentence."""

    manifest: dict[str, Any]
    proved: tuple[str, ...]
    not_proved: tuple[str, ...] = NOT_PROVED


def prove_export(
    path: Path, anchors: Sequence[x509.Certificate], manifest: Path | None = None, kept: Kept | None = None
) -> ExportProof:
    """Judge an export by the manifest beside it, or by another one, and by a checkpoint that was kept elsewhere.

    Raises:
        ConfigError: A file can't be read, or the checkpoint is of another position in the log.
        StationError: It is not what the manifest says; one sentence tells why.
    """
    place = manifest or manifest_of(path)
    envelope = read_bounded(place, str(place), MOST_ENVELOPE, "Keep the manifest beside the file, or name it.")
    try:
        found = opened(envelope, anchors)
        told = _predicate(found)
        proved = [*_proved(path, found), *([judged(told.get("log", {}), kept)] if kept else [])]
        return ExportProof(told, tuple(proved), NOT_PROVED[bool(kept) :])
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", hint="Check the name of the file.") from error
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _doubt("its manifest was signed, and is not made as one of this version") from error
    except ValueError as error:
        raise _doubt(str(error)) from error


def _predicate(found: Opened) -> dict[str, Any]:
    told: dict[str, Any] = found.statement["predicate"]
    if (found.statement["predicateType"], told["schema"], told["version"]) != (PREDICATE, SCHEMA, VERSION):
        raise ValueError("what was signed is no manifest of an export, or of another version")
    return told


def _proved(path: Path, found: Opened) -> Iterator[str]:
    told, (subject,), signer = _predicate(found), found.statement["subject"], found.signer
    if not signer.not_valid_before_utc <= datetime.fromisoformat(told["made_at"]) <= signer.not_valid_after_utc:
        raise ValueError(f"it was made at {told['made_at']}, outside the validity of the signer's certificate")
    with path.open("rb") as file:
        if Running(file).all() != subject["digest"]["sha256"]:
            raise ValueError("it was changed after it was signed: its SHA-256 is another")
    name = f"'{subject['name']}'" if path.name == subject["name"] else f"'{subject['name']}', under another name now"
    yield f"The file ({told['bytes']} bytes) is {name}: no byte of it was changed since it was signed."
    subject_of = signer.subject.rfc4514_string()
    yield f"It was signed by {subject_of}, certificate SHA-256 {fingerprint(signer)}: the trust anchor."
    yield f"It was made {told['made_at']} at station {told['station']} by {told['who']}, as {told['format']}."
    yield _rows(path, told)
    yield _filter(told)
    if len(told["looks"]) > 1:
        parts = ", ".join(f"from row {look['rows_before'] + 1} at {look['at']}" for look in told["looks"])
        yield f"It was cut off and went on; each row is as it was when it was read: {parts}."


def _rows(path: Path, told: dict[str, Any]) -> str:
    """Count the rows, where the format gives them back, and return what they are."""
    form = FORMATS.get(told["format"])
    what = f"{told['rows']} rows of '{told['set']}'" if form else f"{told['rows']} documents or events"
    if form is None or form.read is None or told["set_version"] != table_of(ExportSet(told["set"])).version:
        without = f"; {told['units_left_out']} units have none" if told["units_left_out"] else ""
        return f"The factory says that it has {what}{without}."
    canon = Canon(table_of(ExportSet(told["set"])))
    with path.open("rb") as file:
        for rows in form.read(file, table_of(ExportSet(told["set"]))):
            canon.take(rows)
    if (canon.rows, canon.sha256) != (told["rows"], told["rows_sha256"]):
        raise ValueError(f"it has {canon.rows} rows, others than its manifest says")
    return f"It has {what}, counted; their SHA-256 in any format is {canon.sha256}."


def _filter(told: dict[str, Any]) -> str:
    by = ", ".join(f"{name} {value}" for name, value in told["filter"].items())
    return f"It is complete, says the factory: all that the station had{' of ' + by if by else ''}."


def _doubt(problem: str) -> StationError:
    return StationError(f"export: {problem}", hint=HINT)
