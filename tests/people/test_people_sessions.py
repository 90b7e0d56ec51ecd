"""Sessions end when they must, and whoever signed in at the slots last is who runs are begun for (F-K1, F-K2)."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from hashlib import sha256

import pytest

from station.clock import utc_now
from station.config import load_station
from station.errors import ServiceError
from station.people import Attendance, Sessions, add_person, disable_person, reset_person
from station.person import Role
from station.records import NewPerson, Records
from station.records.database import Database
from tests.people.staff import IDLE, Staff, someone

TERMINALS = ("127.0.0.1", "scanner")
DESK = "10.0.0.7"


def sessions_of(records: Records, idle: timedelta = IDLE) -> Sessions:
    return Sessions(records, idle, TERMINALS)


@pytest.fixture
def sessions(records: Records) -> Sessions:
    return sessions_of(records)


@pytest.fixture
def attendance(records: Records, sessions: Sessions) -> Attendance:
    """Attendance that looks each time it is asked."""
    ticks = iter(range(1_000_000))
    return Attendance(records, sessions, clock=lambda: float(next(ticks)))


def come(sessions: Sessions, staff: Staff, person: str, address: str = "127.0.0.1") -> str:
    """Sign a person in and return the token."""
    shown = staff.shown(person)
    return sessions.sign_in(shown.badge, shown.pin, address).token


def present(attendance: Attendance) -> str:
    """Return who is present, by id."""
    person = attendance.present()
    return person.id if person else ""


def test_a_token_stands_for_its_person_until_signed_out(sessions: Sessions, staff: Staff) -> None:
    token = come(sessions, staff, "lead-1")
    person = sessions.person(token)
    assert person is not None
    assert (person.id, person.roles) == ("lead-1", {Role.LINE_LEAD})
    sessions.sign_out(token)
    assert sessions.person(token) is None


@pytest.mark.parametrize("token", ["", "guess", "\u00e9", "\ud800", "x" * 10_000])
def test_no_other_token_stands_for_anybody(sessions: Sessions, staff: Staff, token: str) -> None:
    come(sessions, staff, "lead-1")
    assert sessions.person(token) is None


def test_tokens_are_kept_as_hashes_alone(records: Records, sessions: Sessions, staff: Staff) -> None:
    """Whoever reads the database can't sign in with what stands there."""
    token = come(sessions, staff, "lead-1")
    (row,) = records.sessions()
    assert sessions.person(row.token_sha256) is None
    assert token.encode() not in b"".join(path.read_bytes() for path in staff.station.glob("station.db*"))
    assert row.token_sha256 not in repr(row)


def test_an_idle_session_is_over_for_good(records: Records, sessions: Sessions, staff: Staff) -> None:
    """Locked by the time that passed, not by a page that would have to tell; a longer patience does not revive it."""
    token = come(sessions, staff, "lead-1")
    assert sessions_of(records, idle=timedelta()).person(token) is None
    assert sessions.person(token) is None
    assert records.sessions() == ()


def test_whoever_can_not_be_noted_is_let_in_all_the_same(sessions: Sessions, staff: Staff) -> None:
    """A full disk or a locked database is told by what can't be written, not by a door that stays shut."""
    token, path = come(sessions, staff, "operator-1"), staff.station / "station.db"
    hasty = Records(Database(f"sqlite:///{path}", load_station(staff.station).station.id, patience=0.1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE person_session SET seen_at = ?", ((utc_now() - timedelta(minutes=1)).isoformat(),))
        other.execute("BEGIN IMMEDIATE")
        person = sessions_of(hasty).person(token)
        assert person is not None
        assert person.id == "operator-1"
        with pytest.raises(ServiceError):
            hasty.event("a", "b", {})
    hasty.database.close()


def test_a_reset_or_a_leaving_ends_open_sessions_at_once(records: Records, sessions: Sessions, staff: Staff) -> None:
    admin, lead = someone(records, "admin-1"), someone(records, "lead-1")
    tokens = {person: come(sessions, staff, person) for person in ("operator-1", "rework-1", "qa-1")}
    reset_person(records, admin, lead, "operator-1", "lost the badge")
    disable_person(records, admin, "rework-1", "left the company")
    assert [sessions.person(token) is not None for token in tokens.values()] == [False, False, True]


def test_a_sign_in_that_meets_a_leaving_opens_nothing(
    records: Records, sessions: Sessions, attendance: Attendance
) -> None:
    """A PIN that was judged just before its person was let go gives a session that is nobody's."""
    disable_person(records, someone(records, "admin-1"), "operator-1", "left the company")
    records.open_session(sha256(b"token").hexdigest(), "operator-1", "127.0.0.1", at_slots=True)
    assert sessions.person("token") is None
    assert present(attendance) == ""


def test_a_sign_in_that_meets_a_reset_opens_nothing(
    records: Records, sessions: Sessions, attendance: Attendance, staff: Staff
) -> None:
    """Whoever found badge and PIN stays out, also once the person has chosen the next PIN."""
    welcome = reset_person(records, someone(records, "admin-1"), someone(records, "lead-1"), "operator-1", "lost it")
    records.open_session(sha256(b"token").hexdigest(), "operator-1", "127.0.0.1", at_slots=True)
    assert sessions.person("token") is None
    assert present(attendance) == ""
    sessions.choose_pin(welcome.person.badge, welcome.code, "73915", "127.0.0.1")
    assert sessions.person("token") is None


def test_who_signed_in_at_the_slots_last_is_present(sessions: Sessions, attendance: Attendance, staff: Staff) -> None:
    assert present(attendance) == ""
    come(sessions, staff, "operator-1")
    assert present(attendance) == "operator-1"
    token = come(sessions, staff, "rework-1")
    assert present(attendance) == "rework-1"
    sessions.sign_out(token)
    assert present(attendance) == "operator-1"


def test_desks_elsewhere_and_those_who_do_not_build_are_not_present(
    sessions: Sessions, attendance: Attendance, staff: Staff
) -> None:
    """A line lead who reads at a desk takes nobody's place, and no run is begun for quality or an admin."""
    come(sessions, staff, "operator-1")
    come(sessions, staff, "lead-1", DESK)
    for person in ("qa-1", "admin-1", "engineer-1"):
        come(sessions, staff, person)
    assert present(attendance) == "operator-1"


def test_presence_outlives_a_restart_and_ends_when_idle(records: Records, sessions: Sessions, staff: Staff) -> None:
    """After a power cut whoever was there is there; after a break nobody is."""
    come(sessions, staff, "operator-1")
    with staff.records() as again:
        assert present(Attendance(again, sessions_of(again))) == "operator-1"
        assert present(Attendance(again, sessions_of(again, idle=timedelta()))) == ""


def test_signing_out_at_the_slots_leaves_nobody(sessions: Sessions, attendance: Attendance, staff: Staff) -> None:
    tokens = [come(sessions, staff, person) for person in ("operator-1", "lead-1")]
    desk = come(sessions, staff, "lead-1", DESK)
    attendance.sign_out()
    assert present(attendance) == ""
    assert [sessions.person(token) is None for token in (*tokens, desk)] == [True, True, False]


def test_who_is_let_go_elsewhere_is_not_present(
    records: Records, sessions: Sessions, attendance: Attendance, staff: Staff
) -> None:
    """Another process lets somebody go: the slots know at their next look."""
    come(sessions, staff, "operator-1")
    with staff.records() as elsewhere:
        disable_person(elsewhere, someone(elsewhere, "admin-1"), "operator-1", "left the company")
    assert present(attendance) == ""


def test_what_others_do_keeps_nobody_present(records: Records, sessions: Sessions, staff: Staff) -> None:
    """Only the acts of who is present count as theirs."""
    come(sessions, staff, "operator-1")
    before = records.sessions()
    attendance = Attendance(records, sessions)
    attendance.seen(someone(records, "lead-1"))
    attendance.seen(someone(records, "operator-1"))
    assert records.sessions() == before
    assert present(attendance) == "operator-1"


def test_a_new_person_chooses_a_pin_and_is_in(records: Records, sessions: Sessions) -> None:
    """The lock screen's way in for somebody with a one-time code."""
    new = NewPerson("new-1", "New", frozenset({Role.OPERATOR}), "")
    welcome = add_person(records, someone(records, "admin-1"), new)
    opened = sessions.choose_pin(welcome.person.badge, welcome.code, "592718", "127.0.0.1")
    assert sessions.person(opened.token) == opened.person
    assert opened.token not in repr(opened)
