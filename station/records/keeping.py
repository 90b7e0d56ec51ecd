"""Backups as the records know them, and what is burnt when records come back that are older than the world.

Restored records know nothing of the units that were built after their backup. So none of the serial numbers that may
have been given meanwhile is ever given again, and what was in work then is on hold until somebody looked at it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Table, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from station.clock import iso, utc_now
from station.errors import ConfigError
from station.records import tables
from station.records.holds import note, place
from station.records.orders import IN_WORK, Section, value
from station.records.quality_rows import Hold, HoldScope, check_reason
from station.records.rows import EventRow
from station.records.values import OrderState

BACKUP_MADE, RESTORED, ACCEPTED = "backup-made", "restored", "restore-accepted"
"""Kinds of events; their subject is the station."""
TIMES = ("at", "started_at", "created_at", "reserved_at", "kept_at")
"""Columns that say when a row was written."""
LOOK = "it was in work when the backup was made that the station was restored from"


@dataclass(frozen=True)
class Acceptance:
    """Two people answer for what restored records do not know."""

    who: str
    second: str
    reason: str
    through: Mapping[str, str] = field(default_factory=dict)
    """By order, the last serial number that can have been given; of an order that is not named all are burnt."""
    last_carton: str = ""
    """The last carton number (SSCC) of the station's block that can have been given; empty for none of it."""

    def __post_init__(self) -> None:
        """Refuse one person, or none with a reason."""
        check_reason(self.reason)
        if not self.who or not self.second or self.who == self.second:
            raise ConfigError("it takes two people to accept a restored station", hint="Name a second person.")


@dataclass(frozen=True)
class Burnt:
    """Serial numbers of an order that are never given again."""

    order: str
    first: str
    last: str
    left: int
    """Numbers that the order still has."""
    missing: int
    """Units that it still has to build and has no numbers for."""


@dataclass(frozen=True)
class Accepted:
    """What followed from it."""

    burnt: tuple[Burnt, ...]
    held: tuple[str, ...]
    """Units on hold."""


@dataclass(frozen=True)
class TableSize:
    """How large a table is."""

    table: str
    rows: int
    bytes: int | None
    """With its indexes; None where the database does not tell."""
    oldest: str
    """When its first row was written; empty where rows do not say, or there is none."""


class Keeping(Section):
    """Backups and restored records."""

    def backup_made(self, who: str, told: Mapping[str, Any]) -> None:
        """Record that a backup was made."""
        self._note(BACKUP_MADE, who, told)

    def last_backup(self) -> EventRow | None:
        """Return what was recorded of the newest backup."""
        with self.database.read() as session:
            return self._newest(session, BACKUP_MADE)

    def restored(self, told: Mapping[str, Any]) -> None:
        """Record that these records came out of a backup; the station does not run until that is accepted."""
        self._note(RESTORED, "", told)

    def open_restore(self) -> EventRow | None:
        """Return what was recorded of a restore that nobody accepted yet."""
        with self.database.read() as session:
            return self._open(session)

    def accept_restore(self, acceptance: Acceptance) -> Accepted:
        """Burn what may have been given meanwhile, hold what was in work, and let the station run again.

        Raises:
            ConfigError: There is nothing to accept, or a serial number that is named is not one of its order.
        """
        with self.database.write() as session:
            found = self._open(session)
            if found is None:
                raise ConfigError("these records were not restored, or that was accepted", hint="Just run the station.")
            orders = session.scalars(select(tables.WorkOrder).where(tables.WorkOrder.state != OrderState.CLOSED))
            known = {order.id: order for order in orders}
            if unknown := set(acceptance.through) - set(known):
                raise ConfigError(f"{min(unknown)} is no order that is not closed", hint="See 'station order list'.")
            burnt = tuple(self._burn(session, order, acceptance) for order in known.values())
            held = self._hold(session, acceptance)
            body = {
                "restore": str(found.ref), "second": acceptance.second, "reason": acceptance.reason.strip(),
                "burnt": [vars(one) for one in burnt], "held": len(held),
                "last_carton": acceptance.last_carton,
            }  # fmt: skip
            note(self.database, session, ACCEPTED, self.database.station, acceptance.who, body)
            return Accepted(burnt, held)

    def sizes(self) -> tuple[TableSize, ...]:
        """Tell how large each table is, the largest first, with the indexes that belong to it."""
        with self.database.read() as session:
            found = [_size(session, table) for table in tables.Base.metadata.sorted_tables]
        return tuple(sorted(found, key=lambda size: (size.bytes or 0, size.rows), reverse=True))

    def _burn(self, session: Session, order: tables.WorkOrder, acceptance: Acceptance) -> Burnt:
        block, named = order.serials, acceptance.through.get(order.id)
        if named is not None and named not in block:
            raise ConfigError(
                f"{named[:40]} is no serial number of {order.id}", hint="Name the last one that was given."
            )
        last = block.number(named) if named is not None else block.last
        row = tables.BurntSerials(
            work_order=order.id, first=block.first, last=last, reason=acceptance.reason.strip(), who=acceptance.who,
            at=utc_now(),
        )  # fmt: skip
        self.database.append(session, row)
        order.serial_next = max(order.serial_next, last + 1)
        order.version += 1
        left = order.serial_last + 1 - order.serial_next
        return Burnt(order.id, block.text(block.first), block.text(last), left, _missing(session, order, left))

    def _hold(self, session: Session, acceptance: Acceptance) -> tuple[str, ...]:
        unit = tables.Unit
        serials = session.scalars(select(unit.serial).where(unit.state.in_(IN_WORK)).order_by(unit.serial)).all()
        for serial in serials:
            place(self.database, session, Hold(HoldScope.UNIT, serial, LOOK, acceptance.who))
        return tuple(serials)

    def _note(self, kind: str, who: str, told: Mapping[str, Any]) -> None:
        with self.database.write() as session:
            note(self.database, session, kind, self.database.station, who, told)

    def _newest(self, session: Session, kind: str) -> EventRow | None:
        row = tables.Event
        query = select(row).where(row.kind == kind, row.station == self.database.station)
        found = session.scalar(query.order_by(row.sequence.desc()).limit(1))
        return None if found is None else value(EventRow, found)

    def _open(self, session: Session) -> EventRow | None:
        restored, accepted = self._newest(session, RESTORED), self._newest(session, ACCEPTED)
        answered = restored and accepted and accepted.ref.sequence > restored.ref.sequence
        return None if answered else restored


def _missing(session: Session, order: tables.WorkOrder, left: int) -> int:
    """Return for how many units, which an order still has to build, it has no number left.

    Its block does not grow: what follows behind it is what was most likely given since, to another order or to it.
    """
    given = session.scalar(select(func.count()).select_from(tables.Unit).where(tables.Unit.work_order == order.id)) or 0
    return max(0, order.quantity + order.replacements - given - left)


def _size(session: Session, table: Table) -> TableSize:
    rows = session.scalar(select(func.count()).select_from(table)) or 0
    time = next((table.c[name] for name in TIMES if name in table.c), None)
    oldest = session.scalar(select(func.min(time))) if time is not None and rows else None
    return TableSize(table.name, rows, _bytes(session, table.name), iso(oldest) if oldest else "")


def _bytes(session: Session, table: str) -> int | None:
    """Return how many bytes SQLite keeps for a table and its indexes, if it was built to tell."""
    names = "SELECT name FROM sqlite_master WHERE tbl_name = :table"
    query = text(f"SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name IN ({names})")  # noqa: S608 - own
    try:
        with session.begin_nested():
            found: int | None = session.scalar(query, {"table": table})
    except SQLAlchemyError:
        return None
    return found


def age_of(event: EventRow | None, now: datetime) -> float | None:
    """Return how many seconds ago something was recorded, less than 0 by a clock that was ahead; None for nothing."""
    return None if event is None else (now - event.at).total_seconds()
