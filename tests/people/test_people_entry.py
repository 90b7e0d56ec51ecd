"""A hand scanner that the station reads itself signs people in: badge, digits of the sheet, done (F-N2)."""

from collections.abc import Callable

import pytest

from station.model import ScanReply
from station.people import Attendance, BadgeReader, Sessions
from station.records import Records
from tests.people.staff import IDLE, Staff


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def attendance(records: Records) -> Attendance:
    return Attendance(records, Sessions(records, IDLE, ("scanner",)))


@pytest.fixture
def reader(records: Records, attendance: Attendance, clock: list[float]) -> BadgeReader:
    return BadgeReader(Sessions(records, IDLE, ("scanner",)), attendance, "scanner", lambda: clock[0])


@pytest.fixture
def scan(reader: BadgeReader) -> Callable[..., ScanReply | None]:
    """Scan codes one after the other, and return the answer to the last."""
    return lambda *codes: [reader.take(code) for code in codes][-1]


def digits(pin: str) -> list[str]:
    return [f"CMD-{digit}" for digit in pin]


def present(attendance: Attendance) -> str:
    person = attendance.present()
    return person.id if person else ""


def test_badge_digits_and_ok_sign_in(scan, attendance: Attendance, staff: Staff) -> None:
    shown = staff.shown("operator-1")
    hidden = scan(shown.badge, *digits(shown.pin))
    assert hidden == ScanReply(True, "\u2022" * len(shown.pin))
    assert scan("CMD-OK") == ScanReply(True, "Signed in: Operator 1.")
    assert present(attendance) == "operator-1"
    assert scan("CMD-OUT") == ScanReply(True, "Signed out.")
    assert present(attendance) == ""


def test_a_wrong_digit_is_taken_back(scan, attendance: Attendance, staff: Staff) -> None:
    shown = staff.shown("operator-1")
    scan(shown.badge, "CMD-9", "CMD-9", "CMD-CLEAR", *digits(shown.pin), "CMD-OK")
    assert present(attendance) == "operator-1"


def test_a_typed_pin_does_too_and_a_mistyped_one_goes_no_further(scan, attendance: Attendance, staff: Staff) -> None:
    """Digits after a badge are a PIN, never a serial: what was mistyped reaches no slot."""
    shown = staff.shown("operator-1")
    for wrong in ("1", "123", "9021590215"):
        refused = scan(shown.badge, wrong)
        assert (refused.accepted, "do not belong together" in refused.sentence) == (False, True)
    assert scan(shown.badge, shown.pin).accepted
    assert present(attendance) == "operator-1"


def test_other_codes_are_the_lines_and_end_the_entry(scan, staff: Staff) -> None:
    shown = staff.shown("operator-1")
    assert scan("AC22-000001") is None
    assert scan("CMD-OK") is None
    assert scan("CMD-7") is None
    assert scan(shown.badge, "SL-1") is None
    assert scan(*digits(shown.pin), "CMD-OK") is None


def test_a_badge_waits_a_minute(scan, clock: list[float], attendance: Attendance, staff: Staff) -> None:
    """A badge that was scanned and left lying opens nothing for who comes later."""
    shown = staff.shown("operator-1")
    scan(shown.badge)
    clock[0] += 61.0
    assert scan(shown.pin) is None
    assert present(attendance) == ""


@pytest.mark.parametrize("badge", ["BG-", "BG-abc", "BG-AAAA\n", "BG-" + "A" * 25])
def test_what_is_no_badge_is_told_its_form(scan, badge: str) -> None:
    refused = scan(badge)
    assert (refused.accepted, "capital letters or digits" in refused.sentence) == (False, True)
