"""An archive of a closed order: one signed file with everything of it, which is read without this software.

The records keep their rows, so search, recall and the audit go on as before. The archive is for whoever is asked in ten
years and has the file, the factory's record certificate and nothing else of us.
"""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from station.audit.key import audit_certificate
from station.clock import iso, utc_now
from station.config import StationConfig
from station.keeping.archive_form import ABOUT, CHECKPOINT, PASSPORTS, PREDICATE, ROWS, SCHEMA, VERSION
from station.records import PassportRow, Records
from station.records.archive import OrderLook
from station.trace.export.envelope import Signer, sealed, statement_of
from station.trace.export.partial import Running, growing
from station.version import software_version

FIRST = (1980, 1, 1, 0, 0, 0)
"""What a ZIP file says of when: the same rows make the same bytes."""


@dataclass(frozen=True)
class Archived:
    """An archive that was made."""

    path: Path
    order: str
    units: int
    passports: int
    rows: int
    sha256: str


def make_archive(
    config: StationConfig, records: Records, signer: Signer, order: str, folder: Path, who: str
) -> Archived:
    """Write everything of a closed order into one file, and its signed manifest beside it.

    Raises:
        ConfigError: The order is not closed, the name is taken, or the file can't be written.
        ServiceError: Records or HSM are away.
    """
    target = folder / f"{order}.archive.zip"
    with growing(target, goes_on=False) as partial, records.order_look(order) as look:
        counts = _write(partial.file, config, records, signer, look)
        partial.file.flush()
        digest = Running(partial.file).all()
        last = records.last_checkpoint()
        told: dict[str, Any] = {
            "schema": SCHEMA, "version": VERSION, "order": order, "station": config.station.id, "who": who,
            "made_at": iso(utc_now()), "software": software_version(), "rows": counts,
            "log_entries": last.size if last else 0, "signer_sha256": signer.sha256,
        }  # fmt: skip
        partial.settle(sealed(statement_of(target.name, digest, PREDICATE, told), signer))
        records.archived(order, who, {"file": target.name, "sha256": digest, "rows": sum(counts.values())})
        partial.finish()
    return Archived(target, order, counts["unit"], counts["passport"], sum(counts.values()), digest)


def _write(file: IO[bytes], config: StationConfig, records: Records, signer: Signer, look: OrderLook) -> dict[str, int]:
    """Write all parts, and return how many rows there are of each table."""
    counts = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        _put(archive, "README.txt", [ABOUT.encode()])
        for table in look.tables():
            counts[table] = _put(archive, f"{ROWS}/{table}.jsonl", look.lines(table))
        for row in look.passports():
            for name, content in _passport(records, row):
                _put(archive, name, [content])
        last = records.last_checkpoint()
        if last is not None:
            _put(archive, CHECKPOINT, [last.note])
        _put(archive, "certificates/records.pem", [signer.certificate.encode()])
        if (certificate := audit_certificate(config)).exists():
            _put(archive, "certificates/audit.pem", [certificate.read_bytes()])
    return counts


def _passport(records: Records, row: PassportRow) -> Iterator[tuple[str, bytes]]:
    """Yield a passport with its signature, and the proof that the log has it."""
    stem = f"{PASSPORTS}/{row.unit}-{row.revision}.json"
    yield stem, row.document
    yield f"{stem}.sig", row.signature
    proof = records.document_proof(row.sha256)
    if proof is not None:
        yield f"{stem}.log", proof


def _put(archive: zipfile.ZipFile, name: str, parts: Iterator[bytes] | Sequence[bytes]) -> int:
    """Add a file of so many parts, and return how many there were."""
    count, info = 0, zipfile.ZipInfo(name, FIRST)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    with archive.open(info, "w", force_zip64=True) as entry:
        for part in parts:
            entry.write(part)
            count += 1
    return count
