"""The story of a work order, and what went wrong lately: who did what to which unit, when, and why (F-I7).

Nothing is written here. The story is put together from runs and events each time, so that it can't differ from them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select

from station.model import Outcome
from station.records import tables
from station.records.orders import Section

LONGEST_STORY = 5000
RUN, BEGUN, CREATED = "run", "run-begun", "order-created"
"""Kinds of what a story tells beside events: a run that ended, one that is at work, and how the order came to be."""
STATION = "station"
"""Who does what nobody else did."""
OF_STEPS = ("seal-intended",)
"""Kinds of events that are a part of a run, told by the run itself."""
STATION_WIDE = ("golden-check", "clearance", "handover")
"""Kinds of events that are of no order and concern all that are built meanwhile."""


@dataclass(frozen=True)
class StoryRow:
    """One thing that happened in a work order."""

    at: datetime
    who: str
    """Id of the person, `station`, `service:<name>`, or empty for a run of before people were known."""
    kind: str
    """`run`, `run-begun`, `order-created`, or the kind of an event."""
    subject: str
    """Serial of the unit where it is of one, else what the event names."""
    body: Mapping[str, Any]


@dataclass(frozen=True)
class FailureCount:
    """How often runs ended for one reason."""

    fault: str
    """Defect or service."""
    outcome: Outcome
    count: int


class Story(Section):
    """What happened, as one tells it."""

    def story(self, order: str, limit: int = LONGEST_STORY) -> tuple[StoryRow, ...]:
        """Return what happened in a work order, the newest first."""
        with self.database.read() as session:
            runs = session.scalars(_runs(order, limit)).all()
            units = session.execute(select(tables.Unit.hardware_uid, tables.Unit.serial).filter_by(work_order=order))
            serials = dict(units.all())
            events = session.scalars(_events(order, limit)).all()
            rows = [*(_of_run(run) for run in runs), *(_of_event(event, serials) for event in events)]
            rows.extend(_of_order(row) for row in session.scalars(select(tables.WorkOrder).filter_by(id=order)))
        return tuple(sorted(rows, key=lambda row: row.at, reverse=True)[:limit])

    def first_released(self, order: str) -> str:
        """Return the serial of the unit of an order that was released first, or nothing."""
        run = tables.Run
        query = select(run.unit).where(run.work_order == order, run.outcome == Outcome.PASS)
        with self.database.read() as session:
            return session.scalar(query.order_by(run.closed_at, run.sequence).limit(1)) or ""

    def failures_since(self, since: datetime) -> tuple[FailureCount, ...]:
        """Count why runs ended FAIL or ERROR since a time, the most frequent reason first."""
        run = tables.Run
        query = select(run.fault, run.outcome, func.count()).where(
            run.closed_at >= since, run.outcome.in_((Outcome.FAIL, Outcome.ERROR))
        )
        with self.database.read() as session:
            found = session.execute(query.group_by(run.fault, run.outcome)).all()
        counts = [FailureCount(fault, outcome, count) for fault, outcome, count in found if outcome is not None]
        return tuple(sorted(counts, key=lambda one: (-one.count, one.fault)))


def _runs(order: str, limit: int) -> Select[tables.Run]:
    newest = func.coalesce(tables.Run.closed_at, tables.Run.started_at).desc()
    return select(tables.Run).where(tables.Run.work_order == order).order_by(newest).limit(limit)


def _events(order: str, limit: int) -> Select[tables.Event]:
    """Select the events of an order, of its units by serial and by hardware UID, and those of the whole station."""
    event, unit, created = tables.Event, tables.Unit, tables.WorkOrder.created_at
    of_order = select(unit.serial).where(unit.work_order == order)
    of_hardware = select(unit.hardware_uid).where(unit.work_order == order)
    begun = select(created).where(tables.WorkOrder.id == order).scalar_subquery()
    mine = or_(event.subject == order, event.subject.in_(of_order), event.subject.in_(of_hardware))
    meanwhile = event.kind.in_(STATION_WIDE) & (event.at >= begun)
    told = event.kind.not_in(OF_STEPS) & or_(mine, meanwhile)
    return select(event).where(told).order_by(event.at.desc(), event.sequence.desc()).limit(limit)


def _of_run(run: tables.Run) -> StoryRow:
    body: dict[str, Any] = {"slot": run.slot, "station": run.station}
    if run.closed_at is None or run.outcome is None:
        return StoryRow(run.started_at, run.operator, BEGUN, run.unit, body)
    seconds = round((run.closed_at - run.started_at).total_seconds(), 1)
    ended = {"outcome": run.outcome.value, "fault": run.fault, "reason": run.reason, "hint": run.hint}
    return StoryRow(run.closed_at, run.operator, RUN, run.unit, body | ended | {"seconds": seconds})


def _of_order(order: tables.WorkOrder) -> StoryRow:
    body = {"quantity": order.quantity, "customer": order.customer, "bundle": order.bundle}
    return StoryRow(order.created_at, order.created_by or STATION, CREATED, order.id, body)


def _of_event(event: tables.Event, serials: Mapping[str, str]) -> StoryRow:
    body = json.loads(event.body)
    return StoryRow(event.at, event.who or STATION, event.kind, serials.get(event.subject, event.subject), body)
