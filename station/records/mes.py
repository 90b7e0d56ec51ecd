"""Messages of the manufacturing execution system: noted with what they tell, told in order, at least once.

Triggers note each change (`feed`), `mes_tell` turns notes into messages and removes the notes in one transaction, and a
message is done when the MES said that it has it. A cut of power between any two of these loses and doubles nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.records import tables
from station.records.canonical import sentence
from station.records.genealogy_rows import ComponentRow
from station.records.mes_rows import (
    Change,
    Consent,
    MesDraft,
    MesLinkRow,
    MesMessageRow,
    MesReceipt,
    MesRow,
    Source,
    Word,
    WordKind,
)
from station.records.orders import Section, value
from station.records.quality_rows import DispositionKind, DispositionRow, HoldRow
from station.records.reading import steps_of
from station.records.results_rows import ResultRow
from station.records.rows import PassportRow, RunRow, StepRow
from station.records.values import RunRef


class MesMessages(Section):
    """What the MES is told, what it said, and when it was heard."""

    def mes_begin(self) -> MesLinkRow:
        """Begin to note what the MES is to be told of; what happened before is not told. Return when it was heard."""
        with self.database.write() as session:
            row = session.get(tables.MesLink, self.database.station)
            if row is None:
                row = tables.MesLink(station=self.database.station, heard_at=utc_now(), away_since=None)
                session.add(row)
            return value(MesLinkRow, row)

    def mes_end(self) -> None:
        """Note nothing any more, and drop notes that were not told yet: this station has no MES."""
        station = self.database.station
        with self.database.read() as session:
            if session.get(tables.MesLink, station) is None:
                return
        with self.database.write() as session:
            for table in (tables.MesLink, tables.MesChange):
                session.execute(delete(table).where(table.station == station))

    def mes_link(self) -> MesLinkRow | None:
        """Return when the MES was heard; None while the station has none."""
        with self.database.read() as session:
            row = session.get(tables.MesLink, self.database.station)
            return None if row is None else value(MesLinkRow, row)

    def mes_heard(self, at: datetime) -> None:
        """Take note that the MES answered; while it was away it stays so until it knows everything (`mes_back`)."""
        with self.database.write() as session:
            session.get_one(tables.MesLink, self.database.station).heard_at = at

    def mes_lost(self) -> MesLinkRow:
        """Take note that the MES does not answer: it is away since it was heard last. Return when that was."""
        with self.database.write() as session:
            row = session.get_one(tables.MesLink, self.database.station)
            row.away_since = row.away_since or row.heard_at
            return value(MesLinkRow, row)

    def mes_back(self) -> None:
        """Take note that the MES is back and knows everything."""
        with self.database.write() as session:
            session.get_one(tables.MesLink, self.database.station).away_since = None

    def mes_changes(self, limit: int) -> tuple[Change, ...]:
        """Return what the MES is to be told of next, in the order in which it happened."""
        query = select(tables.MesChange).filter_by(station=self.database.station)
        with self.database.read() as session:
            rows = session.scalars(query.order_by(tables.MesChange.position).limit(limit)).all()
            return tuple(_change(session, row) for row in rows)

    def mes_tell(self, drafts: Sequence[MesDraft], upto: int = 0) -> None:
        """Queue messages and drop the notes that they tell, up to a position, in one transaction.

        Raises:
            RuntimeError: A message of this key is there already.
        """
        noted, station = tables.MesChange, self.database.station
        with self.database.write() as session:
            self._queue(session, drafts)
            session.execute(delete(noted).where(noted.station == station, noted.position <= upto))

    def mes_waiting(self, limit: int) -> tuple[MesMessageRow, ...]:
        """Return the messages that the MES does not have yet, in their order."""
        query = self._messages().where(tables.MesMessage.done_at.is_(None)).limit(limit)
        with self.database.read() as session:
            return tuple(value(MesMessageRow, row) for row in session.scalars(query))

    def mes_depth(self) -> int:
        """Count what the MES does not know yet: messages that wait, and notes."""
        message, station = tables.MesMessage, self.database.station
        waiting = select(func.count()).select_from(message).where(message.station == station, message.done_at.is_(None))
        noted = select(func.count()).select_from(tables.MesChange).filter_by(station=station)
        with self.database.read() as session:
            return (session.scalar(waiting) or 0) + (session.scalar(noted) or 0)

    def mes_delivered(self, message: MesMessageRow, answer: str) -> None:
        """Record what the MES said of a message.

        Raises:
            RuntimeError: It was delivered before.
        """
        with self.database.write() as session:
            row = session.get_one(tables.MesMessage, (message.ref.station, message.ref.sequence))
            row.done_at, row.answer, row.error = utc_now(), sentence(answer), ""
            row.attempts += 1

    def mes_told(self, since: datetime) -> tuple[MesMessageRow, ...]:
        """Return the messages made since a time that the MES said it has, in their order."""
        made = self._messages().where(tables.MesMessage.created_at >= since, tables.MesMessage.done_at.is_not(None))
        with self.database.read() as session:
            return tuple(value(MesMessageRow, row) for row in session.scalars(made))

    def mes_messages(self, limit: int) -> tuple[MesMessageRow, ...]:
        """List the latest messages, newest first."""
        latest = self._messages().order_by(None).order_by(tables.MesMessage.sequence.desc()).limit(limit)
        with self.database.read() as session:
            return tuple(value(MesMessageRow, row) for row in session.scalars(latest))

    def mes_last(self, name: str) -> MesMessageRow | None:
        """Return the latest message of a name."""
        latest = self._messages().where(tables.MesMessage.name == name).order_by(None)
        with self.database.read() as session:
            row = session.scalar(latest.order_by(tables.MesMessage.sequence.desc()).limit(1))
            return None if row is None else value(MesMessageRow, row)

    def mes_position(self) -> int:
        """Return the position of the latest message from the MES; 0 where there was none."""
        query = select(func.max(tables.MesReceived.position)).filter_by(station=self.database.station)
        with self.database.read() as session:
            return session.scalar(query) or 0

    def mes_knows(self, message: str) -> bool:
        """Tell whether a message from the MES was taken before."""
        with self.database.read() as session:
            return session.scalar(select(tables.MesReceived.sequence).filter_by(message=message)) is not None

    def mes_receive(self, receipt: MesReceipt, answers: Sequence[MesDraft] = (), words: Sequence[Word] = ()) -> None:
        """Keep a message from the MES with what became of it and our answers; the same again changes nothing."""
        with self.database.write() as session:
            known = session.scalar(select(tables.MesReceived.sequence).filter_by(message=receipt.message))
            if known is not None:
                return
            row = tables.MesReceived(**vars(receipt) | {"sentence": sentence(receipt.sentence)}, at=utc_now())
            self.database.append(session, row)
            self._queue(session, answers)
            self._keep(session, words)

    def mes_keep_words(self, words: Sequence[Word]) -> None:
        """Keep what the MES said of units and people."""
        with self.database.write() as session:
            self._keep(session, words)

    def mes_word(self, kind: WordKind, subject: str) -> Word | None:
        """Return what the MES said last of a unit or a person."""
        with self.database.read() as session:
            row = _last_word(session, kind, subject)
            return None if row is None else value(Word, row)

    def mes_deferred(self, since: datetime) -> tuple[RunRow, ...]:
        """Return the runs that began since a time without the MES's own word, in their order."""
        query = select(tables.Run).filter_by(station=self.database.station, mes=Consent.DEFERRED)
        query = query.where(tables.Run.started_at >= since).order_by(tables.Run.sequence)
        with self.database.read() as session:
            return tuple(_run(row) for row in session.scalars(query))

    def _messages(self) -> Select[tables.MesMessage]:
        query = select(tables.MesMessage).filter_by(station=self.database.station)
        return query.order_by(tables.MesMessage.sequence)

    def _queue(self, session: Session, drafts: Sequence[MesDraft]) -> None:
        now = utc_now()
        rows = [tables.MesMessage(**vars(draft), created_at=now, attempts=0, error="", answer="") for draft in drafts]
        if rows:
            self.database.append(session, *rows)

    def _keep(self, session: Session, words: Sequence[Word]) -> None:
        """Add what differs from the last word: a slot that waits asks again and again."""
        for word in words:
            last, said = _last_word(session, word.kind, word.subject), sentence(word.sentence)
            if last is None or (last.passed, last.sentence) != (word.passed, said):
                self.database.append(session, tables.MesWord(**vars(word) | {"sentence": said}))


def _last_word(session: Session, kind: WordKind, subject: str) -> tables.MesWord | None:
    query = select(tables.MesWord).filter_by(kind=kind, subject=subject)
    return session.scalar(query.order_by(tables.MesWord.sequence.desc()).limit(1))


def _change(session: Session, noted: tables.MesChange) -> Change:
    """Read what a note stands for, as it is now: an end is noted when the row has it."""
    source, key = Source(noted.source), (noted.station, noted.sequence)
    match source:
        case Source.RUN_OPENED | Source.RUN_CLOSED:
            row = session.get_one(tables.Run, key)
            run = _run(row)
            previous, rework = _previous(session, row), _rework(session, row)
            return Change(noted.position, source, run, run, previous, rework)
        case Source.STEP:
            step = _step(session, session.get_one(tables.StepEvent, key))
            return Change(noted.position, source, step, _run_of(session, step.run))
        case Source.PASSPORT:
            passport = value(PassportRow, session.get_one(tables.Passport, key))
            return Change(noted.position, source, passport, _run_of(session, passport.run))
    return Change(noted.position, source, READERS[source](session, key))


def _run(row: tables.Run) -> RunRow:
    return value(RunRow, row, plan=tuple(row.plan))


def _run_of(session: Session, run: RunRef) -> RunRow:
    return _run(session.get_one(tables.Run, (run.station, run.sequence)))


def _step(session: Session, row: tables.StepEvent) -> StepRow:
    """Return an attempt with all that came of it, or as it was before it acted."""
    number = row.sequence if row.started_sequence is None else row.started_sequence
    found = next(step for step in steps_of(session, row.run) if step.ref.sequence == number)
    if row.started_sequence is not None:
        return found
    return StepRow(found.ref, found.run, found.position, found.name, found.attempt, found.started_at)


def _previous(session: Session, row: tables.Run) -> RunRow | None:
    query = select(tables.Run).filter_by(station=row.station, slot=row.slot)
    query = query.where(tables.Run.sequence < row.sequence).order_by(tables.Run.sequence.desc()).limit(1)
    found = session.scalar(query)
    return None if found is None else _run(found)


def _rework(session: Session, row: tables.Run) -> DispositionRow | None:
    decided = tables.Disposition
    query = select(decided).filter_by(unit=row.unit, kind=DispositionKind.REWORK).where(decided.at <= row.started_at)
    found = session.scalar(query.order_by(decided.at.desc(), decided.sequence.desc()).limit(1))
    return None if found is None else value(DispositionRow, found)


def _reader(table: Any, kind: Any) -> Callable[[Session, tuple[str, int]], MesRow]:
    return lambda session, key: value(kind, session.get_one(table, key))


def _component(session: Session, key: tuple[str, int]) -> ComponentRow:
    row = session.get_one(tables.Component, key)
    return value(ComponentRow, row, opens=tuple(row.opens))


READERS: Mapping[Source, Callable[[Session, tuple[str, int]], MesRow]] = {
    Source.HOLD_PLACED: _reader(tables.Hold, HoldRow),
    Source.HOLD_LIFTED: _reader(tables.Hold, HoldRow),
    Source.DISPOSITION: _reader(tables.Disposition, DispositionRow),
    Source.COMPONENT_ATTACHED: _component,
    Source.COMPONENT_DETACHED: _component,
    Source.RESULT: _reader(tables.Result, ResultRow),
}
"""How a noted row is read."""
