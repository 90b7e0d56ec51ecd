"""Sessions: who is signed in on which page or scanner, kept on the server, locked when idle, ended when told.

The browser has a token that says nothing; the records have its hash. A session is good for one shift, and ends at once
when its person is reset or leaves, whichever process does it.
"""

import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from station.clock import utc_now
from station.errors import ServiceError
from station.people.roles import ACT_REFUSED, MAKERS
from station.people.sign_in import choose_pin, sign_in
from station.person import Person
from station.records import Records, SessionRow
from station.records.canonical import sentence

LONGEST = timedelta(hours=12)
"""Longest life of a session, however busy: one long shift."""
NOTED_EVERY = timedelta(seconds=20)
"""How exactly the records know when a session was last in use: each note is a durable write."""


@dataclass(frozen=True)
class Opened:
    """A session that was just opened."""

    person: Person
    token: str = field(repr=False)
    """What the browser shows from now on; kept nowhere else."""


class Sessions:
    """The sessions of one station; safe from all threads."""

    def __init__(self, records: Records, idle: timedelta, terminals: Collection[str]) -> None:
        """Keep sessions.

        Args:
            records: Where people and sessions stand.
            idle: After how long without use a session ends.
            terminals: Addresses of pages and scanners at the slots.
        """
        self._records = records
        self._idle = idle
        self._terminals = frozenset(terminals)

    def sign_in(self, badge: str, pin: str, address: str) -> Opened:
        """Open a session for a badge and its PIN.

        Raises:
            SignInRefused: They do not belong together, or too many attempts failed.
        """
        return self._open(sign_in(self._records, badge, pin, address), address)

    def choose_pin(self, badge: str, code: str, pin: str, address: str) -> Opened:
        """Give a person the PIN that they chose with a one-time code, and open a session.

        Raises:
            SignInRefused: Badge and code do not belong together, or too many attempts failed.
            ValueError: The PIN is too easy.
        """
        return self._open(choose_pin(self._records, badge, code, pin, address), address)

    def person(self, token: str, *, used: bool = True) -> Person | None:
        """Return who shows this token, or None if its session is idle, over or none; `used` keeps it from idling."""
        key, now = _key(token), utc_now()
        row = self._records.session(key)
        if row is None:
            return None
        if not self._lives(row, now):
            self._records.end_session(key, "idle" if row.opened_at > now - LONGEST else "over")
            return None
        if used and row.seen_at < now - NOTED_EVERY:
            with suppress(ServiceError):  # a scan is not lost because nobody can note that somebody is there
                self._records.see_session(key)
        return row.person

    def refused(self, person: Person, act: str, why: str) -> None:
        """Record that a person tried what their roles do not allow.

        Args:
            person: Who.
            act: What, as programs name it.
            why: The sentence that they were told.
        """
        self._records.event(ACT_REFUSED, sentence(act), {"reason": sentence(why)}, person.id)

    def sign_out(self, token: str) -> None:
        """End the session of a token."""
        self._records.end_session(_key(token), "signed out")

    def at_slots(self) -> SessionRow | None:
        """Return the session at this station's slots that was opened last and lives."""
        now = utc_now()
        return next((row for row in self._records.sessions_at_slots(now - self._idle) if self._lives(row, now)), None)

    def end_at_slots(self) -> None:
        """End all sessions at this station's slots."""
        for row in self._records.sessions_at_slots(utc_now() - self._idle):
            self._records.end_session(row.token_sha256, "signed out")

    def _open(self, person: Person, address: str) -> Opened:
        token = secrets.token_urlsafe(32)
        here = address in self._terminals and person.has(*MAKERS)
        self._records.open_session(_key(token), person.id, address, at_slots=here)
        return Opened(person, token)

    def _lives(self, row: SessionRow, now: datetime) -> bool:
        return row.seen_at > now - self._idle and row.opened_at > now - LONGEST


def _key(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()
