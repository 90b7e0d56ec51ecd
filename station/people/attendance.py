"""Who is at the station now: what runs are begun for (F-K2).

One person at a time, the last who signed in at the slots: a page or a scanner that several people share does not say
who of them holds the charger. It is read from the sessions in the records, so that it outlives a restart of the
station, and whoever was reset or let go is gone at once.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from station.clock import utc_now
from station.errors import ServiceError
from station.people.sessions import NOTED_EVERY, Sessions
from station.person import Person
from station.records import Records, SessionRow

LOOK_SECONDS = 0.5
"""How old an answer may be: all waiting slots ask, many times a second."""


class Attendance:
    """Knows who is present at this station's slots; safe from all threads."""

    def __init__(self, records: Records, sessions: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._sessions = sessions
        self._clock = clock
        self._lock = threading.Lock()
        self._session: SessionRow | None = None
        self._good_until = -LOOK_SECONDS

    def present(self) -> Person | None:
        """Return who is here, or None if nobody signed in or the last one has been idle for too long."""
        session = self._current()
        return session.person if session else None

    def seen(self, person: Person) -> None:
        """Take note that a person did something here; it keeps who is present so, and brings nobody back."""
        session = self._current()
        if session is None or session.person.id != person.id or session.seen_at > utc_now() - NOTED_EVERY:
            return
        with suppress(ServiceError):
            self._records.see_session(session.token_sha256)
            self.look_again()

    def sign_out(self) -> None:
        """Take note that nobody is here any more."""
        self._sessions.end_at_slots()
        self.look_again()

    def look_again(self) -> None:
        """Forget the last answer, because somebody came or went."""
        with self._lock:
            self._good_until = -LOOK_SECONDS

    def _current(self) -> SessionRow | None:
        """Return the session at the slots; while the records are away, the one that was there before."""
        with self._lock:
            if self._clock() >= self._good_until:
                with suppress(ServiceError):
                    self._session = self._sessions.at_slots()
                self._good_until = self._clock() + LOOK_SECONDS
            return self._session
