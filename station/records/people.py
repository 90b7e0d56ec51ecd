"""Who works here, when they signed in, and what they were trained for.

An attempt to sign in is a row before its PIN is judged: however many are made side by side, each one counts. Every
change of a person is an event of the same transaction, with the person who made it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session, aliased

from station.clock import iso, utc_now
from station.errors import ConfigError
from station.person import Person, Role
from station.records import tables
from station.records.canonical import canonical, sentence
from station.records.orders import Section, value
from station.records.people_rows import (
    Credential,
    Failures,
    NewPerson,
    OneTimeCode,
    PersonRow,
    SessionRow,
    TrainingRow,
)
from station.records.values import RowRef

MOST_FAILURES = 100
"""Most failures that are looked at; more lock no longer."""
REMEMBERED = timedelta(hours=24)
"""How long a failure counts."""


class People(Section):
    """Who works here, and what they were allowed."""

    def add_person(self, new: NewPerson, code: OneTimeCode, who: str, *, first: bool = False) -> PersonRow:
        """Add a person, who chooses a PIN with the one-time code.

        Args:
            new: The person.
            code: What they choose their PIN with.
            who: Who adds them.
            first: Whether it must be the first person of all.

        Raises:
            ConfigError: The id or the badge is somebody's already, or there are people and it is not the first.
        """
        with self.database.write() as session:
            if first and session.scalar(select(func.count()).select_from(tables.Person)):
                raise ConfigError("there are people at this station already", hint="Ask an admin to add you.")
            _refuse_taken(session, new)
            row = tables.Person(
                id=new.id, name=new.name, roles=_words(new.roles), badge=new.badge, pin_hash="", code_hash=code.hash,
                code_until=code.until, created_at=utc_now(), created_by=who, disabled_at=None,
            )  # fmt: skip
            session.add(row)
            self._tell(session, "person-added", new.id, who, {"name": new.name, "roles": list(_words(new.roles))})
            session.flush()
            return _person_row(row)

    def person(self, person: str) -> PersonRow | None:
        """Return a person by id."""
        return self._one(select(tables.Person).filter_by(id=person))

    def person_of_badge(self, badge: str) -> PersonRow | None:
        """Return the person whose badge this is."""
        return self._one(select(tables.Person).filter_by(badge=badge))

    def people(self) -> tuple[PersonRow, ...]:
        """List all people by id, also those who left."""
        with self.database.read() as session:
            return tuple(_person_row(row) for row in session.scalars(select(tables.Person).order_by(tables.Person.id)))

    def credential(self, person: str) -> Credential:
        """Return what a person's PIN is judged by."""
        with self.database.read() as session:
            return value(Credential, session.get_one(tables.Person, person))

    def set_pin(self, person: str, pin_hash: str, code_hash: str) -> bool:
        """Give a person the PIN that they chose, and use up the code; tell whether the code was still theirs."""
        with self.database.write() as session:
            row = session.get_one(tables.Person, person)
            if row.disabled_at is not None or not code_hash or row.code_hash != code_hash:
                return False
            row.pin_hash, row.code_hash, row.code_until = pin_hash, "", None
            _end_sessions(session, person, "pin")
            self._tell(session, "pin-chosen", person, person, {})
            return True

    def reset_person(self, person: str, badge: str, code: OneTimeCode, who: tuple[str, str], reason: str) -> PersonRow:
        """Take PIN, badge and sessions from a person, on the word of two, and give a new badge and one-time code.

        Raises:
            ConfigError: There is no such person at work.
        """
        with self.database.write() as session:
            row = _at_work(session, person)
            row.pin_hash, row.badge, row.code_hash, row.code_until = "", badge, code.hash, code.until
            _end_sessions(session, person, "reset")
            self._tell(session, "person-reset", person, who[0], {"second": who[1], "reason": sentence(reason)})
            session.flush()
            return _person_row(row)

    def disable_person(self, person: str, who: str, reason: str) -> None:
        """Take everything from a person who leaves; the row stays, and so does every row that names it.

        Raises:
            ConfigError: There is no such person at work, or it is the only admin.
        """
        with self.database.write() as session:
            row = _at_work(session, person)
            if Role.ADMIN in row.roles and not _other_admin(session, person):
                raise ConfigError(f"{person} is the only admin", hint="Add another admin first.")
            row.pin_hash, row.code_hash, row.code_until, row.disabled_at = "", "", None, utc_now()
            _end_sessions(session, person, "disabled")
            self._tell(session, "person-disabled", person, who, {"reason": sentence(reason)})

    def begin_sign_in(
        self, person: str, address: str, locked: Callable[[Failures], datetime | None]
    ) -> RowRef | datetime:
        """Record an attempt to sign in before it is judged, and return it; while it is locked, when that ends.

        Args:
            person: Whose badge was shown; empty for a badge that is nobody's.
            address: From where.
            locked: Tells from the failures until when no attempt is taken, or None.
        """
        with self.database.write() as session:
            until = locked(_failures(session, person, address, utc_now() - REMEMBERED))
            if until is not None:
                return until
            row = tables.SignIn(person=person, address=address, at=utc_now(), tried_sequence=None)
            return self.database.append(session, row).ref

    def sign_in_passed(self, tried: RowRef) -> None:
        """Record that an attempt to sign in passed."""
        with self.database.write() as session:
            row = session.get_one(tables.SignIn, (tried.station, tried.sequence))
            passed = tables.SignIn(
                person=row.person, address=row.address, at=utc_now(), tried_sequence=tried.sequence
            )  # fmt: skip
            self.database.append(session, passed)

    def open_session(self, token_sha256: str, person: str, address: str, *, at_slots: bool) -> None:
        """Record that a person is signed in on a page or scanner."""
        now = utc_now()
        row = tables.PersonSession(
            token_sha256=token_sha256, person=person, station=self.database.station, address=address,
            at_slots=at_slots, opened_at=now, seen_at=now, ended_at=None, ended_why="",
        )  # fmt: skip
        with self.database.write() as session:
            session.add(row)

    def session(self, token_sha256: str) -> SessionRow | None:
        """Return a session that has not ended, of a person who still works here."""
        with self.database.read() as session:
            row = session.execute(_living().where(tables.PersonSession.token_sha256 == token_sha256)).one_or_none()
            return None if row is None else _session_row(*row)

    def sessions(self) -> tuple[SessionRow, ...]:
        """List the sessions that have not ended, the latest opened first."""
        with self.database.read() as session:
            found = session.execute(_living().order_by(tables.PersonSession.opened_at.desc()))
            return tuple(_session_row(*row) for row in found)

    def sessions_at_slots(self, since: datetime) -> tuple[SessionRow, ...]:
        """List the sessions at this station's slots that were in use since a time, the latest opened first."""
        row = tables.PersonSession
        query = _living().where(row.station == self.database.station, row.at_slots.is_(True), row.seen_at > since)
        with self.database.read() as session:
            return tuple(_session_row(*found) for found in session.execute(query.order_by(row.opened_at.desc())))

    def see_session(self, token_sha256: str) -> None:
        """Take note that a session is in use."""
        with self.database.write() as session:
            row = session.get_one(tables.PersonSession, token_sha256)
            if row.ended_at is None:
                row.seen_at = utc_now()

    def end_session(self, token_sha256: str, why: str) -> None:
        """End a session; one that ended stays as it is."""
        with self.database.write() as session:
            ended = update(tables.PersonSession).filter_by(token_sha256=token_sha256, ended_at=None)
            session.execute(ended.values(ended_at=utc_now(), ended_why=why))

    def train(self, person: str, name: str, valid_until: datetime, who: str) -> TrainingRow:
        """Record a training or a daily check; the latest of its name counts, so an earlier end takes it back.

        Raises:
            ConfigError: There is no such person at work.
        """
        with self.database.write() as session:
            _at_work(session, person)
            row = tables.Training(person=person, name=name, valid_until=valid_until, at=utc_now(), who=who)
            self._tell(session, "person-trained", person, who, {"name": name, "valid_until": iso(valid_until)})
            return value(TrainingRow, self.database.append(session, row))

    def trainings(self, person: str) -> tuple[TrainingRow, ...]:
        """List what a person was trained for, the latest of each name."""
        with self.database.read() as session:
            return tuple(value(TrainingRow, row) for row in _trainings(session, person).values())

    def _one(self, query: Select[tables.Person]) -> PersonRow | None:
        with self.database.read() as session:
            row = session.scalar(query)
            return None if row is None else _person_row(row)

    def _tell(self, session: Session, kind: str, person: str, who: str, body: Mapping[str, object]) -> None:
        self.database.append(
            session, tables.Event(kind=kind, subject=person, at=utc_now(), body=canonical(dict(body)), who=who)
        )


def training_missing(session: Session, person: str, names: Iterable[str], now: datetime) -> tuple[str, ...]:
    """Return the trainings that a person never had, or whose validity is over, as a transaction sees them (F-K2)."""
    known = _trainings(session, person)
    return tuple(name for name in names if name not in known or known[name].valid_until <= now)


def _trainings(session: Session, person: str) -> dict[str, tables.Training]:
    """Return a person's latest training of each name."""
    rows = select(tables.Training).filter_by(person=person).order_by(tables.Training.at, tables.Training.sequence)
    return {row.name: row for row in session.scalars(rows)}


def _failures(session: Session, person: str, address: str, since: datetime) -> Failures:
    passed, tried = aliased(tables.SignIn), tables.SignIn
    alone = (
        select(tried.at)
        .outerjoin(passed, (passed.station == tried.station) & (passed.tried_sequence == tried.sequence))
        .where(tried.tried_sequence.is_(None), passed.sequence.is_(None), tried.at >= since)
        .order_by(tried.at.desc())
        .limit(MOST_FAILURES)
    )
    of_address = tuple(session.scalars(alone.where(tried.address == address)))
    if not person:
        return Failures((), of_address)
    success = session.scalar(
        select(func.max(tried.at)).where(tried.person == person, tried.tried_sequence.is_not(None))
    )
    mine = alone.where(tried.person == person)
    return Failures(tuple(session.scalars(mine.where(tried.at > success) if success else mine)), of_address)


def _refuse_taken(session: Session, new: NewPerson) -> None:
    if session.get(tables.Person, new.id) is not None:
        raise ConfigError(f"there is a person '{new.id}' already", hint="Choose another id; none is used twice.")
    if session.scalar(select(tables.Person).filter_by(badge=new.badge)) is not None:
        raise ConfigError("this badge is somebody's already", hint="Give each person a badge of their own.")


def _at_work(session: Session, person: str) -> tables.Person:
    row = session.get(tables.Person, person)
    if row is None or row.disabled_at is not None:
        state = "is no person here" if row is None else "works here no longer"
        raise ConfigError(f"'{person}' {state}", hint="'station user list' shows who works here.")
    return row


def _other_admin(session: Session, person: str) -> bool:
    others = select(tables.Person).where(tables.Person.id != person, tables.Person.disabled_at.is_(None))
    return any(Role.ADMIN in other.roles and other.pin_hash for other in session.scalars(others))


def _end_sessions(session: Session, person: str, why: str) -> None:
    living = update(tables.PersonSession).filter_by(person=person, ended_at=None)
    session.execute(living.values(ended_at=utc_now(), ended_why=why))


def _living() -> Select[tables.PersonSession, tables.Person]:
    query = select(tables.PersonSession, tables.Person).join(
        tables.Person, tables.Person.id == tables.PersonSession.person
    )
    # A sign-in that was judged just before a reset may open its session just after it: the reset took the PIN.
    at_work = (tables.Person.disabled_at.is_(None), tables.Person.pin_hash != "")
    return query.where(tables.PersonSession.ended_at.is_(None), *at_work)


def _session_row(row: tables.PersonSession, person: tables.Person) -> SessionRow:
    return value(SessionRow, row, person=_person_of(person))


def _person_of(row: tables.Person) -> Person:
    return Person(row.id, row.name, frozenset(Role(word) for word in row.roles))


def _person_row(row: tables.Person) -> PersonRow:
    return value(PersonRow, row, roles=_person_of(row).roles, has_pin=bool(row.pin_hash))


def _words(roles: Iterable[Role]) -> tuple[str, ...]:
    return tuple(sorted(role.value for role in roles))
