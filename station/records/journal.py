"""Runs and their steps: one durable row before a step acts and one after, so that a cut of power loses no fact.

Nothing is read from here to continue a run: an interrupted run is closed ABORTED, and the next one looks at the device.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from station.clock import utc_now
from station.errors import ConfigError, Defect, Interlocked, UnitError
from station.model import Measurement, Outcome
from station.records import tables
from station.records.bundles import refusal_in
from station.records.canonical import canonical, sentence
from station.records.ending import end_after_failure
from station.records.live import live_run, run_of
from station.records.orders import Section, check, open_order, reserve
from station.records.routing import begin, counts_after, reworked_after
from station.records.rows import Attempts
from station.records.values import RowRef, RunRef, RunRequest, StepRef, StepResult, check_fault


class Journal(Section):
    """The writing side of runs, steps and events."""

    def open_run(self, request: RunRequest) -> RunRef:
        """Reserve the serial to the hardware UID and open the run, in one transaction (F-B3).

        Raises:
            UnitError: The unit may not be built under this serial; the refusal is recorded as an event.
            Interlocked: Routing does not let it begin now; whoever waits for it tries again, so it is no event here.
            ConfigError: What the order builds was withdrawn, or is below the minimum.
        """
        try:
            with self.database.write() as session:
                order = open_order(session, request.order)
                known = check(session, order, request.serial, request.hardware_uid)
                if known is not None:
                    _refuse_second_run(session, known)
                unit = known.serial if known else reserve(session, order, request)
                begin(session, unit, request, self.database.station)
                run = _run_row(unit, order, request)
                _refuse_restricted(session, run)
                return self.database.append(session, run).ref
        except UnitError as refusal:
            body = {"serial": request.serial, "slot": request.slot, "order": request.order, "reason": refusal.message}
            self.event("run-refused", request.hardware_uid, body | {"defect": refusal.defect.value}, request.operator)
            raise

    def interlock(self, request: RunRequest) -> Interlocked | None:
        """Return what keeps a run from beginning now, and change nothing: for whoever waits until it is gone."""
        with self.database.read() as session:
            unit = session.scalar(select(tables.Unit).where(tables.Unit.hardware_uid == request.hardware_uid))
            try:
                open_order(session, request.order)
                begin(session, unit.serial if unit else "", request, self.database.station)
            except Interlocked as found:
                return found
        return None

    def start_step(self, run: RunRef, position: int, name: str, attempt: int) -> StepRef:
        """Record durably that a step is about to act, and return the attempt's id.

        Raises:
            RuntimeError: The run is closed, or its plan has another step at this position (from 0).
        """
        with self.database.write() as session:
            row = live_run(session, run)
            if not 0 <= position < len(row.plan) or row.plan[position] != name:
                raise RuntimeError(f"run {run} has no step {name} at position {position}")
            step = tables.StepEvent(
                run_sequence=run.sequence, position=position, name=name, attempt=attempt, kind="started", at=utc_now(),
                fault="", reason="", hint="", seconds=0.0,
            )  # fmt: skip
            self.database.append(session, step)
            return StepRef(step.station, step.sequence)

    def finish_step(self, step: StepRef, result: StepResult) -> None:
        """Record durably how an attempt ended, with its measurements.

        Raises:
            RuntimeError: The attempt has ended before, its run is closed, or the evidence proves nothing for it.
            ValueError: Detail or a measurement is no JSON, or too large.
        """
        canonical([dict(result.detail), *((taken.value, taken.expected) for taken in result.measurements)])
        with self.database.write() as session:
            started = session.get_one(tables.StepEvent, (step.station, step.sequence))
            run = live_run(session, started.run)
            if result.evidence is not None and not _proves(session, run, started.name, result.evidence):
                raise RuntimeError(f"attempt {result.evidence} is no evidence for step {started.name} of run {run.ref}")
            self.database.append(session, _finished_row(started, result))
            if result.measurements:
                self.database.append(session, *(_measurement_row(step, taken) for taken in result.measurements))

    def evidence(self, run: RunRef, step: str) -> StepRef | None:
        """Return the latest attempt that passed a step for the same unit, hardware, recipe and firmware before."""
        with self.database.read() as session:
            started = _evidence_for(session, run_of(session, run), step)
            found = session.scalar(started.order_by(tables.StepEvent.sequence.desc()).limit(1))
            return None if found is None else StepRef(found.station, found.sequence)

    def attempts(self, unit: str, step: str) -> Attempts:
        """Count how often a step was tried on a unit (F-L5)."""
        with self.database.read() as session:
            key = (tables.Run.station == tables.StepEvent.station) & (
                tables.Run.sequence == tables.StepEvent.run_sequence
            )
            query = select(tables.StepEvent.outcome, func.count()).join(tables.Run, key)
            query = query.where(tables.Run.unit == unit, tables.StepEvent.name == step)
            counts = dict(session.execute(query.group_by(tables.StepEvent.outcome)).all())
            return Attempts(counts.get(None, 0), counts.get(Outcome.FAIL, 0), counts.get(Outcome.ERROR, 0))

    def failed_runs(self, unit: str) -> int:
        """Count the runs of a unit that ended FAIL or ERROR since its last rework; aborted ones are nobody's (F-L5)."""
        with self.database.read() as session:
            query = select(func.count()).select_from(tables.Run).where(tables.Run.unit == unit)
            query = query.where(tables.Run.sequence > reworked_after(session, unit))
            return session.scalar(query.where(tables.Run.outcome.in_((Outcome.FAIL, Outcome.ERROR)))) or 0

    def close_run(self, run: RunRef, outcome: Outcome, *, fault: str = "", reason: str = "", hint: str = "") -> None:
        """Close a run that did not pass; only `release` closes one PASS.

        Raises:
            RuntimeError: The run is closed already, or the outcome is not FAIL, ERROR or ABORTED.
            ValueError: A FAIL names no defect.
        """
        if outcome not in (Outcome.FAIL, Outcome.ERROR, Outcome.ABORTED):
            raise RuntimeError(f"a run can't be closed {outcome}: only a release closes one PASS")
        check_fault(outcome, fault)
        with self.database.write() as session:
            row = live_run(session, run)
            row.fault, row.reason, row.hint = fault, sentence(reason), sentence(hint)
            row.outcome, row.closed_at = outcome, utc_now()
            end_after_failure(self.database, session, row)

    def abort_interrupted(self, reason: str) -> tuple[RunRef, ...]:
        """Close what a stop or a cut of power left open at this station, and return it; for the station's start."""
        with self.database.write() as session:
            live = select(tables.Run).where(tables.Run.station == self.database.station, tables.Run.closed_at.is_(None))
            rows = session.scalars(live.order_by(tables.Run.sequence)).all()
            for row in rows:
                row.outcome, row.closed_at, row.reason = Outcome.ABORTED, utc_now(), sentence(reason)
            return tuple(row.ref for row in rows)

    def event(self, kind: str, subject: str, body: Mapping[str, Any], who: str = "") -> RowRef:
        """Record durably that something happened, as canonical JSON, and who did it.

        Raises:
            ValueError: The body is no JSON, or too large.
        """
        row = tables.Event(kind=kind, subject=subject, at=utc_now(), body=canonical(dict(body)), who=who)
        with self.database.write() as session:
            return self.database.append(session, row).ref

    def certificate_event(
        self, run: RunRef, environment: str, certificate_serial: str, kind: str, body: Mapping[str, Any]
    ) -> None:
        """Record what the station saw of a certificate that the PKI's ledger has."""
        content = canonical(dict(body))
        with self.database.write() as session:
            row = tables.CertificateEvent(
                run_sequence=run.sequence, unit=live_run(session, run).unit, environment=environment,
                certificate_serial=certificate_serial, kind=kind, at=utc_now(), body=content,
            )  # fmt: skip
            self.database.append(session, row)


def _refuse_second_run(session: Session, unit: tables.Unit) -> None:
    """Refuse a device whose twin is at work: one of the two is a copy."""
    live = session.scalar(select(tables.Run).where(tables.Run.unit == unit.serial, tables.Run.closed_at.is_(None)))
    if live is not None:
        message = f"Unit {unit.serial} with the same hardware UID is in work in slot {live.slot}."
        raise UnitError(Defect.DUPLICATE_IDENTITY, message, hint="Put both units aside and call the line lead.")


def _refuse_restricted(session: Session, run: tables.Run) -> None:
    """Refuse to begin what must not leave: a withdrawal stops running orders too (F-A2)."""
    reason = refusal_in(session, run)
    if reason:
        message = f"Work order {run.work_order} is stopped: {reason}"
        raise ConfigError(message, hint="Ask the line lead for an order with an approved bundle.")


def _run_row(unit: str, order: tables.WorkOrder, request: RunRequest) -> tables.Run:
    """Copy into the run what the order says now, so that the run says it for ever."""
    return tables.Run(
        unit=unit,
        hardware_uid=request.hardware_uid,
        work_order=order.id,
        slot=request.slot,
        recipe=order.recipe,
        recipe_revision=order.recipe_revision,
        recipe_digest=order.recipe_digest,
        firmware=request.firmware,
        software=request.software,
        test_environment=order.test_environment,
        ship_environment=order.ship_environment,
        plan=tuple(request.plan),
        started_at=utc_now(),
        fault="",
        reason="",
        hint="",
        firmware_name=request.firmware_name,
        approval=dict(request.approval),
        operator=request.operator,
        mes=request.mes,
    )


def _finished_row(started: tables.StepEvent, result: StepResult) -> tables.StepEvent:
    return tables.StepEvent(
        run_sequence=started.run_sequence,
        position=started.position,
        name=started.name,
        attempt=started.attempt,
        kind="finished",
        started_sequence=started.sequence,
        at=utc_now(),
        outcome=result.outcome,
        fault=result.fault,
        reason=sentence(result.reason),
        hint=sentence(result.hint),
        seconds=result.seconds,
        detail=dict(result.detail),
        evidence_station=result.evidence.station if result.evidence else None,
        evidence_sequence=result.evidence.sequence if result.evidence else None,
    )


def _measurement_row(step: StepRef, measurement: Measurement) -> tables.MeasurementRow:
    return tables.MeasurementRow(
        step_sequence=step.sequence,
        name=measurement.name,
        value=measurement.value,
        unit=measurement.unit,
        low=measurement.low,
        high=measurement.high,
        expected=measurement.expected,
        passed=measurement.passed,
    )


def _evidence_for(session: Session, run: tables.Run, step: str) -> Any:
    """Select the attempts of closed runs that passed a step under the same conditions (design 8.1).

    A change of hardware that re-opened the step takes its earlier evidence away.
    """
    started, finished, earlier = tables.StepEvent, aliased(tables.StepEvent), aliased(tables.Run)
    change = tables.Reopened
    reopened = exists().where(change.unit == run.unit, change.name == step, change.at >= started.at)
    return (
        select(started)
        .join(finished, (finished.station == started.station) & (finished.started_sequence == started.sequence))
        .join(earlier, (earlier.station == started.station) & (earlier.sequence == started.run_sequence))
        .where(started.name == step, finished.outcome == Outcome.PASS, earlier.closed_at.is_not(None))
        .where(earlier.unit == run.unit, earlier.hardware_uid == run.hardware_uid)
        .where(earlier.recipe_digest == run.recipe_digest, earlier.firmware == run.firmware)
        .where(earlier.sequence > counts_after(session, run, step), ~reopened)
    )


def _proves(session: Session, run: tables.Run, step: str, evidence: StepRef) -> bool:
    query = _evidence_for(session, run, step)
    found = query.where(tables.StepEvent.station == evidence.station, tables.StepEvent.sequence == evidence.sequence)
    return session.scalar(found) is not None
