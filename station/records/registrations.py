"""What the CPMS was told of units, and what it gave when it was read back."""

from collections.abc import Sequence

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.records import tables
from station.records.ending import is_withdrawn, released_revision, taken_back
from station.records.orders import Section, value
from station.records.packing import settle_all
from station.records.rows import RegistrationRow
from station.records.values import AS_RELEASED, Registration, RegistrationState


class Registrations(Section):
    """Registrations, keyed on CPMS, unit and revision of the passport."""

    def registered(self, unit: str, registration: Registration) -> RegistrationState:
        """Record what the CPMS was told and gave; equal, of the latest passport and not withdrawn, it becomes packable.

        Raises:
            RuntimeError: The unit was never released.
        """
        with self.database.write() as session:
            keep_registrations(session, [(unit, registration)])
            return registration.state

    def is_current(self, unit: str, revision: int) -> bool:
        """Tell whether a unit is still what this revision of its passport says, and its CPMS is to keep it.

        It is not scrapped, nor back, nor built again, and neither its owner nor its operator changed.
        """
        query = select(tables.Unit.state, released_revision(unit)).where(tables.Unit.serial == unit)
        with self.database.read() as session:
            state, released = session.execute(query).one()
            return state in AS_RELEASED and released == revision and not is_withdrawn(session, unit, revision)

    def is_taken_back(self, unit: str) -> bool:
        """Tell whether no CPMS of ours is to have a record of a unit any more."""
        query = select(tables.Unit.state.not_in(AS_RELEASED) | taken_back()).where(tables.Unit.serial == unit)
        with self.database.read() as session:
            return bool(session.scalar(query))

    def registration(self, cpms: str, unit: str) -> RegistrationRow | None:
        """Return the latest registration of a unit with a CPMS."""
        with self.database.read() as session:
            query = select(tables.Registration).filter_by(cpms=cpms, unit=unit)
            row = session.scalar(query.order_by(tables.Registration.revision.desc()).limit(1))
            return None if row is None else value(RegistrationRow, row)


def keep_registrations(session: Session, registrations: Sequence[tuple[str, Registration]]) -> None:
    """Keep what the CPMS gave of units, and let those be packed that may.

    Raises:
        RuntimeError: A unit was never released.
    """
    if not registrations:
        return
    serials = [unit for unit, _ in registrations]
    units = session.scalars(select(tables.Unit).where(tables.Unit.serial.in_(serials))).all()
    _require_released(session, units)
    _write(session, registrations)
    settle_all(session, units)


def _require_released(session: Session, units: Sequence[tables.Unit]) -> None:
    passports = select(tables.Passport.unit).where(tables.Passport.unit.in_([unit.serial for unit in units]))
    released = set(session.scalars(passports))
    for unit in units:
        if unit.serial not in released:
            raise RuntimeError(f"unit {unit.serial} is {unit.state}: only released units are registered")


def _write(session: Session, registrations: Sequence[tuple[str, Registration]]) -> None:
    """Add rows, and give those of the same key what the CPMS gave last."""
    table, rows = tables.Registration, [_row(unit, registration) for unit, registration in registrations]
    key = tuple_(table.cpms, table.unit, table.revision)
    wanted = [(row["cpms"], row["unit"], row["revision"]) for row in rows]
    found = session.execute(select(table.cpms, table.unit, table.revision).where(key.in_(wanted)))
    known = {tuple(row) for row in found}
    for statement, of_known in ((insert(table), False), (update(table), True)):
        chosen = [row for row, name in zip(rows, wanted, strict=True) if (name in known) is of_known]
        if chosen:
            session.execute(statement, chosen)


def _row(unit: str, registration: Registration) -> dict[str, object]:
    return {
        "cpms": registration.cpms,
        "unit": unit,
        "revision": registration.revision,
        "state": registration.state,
        "sent": registration.sent,
        "read_back": registration.read_back,
        "at": utc_now(),
    }
