"""Everything that is known of one unit: what happened to it, what it is made of, what was decided, what was signed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path

from station.clock import iso
from station.records import (
    BatchRow,
    ComponentRow,
    DispositionRow,
    HoldRow,
    HoldScope,
    IdentifierRow,
    LifecycleRow,
    MeterRow,
    Records,
    ResultRow,
    RowRef,
    UnitHistory,
)


@dataclass(frozen=True)
class UnitFile(UnitHistory):
    """Everything that happened to a unit, and everything that it is made of or was decided about it."""

    components: tuple[ComponentRow, ...]
    """Also those that were taken out."""
    meters: tuple[MeterRow, ...]
    identifiers: tuple[IdentifierRow, ...]
    """Also those that ended."""
    results: tuple[ResultRow, ...]
    """All of them, in the order they were taken."""
    holds: tuple[HoldRow, ...]
    """What keeps it back now, whatever is held, and its own holds that were lifted."""
    dispositions: tuple[DispositionRow, ...]
    """The newest first."""
    batches: tuple[BatchRow, ...]
    """Archives that it was handed over in."""
    lifecycle: tuple[LifecycleRow, ...]
    """What happened to it since its release, the oldest first."""


def unit_file(records: Records, serial: str) -> UnitFile | None:
    """Return everything that is known of a unit, or None where there is none."""
    history = records.unit_history(serial)
    if history is None:
        return None
    own = records.holds(HoldScope.UNIT, serial, lifted=True)
    return UnitFile(
        **vars(history),
        components=records.components(serial, gone=True),
        meters=records.meters(serial),
        identifiers=records.identifiers(serial, gone=True),
        results=records.results(serial),
        holds=(*records.holds_of(serial), *(row for row in own if row.lifted_at)),
        dispositions=records.dispositions(serial),
        batches=records.batches(unit=serial),
        lifecycle=records.lifecycle(serial),
    )


def plain(value: object) -> object:
    """Return what `json.dumps` can't write as something it can.

    Raises:
        TypeError: There is no plain form.
    """
    if isinstance(value, RowRef):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _field(item) for name, item in vars(value).items()}
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, Enum | Path | date):
        return str(value)
    raise TypeError(f"no plain form of {type(value).__name__}")


def _field(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


def _bytes(value: bytes) -> object:
    """Show JSON as JSON, and other bytes as hexadecimal text."""
    try:
        return json.loads(value)
    except (ValueError, UnicodeDecodeError):
        return value.hex()
