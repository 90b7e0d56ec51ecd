"""The grammar of scans: each code means one thing, and what is wrong is told with the form that was expected (F-N2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.people.secrets import BADGE, new_badge
from station.scans import COMMANDS, DIGITS, REASONS, DoubleScans, ScanKind, read_scan, reason_code


@pytest.mark.parametrize(
    ("code", "kind", "value"),
    [
        ("SL-1", ScanKind.SLOT, "1"),
        ("BG-7K3M9QX2WT", ScanKind.BADGE, "7K3M9QX2WT"),
        ("SN:AC22-000017", ScanKind.LABEL, "AC22-000017"),
        ("SN:AC22-000017:2", ScanKind.LABEL, "AC22-000017:2"),
        ("OR-WO-1001", ScanKind.ORDER, "WO-1001"),
        ("CMD-REWORK", ScanKind.COMMAND, "REWORK"),
        ("CMD-7", ScanKind.COMMAND, "7"),
        ("RC-LABEL", ScanKind.REASON, "LABEL"),
        ("AC22-000017", ScanKind.OTHER, "AC22-000017"),
        ("89049032123456789012", ScanKind.OTHER, "89049032123456789012"),
    ],
)
def test_prefix_says_what_a_code_is_for(code: str, kind: ScanKind, value: str) -> None:
    scan = read_scan(code)
    assert (scan.kind, scan.value, scan.code) == (kind, value, code)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("SL-", "A slot's code is SL- and its name"),
        ("SL-no slot", "such as SL-1"),
        ("BG-x", "capital letters or digits"),
        ("SN:ac22", "A label's code is SN:"),
        ("SN:AC22-000017:1", "from the second copy on"),
        ("OR-", "such as OR-WO-1001"),
        ("CMD-EXPLODE", "one of the codes on the command sheet"),
        ("CMD-10", "one of the codes on the command sheet"),
        ("RC-BECAUSE", "one of the RC- codes"),
        ("", "can't be read"),
        ("SL-1\n", "control characters"),
        ("AC22-0000\u0661", "can't be read"),
        ("A" * 129, "too long"),
    ],
)
def test_wrong_code_is_answered_with_the_form_that_was_expected(code: str, expected: str) -> None:
    """Domain 5.6: refuse with expected format."""
    with pytest.raises(ValueError, match=r".") as refused:
        read_scan(code)
    assert expected in str(refused.value)


@given(st.text(max_size=140))
def test_every_text_is_read_or_refused(text: str) -> None:
    """Bad input: nothing that a scanner can send breaks the line, and nothing unprintable gets further."""
    try:
        scan = read_scan(text)
    except ValueError:
        return
    assert scan.code == text
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 128


def test_every_code_of_the_sheet_is_one_of_the_grammar() -> None:
    for code in (*COMMANDS, *DIGITS):
        assert read_scan(code).kind is ScanKind.COMMAND
    for code, words in REASONS.items():
        assert read_scan(code).kind is ScanKind.REASON
        assert reason_code(words) == code
        assert 3 <= len(words) <= 200
    assert reason_code("the lead said so") == "RC-OTHER"


def test_badges_have_the_form_that_people_are_given() -> None:
    badge = new_badge()
    assert BADGE.fullmatch(badge)
    assert read_scan(badge).kind is ScanKind.BADGE


def test_same_code_within_a_second_is_one_scan() -> None:
    """Domain 5.6: debounce 1 s; another code in between, or a second, and it counts again."""
    doubles, label = DoubleScans(), read_scan("SN:AC22-000017")
    assert not doubles.is_double(label, 10.0)
    doubles.accepted(label, 10.0)
    assert doubles.is_double(label, 10.9)
    assert not doubles.is_double(label, 11.0)
    assert not doubles.is_double(read_scan("SL-1"), 10.1)
    doubles.accepted(read_scan("SL-1"), 10.1)
    assert not doubles.is_double(label, 10.2)


def test_digits_of_a_pin_may_follow_each_other() -> None:
    doubles, digit = DoubleScans(), read_scan("CMD-7")
    doubles.accepted(digit, 10.0)
    assert not doubles.is_double(digit, 10.1)
