"""What a unit is made of: parts are attached once, are in one unit only, and a change of them re-opens what it affects.

Rows are never removed: a part that was taken out keeps its row with the end added, so that the record says what was in
a unit at any time. The first capture of a part is no change; what replaces another part, or comes after a release, is.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.catalog.parts import SEAL
from station.clock import utc_now
from station.errors import Defect, UnitError
from station.records import tables
from station.records.genealogy_rows import ComponentRow, MeterFacts, MeterRow, Part, ReopenedRow
from station.records.holds import place
from station.records.live import live_run
from station.records.orders import Section, value
from station.records.quality_rows import LONGEST_REASON, Hold, HoldKind, HoldScope, check_reason
from station.records.values import FINAL, RunRef, UnitState

OPEN = (UnitState.RESERVED, UnitState.REWORK)
"""States in which a unit may be built of other parts; what is good may be taken out of one at its end, too."""


class Genealogy(Section):
    """Parts and meters of units, and what a change of them re-opened."""

    def attach(self, part: Part, who: str, run: RunRef | None = None) -> ComponentRow:
        """Record that a part is in a unit; the same again changes nothing.

        Raises:
            UnitError: The part is in another unit, its place is taken, the unit was released, or is in another run's
                work.
        """
        with self.database.write() as session:
            known = _at(session, part.unit, part.kind, part.position)
            if known is not None and (known.serial, known.lot) == (part.serial, part.lot):
                return _row(known)
            elsewhere = _holder(session, part)
            if elsewhere is None:
                changes = _was_taken(session, part)
                row = self._attached(session, part, who, run)
                if changes or session.get_one(tables.Unit, part.unit).state is not UnitState.RESERVED:
                    self._reopen(session, row, "another part was put in", who)
                return _row(row)
            refusal = self._hold_both(session, part, elsewhere.unit)
        raise refusal

    def detach(self, unit: str, kind: str, position: str, reason: str, who: str) -> ComponentRow:
        """Record that a part was taken out of its unit, and re-open what that affects.

        Raises:
            UnitError: There is no such part, the unit was released, or it is in work.
            ConfigError: The reason is too short or too long.
        """
        why = _reason(reason)
        with self.database.write() as session:
            return _row(self._detached(session, (unit, kind, position), why, who))

    def swap(self, part: Part, reason: str, who: str) -> ComponentRow:
        """Take out what is at a part's place and attach the part, in one transaction.

        Raises:
            UnitError: There is nothing to replace, the new part is in another unit, or the unit was released or is in
                work.
            ConfigError: The reason is too short or too long.
        """
        why = _reason(reason)
        with self.database.write() as session:
            elsewhere = _holder(session, part)
            if elsewhere is None:
                self._detached(session, (part.unit, part.kind, part.position), why, who)
                return _row(self._attached(session, part, who, None))
            refusal = self._hold_both(session, part, elsewhere.unit)
        raise refusal

    def components(self, unit: str, *, gone: bool = False) -> tuple[ComponentRow, ...]:
        """List the parts that are in a unit, by when they were attached; with `gone` also those that were."""
        query = select(tables.Component).filter_by(unit=unit).order_by(tables.Component.attached_at)
        query = query.order_by(tables.Component.sequence)
        query = query if gone else query.where(tables.Component.detached_at.is_(None))
        with self.database.read() as session:
            return tuple(_row(found) for found in session.scalars(query))

    def units_with(self, number: str) -> tuple[ComponentRow, ...]:
        """List where parts of a serial number or lot are, or were, by when they were attached (F-I8)."""
        row = tables.Component
        query = select(row).where((row.serial == number) | (row.lot == number))
        with self.database.read() as session:
            return tuple(_row(found) for found in session.scalars(query.order_by(row.attached_at, row.sequence)))

    def meter_proven(self, run: RunRef, meter: MeterFacts) -> MeterRow:
        """Record what a run found out about a meter.

        Raises:
            UnitError: Another unit has a meter with this public key: both are quarantined (F-B4).
        """
        with self.database.write() as session:
            unit = live_run(session, run).unit
            twin = _twin(session, unit, meter)
            if twin is None:
                row = tables.Meter(run_sequence=run.sequence, unit=unit, at=utc_now(), **vars(meter))
                return _meter_row(self.database.append(session, row))
            part = Part(unit, "meter", f"of outlet {meter.evse}", meter.serial)
            refusal = self._hold_both(session, part, twin.unit)
        raise refusal

    def meters(self, unit: str) -> tuple[MeterRow, ...]:
        """Return what is known of a unit's meters now, by outlet."""
        with self.database.read() as session:
            return tuple(_meter_row(row) for _, row in sorted(_latest_meters(session, unit).items()))

    def reopened(self, unit: str) -> tuple[ReopenedRow, ...]:
        """List what changes of a unit's hardware re-opened, oldest first; rows without a name are the changes."""
        query = select(tables.Reopened).filter_by(unit=unit).order_by(tables.Reopened.at, tables.Reopened.sequence)
        with self.database.read() as session:
            return tuple(value(ReopenedRow, row) for row in session.scalars(query))

    def _attached(self, session: Session, part: Part, who: str, run: RunRef | None) -> tables.Component:
        _open_unit(session, part.unit)
        if run is None:
            _refuse_in_work(session, part.unit)
        if (taken := _at(session, part.unit, part.kind, part.position)) is not None:
            message = f"Unit {part.unit} has {part.title} {taken.serial or taken.lot}, not {part.number}."
            hint = "Put the right part in, or have the change recorded: 'station component swap'."
            raise UnitError(Defect.GENEALOGY, message, hint=hint)
        row = tables.Component(
            unit=part.unit, kind=part.kind, position=part.position, evse=part.evse, serial=part.serial, lot=part.lot,
            opens=part.opens, attached_at=utc_now(), attached_by=who, run_sequence=run.sequence if run else None,
            detached_by="", reason="",
        )  # fmt: skip
        return self.database.append(session, row)

    def _detached(self, session: Session, place: tuple[str, str, str], why: str, who: str) -> tables.Component:
        unit, kind, position = place
        row = _at(session, unit, kind, position)
        if row is None:
            message = f"Unit {unit} has no {kind} {position} in these records."
            raise UnitError(Defect.GENEALOGY, message, hint=f"See what it has: 'station component show {unit}'.")
        _open_unit(session, unit, *FINAL)
        _refuse_in_work(session, unit)
        row.detached_at, row.detached_by, row.reason = utc_now(), who, why
        session.flush()
        _end_numbers(session, row, why, who)
        self._reopen(session, row, why, who)
        return row

    def _hold_both(self, session: Session, part: Part, other: str) -> UnitError:
        """Hold both units that claim one part, until quality lifts it, and return the refusal (F-B4).

        Two places of one unit are a wrong scan, and no copy.
        """
        if other == part.unit:
            return _elsewhere(part, other)
        reason = f"The {part.kind} {part.number} is in {part.unit} and {other}."[:LONGEST_REASON]
        for unit in (part.unit, other):
            place(self.database, session, Hold(HoldScope.UNIT, unit, reason, "station", HoldKind.QUARANTINE))
        return _elsewhere(part, other)

    def _reopen(self, session: Session, part: tables.Component, reason: str, who: str) -> None:
        made: dict[str, Any] = {"unit": part.unit, "kind": part.kind, "position": part.position, "at": utc_now()}
        rows = (tables.Reopened(name=name, who=who, reason=reason, **made) for name in ("", *part.opens))
        self.database.append(session, *rows)


def changed_at(session: Session, unit: str, name: str = "") -> datetime | None:
    """Return when a unit's hardware last changed so that a test, step or identity is open again."""
    return session.scalar(select(func.max(tables.Reopened.at)).filter_by(unit=unit, name=name))


def _at(session: Session, unit: str, kind: str, position: str) -> tables.Component | None:
    query = select(tables.Component).filter_by(unit=unit, kind=kind, position=position)
    return session.scalar(query.where(tables.Component.detached_at.is_(None)))


def _holder(session: Session, part: Part) -> tables.Component | None:
    """Return the row of another unit, or another place, that has the part; a lot is in many, a broken seal in none."""
    if not part.serial:
        return None
    query = select(tables.Component).filter_by(kind=part.kind, serial=part.serial).limit(1)
    return session.scalar(query if part.kind == SEAL else query.where(tables.Component.detached_at.is_(None)))


def _end_numbers(session: Session, part: tables.Component, why: str, who: str) -> None:
    """Take the numbers off a unit that leave it with a part: of the kinds that the part opens.

    Of several meters only the number of this one leaves.
    """
    for row in session.scalars(select(tables.Identifier).filter_by(unit=part.unit, until=None)).all():
        of_part = row.source == f"{part.kind} {part.position}" or part.serial in (row.written, row.value)
        if of_part or (row.kind.value in part.opens and row.kind.value != part.kind):
            row.until, row.ended_by, row.reason = utc_now(), who, why


def _was_taken(session: Session, part: Part) -> bool:
    query = select(tables.Component.sequence).filter_by(unit=part.unit, kind=part.kind, position=part.position)
    return session.scalar(query.limit(1)) is not None


def _open_unit(session: Session, serial: str, *also: UnitState) -> tables.Unit:
    unit = session.get(tables.Unit, serial)
    if unit is None:
        raise UnitError(Defect.GENEALOGY, f"There is no unit {serial} in these records.", hint="Check the number.")
    if unit.state not in (*OPEN, *also):
        message = f"Unit {serial} is {unit.state.value}: its parts can't be changed."
        raise UnitError(Defect.GENEALOGY, message, hint="Send it to rework first.")
    return unit


def _refuse_in_work(session: Session, unit: str) -> None:
    """Refuse to change what a run has looked at already and goes on to release."""
    live = session.scalar(select(tables.Run).where(tables.Run.unit == unit, tables.Run.closed_at.is_(None)))
    if live is not None:
        message = f"Unit {unit} is in work in slot {live.slot}: its parts can't be changed now."
        raise UnitError(Defect.GENEALOGY, message, hint="Unplug it first.")


def _latest_meters(session: Session, unit: str) -> dict[int, tables.Meter]:
    rows = session.scalars(select(tables.Meter).filter_by(unit=unit).order_by(tables.Meter.at, tables.Meter.sequence))
    return {row.evse: row for row in rows}


def _twin(session: Session, unit: str, meter: MeterFacts) -> tables.Meter | None:
    """Return another living unit's meter that has the same public key."""
    if not meter.public_key:
        return None
    query = select(tables.Meter).where(tables.Meter.public_key == meter.public_key, tables.Meter.unit != unit)
    for row in session.scalars(query):
        now = _latest_meters(session, row.unit).get(row.evse)
        done = session.get_one(tables.Unit, row.unit).state in FINAL
        if now is not None and now.public_key == meter.public_key and not done:
            return row
    return None


def _row(row: tables.Component) -> ComponentRow:
    return value(ComponentRow, row, opens=tuple(row.opens))


def _meter_row(row: tables.Meter) -> MeterRow:
    return value(MeterRow, row)


def _reason(text: str) -> str:
    check_reason(text)
    return text.strip()


def _elsewhere(part: Part, unit: str) -> UnitError:
    """Return the refusal of a part that is in two units, as the scans say."""
    if unit == part.unit:
        message = f"The {part.kind} {part.number} is in another place of unit {unit}."
        return UnitError(Defect.GENEALOGY, message, hint="Scan the part that is at this place.")
    message = f"The {part.kind} {part.number} is in unit {unit} already."
    return UnitError(Defect.GENEALOGY, message, hint="Put both units aside and call quality assurance.")
