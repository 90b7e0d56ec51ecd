"""What others must be told: messages that survive restarts, in the order in which each unit gave them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, and_, bindparam, func, not_, select, update
from sqlalchemy.orm import Session, aliased

from station.clock import utc_now
from station.records import tables
from station.records.canonical import sentence
from station.records.delivery_rows import Closed, Delivered, Postponed
from station.records.ending import ENDED, SCRAP_SAID
from station.records.orders import Section, value
from station.records.registrations import keep_registrations
from station.records.rows import OutboxRow
from station.records.values import RevokedCertificate

REVOKED = "cpms-revoked"
"""Kind of the messages that tell of a revoked certificate; they wait for no other message."""
PAPER = "passport-pdf"
"""Kind of the messages by which a passport is drawn; no other message waits for them."""
AT_ONCE = (REVOKED, ENDED, SCRAP_SAID)
"""What waits for nothing."""
MESSAGES = cast("Table", tables.Outbox.__table__)
ONE = (MESSAGES.c.station == bindparam("of_station")) & (MESSAGES.c.sequence == bindparam("of_sequence"))
TRIED = update(MESSAGES).where(ONE).values(attempts=MESSAGES.c.attempts + 1)
DONE = TRIED.values({name: bindparam(name) for name in ("done_at", "answer", "error", "dead_at")})
LATER = TRIED.values({name: bindparam(name) for name in ("error", "next_at", "dead_at")})
"""Said of many messages at once, so they are made once."""


class Outbox(Section):
    """Messages in the order in which each unit gave them."""

    def due(
        self, now: datetime, limit: int, closed: Sequence[Closed] = (), *, in_turn: bool = False
    ) -> tuple[OutboxRow, ...]:
        """Return messages to deliver now, oldest first; of each unit only the first that waits.

        With `in_turn` those come first that were not tried for the longest time, so that each has its turn.

        A dead letter stands aside: what follows it goes on, and so does what follows a passport that is to be drawn or
        revised. What ends credentials, or tells that they or the unit ended, is due at once: a registration that is
        refused must not hold it back.
        """
        message, earlier, unit = tables.Outbox, aliased(tables.Outbox), tables.Unit
        same = (earlier.unit == message.unit) & (earlier.station == message.station)
        waits = earlier.done_at.is_(None) & earlier.dead_at.is_(None) & earlier.kind.not_in((PAPER, SCRAP_SAID))
        blocked = select(earlier.sequence).where(same, waits, earlier.sequence < message.sequence)
        query = select(message, unit.work_order).join(unit, unit.serial == message.unit)
        query = query.where(message.done_at.is_(None), message.dead_at.is_(None), message.next_at <= now)
        query = query.where(
            message.kind.in_((REVOKED, ENDED, SCRAP_SAID)) | ~blocked.exists(), *map(_not_closed, closed)
        )
        with self.database.read() as session:
            query = query.order_by(*((message.next_at,) if in_turn else ()), message.station, message.sequence)
            rows = session.execute(query.limit(limit)).all()
            return tuple(value(OutboxRow, row, work_order=order) for row, order in rows)

    def tell_revoked(self, notice: RevokedCertificate) -> bool:
        """Queue the message that a certificate was revoked; False where it was queued before: the first one stays.

        Raises:
            RuntimeError: There is no such unit.
        """
        with self.database.write() as session:
            unit = session.get(tables.Unit, notice.serial)
            if unit is None:
                raise RuntimeError(f"there is no unit {notice.serial} whose certificate could be revoked")
            known = select(tables.Outbox).where(tables.Outbox.kind == REVOKED, tables.Outbox.key == notice.key)
            if session.scalar(known) is not None:
                return False
            self.database.append(session, _revoked_row(session, notice))
            return True

    def announced(self, unit: str, certificate_serial: str) -> bool:
        """Tell whether others were told, or are about to be, that a unit has this certificate."""
        query = select(tables.Outbox.body).where(tables.Outbox.unit == unit, tables.Outbox.kind != REVOKED)
        with self.database.read() as session:
            return any(certificate_serial.encode() in body for body in session.scalars(query))

    def succeed(self, message: OutboxRow, answer: bytes = b"") -> None:
        """Record that a message's effect was seen.

        Raises:
            RuntimeError: It was delivered before.
        """
        self.keep_deliveries([Delivered(message, answer)])

    def postpone(self, message: OutboxRow, error: str, next_at: datetime) -> None:
        """Record why a message could not be delivered, and when to try again."""
        self.keep_deliveries([], [Postponed(message, error, next_at)])

    def keep_deliveries(self, delivered: Sequence[Delivered], postponed: Sequence[Postponed] = ()) -> None:
        """Record what became of messages, in one transaction: with a registration, what the CPMS gave.

        Raises:
            RuntimeError: One was delivered before, or registers a unit that was never released; nothing is recorded.
        """
        with self.database.write() as session:
            keep_registrations(session, [(one.message.unit, one.registration) for one in delivered if one.registration])
            for statement, changes in ((DONE, list(map(_done, delivered))), (LATER, list(map(_later, postponed)))):
                if changes:
                    session.execute(statement, changes)

    def waiting_of(self, unit: str) -> tuple[str, ...]:
        """Return the kinds of the messages of a unit that are not delivered, in their order."""
        message = tables.Outbox
        query = select(message.kind).where(message.unit == unit, message.done_at.is_(None)).order_by(message.sequence)
        with self.database.read() as session:
            return tuple(session.scalars(query))

    def depth(self) -> int:
        """Count the messages that are not delivered."""
        with self.database.read() as session:
            query = select(func.count()).select_from(tables.Outbox).where(tables.Outbox.done_at.is_(None))
            return session.scalar(query) or 0


def _revoked_row(session: Session, notice: RevokedCertificate) -> tables.Outbox:
    latest = select(func.max(tables.Passport.revision)).where(tables.Passport.unit == notice.serial)
    now = utc_now()
    return tables.Outbox(
        unit=notice.serial,
        revision=session.scalar(latest) or 0,
        kind=REVOKED,
        key=notice.key,
        body=json.dumps(asdict(notice)).encode(),
        created_at=now,
        attempts=0,
        next_at=now,
        error="",
        answer=b"",
    )


def _not_closed(closed: Closed) -> ColumnElement[bool]:
    kinds = tables.Outbox.kind.in_(closed.kinds)
    return not_(and_(kinds, tables.Unit.work_order.in_(closed.orders)) if closed.orders else kinds)


def _key(message: OutboxRow) -> dict[str, Any]:
    return {"of_station": message.ref.station, "of_sequence": message.ref.sequence}


def _done(delivered: Delivered) -> dict[str, Any]:
    return _key(delivered.message) | {"done_at": utc_now(), "answer": delivered.answer, "error": "", "dead_at": None}


def _later(postponed: Postponed) -> dict[str, Any]:
    dead_at = utc_now() if postponed.dead else None
    return _key(postponed.message) | {
        "error": sentence(postponed.error), "next_at": postponed.next_at, "dead_at": dead_at,
    }  # fmt: skip
