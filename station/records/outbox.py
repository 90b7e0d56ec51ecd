"""What others must be told: messages that survive restarts, and what the CPMS gave when it was read back."""

import json
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from station.clock import utc_now
from station.records import tables
from station.records.canonical import sentence
from station.records.orders import RELEASED, Section, value
from station.records.rows import OutboxRow, RegistrationRow
from station.records.values import Registration, RegistrationState, RevokedCertificate, UnitState

REVOKED = "cpms-revoked"
"""Kind of the messages that tell of a revoked certificate; they wait for no other message."""


class Outbox(Section):
    """Messages in the order in which each unit gave them, and registrations."""

    def due(self, now: datetime, limit: int) -> tuple[OutboxRow, ...]:
        """Return messages to deliver now, oldest first; of each unit only the first that is not done.

        What tells of a revoked certificate is due at once: a registration that is refused must not hold it back.
        """
        message, earlier = tables.Outbox, aliased(tables.Outbox)
        same = (earlier.unit == message.unit) & (earlier.station == message.station)
        blocked = select(earlier.sequence).where(same, earlier.done_at.is_(None), earlier.sequence < message.sequence)
        query = select(message).where(message.done_at.is_(None), message.next_at <= now)
        query = query.where((message.kind == REVOKED) | ~blocked.exists())
        with self.database.read() as session:
            rows = session.scalars(query.order_by(message.station, message.sequence).limit(limit))
            return tuple(value(OutboxRow, row) for row in rows)

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
        with self.database.write() as session:
            row = _message(session, message)
            row.done_at, row.answer, row.error = utc_now(), answer, ""
            row.attempts += 1

    def postpone(self, message: OutboxRow, error: str, next_at: datetime) -> None:
        """Record why a message could not be delivered, and when to try again."""
        with self.database.write() as session:
            row = _message(session, message)
            row.error, row.next_at = sentence(error), next_at
            row.attempts += 1

    def depth(self) -> int:
        """Count the messages that are not delivered."""
        with self.database.read() as session:
            query = select(func.count()).select_from(tables.Outbox).where(tables.Outbox.done_at.is_(None))
            return session.scalar(query) or 0

    def registered(self, unit: str, registration: Registration) -> RegistrationState:
        """Record what the CPMS was told and gave; equal, and of the latest passport, the unit becomes packable.

        Raises:
            RuntimeError: The unit was never released.
        """
        with self.database.write() as session:
            row = session.get_one(tables.Unit, unit)
            if row.state not in RELEASED:
                raise RuntimeError(f"unit {unit} is {row.state}: only released units are registered")
            session.merge(_registration_row(unit, registration))
            session.flush()
            row.state = UnitState.PACKABLE if _is_agreed(session, unit) else UnitState.RELEASED
            return registration.state

    def registration(self, cpms: str, unit: str) -> RegistrationRow | None:
        """Return the latest registration of a unit with a CPMS."""
        with self.database.read() as session:
            query = select(tables.Registration).filter_by(cpms=cpms, unit=unit)
            row = session.scalar(query.order_by(tables.Registration.revision.desc()).limit(1))
            return None if row is None else value(RegistrationRow, row)


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


def _message(session: Session, message: OutboxRow) -> tables.Outbox:
    return session.get_one(tables.Outbox, (message.ref.station, message.ref.sequence))


def _registration_row(unit: str, registration: Registration) -> tables.Registration:
    return tables.Registration(
        cpms=registration.cpms,
        unit=unit,
        revision=registration.revision,
        state=registration.state,
        sent=registration.sent,
        read_back=registration.read_back,
        at=utc_now(),
    )


def _is_agreed(session: Session, unit: str) -> bool:
    """Tell whether a CPMS holds the latest passport's data as we sent them."""
    revision = session.scalar(select(func.max(tables.Passport.revision)).where(tables.Passport.unit == unit))
    states = session.scalars(select(tables.Registration.state).filter_by(unit=unit, revision=revision)).all()
    return bool(states) and set(states) == {RegistrationState.EQUAL}
