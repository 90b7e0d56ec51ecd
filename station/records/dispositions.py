"""Scrap and rework: one decision with all that follows from it, in one transaction (F-D11, F-L4).

What the unit could connect with ends, its labels are void, and its CPMS record is withdrawn; so nothing of it is left
over, whatever happens to the station in between. A scrapped unit keeps its row and its serial for ever.
"""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.errors import ConfigError, Interlocked
from station.model import Environment
from station.records import tables
from station.records.ending import (
    end_credentials,
    end_unfinished,
    say_in_passport,
    void_labels,
    withdraw_registration,
)
from station.records.holds import note
from station.records.orders import Section, value
from station.records.quality_rows import Disposition, DispositionKind, DispositionRow, Ending
from station.records.values import AS_RELEASED, FINAL, IN_FIELD, ONCE_RELEASED, OrderState, UnitState

STATES = {DispositionKind.REWORK: UnitState.REWORK, DispositionKind.SCRAP: UnitState.SCRAPPED}
ENDS = {
    DispositionKind.REWORK: (Environment.SHIP,),
    DispositionKind.SCRAP: (Environment.SHIP, Environment.TEST),
}
"""Whose credentials end: what is built again is proven with its test key, what is scrapped is done for."""
WORDS = {DispositionKind.REWORK: "rework", DispositionKind.SCRAP: "scrapped"}
"""As the CPMS is told."""


class Dispositions(Section):
    """Decisions about units that are not right."""

    def dispose(self, disposition: Disposition) -> DispositionRow:
        """Scrap a unit, or send it to rework, with all that follows from it.

        Raises:
            ConfigError: There is no such unit, it was scrapped before, or its way has no such return point.
            Interlocked: The unit is in work.
        """
        with self.database.write() as session:
            unit = _disposable(session, disposition)
            point = _return_point(session, unit, disposition)
            row = self.database.append(session, _row(session, disposition, point, self.database.station))
            word, ended = WORDS[disposition.kind], ENDS[disposition.kind]
            end_credentials(self.database, session, Ending(unit.serial, word, ended), f"disposition {row.ref}")
            if unit.state in AS_RELEASED:
                withdraw_registration(self.database, session, Ending(unit.serial, word))
            if disposition.kind is DispositionKind.SCRAP:
                say_in_passport(self.database, session, row)
            void_labels(session, unit.serial, f"{word}: {disposition.reason.strip()}", disposition.who)
            unit.state = STATES[disposition.kind]
            body = {"code": row.code, "reason": row.reason, "return_point": point}
            note(self.database, session, disposition.kind.value, unit.serial, disposition.who, body)
            return value(DispositionRow, row)

    def dispositions(self, unit: str = "", order: str = "", limit: int = 1000) -> tuple[DispositionRow, ...]:
        """List decisions, newest first; of one unit or one order, or all."""
        row = tables.Disposition
        query = select(row).order_by(row.at.desc(), row.sequence.desc()).limit(limit)
        query = query.where(row.unit == unit) if unit else query
        if order:
            query = query.join(tables.Unit, tables.Unit.serial == row.unit).where(tables.Unit.work_order == order)
        with self.database.read() as session:
            return tuple(value(DispositionRow, found) for found in session.scalars(query))

    def end_unfinished(self, before: datetime) -> tuple[str, ...]:
        """Let go of what units could connect with that nobody went on with since a time, and return them (F-L3)."""
        with self.database.write() as session:
            return end_unfinished(self.database, session, before)


def _disposable(session: Session, disposition: Disposition) -> tables.Unit:
    """Return a unit about which somebody may decide.

    Raises:
        ConfigError: There is none, its life is over, it is somewhere else and was not taken back, or its order is
            closed, which builds nothing any more.
        Interlocked: It is in work.
    """
    serial = disposition.unit
    unit = session.get(tables.Unit, serial)
    if unit is None:
        raise ConfigError(f"there is no unit '{serial[:40]}'", hint="Scan the serial number again.")
    if unit.state in FINAL:
        raise ConfigError(f"unit {serial} was {unit.state.value} before", hint="Put it with the scrap.")
    if unit.state in IN_FIELD and disposition.kind is DispositionKind.REWORK:
        hint = "Take it back first: 'station lifecycle return'."
        raise ConfigError(f"unit {serial} is {unit.state.value}: it is not here", hint=hint)
    if disposition.kind is DispositionKind.REWORK and unit.state in ONCE_RELEASED:
        _refuse_closed(session, unit)
    run = tables.Run
    live = session.scalar(select(run).where(run.unit == serial, run.closed_at.is_(None)))
    if live is not None:
        message = f"Unit {serial} is in work in slot {live.slot}."
        raise Interlocked(message, hint="Wait for the end of its run, or unplug it.")
    return unit


def _refuse_closed(session: Session, unit: tables.Unit) -> None:
    if session.get_one(tables.WorkOrder, unit.work_order).state is OrderState.CLOSED:
        message = f"unit {unit.serial} can't be built again: its order {unit.work_order} is closed"
        raise ConfigError(message, hint="Leave it as it is, or scrap or decommission it.")


def _return_point(session: Session, unit: tables.Unit, disposition: Disposition) -> str:
    """Return the step from which on a unit is built anew, empty for the first; one that was released begins there.

    Raises:
        ConfigError: The unit's way has no such step, or it comes too late for a unit whose credentials end.
    """
    point = disposition.return_point
    if disposition.kind is DispositionKind.SCRAP or not point:
        return ""
    plan = _last_plan(session, unit.serial)
    if point not in plan:
        known = ", ".join(plan) or "none, as no run of the unit was begun"
        raise ConfigError(f"'{point[:40]}' is no step that unit {unit.serial} can return to", hint=f"Steps: {known}.")
    if unit.state in ONCE_RELEASED and point != plan[0]:
        message = f"unit {unit.serial} was released: its credentials end, so it returns to the first step"
        raise ConfigError(message, hint=f"Name no return point, or '{plan[0]}'.")
    return "" if point == plan[0] else point


def _last_plan(session: Session, unit: str) -> tuple[str, ...]:
    run = tables.Run
    query = select(run.plan).where(run.unit == unit).order_by(run.started_at.desc(), run.sequence.desc())
    return tuple(session.scalar(query.limit(1)) or ())


def _row(session: Session, disposition: Disposition, point: str, station: str) -> tables.Disposition:
    run = tables.Run
    last = session.scalar(select(func.max(run.sequence)).where(run.station == station))
    return tables.Disposition(
        unit=disposition.unit, kind=disposition.kind, code=disposition.code, reason=disposition.reason.strip(),
        return_point=point, who=disposition.who, at=utc_now(), after_run=last or 0,
    )  # fmt: skip
