"""Identifiers of units beside the serial, unique while they are alive, and those that an order brings.

A network address, a SIM, a modem is on one unit at a time in the whole database: who finds it on a second one finds a
copy, a swapped part or a wrong scan, so both units are quarantined until quality has looked (F-B4). Those of a
scrapped unit stay with it, as its serial does, unless somebody took them off.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.errors import Defect, UnitError
from station.identifiers import Identifier, Kind
from station.records import tables
from station.records.canonical import sentence
from station.records.holds import note, place
from station.records.identifiers_rows import IdentifierRow, KnownIdentifier
from station.records.imports import OrderImports
from station.records.orders import value
from station.records.quality_rows import Hold, HoldKind, HoldScope, check_reason

BOTH_ASIDE = "Put both units aside and call quality assurance."


class Identifiers(OrderImports):
    """Identifiers of units, and the lists that orders bring."""

    def claim(self, unit: str, found: Identifier, source: str) -> IdentifierRow:
        """Record that an identifier is on a unit; the same again changes nothing.

        Args:
            unit: Serial number of the unit.
            found: What was read or scanned.
            source: Where, such as `modem` or `ethernet`; one place has one identifier of a kind.

        Raises:
            UnitError: It is alive on another unit, and both are quarantined; it is not of the lists of the unit's
                order; or another was read at this place before.
        """
        with self.database.write() as session:
            holder = _living(session, found)
            if holder is not None and holder.unit == unit:
                return value(IdentifierRow, holder)
            if holder is None:
                return value(IdentifierRow, self._claimed(session, unit, found, source))
            other = holder.unit
            self._quarantine(session, found, unit, other)
        message = f"The {found.kind.value} {found.written} of unit {unit} is on unit {other} already."
        raise UnitError(Defect.DUPLICATE_IDENTITY, message, hint=BOTH_ASIDE)

    def end_claim(self, unit: str, kind: Kind, number: str, who: str, reason: str) -> IdentifierRow:
        """Record that an identifier was taken off a unit, as with a SIM that was replaced.

        Args:
            unit: Serial number of the unit.
            kind: What it names.
            number: As it is compared.
            who: Who took it off.
            reason: Why.

        Raises:
            UnitError: The unit has no such identifier.
            ConfigError: The reason is too short or too long.
        """
        check_reason(reason)
        with self.database.write() as session:
            row = _living(session, Identifier(kind, number, number))
            if row is None or row.unit != unit:
                message = f"Unit {unit} has no {kind.value} {number[:60]} in these records."
                raise UnitError(Defect.GENEALOGY, message, hint="Look up what it has.")
            row.until, row.ended_by, row.reason = utc_now(), who, sentence(reason)
            return value(IdentifierRow, row)

    def identifiers(self, unit: str, *, gone: bool = False) -> tuple[IdentifierRow, ...]:
        """List what is on a unit, in the order in which it was found; with `gone` also what was."""
        row = tables.Identifier
        query = select(row).where(row.unit == unit).order_by(row.since, row.sequence)
        query = query if gone else query.where(row.until.is_(None))
        with self.database.read() as session:
            return tuple(value(IdentifierRow, found) for found in session.scalars(query))

    def known_identifiers(self, kind: Kind, numbers: Sequence[str]) -> dict[str, KnownIdentifier]:
        """Return where some identifiers stand already: in the lists of an order, on a living unit."""
        listed, alive = tables.ListedIdentifier, tables.Identifier
        in_lists = select(listed.value, listed.work_order).where(listed.kind == kind, listed.value.in_(numbers))
        on_units = select(alive.value, alive.unit).where(alive.kind == kind, alive.value.in_(numbers))
        with self.database.read() as session:
            orders = dict(session.execute(in_lists).all())
            units = dict(session.execute(on_units.where(alive.until.is_(None))).all())
        return {
            number: KnownIdentifier(orders.get(number, ""), units.get(number, "")) for number in orders.keys() | units
        }

    def _claimed(self, session: Session, unit: str, found: Identifier, source: str) -> tables.Identifier:
        order = session.get_one(tables.Unit, unit).work_order
        _check_place(session, unit, found, source)
        _check_listed(session, order, found)
        row = tables.Identifier(
            kind=found.kind, value=found.value, written=found.written, unit=unit, source=source, since=utc_now(),
            ended_by="", reason="",
        )  # fmt: skip
        return self.database.append(session, row)

    def _quarantine(self, session: Session, found: Identifier, unit: str, other: str) -> None:
        """Hold both units and tell it, in the transaction that finds the duplicate."""
        reason = f"The {found.kind.value} {found.written} is on {unit} and {other}."[:200]
        for serial in (unit, other):
            place(self.database, session, Hold(HoldScope.UNIT, serial, reason, "station", HoldKind.QUARANTINE))
        body = {"kind": found.kind.value, "value": found.value, "units": [unit, other]}
        note(self.database, session, "duplicate-identifier", unit, "station", body)


def _living(session: Session, found: Identifier) -> tables.Identifier | None:
    query = select(tables.Identifier).filter_by(kind=found.kind, value=found.value, until=None)
    return session.scalar(query)


def _check_place(session: Session, unit: str, found: Identifier, source: str) -> None:
    """Refuse a second identifier where one was read before: the part was changed and nobody recorded it."""
    query = select(tables.Identifier).filter_by(unit=unit, kind=found.kind, source=source, until=None)
    before = session.scalar(query)
    if before is not None:
        message = (
            f"Unit {unit} had the {found.kind.value} {before.written} at its {source}, and has {found.written} now."
        )
        raise UnitError(Defect.GENEALOGY, message, hint="Have the change of the part recorded, or put the old one in.")


def _check_listed(session: Session, order: str, found: Identifier) -> None:
    """Refuse what is not of the order's lists, if it has lists of this kind (F-F2)."""
    lists = select(tables.ListedIdentifier.value).filter_by(work_order=order, kind=found.kind)
    row = session.get(tables.ListedIdentifier, (found.kind, found.value))
    if row is not None and row.work_order != order:
        message = f"The {found.kind.value} {found.written} belongs to work order {row.work_order}, not to {order}."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Put the part back to its order, and take the right one.")
    if row is None and session.scalar(lists.limit(1)) is not None:
        message = f"The {found.kind.value} {found.written} is not of the lists of work order {order}."
        raise UnitError(
            Defect.WRONG_UNIT, message, hint="Take a part of this order, or ask the line lead for its list."
        )
