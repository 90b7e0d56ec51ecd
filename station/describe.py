"""Records as text for people, and as plain values for JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from station.clock import iso
from station.records import RowRef, RunDetail, RunRow, StepRow, UnitHistory


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
    if isinstance(value, Enum | Path):
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


def run_line(run: RunRow) -> str:
    """Describe a run in one line."""
    outcome = run.outcome.value if run.outcome else "live"
    reason = f"  {run.reason}" if run.reason else ""
    return f"{run.ref!s:10} {iso(run.started_at)}  {run.unit:16} slot {run.slot:4} {outcome:8}{reason}".rstrip()


def unit_lines(history: UnitHistory) -> Iterator[str]:
    """Describe everything that happened to a unit, a line each."""
    unit = history.unit
    yield f"Unit {unit.serial}: {unit.state.value}"
    yield f"  hardware UID {unit.hardware_uid}, work order {unit.work_order}, OCPP identity {unit.ocpp_identity}"
    for detail in history.runs:
        yield from _run_lines(detail)
    for label in history.labels:
        yield f"Label {label.template} copy {label.copy}: {label.state.value} {label.reason}".rstrip()
    for passport in history.passports:
        yield f"Passport revision {passport.revision}, SHA-256 {passport.sha256}"
    for row in history.registrations:
        yield f"Registered with {row.cpms}, revision {row.revision}: {row.state.value}"


def _run_lines(detail: RunDetail) -> Iterator[str]:
    yield f"Run {run_line(detail.run)}"
    for step in detail.steps:
        yield f"  {_step_line(step)}"
    for certificate in detail.certificates:
        yield f"  {certificate.environment} certificate {certificate.certificate_serial} {certificate.kind}"


def _step_line(step: StepRow) -> str:
    outcome = step.outcome.value if step.outcome else "interrupted"
    evidence = f" by {step.evidence}" if step.evidence else ""
    attempt = f" (attempt {step.attempt})" if step.attempt > 1 else ""
    return f"{step.name:12} {outcome:8}{evidence} {step.seconds:7.1f} s{attempt}  {step.reason}".rstrip()
