"""What pages and commands show of the records."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from station.model import Measurement
from station.records import tables
from station.records.orders import Section, value
from station.records.rows import (
    CertificateEventRow,
    EventRow,
    LabelRow,
    PassportRow,
    RegistrationRow,
    RunDetail,
    RunRow,
    SnapshotRow,
    StepRow,
    UnitHistory,
    UnitRow,
)
from station.records.values import RunFilter, RunRef, StepRef, WorkOrder

ANY = RunFilter()


class Reading(Section):
    """Questions about what happened."""

    def run(self, run: RunRef) -> RunRow | None:
        """Return one run."""
        with self.database.read() as session:
            row = session.get(tables.Run, (run.station, run.sequence))
            return None if row is None else run_row(row)

    def runs(self, wanted: RunFilter = ANY, limit: int = 100) -> tuple[RunRow, ...]:
        """List runs, newest first."""
        query = _filtered(wanted).order_by(tables.Run.started_at.desc(), tables.Run.sequence.desc()).limit(limit)
        with self.database.read() as session:
            return tuple(run_row(row) for row in session.scalars(query))

    def run_detail(self, run: RunRef) -> RunDetail | None:
        """Return one run with its steps, snapshots and certificates."""
        with self.database.read() as session:
            row = session.get(tables.Run, (run.station, run.sequence))
            return None if row is None else _detail(session, row)

    def passed_steps(self, run: RunRef) -> tuple[StepRow, ...]:
        """Return the attempts of a run that passed, or stand on evidence, in order.

        What stands on the PASS of an earlier run tells what was measured there, as after a power cut.
        """
        with self.database.read() as session:
            passed = [step for step in steps_of(session, run) if step.satisfied]
            earlier = _stood_on(session, passed)
        return tuple(_with_evidence(step, earlier[step.evidence]) if step.evidence else step for step in passed)

    def unit_history(self, serial: str) -> UnitHistory | None:
        """Return everything that happened to a unit."""
        with self.database.read() as session:
            unit = session.get(tables.Unit, serial)
            return None if unit is None else _history(session, unit)

    def events(self, subject: str = "", kind: str = "", limit: int = 100) -> tuple[EventRow, ...]:
        """List events, newest first."""
        query = select(tables.Event).order_by(tables.Event.at.desc(), tables.Event.sequence.desc()).limit(limit)
        query = query.where(tables.Event.subject == subject) if subject else query
        query = query.where(tables.Event.kind == kind) if kind else query
        with self.database.read() as session:
            return tuple(value(EventRow, row) for row in session.scalars(query))


def steps_of(session: Session, run: RunRef) -> tuple[StepRow, ...]:
    """Return the attempts of a run in the order of its plan, each with what became of it."""
    event = tables.StepEvent
    query = select(event).filter_by(station=run.station, run_sequence=run.sequence)
    rows = session.scalars(query.order_by(event.position, event.attempt, event.sequence)).all()
    ends = {row.started_sequence: row for row in rows if row.started_sequence is not None}
    taken = _measurements(session, run)
    started = (row for row in rows if row.started_sequence is None)
    return tuple(_step(row, ends.get(row.sequence), taken.get(row.sequence, ())) for row in started)


def _stood_on(session: Session, steps: Sequence[StepRow]) -> dict[StepRef, StepRow]:
    """Return the attempts of earlier runs on which steps stand."""
    evidence = {step.evidence for step in steps if step.evidence is not None}
    runs = {session.get_one(tables.StepEvent, (one.station, one.sequence)).run for one in evidence}
    return {row.ref: row for run in runs for row in steps_of(session, run)}


def _with_evidence(step: StepRow, earlier: StepRow) -> StepRow:
    return replace(step, measurements=earlier.measurements, detail=earlier.detail)


def _measurements(session: Session, run: RunRef) -> dict[int, tuple[Measurement, ...]]:
    """Return the measurements of a run by the attempt that took them."""
    row, event = tables.MeasurementRow, tables.StepEvent
    key = (event.station == row.station) & (event.sequence == row.step_sequence)
    query = select(row).join(event, key).where(event.station == run.station, event.run_sequence == run.sequence)
    taken: dict[int, tuple[Measurement, ...]] = {}
    for found in session.scalars(query.order_by(row.sequence)):
        taken[found.step_sequence] = (*taken.get(found.step_sequence, ()), found.measurement)
    return taken


def _step(started: tables.StepEvent, end: tables.StepEvent | None, taken: Sequence[Measurement]) -> StepRow:
    step = StepRow(
        StepRef(started.station, started.sequence),
        started.run,
        started.position,
        started.name,
        started.attempt,
        started.at,
    )
    if end is None:
        return step
    return value(
        StepRow,
        end,
        ref=step.ref,
        started_at=step.started_at,
        finished_at=end.at,
        detail=end.detail or {},
        measurements=tuple(taken),
    )


def run_row(row: tables.Run) -> RunRow:
    """Return a run as it leaves the records."""
    return value(RunRow, row, plan=tuple(row.plan))


def _filtered(wanted: RunFilter) -> Select[tables.Run]:
    given = {"unit": wanted.unit, "work_order": wanted.order, "slot": wanted.slot, "outcome": wanted.outcome}
    query = select(tables.Run).filter_by(**{name: content for name, content in given.items() if content})
    return query.where(tables.Run.closed_at.is_(None)) if wanted.live else query


def _detail(session: Session, row: tables.Run) -> RunDetail:
    snapshots = select(tables.Snapshot).filter_by(station=row.station, run_sequence=row.sequence)
    of_run = {"unit": row.unit, "station": row.station, "run_sequence": row.sequence}
    certificates = select(tables.CertificateEvent).filter_by(**of_run)  # by the unit, as no index has the run
    return RunDetail(
        run_row(row),
        steps_of(session, row.ref),
        tuple(value(SnapshotRow, found) for found in session.scalars(snapshots.order_by(tables.Snapshot.sequence))),
        tuple(
            value(CertificateEventRow, found)
            for found in session.scalars(certificates.order_by(tables.CertificateEvent.sequence))
        ),
    )


def _history(session: Session, unit: tables.Unit) -> UnitHistory:
    runs = select(tables.Run).filter_by(unit=unit.serial).order_by(tables.Run.started_at, tables.Run.sequence)
    labels = select(tables.Label).filter_by(unit=unit.serial).order_by(tables.Label.template, tables.Label.copy)
    passports = select(tables.Passport).filter_by(unit=unit.serial).order_by(tables.Passport.revision)
    registrations = select(tables.Registration).filter_by(unit=unit.serial).order_by(tables.Registration.revision)
    subjects = (unit.serial, unit.hardware_uid)
    events = select(tables.Event).where(tables.Event.subject.in_(subjects)).order_by(tables.Event.sequence)
    return UnitHistory(
        value(UnitRow, unit),
        value(WorkOrder, session.get_one(tables.WorkOrder, unit.work_order)),
        tuple(_detail(session, row) for row in session.scalars(runs).all()),
        tuple(value(LabelRow, row) for row in session.scalars(labels)),
        tuple(value(PassportRow, row) for row in session.scalars(passports)),
        tuple(value(RegistrationRow, row) for row in session.scalars(registrations)),
        tuple(value(EventRow, row) for row in session.scalars(events)),
    )
