"""Counts of closed runs, from which the figures of a line are made: exact, and all from rows that never change again.

A closed run is immutable, so a span of time with as many closed runs as before holds the same ones as before: whoever
keeps a count asks `closed_runs` whether it still holds.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from sqlalchemy import (
    ColumnElement,
    Integer,
    String,
    Text,
    and_,
    case,
    cast,
    func,
    or_,
    select,
    type_coerce,
)

from station.errors import Service
from station.model import Outcome
from station.records import tables
from station.records.figures_rows import RELEASE, End, RunCount, Span, StepCount, Streak
from station.records.first_pass import VERDICTS, is_first, repeated
from station.records.orders import Section

FAILURES = (Outcome.FAIL, Outcome.ERROR)
OF_SERVICES = tuple(service.value for service in Service)
"""Faults that are of no slot: what all slots share was away."""
ALARMING = 3
"""Failures in a row from which on a slot is told to be broken."""
LOOKED_BACK = 1000
"""Runs of a station among which a slot's streak is looked for."""


class Figures(Section):
    """What is counted of closed runs."""

    def closed_runs(self, span: Span) -> int:
        """Count the runs that ended in a span."""
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(tables.Run).where(within(span))) or 0

    def run_counts(self, span: Span) -> tuple[RunCount, ...]:
        """Count the runs that ended in a span, by when and how."""
        run, closed = tables.Run, type_coerce(tables.Run.closed_at, String)
        kind = (
            select(
                func.substr(closed, 1, 14).label("hour"),
                (cast(func.substr(closed, 15, 2), Integer) // 15).label("quarter"),
                type_coerce(run.plan, Text).label("plan"), run.outcome,
                case((is_first(), 1), else_=0).label("first"), case((repeated(), 0), else_=1).label("smooth"),
            )
            .where(within(span))
            .cte("kind")
            .prefix_with("MATERIALIZED")
        )  # fmt: skip
        with self.database.read() as session:
            rows = session.execute(select(kind, func.count().label("number")).group_by(*kind.c)).all()
        return tuple(
            RunCount(
                _hour(row.hour).replace(minute=15 * row.quarter), row.outcome, _plan(row.plan), bool(row.first),
                bool(row.smooth), row.number,
            )
            for row in rows
        )  # fmt: skip

    def end_counts(self, span: Span) -> Mapping[End, int]:
        """Count the runs that ended in a span, by how and where."""
        run = tables.Run
        columns = (run.outcome, _failed_step().label("step"), run.fault, run.slot, run.firmware, run.operator)
        kind = select(*columns).where(within(span)).cte("kind").prefix_with("MATERIALIZED")
        with self.database.read() as session:
            rows = session.execute(select(kind, func.count().label("number")).group_by(*kind.c)).all()
        return {
            End(row.outcome, row.step or "", row.fault, row.slot, row.firmware, row.operator): row.number
            for row in rows
        }  # fmt: skip

    def rough_steps(self, span: Span) -> tuple[StepCount, ...]:
        """Count, step by step, the units whose first run in a span did not simply pass.

        One that did came to every step of its plan and passed each at once, so its rows need not be read.
        """
        run, step = tables.Run, tables.StepEvent
        rough = or_(run.outcome != Outcome.PASS, repeated())
        passed = step.outcome.in_((Outcome.PASS, Outcome.SKIPPED))
        query = (
            select(step.name, _number(step.kind == "started"), _number(passed))
            .select_from(run)
            .join(step, and_(step.station == run.station, step.run_sequence == run.sequence))
            .where(within(span), rough, is_first(), step.attempt == 1)
            .group_by(step.name)
        )
        with self.database.read() as session:
            return tuple(StepCount(*row) for row in session.execute(query))

    def streaks(self) -> tuple[Streak, ...]:
        """Return, for each slot of this station that failed when it was last used, how often in a row it did.

        Aborted runs, and runs that ended because something was away that all slots share, say nothing of a slot.
        """
        run, station = tables.Run, self.database.station
        last = select(func.max(run.sequence)).where(run.station == station).scalar_subquery()
        shared = and_(run.outcome == Outcome.ERROR, run.fault.in_(OF_SERVICES))
        query = select(run.slot, run.outcome, run.unit, run.closed_at).where(
            run.station == station, run.sequence > last - LOOKED_BACK, run.outcome.in_(VERDICTS), ~shared
        )
        with self.database.read() as session:
            rows = session.execute(query.order_by(run.sequence.desc())).all()
        return tuple(_streaks((row.slot, row.outcome, row.unit, row.closed_at) for row in rows))


def within(span: Span) -> ColumnElement[bool]:
    """Select the runs of a span."""
    run = tables.Run
    ended = and_(run.closed_at >= span.since, run.closed_at < span.until)
    return and_(ended, run.work_order == span.order) if span.order else ended


def _failed_step() -> ColumnElement[str]:
    """Return the step that ended a run which failed: the last one that ended, unless that passed."""
    run, step = tables.Run, tables.StepEvent
    name = case((step.outcome.in_(FAILURES), step.name), else_=RELEASE)
    ended = and_(step.station == run.station, step.run_sequence == run.sequence, step.kind == "finished")
    last = select(name).where(ended).order_by(step.position.desc(), step.attempt.desc()).limit(1)
    return case((run.outcome.in_(FAILURES), last.correlate(run).scalar_subquery()), else_="")


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


@lru_cache(1024)
def _hour(hour: str) -> datetime:
    return datetime.fromisoformat(f"{hour}00:00+00:00")


@lru_cache(1024)
def _plan(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _streaks(runs: Iterable[tuple[str, Outcome, str, datetime]]) -> Iterable[Streak]:
    """Yield the streaks of runs that are told the latest first."""
    found: dict[str, list[tuple[str, datetime]]] = {}
    over: set[str] = set()
    for slot, outcome, unit, at in runs:
        if outcome is Outcome.PASS:
            over.add(slot)
        if slot not in over:
            found.setdefault(slot, []).append((unit, at))
    for slot, failed in sorted(found.items()):
        yield Streak(slot, len(failed), len({unit for unit, _ in failed}), failed[-1][1])
