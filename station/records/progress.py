"""How far a work order is: counted in the records each time, so that it can't differ from them."""

from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select, true
from sqlalchemy.orm import Session

from station.model import Outcome
from station.records import tables
from station.records.first_pass import at_once, is_first
from station.records.identifiers_rows import OrderTally, Supply
from station.records.orders import Section
from station.records.values import ONCE_RELEASED, UnitState


class Tallies(Section):
    """Counts of work orders."""

    def tally(self, order: str, since: datetime) -> OrderTally:
        """Count what became of a work order's units.

        Args:
            order: Id of the order.
            since: From when on today's units are counted.
        """
        with self.database.read() as session:
            row = session.get_one(tables.WorkOrder, order)
            states = _states(session, order)
            judged, first_pass, failed = _judged(session, order)
            released_since, began_since = _since(session, order, since)
            reserved = sum(states.values())
            serials = Supply("serial", row.quantity + row.replacements, row.quantity + row.replacements - reserved)
            return OrderTally(
                quantity=row.quantity,
                replacements=row.replacements,
                reserved=reserved,
                released=sum(states.get(state, 0) for state in ONCE_RELEASED),
                packable=states.get(UnitState.PACKABLE, 0),
                scrapped=states.get(UnitState.SCRAPPED, 0),
                rework=states.get(UnitState.REWORK, 0),
                failed_runs=failed,
                judged=judged,
                first_pass=first_pass,
                released_since=released_since,
                began_since=began_since,
                supplies=(serials, *_lists(session, order)),
            )


def _states(session: Session, order: str) -> dict[UnitState, int]:
    query = select(tables.Unit.state, func.count()).where(tables.Unit.work_order == order)
    return dict(session.execute(query.group_by(tables.Unit.state)).all())


def _judged(session: Session, order: str) -> tuple[int, int, int]:
    """Count units that were judged, those that passed at once, and runs that failed."""
    run = tables.Run
    first = select(_number(true()), _number(at_once())).where(run.work_order == order, is_first())
    failed = select(func.count()).where(run.work_order == order, run.outcome == Outcome.FAIL)
    judged, passed = session.execute(first).one()
    return judged, passed, session.scalar(failed) or 0


def _since(session: Session, order: str, since: datetime) -> tuple[int, datetime | None]:
    run = tables.Run
    today = select(_number(run.outcome == Outcome.PASS)).where(run.work_order == order, run.closed_at >= since)
    began = select(func.min(run.started_at)).where(run.work_order == order, run.started_at >= since)
    return session.scalar(today) or 0, session.scalar(began)


def _lists(session: Session, order: str) -> tuple[Supply, ...]:
    """Return for each kind of the order's lists how many are left that no unit ever had."""
    listed, used = tables.ListedIdentifier, tables.Identifier
    taken = select(used.value).where(used.kind == listed.kind, used.value == listed.value).exists()
    query = select(listed.kind, func.count(), _number(~taken)).where(listed.work_order == order)
    rows = session.execute(query.group_by(listed.kind).order_by(listed.kind))
    return tuple(Supply(kind.value, total, left) for kind, total, left in rows)


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Count the rows for which a condition holds."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
