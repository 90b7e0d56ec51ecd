"""Messages that only a person can send on: which they are, and what was decided of them, by whom and why.

A message that can't succeed by itself stands aside, so that nothing waits behind it. It counts as waiting until
somebody sends it on or gives it up; what ends a unit's credentials is never given up.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session, aliased

from station.clock import utc_now
from station.errors import ConfigError, Interlocked
from station.records import tables
from station.records.delivery_rows import Decision, DecisionKind, DecisionRow, Queue
from station.records.ending import ENDED, WITHDRAWN, released_revision
from station.records.holds import note
from station.records.orders import Section, value
from station.records.rows import OutboxRow
from station.records.values import AS_RELEASED, RowRef

EVENTS = {DecisionKind.RETRY: "message-retried", DecisionKind.DROP: "message-dropped"}
"""How the story of a unit calls a decision."""


class DeadLetters(Section):
    """What waits for a person, and for how long everything waits."""

    def decide(self, decision: Decision) -> OutboxRow:
        """Send a message on, now, or give a dead letter up; recorded with who, when and why.

        Raises:
            ConfigError: There is no such message.
            Interlocked: It was delivered or given up before, or it may not be given up.
        """
        with self.database.write() as session:
            row = session.get(tables.Outbox, (decision.message.station, decision.message.sequence))
            if row is None:
                raise ConfigError(f"there is no message {decision.message}", hint="Look at the list again.")
            _check(row, decision.kind)
            self.database.append(session, _decision_row(row, decision))
            body = {
                "message": str(row.ref),
                "title": _title(row),
                "reason": decision.reason.strip(),
                "error": row.error,
            }
            note(self.database, session, EVENTS[decision.kind], row.unit, decision.who, body)
            _carry_out(row, decision)
            return value(OutboxRow, row, work_order="")

    def queue(self) -> Queue:
        """Count what waits."""
        message = tables.Outbox
        waiting = select(func.count(), func.min(message.created_at)).where(message.done_at.is_(None))
        dead = select(func.count()).select_from(message).where(message.done_at.is_(None), message.dead_at.is_not(None))
        with self.database.read() as session:
            count, oldest = session.execute(waiting).one()
            return Queue(count, session.scalar(dead) or 0, cast("datetime | None", oldest))

    def dead_letters(self, limit: int = 100, unit: str = "") -> tuple[OutboxRow, ...]:
        """List the messages that only a person can send on, of one unit or of all, the oldest first."""
        return self._listed(_waiting(unit).where(tables.Outbox.dead_at.is_not(None)), limit)

    def waiting_messages_of(self, unit: str = "", limit: int = 100) -> tuple[OutboxRow, ...]:
        """List the messages that the station still tries by itself, of one unit or of all, the oldest first."""
        return self._listed(_waiting(unit).where(tables.Outbox.dead_at.is_(None)), limit)

    def message(self, ref: RowRef) -> OutboxRow | None:
        """Return one message."""
        with self.database.read() as session:
            row = session.get(tables.Outbox, (ref.station, ref.sequence))
            return None if row is None else _value(session, row)

    def decisions(self, message: RowRef | None = None, limit: int = 100) -> tuple[DecisionRow, ...]:
        """List what was decided, of one message or of all, the latest first."""
        decided, outbox = tables.DeliveryDecision, tables.Outbox
        own = (outbox.station == decided.message_station) & (outbox.sequence == decided.message_sequence)
        query = select(decided, outbox).join(outbox, own).order_by(decided.at.desc(), decided.sequence.desc())
        if message is not None:
            query = query.where(outbox.station == message.station, outbox.sequence == message.sequence)
        with self.database.read() as session:
            rows = session.execute(query.limit(limit)).all()
            return tuple(value(DecisionRow, row, unit=about.unit, title=_title(about)) for row, about in rows)

    def sent_registration(self, kind: str, unit: str, revision: int) -> OutboxRow | None:
        """Return the message that registers a revision of a unit, delivered or not."""
        message = tables.Outbox
        query = select(message).where(message.kind == kind, message.key == unit, message.revision == revision)
        with self.database.read() as session:
            row = session.scalar(query)
            return None if row is None else _value(session, row)

    def latest_messages(self, kind: str, orders: Sequence[str], after: str, limit: int) -> tuple[OutboxRow, ...]:
        """Return the messages of a kind that belong to the last releases of units, by serial.

        Those that are back, scrapped or in rework are left out, and those whose registration was taken back.

        Args:
            kind: Kind of messages whose key is the serial.
            orders: Work orders of the units.
            after: The serial behind which to go on; empty to begin.
            limit: Most messages.
        """
        query = _latest(kind, orders).add_columns(tables.Unit.work_order).where(tables.Outbox.key > after)
        with self.database.read() as session:
            rows = session.execute(query.order_by(tables.Outbox.key).limit(limit)).all()
            return tuple(value(OutboxRow, row, work_order=order) for row, order in rows)

    def count_messages(self, kind: str, orders: Sequence[str]) -> int:
        """Count what `latest_messages` returns in all."""
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(_latest(kind, orders).subquery())) or 0

    def _listed(self, query: Select[tables.Outbox], limit: int) -> tuple[OutboxRow, ...]:
        with self.database.read() as session:
            return tuple(_value(session, row) for row in session.scalars(query.limit(limit)).all())


def _waiting(unit: str) -> Select[tables.Outbox]:
    message = tables.Outbox
    query = select(message).where(message.done_at.is_(None)).order_by(message.station, message.sequence)
    return query.where(message.unit == unit) if unit else query


def _latest(kind: str, orders: Sequence[str]) -> Select[tables.Outbox]:
    message, unit, ended = tables.Outbox, tables.Unit, aliased(tables.Outbox)
    taken_back = (ended.kind == WITHDRAWN) & (ended.key == message.key) & (ended.revision == message.revision)
    query = select(message).join(unit, (message.kind == kind) & (message.key == unit.serial))
    query = query.where(unit.state.in_(AS_RELEASED), unit.work_order.in_(orders), ~exists().where(taken_back))
    return query.where(message.revision == released_revision(unit.serial))


def _value(session: Session, row: tables.Outbox) -> OutboxRow:
    return value(OutboxRow, row, work_order=session.get_one(tables.Unit, row.unit).work_order)


def _title(row: tables.Outbox) -> str:
    return f"{row.kind} of {row.key}"


def _check(row: tables.Outbox, kind: DecisionKind) -> None:
    if row.done_at is not None:
        raise Interlocked(f"Message {row.ref} was delivered or given up before.", hint="Look at the list again.")
    if kind is DecisionKind.RETRY:
        return
    if row.kind == ENDED:
        raise Interlocked("What ends a unit's credentials is never given up.", hint="Send it on once the PKI is back.")
    if row.dead_at is None:
        raise Interlocked(
            f"The station still tries message {row.ref} by itself.", hint="Wait until it is delivered or stands aside."
        )


def _carry_out(row: tables.Outbox, decision: Decision) -> None:
    now = utc_now()
    if decision.kind is DecisionKind.DROP:
        row.done_at, row.answer = now, f"given up by {decision.who}: {decision.reason.strip()}".encode()
        return
    row.dead_at, row.retried_at, row.next_at, row.attempts = None, now, now, 0


def _decision_row(row: tables.Outbox, decision: Decision) -> tables.DeliveryDecision:
    return tables.DeliveryDecision(
        message_station=row.station, message_sequence=row.sequence, kind=decision.kind, who=decision.who,
        reason=decision.reason.strip(), attempts=row.attempts, error=row.error, at=utc_now(),
    )  # fmt: skip
