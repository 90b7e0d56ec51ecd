"""Signing in: badge and PIN against what is kept, with an end to guessing.

Each attempt is recorded before it is judged, so that attempts side by side, from several processes too, count as well
as those one after the other. Which of badge and PIN was wrong is never told.
"""

from datetime import datetime, timedelta

from station.clock import iso, utc_now
from station.errors import StationError
from station.people.secrets import hashed, matches, plain_code, why_not_a_pin
from station.person import Person
from station.records import Failures, PersonRow, Records, RowRef

CONSOLE = "console"
"""The address of commands that are typed on the station itself."""
FREE_OF_PERSON = 5
"""Failures in a row that a person may have before waiting."""
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
FREE_OF_ADDRESS, ADDRESS_WINDOW = 30, timedelta(minutes=15)
"""Failures that all people together may have from one address within a time; a whole shift may share one page."""
LONGEST_SECRET = 64


class SignInRefused(StationError):
    """Nobody is signed in; `until` says when the next attempt is taken, if this one was one too many."""

    default_hint = "Scan your badge, then enter your PIN."

    def __init__(self, message: str, *, hint: str = "", until: datetime | None = None) -> None:
        super().__init__(message, hint=hint)
        self.until = until


def sign_in(records: Records, badge: str, pin: str, address: str = CONSOLE) -> Person:
    """Return the person with this badge and PIN.

    Raises:
        SignInRefused: They do not belong together, or too many attempts failed.
    """
    return _judged(records, records.person_of_badge(badge), pin, address)


def sign_in_as(records: Records, person: str, pin: str, address: str = CONSOLE) -> Person:
    """Return the person with this id and PIN: for commands, where nobody scans a badge.

    Raises:
        SignInRefused: They do not belong together, or too many attempts failed.
    """
    return _judged(records, records.person(person), pin, address)


def choose_pin(records: Records, badge: str, code: str, pin: str, address: str = CONSOLE) -> Person:
    """Give the person with this badge the PIN that they chose, for their one-time code; it is good once.

    Raises:
        SignInRefused: Badge and code do not belong together, the code is too old, or too many attempts failed.
        ValueError: The PIN is too easy; the code stays good.
    """
    if why := why_not_a_pin(pin):
        raise ValueError(why)
    row = _at_work(records.person_of_badge(badge))
    tried = _begin(records, row, address)
    kept = records.credential(row.id) if row else None
    in_time = kept is not None and kept.code_until is not None and utc_now() < kept.code_until
    code_hash = kept.code_hash if kept is not None and in_time else ""
    good = matches(code_hash, plain_code(code)) and row is not None
    if row is None or not good or not records.set_pin(row.id, hashed(pin), code_hash):
        raise SignInRefused("Badge and one-time code do not belong together, or the code is used or too old.",
                            hint="Ask an admin for a new code.")  # fmt: skip
    records.sign_in_passed(tried)
    return row.person


def locked_until(failures: Failures, now: datetime) -> datetime | None:
    """Return when the next attempt is taken, or None if it is taken now."""
    ends = [_end_for_person(failures.of_person), _end_for_address(failures.of_address, now)]
    return max((end for end in ends if end is not None and end > now), default=None)


def _end_for_person(failures: tuple[datetime, ...]) -> datetime | None:
    """Double the wait with each failure after the free ones."""
    beyond = len(failures) - FREE_OF_PERSON
    return None if beyond < 0 else failures[0] + min(FIRST_WAIT * 2 ** min(beyond, 10), LONGEST_WAIT)


def _end_for_address(failures: tuple[datetime, ...], now: datetime) -> datetime | None:
    recent = [at for at in failures if at > now - ADDRESS_WINDOW]
    return None if len(recent) < FREE_OF_ADDRESS else recent[FREE_OF_ADDRESS - 1] + ADDRESS_WINDOW


def _judged(records: Records, row: PersonRow | None, pin: str, address: str) -> Person:
    row = _at_work(row)
    tried = _begin(records, row, address)
    kept = records.credential(row.id).pin_hash if row else ""
    if not matches(kept, pin[:LONGEST_SECRET]) or row is None:
        raise SignInRefused("Badge and PIN do not belong together.")
    records.sign_in_passed(tried)
    return row.person


def _at_work(row: PersonRow | None) -> PersonRow | None:
    return None if row is None or row.disabled_at is not None else row


def _begin(records: Records, row: PersonRow | None, address: str) -> RowRef:
    """Record the attempt.

    Raises:
        SignInRefused: Too many failed before; this one does not count.
    """
    begun = records.begin_sign_in(row.id if row else "", address, lambda found: locked_until(found, utc_now()))
    if isinstance(begun, datetime):
        message = f"Too many attempts failed. The next one is taken at {iso(begun)[11:19]} UTC."
        raise SignInRefused(message, hint="Wait until then, or ask an admin to reset you.", until=begun)
    return begun
