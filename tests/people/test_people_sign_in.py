"""Signing in: who gets in, and how guessing ends, also by many at once and after a restart (F-K1, F-K2)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from station.clock import utc_now
from station.people import SignInRefused, add_person, choose_pin, disable_person, reset_person, sign_in, sign_in_as
from station.people.secrets import hashed, plain_code
from station.people.sign_in import FREE_OF_ADDRESS, FREE_OF_PERSON, locked_until
from station.person import Role
from station.records import Failures, NewPerson, OneTimeCode, Records
from tests.people.staff import Staff, someone

WRONG = "90215"


def refused(records: Records, badge: str, pin: str, address: str = "10.0.0.7") -> SignInRefused:
    with pytest.raises(SignInRefused) as caught:
        sign_in(records, badge, pin, address)
    return caught.value


def test_badge_and_pin_together_name_the_person(records: Records, staff: Staff) -> None:
    shown = staff.shown("lead-1")
    person = sign_in(records, shown.badge, shown.pin)
    assert (person.id, person.roles) == ("lead-1", {Role.LINE_LEAD})
    assert sign_in_as(records, "lead-1", shown.pin) == person


def test_refusals_never_say_what_was_wrong(records: Records, staff: Staff) -> None:
    """An unknown badge, a wrong PIN, somebody else's PIN and a person without one: the same words."""
    lead, qa = staff.shown("lead-1"), staff.shown("qa-1")
    new = add_person(records, someone(records, "admin-1"), NewPerson("new-1", "New", frozenset({Role.OPERATOR}), ""))
    tries = [
        ("BG-NOBODY", lead.pin),
        (lead.badge, WRONG),
        (lead.badge, qa.pin),
        (new.person.badge, ""),
        (lead.badge, ""),
    ]
    told = {(error.message, error.hint, error.until) for error in (refused(records, *one) for one in tries)}
    assert told == {("Badge and PIN do not belong together.", SignInRefused.default_hint, None)}


def test_guessing_ends_with_a_wait_that_the_right_pin_keeps_too(records: Records, staff: Staff) -> None:
    """After five failures nothing is judged, so that the sixth answer says nothing of the PIN."""
    shown = staff.shown("lead-1")
    for _ in range(FREE_OF_PERSON):
        assert refused(records, shown.badge, WRONG).until is None
    locked = refused(records, shown.badge, shown.pin)
    assert locked.until is not None
    assert timedelta() < locked.until - utc_now() <= timedelta(minutes=1)
    assert f"{locked.until:%H:%M:%S} UTC" in locked.message
    assert sign_in(records, staff.shown("qa-1").badge, staff.shown("qa-1").pin).id == "qa-1"


def test_a_restart_forgets_no_failure(staff: Staff) -> None:
    """The count stands in the records, not in a process; commands and pages share it."""
    shown = staff.shown("lead-1")
    for address in ("10.0.0.7", "10.0.0.8", "console", "10.0.0.9", "console"):
        with staff.records() as records:
            refused(records, shown.badge, WRONG, address)
    with staff.records() as records, pytest.raises(SignInRefused) as caught:
        sign_in_as(records, "lead-1", shown.pin)
    assert caught.value.until is not None


def test_attempts_side_by_side_count_like_those_in_a_row(records: Records, staff: Staff) -> None:
    """Each is recorded before it is judged: forty at once get no more guesses than five one after the other."""
    shown = staff.shown("lead-1")
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: refused(records, shown.badge, WRONG), range(40)))
    assert sum(error.until is None for error in told) == FREE_OF_PERSON


def test_success_starts_the_count_again(records: Records, staff: Staff) -> None:
    shown = staff.shown("lead-1")
    for _ in range(2):
        for _ in range(FREE_OF_PERSON - 1):
            refused(records, shown.badge, WRONG)
        assert sign_in(records, shown.badge, shown.pin).id == "lead-1"


def test_an_address_that_tries_badges_is_locked_and_others_are_not(records: Records, staff: Staff) -> None:
    """Unknown badges are nobody's failures, but an address's."""
    for number in range(FREE_OF_ADDRESS):
        assert refused(records, f"BG-{number:04d}", WRONG).until is None
    shown = staff.shown("lead-1")
    assert refused(records, shown.badge, shown.pin).until is not None
    assert sign_in(records, shown.badge, shown.pin, "10.0.0.8").id == "lead-1"


@pytest.mark.parametrize(
    ("failures", "minutes"), [(4, 0), (5, 1), (6, 2), (7, 4), (10, 32), (11, 60), (40, 60), (100, 60)]
)
def test_each_further_failure_doubles_the_wait_up_to_an_hour(failures: int, minutes: int) -> None:
    now = utc_now()
    times = tuple(now - timedelta(seconds=number) for number in range(failures))
    end = locked_until(Failures(times, ()), now)
    assert end == (now + timedelta(minutes=minutes) if minutes else None)
    assert locked_until(Failures(times, ()), now + timedelta(minutes=minutes)) is None


def test_an_address_is_free_again_when_its_failures_are_old() -> None:
    now = utc_now()
    times = tuple(now - timedelta(seconds=10 * number) for number in range(FREE_OF_ADDRESS))
    end = locked_until(Failures((), times), now)
    assert end == times[-1] + timedelta(minutes=15)
    assert locked_until(Failures((), times), end) is None


def test_who_left_does_not_come_in(records: Records, staff: Staff) -> None:
    shown = staff.shown("operator-1")
    disable_person(records, someone(records, "admin-1"), "operator-1", "left the company")
    assert refused(records, shown.badge, shown.pin).until is None


def test_a_code_is_good_once_and_for_its_badge_alone(records: Records) -> None:
    new = NewPerson("new-1", "New", frozenset({Role.OPERATOR}), "")
    welcome = add_person(records, someone(records, "admin-1"), new)
    badge, other = welcome.person.badge, records.person("qa-1")
    assert other is not None
    with pytest.raises(SignInRefused):
        choose_pin(records, other.badge, welcome.code, "592718")
    with pytest.raises(ValueError, match="too easy"):
        choose_pin(records, badge, welcome.code, "123456")
    assert choose_pin(records, badge, welcome.code.lower().replace("-", " "), "592718").id == "new-1"
    with pytest.raises(SignInRefused, match="used"):
        choose_pin(records, badge, welcome.code, "481592")
    assert sign_in(records, badge, "592718").id == "new-1"


def test_two_who_use_one_code_at_once_get_one_pin(records: Records) -> None:
    """The code is used up in the transaction that sets the PIN."""
    welcome = add_person(records, someone(records, "admin-1"), NewPerson("new-1", "New", frozenset({Role.QA}), ""))

    def choose(pin: str) -> str:
        try:
            return choose_pin(records, welcome.person.badge, welcome.code, pin) and pin
        except SignInRefused:
            return ""

    with ThreadPoolExecutor(4) as pool:
        taken = [pin for pin in pool.map(choose, ("592718", "481592", "703916", "318264")) if pin]
    assert len(taken) == 1
    assert sign_in(records, welcome.person.badge, taken[0]).id == "new-1"


def test_an_old_code_is_none(records: Records) -> None:
    code = OneTimeCode(hashed(plain_code("7Q2M-4X9K-1011")), utc_now() - timedelta(seconds=1))
    records.add_person(NewPerson("new-1", "New", frozenset({Role.QA}), "BG-NEW1"), code, "admin-1")
    with pytest.raises(SignInRefused, match="too old"):
        choose_pin(records, "BG-NEW1", "7Q2M-4X9K-1011", "592718")


def test_codes_are_not_guessed_either(records: Records) -> None:
    """The one-time code shares the limit of the PIN."""
    welcome = add_person(records, someone(records, "admin-1"), NewPerson("new-1", "New", frozenset({Role.QA}), ""))
    for _ in range(FREE_OF_PERSON):
        with pytest.raises(SignInRefused):
            choose_pin(records, welcome.person.badge, "AAAA-AAAA-AAAA", "592718")
    with pytest.raises(SignInRefused) as caught:
        choose_pin(records, welcome.person.badge, welcome.code, "592718")
    assert caught.value.until is not None


def test_no_secret_stands_in_the_database_or_in_what_is_shown(staff: Staff) -> None:
    """PIN, code and token are nowhere in clear: not in the file, not in a value that may be printed."""
    with staff.records() as records:
        shown = staff.shown("lead-1")
        two = someone(records, "admin-1"), someone(records, "qa-1")
        welcome = reset_person(records, *two, "lead-1", "lost the badge")
        refused(records, welcome.person.badge, WRONG)
        printed = repr((welcome, records.people(), records.credential("qa-1")))
    files = b"".join(path.read_bytes() for path in staff.station.glob("station.db*"))
    for secret in (shown.pin, welcome.code, plain_code(welcome.code)):
        assert secret.encode() not in files
        assert secret not in printed
    assert "argon2" not in printed
