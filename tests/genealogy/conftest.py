"""Records with units in work, and parts to put into them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from station.model import Outcome
from station.records import (
    Part,
    Records,
    RunRef,
    RunRequest,
    SerialBlock,
    StepResult,
    WorkOrder,
    open_records,
    upgrade,
)
from tests.labels import stick

PLAN = ("identify", "accept", "label")
ORDER = WorkOrder(
    "WO-1", "dc60", "dc60-eu", 1, "a" * 64, 12, "Example Energy", SerialBlock("DC60-", 1, 99), "staging", "production"
)
ONE, TWO = "DC60-000001", "DC60-000002"


class Shop:
    """Records in which two units are at work, and the few words in which tests speak of them."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.runs = {ONE: self.open(1), TWO: self.open(2)}

    def open(self, number: int) -> RunRef:
        return self.records.open_run(RunRequest("WO-1", f"aa0{number}", str(number), PLAN, "2.1.0"))

    def step(self, unit: str, name: str) -> None:
        step = self.records.start_step(self.runs[unit], PLAN.index(name), name, 1)
        self.records.finish_step(step, StepResult(Outcome.PASS))

    def abort(self, unit: str) -> None:
        self.records.close_run(self.runs[unit], Outcome.ABORTED)

    def release(self, unit: str) -> None:
        for name in PLAN:
            self.step(unit, name)
        stick(self.records, unit, f"SN:{unit}")
        self.records.release(self.runs[unit], b'{"serial":"%s"}' % unit.encode(), b"signature", "signer")

    def attach(self, unit: str, serial: str = "PM-1", **more: object) -> None:
        self.records.attach(module(unit, serial, **more), "operator-1", self.runs[unit])


def module(unit: str, serial: str = "PM-1", **more: object) -> Part:
    """Return a power module."""
    values: dict[str, object] = {"kind": "power module", "position": "M1", "opens": ("accept", "hipot"), **more}
    return Part(unit, serial=serial, **values)  # type: ignore[arg-type]


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'station.db'}"
    upgrade(url)
    return url


@pytest.fixture
def shop(url: str) -> Iterator[Shop]:
    with open_records(url, "line1") as records:
        records.create_order(ORDER)
        yield Shop(records)
