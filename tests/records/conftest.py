"""Worlds for the tests of the records."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.model import Outcome
from station.records import (
    Records,
    RunRef,
    RunRequest,
    SerialBlock,
    StepRef,
    StepResult,
    WorkOrder,
    open_records,
    upgrade,
)
from tests.labels import stick

PLAN = ("identify", "flash", "label")
ORDER = WorkOrder(
    "WO-1", "ac22", "ac22-eu", 7, "a" * 64, 12, "Example Energy", SerialBlock("AC22-", 1, 99), "staging", "production"
)


class World:
    """Records with one open order, and the few words in which tests speak of them."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def open(self, uid: str = "aa01", serial: str = "", slot: str = "1", order: str = "WO-1") -> RunRef:
        return self.records.open_run(RunRequest(order, uid, slot, PLAN, "3.4.1", serial))

    def step(
        self, run: RunRef, name: str, outcome: Outcome = Outcome.PASS, attempt: int = 1, **result: object
    ) -> StepRef:
        step = self.records.start_step(run, PLAN.index(name), name, attempt)
        self.records.finish_step(step, StepResult(outcome, **result))
        return step

    def label(self, unit: str, odometer: int = 100) -> None:
        stick(self.records, unit, f"code of {unit}", odometer)

    def unit_of(self, run: RunRef) -> str:
        row = self.records.run(run)
        assert row is not None
        return row.unit

    def ready(self, uid: str = "aa01", slot: str = "1") -> tuple[RunRef, str]:
        """Return a run that may be released, and its unit."""
        run = self.open(uid, slot=slot)
        for name in PLAN:
            self.step(run, name)
        unit = self.unit_of(run)
        self.label(unit)
        return run, unit


@pytest.fixture(scope="session")
def at_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one database at head, for copies of it."""
    path = tmp_path_factory.mktemp("head") / "station.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def url(tmp_path: Path, at_head: Path) -> str:
    """Yield the URL of a database at head."""
    shutil.copyfile(at_head, tmp_path / "station.db")
    return f"sqlite:///{tmp_path / 'station.db'}"


@pytest.fixture
def records(url: str) -> Iterator[Records]:
    """Yield open records with one order."""
    with open_records(url, "line1") as records:
        records.create_order(ORDER)
        yield records


@pytest.fixture
def world(records: Records) -> World:
    """Yield the words for records with one order."""
    return World(records)
