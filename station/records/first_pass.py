"""First-pass yield: the one place that says what it counts; figures, progress of orders and exports all ask here.

A unit counts by its first run that came to a verdict, PASS, FAIL or ERROR, at whichever station; an aborted run is
nobody's. It passed at once if that run passed and no step of it was tried twice.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, literal_column, or_, select
from sqlalchemy.orm import aliased

from station.model import Outcome
from station.records import tables

VERDICTS = (Outcome.PASS, Outcome.FAIL, Outcome.ERROR)
"""Outcomes that say something; an aborted run is nobody's."""


def is_first(run: Any = tables.Run) -> ColumnElement[bool]:
    """Select the runs that came to a verdict, and before which their unit had none that did."""
    earlier = aliased(tables.Run)
    here = and_(earlier.station == run.station, earlier.sequence < run.sequence)
    elsewhere = and_(earlier.station != run.station, earlier.started_at < run.started_at)
    verdict = select(earlier.sequence).where(
        earlier.unit == run.unit, or_(here, elsewhere), earlier.outcome.in_(VERDICTS)
    )
    return and_(run.outcome.in_(VERDICTS), ~verdict.correlate(run).exists())


def repeated(run: Any = tables.Run) -> ColumnElement[bool]:
    """Select the runs of which a step was tried twice; a literal, so that the partial index is used."""
    step = aliased(tables.StepEvent)
    key = and_(step.station == run.station, step.run_sequence == run.sequence)
    return select(step.sequence).where(key, step.attempt > literal_column("1")).correlate(run).exists()


def at_once(run: Any = tables.Run) -> ColumnElement[bool]:
    """Select, of first runs, those in which the unit passed at once."""
    return and_(run.outcome == Outcome.PASS, ~repeated(run))
