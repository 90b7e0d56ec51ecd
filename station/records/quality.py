"""What quality decides, as rows and events; which roles may decide it is asked above the records."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.errors import ConfigError
from station.records import tables
from station.records.dispositions import Dispositions
from station.records.golden import GoldenUnits
from station.records.holds import concerned, facts_of, holding, note, place
from station.records.orders import Section, value
from station.records.packing import settle
from station.records.quality_rows import Hold, HoldRow, HoldScope, check_reason
from station.records.shift import Shifts
from station.records.signoffs import SignOffs
from station.records.values import RowRef, UnitState


class Holds(Section):
    """What is on hold."""

    def hold(self, hold: Hold) -> HoldRow:
        """Forbid work from now on; the same again stays as it was first.

        Raises:
            ConfigError: There is no such unit or order.
        """
        with self.database.write() as session:
            _require_subject(session, hold)
            return value(HoldRow, place(self.database, session, hold))

    def lift(self, ref: RowRef, who: str, reason: str) -> HoldRow:
        """End a hold; units that waited for nothing else become packable.

        Raises:
            ConfigError: There is no such hold, it was lifted before, or there is no reason.
        """
        check_reason(reason)
        with self.database.write() as session:
            row = session.get(tables.Hold, (ref.station, ref.sequence))
            if row is None or row.lifted_at is not None:
                state = "was lifted before" if row else "is not known"
                raise ConfigError(f"hold {ref} {state}", hint="List the holds: 'station holds'.")
            row.lifted_at, row.lifted_by, row.lift_reason = utc_now(), who, reason.strip()
            session.flush()
            note(self.database, session, "lift", row.subject, who, {"hold": str(ref), "reason": row.lift_reason})
            _settle_concerned(session, row)
            return value(HoldRow, row)

    def holds(self, scope: HoldScope | None = None, subject: str = "", *, lifted: bool = False) -> tuple[HoldRow, ...]:
        """List what is on hold, newest first; with `lifted` also what was."""
        query = select(tables.Hold).order_by(tables.Hold.at.desc(), tables.Hold.sequence.desc())
        query = query if lifted else query.where(tables.Hold.lifted_at.is_(None))
        query = query.where(tables.Hold.scope == scope) if scope else query
        query = query.where(tables.Hold.subject == subject) if subject else query
        with self.database.read() as session:
            return tuple(value(HoldRow, row) for row in session.scalars(query))

    def holds_of(self, serial: str) -> tuple[HoldRow, ...]:
        """List what keeps a unit back now: its own holds, and those of what it is of and where it was built last."""
        with self.database.read() as session:
            unit = session.get(tables.Unit, serial)
            return (
                () if unit is None else tuple(value(HoldRow, row) for row in holding(session, facts_of(session, unit)))
            )


def _settle_concerned(session: Session, hold: tables.Hold) -> None:
    units = select(tables.Unit).where(tables.Unit.state == UnitState.RELEASED, concerned(hold.scope, hold.subject))
    for unit in session.scalars(units).all():
        settle(session, unit)


def _require_subject(session: Session, hold: Hold) -> None:
    """Refuse a hold of what is not there: a mistyped serial would look as if it were on hold."""
    kinds = {HoldScope.UNIT: tables.Unit, HoldScope.ORDER: tables.WorkOrder}
    kind = kinds.get(hold.scope)
    if kind is not None and session.get(kind, hold.subject) is None:
        raise ConfigError(f"there is no {hold.scope.value} '{hold.subject[:40]}'", hint="Correct what is on hold.")


class Quality(Holds, Dispositions, GoldenUnits, SignOffs, Shifts):
    """Holds, dispositions, golden units, sign-offs, and what is open when a shift ends."""
