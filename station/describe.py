"""Records as text for people."""

from collections.abc import Iterator

from station.clock import iso
from station.records import (
    ComponentRow,
    DispositionRow,
    HoldRow,
    IdentifierRow,
    MeterRow,
    ResultRow,
    RunDetail,
    RunRow,
    StepRow,
)
from station.trace.unit import UnitFile


def run_line(run: RunRow) -> str:
    """Describe a run in one line."""
    outcome = run.outcome.value if run.outcome else "live"
    reason = f"  {run.reason}" if run.reason else ""
    where = f"{run.unit:16} slot {run.slot:4} {run.operator:12}"
    return f"{run.ref!s:10} {iso(run.started_at)}  {where} {outcome:8}{reason}".rstrip()


def unit_lines(history: UnitFile) -> Iterator[str]:
    """Describe everything that is known of a unit, a line each."""
    unit = history.unit
    yield f"Unit {unit.serial}: {unit.state.value}"
    yield f"  hardware UID {unit.hardware_uid}, work order {unit.work_order}, OCPP identity {unit.ocpp_identity}"
    yield from map(_hold_line, history.holds)
    yield from map(_disposition_line, history.dispositions)
    for detail in history.runs:
        yield from _run_lines(detail)
    yield from map(_component_line, history.components)
    yield from map(_meter_line, history.meters)
    yield from map(_identifier_line, history.identifiers)
    yield from map(_result_line, history.results)
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


def _hold_line(row: HoldRow) -> str:
    ended = f" Lifted {iso(row.lifted_at)} by {row.lifted_by}: {row.lift_reason}" if row.lifted_at else ""
    return f"Hold {row.ref} since {iso(row.at)}: {row.sentence}{ended}"


def _disposition_line(row: DispositionRow) -> str:
    point = f", from step {row.return_point}" if row.return_point else ""
    return f"Disposition {row.kind.value} {row.code} {iso(row.at)} by {row.who}{point}: {row.reason}"


def _component_line(row: ComponentRow) -> str:
    ended = f"; taken out {iso(row.detached_at)} by {row.detached_by}: {row.reason}" if row.detached_at else ""
    return f"Component {row.title.rstrip()}: {row.number}, {iso(row.attached_at)} by {row.attached_by}{ended}"


def _meter_line(row: MeterRow) -> str:
    mid = f", MID {row.mid}" if row.mid else ""
    key = f", public key {row.public_key}" if row.public_key else ""
    return f"Meter of outlet {row.evse}: {row.type} {row.serial}{mid}{key}"


def _identifier_line(row: IdentifierRow) -> str:
    ended = f"; ended {iso(row.until)} by {row.ended_by}: {row.reason}" if row.until else ""
    return f"Identifier {row.kind.value} {row.written} ({row.source}), {iso(row.since)}{ended}"


def _result_line(row: ResultRow) -> str:
    found = row.text if row.value is None else f"{row.value:g} {row.unit}"
    limits = "" if row.low is None and row.high is None else f" [{_limit(row.low)} … {_limit(row.high)}]"
    by = f", instrument {row.instrument}" if row.instrument else ""
    return f"Result {row.test}: {found}{limits} {row.verdict.value}, {iso(row.taken_at)}{by} {row.problem}".rstrip()


def _limit(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
