"""What is signed of an export: its bytes, its rows, of what they are, and when the records were looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from station.clock import iso
from station.records import ExportFilter
from station.trace.export.envelope import Signer, sealed, statement_of
from station.trace.export.position import position_told
from station.version import software_version

PREDICATE = "urn:charger-station:export:1"
SCHEMA, VERSION = "charger-station/export", 1
DECOMMISSIONING = (
    "To take a charger out of service: reset it to its factory settings, so that its owner's data are gone.",
    "Have its certificate revoked, by the serial number that stands here.",
    "Take its record out of the CPMS.",
)
"""What whoever owns a unit does at its end (F-M9)."""


@dataclass(frozen=True)
class File:
    """A file that was made."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Content:
    """What is in it."""

    format: str
    set: str
    set_version: int
    columns: Sequence[str]
    rows: int
    rows_sha256: str
    """Of all rows in the form that formats share; empty for documents."""
    looks: Sequence[tuple[str, int]]
    """When the records were looked at, each with the number of rows before it."""
    units_left_out: int = 0
    checkpoint: bytes = b""
    """The newest one of the log when the records were looked at last."""


def manifest(file: File, content: Content, about: Mapping[str, Any], signer: Signer) -> bytes:
    """Return the signed manifest of a file; `about` says by whom, where, when and by which filter it was made."""
    told = {
        "schema": SCHEMA,
        "version": VERSION,
        "format": content.format,
        "bytes": file.bytes,
        "set": content.set,
        "set_version": content.set_version,
        "columns": list(content.columns),
        "rows": content.rows,
        "rows_sha256": content.rows_sha256,
        "looks": [{"at": at, "rows_before": rows} for at, rows in content.looks],
        "units_left_out": content.units_left_out,
        "log": position_told(content.checkpoint),
        "software": software_version(),
        "signer_sha256": signer.sha256,
        "decommissioning": list(DECOMMISSIONING),
        **about,
    }
    return sealed(statement_of(file.name, file.sha256, PREDICATE, told), signer)


def filter_told(wanted: ExportFilter) -> dict[str, str]:
    """Return a filter as manifests say it; what does not filter is left out."""
    return {name: _told(value) for name, value in vars(wanted).items() if value}


def _told(value: Any) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)
