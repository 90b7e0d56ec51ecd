"""Stations to keep: one is made, and each test has a copy of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.passports import SampleRecords
from station.records import open_records
from tests.audit.conftest import STATION, SoftKey
from tests.keeping.keeping_world import Kept, copied, prepared


@pytest.fixture(scope="session")
def keys() -> tuple[SoftKey, SampleRecords]:
    """Return the audit key and the record key."""
    return SoftKey(), SampleRecords()


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory, keys: tuple[SoftKey, SampleRecords]) -> Path:
    """Return a station that nobody changes."""
    place = tmp_path_factory.mktemp("kept")
    prepared(place, *keys)
    return place


@pytest.fixture
def kept(tmp_path: Path, master: Path, keys: tuple[SoftKey, SampleRecords]) -> Iterator[Kept]:
    """Yield a station of the test's own."""
    copied(master, tmp_path)
    with open_records(f"sqlite:///{tmp_path / 'station' / 'station.db'}", STATION) as records:
        yield Kept(tmp_path, records, *keys)
