"""The recall package: which units, as CSV and JSON, and a signed manifest that says what was asked, when and by whom.

One ZIP archive. `units.csv` is for people, `units.json` for programs; both have the same units in the same order. The
manifest is an in-toto statement in a DSSE envelope, signed by the record key like the manifests of exports.
"""

import csv
import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from station.clock import iso, utc_now
from station.errors import ConfigError
from station.records import RecalledUnit, Records
from station.spreadsheet import harmless
from station.trace.export.envelope import STATEMENT, Signer, sealed
from station.trace.recall import Recall
from station.version import software_version

PREDICATE = "urn:charger-station:recall:1"
TABLE, LIST, MANIFEST = "units.csv", "units.json", "manifest.json"
LONGEST = 200
FIRST = (1980, 1, 1, 0, 0, 0)
"""Time of all files in the archive, so that the same units give the same bytes."""
README = """Units found by a recall.

units.csv, units.json   the units, one a line, in the same order
manifest.json           what was asked, when, by whom, and the SHA-256 of the two files; signed (DSSE)
records.pem             the certificate that verifies it; believe the one that the factory gave you another way

    station recall verify recall.zip --anchor records.pem

units_unjudged in the manifest counts units that may be concerned too: built of definitions whose content nobody kept,
or with a certificate and no passport that says of which CA it is and until when.
"""


@dataclass(frozen=True)
class MadePackage:
    """A package that was made."""

    path: Path
    units: int
    sha256: str


def make_package(records: Records, recall: Recall, who: str, target: Path, signer: Signer) -> MadePackage:
    """Write the package of a recall, whole or not at all, and note in the records that it was made.

    Raises:
        ConfigError: The name is taken, or it can't be written; then nothing is left under it.
        ServiceError: The records or the HSM are away.
    """
    _demand_free(target)
    try:
        with tempfile.TemporaryDirectory(prefix=".recall-", dir=target.absolute().parent) as name:
            folder = Path(name)
            units = _spool(records, recall, folder)
            predicate = _predicate(recall, units, who, records.database.station)
            (folder / MANIFEST).write_bytes(sealed(_statement(folder, predicate), signer))
            (folder / "records.pem").write_text(signer.certificate)
            (folder / "README.txt").write_text(README)
            archive = _packed(folder)
            digest = _digest_of(archive)
            _demand_free(target)
            archive.replace(target)
    except OSError as error:
        message = f"{target}: {error.strerror or error}"
        raise ConfigError(message, hint="Free space, or write it elsewhere with --out.") from error
    records.event("recall-made", digest, {"asked": _short(recall), "units": units}, who)
    return MadePackage(target, units, digest)


def _demand_free(target: Path) -> None:
    if target.exists():
        raise ConfigError(f"{target} is there already", hint="Choose another name, or move the file away.")


def _spool(records: Records, recall: Recall, folder: Path) -> int:
    """Write the units as CSV and as JSON, looked up once; return how many there are."""
    done = 0
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as table, (folder / LIST).open("w") as listed:
        rows = csv.writer(table, lineterminator="\r\n")
        rows.writerow(RecalledUnit._fields)
        listed.write("[")
        for chunk in records.stream_recalled(recall.filter):
            rows.writerows([harmless(str(cell)) for cell in unit] for unit in chunk)
            listed.write((",\n" if done else "\n") + ",\n".join(json.dumps(unit._asdict()) for unit in chunk))
            done += len(chunk)
        listed.write("\n]\n")
    return done


def _statement(folder: Path, predicate: dict[str, Any]) -> dict[str, Any]:
    subject = [{"name": name, "digest": {"sha256": _digest_of(folder / name)}} for name in (TABLE, LIST)]
    return {"_type": STATEMENT, "subject": subject, "predicateType": PREDICATE, "predicate": predicate}


def _predicate(recall: Recall, units: int, who: str, station: str) -> dict[str, Any]:
    return {
        "asked": dict(recall.asked),
        "units": units,
        "units_unjudged": recall.unjudged,
        "serials_unknown": list(recall.unknown),
        "columns": list(RecalledUnit._fields),
        "made_at": iso(utc_now()),
        "made_by": who,
        "station": station,
        "software": software_version(),
    }


def _short(recall: Recall) -> dict[str, str]:
    """Return what was asked, as far as it fits into an event."""
    return {name: text[:LONGEST] for name, text in recall.asked.items()}


def _packed(folder: Path) -> Path:
    """Put the files into one archive beside them."""
    path = folder / "package.zip"
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
        for name in (TABLE, LIST, MANIFEST, "records.pem", "README.txt"):
            info = zipfile.ZipInfo(name, FIRST)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with (folder / name).open("rb") as source, archive.open(info, "w", force_zip64=True) as entry:
                shutil.copyfileobj(source, entry)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return path


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
