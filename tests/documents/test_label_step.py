"""Printing at a slot: each label has its own time, and who asks for one more is told of a sick printer at once."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.samples import sample_unit
from station.bench import Bench, Services, UnitInWork
from station.documents.label_set import Piece, Sort, shipped_template
from station.documents.printer import NotReady, Printer
from station.model import DeviceIdentity
from station.records import LabelState, Records, RunRequest, SerialBlock, WorkOrder, open_records, upgrade
from station.steps.label import VOID, Patience, _verified

UID = "aa01"
ORDER = WorkOrder("WO-1", "ac22", "ac22-eu", 1, "a" * 64, 9, "", SerialBlock("AC22-", 1, 99), "staging", "production")


class Hand:
    """Who takes their time over the first label, finds it spoilt, and scans the next."""

    who = "op-1"

    def __init__(self, records: Records, seconds: float) -> None:
        self.records, self.seconds = records, seconds

    def ask(self, sentence: str, hint: str, judge: Callable[[str], str], state: object = None) -> str:
        """Scan what there is to scan."""
        (row,) = [row for row in self.records.open_labels() if not judge(row.code)]
        if row.copy > 1:
            return row.code
        time.sleep(self.seconds)
        return VOID


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    upgrade(url := f"sqlite:///{tmp_path / 'station.db'}")
    with open_records(url, "line1") as opened:
        opened.create_order(ORDER)
        yield opened


def bench(records: Records, printer: Printer, doing: list[str], seconds: float = 0.0) -> Bench:
    """Return a bench of a unit whose labels alone are made."""
    run = records.open_run(RunRequest("WO-1", UID, "1", ("label",), "3.4.1", ""))
    serial = records.run(run).unit
    services = Services(records, None, None, None, printer)  # type: ignore[arg-type]
    identity = DeviceIdentity(bytes.fromhex(UID), "AC22", True, True, True, serial=serial)
    unit = UnitInWork(serial, identity.uid, "WO-1", "")
    hand, silent = Hand(records, seconds), threading.Event()
    return Bench(services, None, unit, run, None, hand, identity, silent, lambda _: None, doing.append)  # type: ignore[arg-type]


def test_sick_printer_ends_a_reprint_at_once(records: Records, virtual_printer: Callable[..., Any]) -> None:
    """Nobody stands before a silent slot: the sentence is there, and the label that was never sent is kept."""
    zebra, doing = virtual_printer("--fault", "media-out"), []
    at = bench(records, zebra.printer, doing)
    record = sample_unit(at.unit.serial)
    plate = Piece(Sort.UNIT, shipped_template(Sort.UNIT))
    with pytest.raises(NotReady, match="out of labels"):
        _verified(at, record, plate, Patience(300, awaits_printer=False))
    assert [text for text in doing if text] == []
    zebra.fall("")
    assert _verified(at, record, plate, Patience(60, awaits_printer=False)).copy == 2


def test_time_that_people_take_is_not_the_printers(records: Records, virtual_printer: Callable[..., Any]) -> None:
    """They look at the first label for longer than the whole step has: the next one is printed all the same."""
    zebra = virtual_printer()
    at = bench(records, zebra.printer, [], seconds=8.1)
    at.on_progress = lambda _: zebra.fall("")  # the wait for the printer began, and somebody loads labels
    at.on_doing = lambda text: zebra.fall("media-out") if not text and len(records.ended_labels()) == 0 else None
    plate = Piece(Sort.UNIT, shipped_template(Sort.UNIT))
    assert _verified(at, sample_unit(at.unit.serial), plate, Patience(8)).copy == 2
    assert [row.state for row in records.ended_labels()] == [LabelState.SCANNED, LabelState.VOID]
