"""Check characters of serial numbers, and the gate that holds a unit's number equal everywhere (F-B6, F-A7)."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from station.identifiers import check_serial, equality_gate, serial_with_check

STEMS = st.from_regex(r"[A-HJ-NPR-TV-Z0-9][A-HJ-NPR-TV-Z0-9-]{2,22}[A-HJ-NPR-TV-Z0-9]", fullmatch=True)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PLACES = ("label", "device", "certificate", "boot", "cpms", "passport", "identity", "address", "user")


def test_published_vector() -> None:
    """ISO 7064 MOD 37,36: the example of an ISAN, whose check character is M."""
    assert serial_with_check("A12425GABC1234002") == "A12425GABC1234002M"
    assert check_serial("A12425GABC1234002M") == ""


@given(STEMS, st.integers(0, 30), st.sampled_from(ALPHABET))
def test_one_wrong_character(stem: str, place: int, other: str) -> None:
    """Any one wrong character is found, the check character's own too; hyphens don't count."""
    serial = serial_with_check(stem)
    at = place % len(serial)
    assume(serial[at] not in ("-", other))
    assert check_serial(serial) == check_serial(serial.replace("-", "")) == ""
    assert "mistyped or misread" in check_serial(serial[:at] + other + serial[at + 1 :])


@pytest.mark.parametrize("text", ["", "-", "ac22-0000017", "AC22-00001٣7", "AC22 0000017", "AC22-0000017\n"])
def test_no_serial_at_all(text: str) -> None:
    """What could not have a check character is refused like a wrong one."""
    assert "mistyped or misread" in check_serial(text)


@pytest.mark.parametrize("stem", ["IC22-000001", "AC22-O00001", "QC22-1", "UC22-1", "ac22-1"])
def test_stem_that_people_misread(stem: str) -> None:
    """Letters that look like digits are no part of a number that is typed by hand."""
    with pytest.raises(ValueError, match=r"confused|capital"):
        serial_with_check(stem)


def test_all_places_equal() -> None:
    """Equal everywhere, or not readable: nothing to say."""
    assert equality_gate("AC22-1", **dict.fromkeys(PLACES, "AC22-1")) == ()
    assert equality_gate("AC22-1", label="AC22-1", device=None) == ()


@pytest.mark.parametrize("place", PLACES)
def test_one_place_differs(place: str) -> None:
    """Each single place that differs is named, with both numbers, also when it shows nothing or another case."""
    places = dict.fromkeys(PLACES, "AC22-1")
    for wrong in ("AC22-2", "", "ac22-1", "AC22-1 "):
        (sentence,) = equality_gate("AC22-1", **places | {place: wrong})
        assert "record says 'AC22-1'" in sentence
        assert (f"'{wrong}'" if wrong else "nothing") in sentence


def test_foreign_text_in_a_sentence() -> None:
    """What a device says is shown short and printable; a record without a number never passes."""
    (sentence,) = equality_gate("AC22-1", device="\x1b[2J" + "A" * 500)
    assert sentence.isprintable()
    assert len(sentence) < 160
    assert equality_gate("", device="") != ()
    with pytest.raises(KeyError):
        equality_gate("AC22-1", devise="AC22-1")
