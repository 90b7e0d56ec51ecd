"""The newest released units of a span, with how long they took and what was measured on them.

A sample and not all of them: times and capability are of how the line is now, and cost the same whatever is kept.
"""

import json
from typing import Any

from sqlalchemy import Text, and_, case, or_, select, type_coerce

from station.model import Outcome
from station.records import tables
from station.records.figures import within
from station.records.figures_rows import RunTime, Sampled, Span, StepTime
from station.records.orders import Section

WAITED = "waited_seconds"
"""What a step notes that had to wait for a person."""


class Samples(Section):
    """Times and measurements of the newest released units of a span."""

    def run_times(self, span: Span, units: int) -> tuple[RunTime, ...]:
        """Return when they were in work, the newest first."""
        run = _newest(span, units)
        with self.database.read() as session:
            rows = session.execute(
                select(run.c.station, run.c.sequence, run.c.started_at, run.c.closed_at).order_by(
                    run.c.closed_at.desc()
                )
            )
            return tuple(RunTime((station, number), began, ended) for station, number, began, ended in rows)

    def step_times(self, span: Span, units: int) -> tuple[StepTime, ...]:
        """Return how long each of their attempts took that passed."""
        run, step = _newest(span, units), tables.StepEvent
        detail = type_coerce(step.detail, Text)
        noted = case((detail.contains(f'"{WAITED}":'), detail), else_=None)
        columns = (step.station, step.run_sequence, step.name, step.position, step.seconds, noted)
        mine = and_(step.station == run.c.station, step.run_sequence == run.c.sequence)
        query = select(*columns).select_from(step).join(run, mine)
        with self.database.read() as session:
            rows = session.execute(query.where(step.kind == "finished", step.outcome == Outcome.PASS))
            return tuple(StepTime((row[0], row[1]), row[2], row[3], row[4], _waited(row[5])) for row in rows)

    def sampled(self, span: Span, units: int) -> tuple[Sampled, ...]:
        """Return the numbers with a limit that were measured on them, the oldest first."""
        run, step, row = _newest(span, units), tables.StepEvent, tables.MeasurementRow
        mine = and_(step.station == run.c.station, step.run_sequence == run.c.sequence)
        its = and_(row.station == step.station, row.step_sequence == step.sequence)
        columns = (
            run.c.recipe,
            step.name,
            row.name,
            row.unit,
            row.low,
            row.high,
            row.value,
            run.c.closed_at,
            run.c.unit,
        )
        limited = or_(row.low.is_not(None), row.high.is_not(None))
        query = select(*columns).select_from(run).join(step, mine).join(row, its)
        query = query.where(step.kind == "started", limited).order_by(run.c.closed_at, row.sequence)
        with self.database.read() as session:
            found = session.execute(query).all()
        return tuple(_sampled(one) for one in found if _is_number(one[6]))


def _newest(span: Span, units: int) -> Any:
    run = tables.Run
    columns = (run.station, run.sequence, run.recipe, run.unit, run.started_at, run.closed_at)
    query = select(*columns).where(within(span), run.outcome == Outcome.PASS)
    return query.order_by(run.closed_at.desc(), run.sequence.desc()).limit(units).subquery()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sampled(row: Any) -> Sampled:
    recipe, step, name, unit, low, high, value, at, serial = row
    return Sampled(recipe, step, name, unit, low, high, float(value), at, serial)


def _waited(detail: str | None) -> float:
    waited = json.loads(detail).get(WAITED, 0.0) if detail else 0.0
    return float(waited) if _is_number(waited) else 0.0
