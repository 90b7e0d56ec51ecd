"""An office that makes orders, at a station with an approved bundle; each test has records of its own."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.office import make_office
from station.config import StationConfig
from station.orders import Office
from station.records import Records, open_records, upgrade

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> StationConfig:
    """Return a station directory in which orders can be made."""
    return make_office(tmp_path_factory.mktemp("office"))


@pytest.fixture
def config(made: StationConfig, tmp_path: Path) -> StationConfig:
    """Return the station's settings, with an empty database."""
    config = replace(made, station=replace(made.station, database=f"sqlite:///{tmp_path / 'orders.db'}"))
    upgrade(config.database_url)
    return config


@pytest.fixture
def records(config: StationConfig) -> Iterator[Records]:
    """Yield empty records."""
    with open_records(config.database_url, config.station.id) as records:
        yield records


@pytest.fixture
def office(config: StationConfig, records: Records) -> Office:
    """Return an office of a factory of production."""
    return Office(config, records, lambda: False)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file of orders."""

    def write(content: str | bytes, name: str = "orders.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
