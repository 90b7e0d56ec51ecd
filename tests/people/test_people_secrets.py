"""PINs, badges and one-time codes: which are refused, and how they are kept."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.people.secrets import BADGE, PIN, hashed, matches, new_badge, new_code, plain_code, why_not_a_pin

EASY = (
    *("0000", "1111", "1212", "121212", "123123", "1221", "7778777", "1112"),
    *("1234", "4321", "0123", "7890", "12345678", "98765432", "2580", "1357"),
    *("1984", "2011", "140299", "990214", "021499", "31121999", "19991231", "12311999"),
)
GOOD = ("5927", "40718", "903816", "5519032", "73910264", "1834", "999121")


@pytest.mark.parametrize("pin", EASY)
def test_easy_pins_are_refused(pin: str) -> None:
    """What is tried first: repeats, sequences, keypad paths, years and dates."""
    assert "too easy" in why_not_a_pin(pin)


@pytest.mark.parametrize("pin", ["", "12", "123456789", "12a4", " 5927", "5927\n", "\u0665\u0669\u0662\u0667", "-5927"])
def test_a_pin_is_4_to_8_ascii_digits(pin: str) -> None:
    assert why_not_a_pin(pin) == "A PIN has 4 to 8 digits."


@pytest.mark.parametrize("pin", GOOD)
def test_other_pins_are_taken(pin: str) -> None:
    assert why_not_a_pin(pin) == ""


@given(st.from_regex(PIN, fullmatch=True))
def test_the_rules_never_fail_and_leave_most_pins(pin: str) -> None:
    """Any digits are judged with a sentence or none, never with an exception; what repeats is never taken."""
    why = why_not_a_pin(pin)
    assert why == "" or why.endswith(".")
    assert why or len(set(pin)) > 2


def test_most_four_digit_pins_are_left() -> None:
    """The rules take little from the thief's search, and nothing from the person's choice."""
    left = sum(not why_not_a_pin(f"{number:04d}") for number in range(10_000))
    assert 9_000 < left < 9_800


def test_hashes_are_argon2id_salted_and_say_nothing() -> None:
    """Two hashes of a PIN differ, and both match it alone."""
    one, two = hashed("592718"), hashed("592718")
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != two
    assert matches(one, "592718")
    assert not matches(one, "592719")


@pytest.mark.parametrize("kept", ["", "592718", "$argon2id$broken", "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA"])
def test_what_is_no_hash_of_ours_matches_nothing(kept: str) -> None:
    assert not matches(kept, "592718")
    assert not matches(kept, "")


def test_codes_and_badges_are_random_and_readable() -> None:
    """60 bits for a code, 50 for a badge, in letters that are not mistaken for each other."""
    codes, badges = {new_code() for _ in range(200)}, {new_badge() for _ in range(200)}
    assert len(codes) == len(badges) == 200
    assert all(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)
    assert all(BADGE.fullmatch(badge) for badge in badges)


def test_a_code_is_taken_however_it_is_typed() -> None:
    assert plain_code("7q2m 4x9k-10il") == plain_code("7Q2M-4X9K-1O11") == "7Q2M4X9K1011"
