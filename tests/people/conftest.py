"""Stations with people for the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from station.records import Records
from tests.people.staff import Staff, staffed


@pytest.fixture
def staff(tmp_path: Path) -> Staff:
    """A station with people, each with a badge and a PIN."""
    return staffed(tmp_path / "staff")


@pytest.fixture
def records(staff: Staff) -> Iterator[Records]:
    """The records of that station."""
    with staff.records() as records:
        yield records
