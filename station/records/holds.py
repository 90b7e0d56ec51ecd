"""Holds: somebody, or the station itself, forbids work on something until somebody else lifts it (F-B4, F-L5).

A hold stands in the records from one transaction to another, and is asked for in the transactions that open a run and
release a unit. A unit that was released already may not be packed while something it is of is on hold.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.records import tables
from station.records.canonical import canonical
from station.records.database import Database
from station.records.quality_rows import Hold, HoldScope
from station.records.values import UnitState


def place(database: Database, session: Session, hold: Hold) -> tables.Hold:
    """Forbid work within the caller's transaction; the same again stays as it was first."""
    same = select(tables.Hold).filter_by(
        scope=hold.scope, subject=hold.subject, kind=hold.kind, reason=hold.reason, lifted_at=None
    )
    known = session.scalar(same)
    if known is not None:
        return known
    row = tables.Hold(
        scope=hold.scope, subject=hold.subject, kind=hold.kind, reason=hold.reason, who=hold.who, at=utc_now(),
        lifted_at=None, lifted_by="", lift_reason="",
    )  # fmt: skip
    database.append(session, row)
    body = {"scope": hold.scope.value, "reason": hold.reason}
    note(database, session, hold.kind.value, hold.subject, hold.who, body)
    keep_back = update(tables.Unit).where(tables.Unit.state == UnitState.PACKABLE, concerned(hold.scope, hold.subject))
    session.execute(keep_back.values(state=UnitState.RELEASED))
    return row


def note(
    database: Database, session: Session, kind: str, subject: str, who: str, body: Mapping[str, Any]
) -> tables.Event:
    """Add an event to the caller's transaction: who did what to what, and why."""
    row = tables.Event(kind=kind, subject=subject, at=utc_now(), body=canonical(dict(body)), who=who)
    return database.append(session, row)


def holding(session: Session, facts: Mapping[HoldScope, str]) -> tuple[tables.Hold, ...]:
    """Return the holds that stand on one of these things, the oldest first."""
    hold = tables.Hold
    stands = [and_(hold.scope == scope, hold.subject == subject) for scope, subject in facts.items() if subject]
    stands += [and_(hold.scope == HoldScope.LOT, hold.subject.in_(_lots_of(facts.get(HoldScope.UNIT, ""))))]
    query = select(hold).where(hold.lifted_at.is_(None), or_(*stands)).order_by(hold.at, hold.sequence)
    return tuple(session.scalars(query))


def facts_of(session: Session, unit: tables.Unit) -> dict[HoldScope, str]:
    """Return what a unit is of, and where it was built last, by the scopes of holds."""
    run = session.scalar(_last_run(unit.serial))
    facts = {HoldScope.UNIT: unit.serial, HoldScope.ORDER: unit.work_order}
    return facts | facts_of_run(run) if run else facts


def facts_of_run(run: tables.Run) -> dict[HoldScope, str]:
    """Return what a run is of, by the scopes of holds."""
    return {
        HoldScope.UNIT: run.unit,
        HoldScope.ORDER: run.work_order,
        HoldScope.FIRMWARE: run.firmware_name,
        HoldScope.SLOT: run.slot,
        HoldScope.STATION: run.station,
    }


def concerned(scope: HoldScope, subject: str) -> ColumnElement[bool]:
    """Return which units a hold concerns: those of it now, or built with it or there last."""
    unit, run, part = tables.Unit, tables.Run, tables.Component
    match scope:
        case HoldScope.UNIT:
            return unit.serial == subject
        case HoldScope.ORDER:
            return unit.work_order == subject
        case HoldScope.LOT:
            living = (part.unit == unit.serial) & (part.lot == subject) & part.detached_at.is_(None)
            return exists().where(living)
        case HoldScope.FIRMWARE:
            of_run = run.firmware_name == subject
        case HoldScope.SLOT:
            of_run = run.slot == subject
        case HoldScope.STATION:
            of_run = run.station == subject
    return exists().where(run.unit == unit.serial, of_run, run.sequence == _last_number())


def _last_number() -> Any:
    later = tables.Run.__table__.alias()
    query = select(later.c.sequence).where(later.c.unit == tables.Unit.serial)
    newest = query.order_by(later.c.started_at.desc(), later.c.sequence.desc()).limit(1)
    return newest.correlate(tables.Unit).scalar_subquery()


def _last_run(serial: str) -> Select[tables.Run]:
    run = tables.Run
    return select(run).where(run.unit == serial).order_by(run.started_at.desc(), run.sequence.desc()).limit(1)


def _lots_of(serial: str) -> Select[str]:
    part = tables.Component
    return select(part.lot).where(part.unit == serial, part.lot != "", part.detached_at.is_(None))
