"""A station directory with records and one order, and a bench that delivers results to them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.config import LineSection, PrinterSection, SlotSection, StationConfig, StationSection
from station.records import Records, open_records, upgrade
from tests.results.results_world import ORDER, Bench


@pytest.fixture(scope="session")
def at_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one database at head, for copies of it."""
    path = tmp_path_factory.mktemp("head") / "station.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def config(tmp_path: Path, at_head: Path) -> StationConfig:
    """A station directory with a database at head."""
    config = StationConfig(
        StationSection("line1"), LineSection("WO-1"), PrinterSection("discard:"), (SlotSection("1", "usb-1"),),
        directory=tmp_path,
    )  # fmt: skip
    shutil.copyfile(at_head, tmp_path / "station.db")
    return config


@pytest.fixture
def records(config: StationConfig) -> Iterator[Records]:
    """Open records with one order."""
    with open_records(config.database_url, "line1") as records:
        records.create_order(ORDER)
        yield records


@pytest.fixture
def bench(records: Records) -> Bench:
    """A test bench that delivers to these records."""
    return Bench(records)
