"""A reference MES for the tests of a module, and a station of each test's own."""

import shutil
import sys
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find helpers beside a test

from mes_world import Floor, Reference

from station.config import MesSection
from station.records import SerialBlock, WorkOrder, open_records, upgrade

STATIONS = count(1)
ORDER = ("WO-1", "ac22", "ac22-eu", 7, "a" * 64, 12, "Customer")


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    reference = Reference(tmp_path_factory.mktemp("mes"))
    yield reference
    reference.kill()


@pytest.fixture
def reference(process):
    """An MES that behaves; tests are told apart by their stations and units."""
    process.misbehave("none")
    yield process
    if process.process.poll() is not None:
        process.start()


@pytest.fixture
def station():
    """The name of a station that belongs to this test alone."""
    return f"line{next(STATIONS)}"


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """A database at head; migrations take longer than a test."""
    path = tmp_path_factory.mktemp("head") / "station.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def records(tmp_path, station, database):
    url = f"sqlite:///{shutil.copy(database, tmp_path)}"
    with open_records(url, station) as records:
        block = SerialBlock(f"{station.upper()}-", 1, 99)
        records.create_order(WorkOrder(*ORDER, block, "t", "s", serials_from="station"))
        yield records


@pytest.fixture
def section():
    return MesSection(uri="http://127.0.0.1:1", away_hours=4.0, away_units=2)


@pytest.fixture
def floor(records, reference, section, station):
    """A station whose MES is there."""
    mes = reference.open(station)
    records.mes_begin()
    yield Floor(records, mes, section, station)
    mes.close()
