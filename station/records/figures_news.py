"""What ended since somebody looked last, at the cost of what happened meanwhile, whatever is kept.

It is read by the numbers of rows and not by the clock, so that nothing is missed or told twice.
"""

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from station.records import tables
from station.records.figures_rows import Mark, News, RunEnd, StepEnd
from station.records.orders import Section

MOST = 20_000
"""Rows that one look reads; what is beyond, the next one does."""


class NewsOfRuns(Section):
    """What ended at this station, for readers that come again."""

    def mark(self) -> Mark:
        """Return a mark at which all of before is known."""
        run, step, station = tables.Run, tables.StepEvent, self.database.station
        with self.database.read() as session:
            live = session.scalars(select(run.sequence).where(run.station == station, run.closed_at.is_(None)))
            newest = session.scalar(select(func.max(run.sequence)).where(run.station == station)) or 0
            last = session.scalar(select(func.max(step.sequence)).where(step.station == station)) or 0
            return Mark(newest, frozenset(live), last)

    def news(self, mark: Mark) -> News:
        """Return what ended since a mark."""
        with self.database.read() as session:
            runs, live, newest = _runs(session, self.database.station, mark)
            steps, last = _steps(session, self.database.station, mark.step)
        return News(Mark(newest, live, last), runs, steps)


def _runs(session: Session, station: str, mark: Mark) -> tuple[tuple[RunEnd, ...], frozenset[int], int]:
    run = tables.Run
    columns = (run.sequence, run.slot, run.outcome, run.fault, run.started_at, run.closed_at)
    new = or_(run.sequence > mark.run, run.sequence.in_(sorted(mark.live)))
    query = select(*columns).where(run.station == station, new).order_by(run.sequence).limit(MOST)
    rows = session.execute(query).all()
    ended = tuple(
        RunEnd(row.slot, row.outcome, row.fault, _seconds(row.started_at, row.closed_at))
        for row in rows
        if row.outcome is not None and row.closed_at is not None
    )
    live = frozenset(row.sequence for row in rows if row.closed_at is None)
    return ended, live, max((mark.run, *(row.sequence for row in rows)))


def _steps(session: Session, station: str, last: int) -> tuple[tuple[StepEnd, ...], int]:
    step = tables.StepEvent
    query = select(step.sequence, step.name, step.outcome, step.seconds).where(
        step.station == station, step.sequence > last
    )
    rows = session.execute(query.order_by(step.sequence).limit(MOST)).all()
    ended = tuple(StepEnd(row.name, row.outcome, row.seconds) for row in rows if row.outcome is not None)
    return ended, rows[-1].sequence if rows else last


def _seconds(began: datetime, ended: datetime) -> float:
    return (ended - began).total_seconds()
