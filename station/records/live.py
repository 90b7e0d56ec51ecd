"""Runs by their id, within a transaction."""

from sqlalchemy.orm import Session

from station.records import tables
from station.records.values import RunRef


def live_run(session: Session, run: RunRef) -> tables.Run:
    """Return a run that is still open.

    Raises:
        RuntimeError: It is closed, or there is none.
    """
    row = run_of(session, run)
    if row.closed_at is not None:
        raise RuntimeError(f"run {run} is closed {row.outcome}")
    return row


def run_of(session: Session, run: RunRef) -> tables.Run:
    """Return a run.

    Raises:
        RuntimeError: There is none.
    """
    row = session.get(tables.Run, (run.station, run.sequence))
    if row is None:
        raise RuntimeError(f"there is no run {run}")
    return row
