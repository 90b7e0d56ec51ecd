"""What may be built no longer, as pure rules: withdrawn bundles, withdrawn firmware, minimum versions (F-C4, F-A2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.catalog.restrictions import Built, Restriction, RestrictionKind, concerns, refusal_of

UNIT = Built("d" * 64, "ac22", "ac22-1.4.0", "1.4.0")
BUNDLE, FIRMWARE, MINIMUM = RestrictionKind


@pytest.mark.parametrize(
    ("restriction", "told"),
    [
        (Restriction(BUNDLE, "d" * 64, reason="wrong fuse"), "The release bundle is withdrawn: wrong fuse."),
        (Restriction(FIRMWARE, "ac22-1.4.0", reason="may weld."), "Firmware ac22-1.4.0 is withdrawn: may weld."),
        (
            Restriction(MINIMUM, "ac22", "1.4.1", "CVE"),
            "Firmware 1.4.0 is older than 1.4.1, the minimum for product ac22: CVE.",
        ),
    ],
)
def test_what_is_stopped_is_told_in_one_sentence(restriction: Restriction, told: str) -> None:
    assert refusal_of(UNIT, [restriction]) == told


@pytest.mark.parametrize(
    "restriction",
    [
        Restriction(BUNDLE, "e" * 64),
        Restriction(FIRMWARE, "ac22-1.4"),
        Restriction(FIRMWARE, "ac22-1.3.0"),
        Restriction(MINIMUM, "ac22", "1.4.0"),
        Restriction(MINIMUM, "ac22", "1.3.99"),
        Restriction(MINIMUM, "ac22-basic", "9.9.9"),
    ],
)
def test_what_concerns_something_else_stops_nothing(restriction: Restriction) -> None:
    assert not concerns(restriction, UNIT)
    assert refusal_of(UNIT, [restriction]) == ""


def test_the_highest_minimum_counts_in_any_order() -> None:
    """A later, lower minimum does not open what an earlier one closed."""
    raised = [Restriction(MINIMUM, "ac22", version) for version in ("1.3.0", "1.5.0", "1.2.0")]
    assert "older than 1.5.0" in refusal_of(UNIT, raised)
    assert refusal_of(UNIT, raised) == refusal_of(UNIT, raised[::-1])


VERSIONS = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535), st.integers(0, 2**32 - 1))


def text(version: tuple[int, ...]) -> str:
    return f"{version[0]}.{version[1]}.{version[2]}" + (f"+{version[3]}" if version[3] else "")


@given(VERSIONS, VERSIONS)
def test_versions_are_compared_as_numbers(ours: tuple[int, ...], minimum: tuple[int, ...]) -> None:
    built = Built("", "ac22", "ac22", text(ours))
    assert concerns(Restriction(MINIMUM, "ac22", text(minimum)), built) == (ours < minimum)


@pytest.mark.parametrize("version", ["", "latest", "1.4", "v1.4.0"])
def test_firmware_without_a_version_is_below_every_minimum(version: str) -> None:
    assert concerns(Restriction(MINIMUM, "ac22", "0.0.0"), Built("", "ac22", "x", version))


@pytest.mark.parametrize(
    ("kind", "subject", "value"), [(MINIMUM, "ac22", "1.4"), (MINIMUM, "", "1.4.0"), (FIRMWARE, "x", "1.4.0")]
)
def test_a_restriction_that_could_not_be_compared_is_none(kind: RestrictionKind, subject: str, value: str) -> None:
    with pytest.raises(ValueError):
        Restriction(kind, subject, value)
