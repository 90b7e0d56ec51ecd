"""No label twice: every fault of a printer, before and after the intent, with the station killed in between.

The station is a forked process that kills itself; what comes after is a new one, which knows only the records and asks
the printer, and an operator who looks into the printer's tray. A sample runs here; `PRINTER_CAMPAIGN=90` runs as many
cases of the matrix as it says (design 7.8, F-J2, F-J5, F-K4).
"""

import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from itertools import product
from pathlib import Path

import pytest

from fixtures.bench.outbox_books import STATION, make_books, unit_of
from fixtures.printer import FAULTS, FLAGS
from station.clock import Deadline
from station.documents.printer import PrintFate, PrintMark, PrintResult, await_fate, print_label
from station.documents.printers import open_printer
from station.errors import ServiceError
from station.records import LabelJob, LabelRow, LabelState, Records, open_records
from station.records.labels import UNSENT

SWAP = "swap"
"""Another printer stands there when the station is back."""
KILLS = ("never", "rendered", "intent", "sent", "judged")
WHENS = ("before", "after")
SAMPLE = (
    ("reset-after-end", "after", "sent"),
    ("reset-before-end", "after", "never"),
    ("media-out", "before", "rendered"),
    ("ribbon-out", "after", "intent"),
    ("head-open", "after", "sent"),
    ("media-out-midway", "after", "sent"),
    ("late", "after", "sent"),
    (SWAP, "after", "sent"),
)
CASES = list(product((*FAULTS, SWAP), WHENS, KILLS))
CHOSEN = random.Random(7).sample(CASES, min(int(os.environ.get("PRINTER_CAMPAIGN", "0")), len(CASES))) or SAMPLE
TEMPLATE = "spare"
MOST_ROUNDS = 8


class Tray:
    """The printer as its faults and its tray are seen by people."""

    def __init__(self, folder: Path, uri: str) -> None:
        self.folder, self.uri = folder, uri

    def fall(self, fault: str) -> None:
        if fault == SWAP:
            (self.folder / "serial").write_text(f"OTHER{len(self.labels())}")
        else:
            (self.folder / "fault").write_text(fault)

    def labels(self) -> Counter[bytes]:
        """Count the whole labels that came out, by their content."""
        return Counter(path.read_bytes() for path in self.folder.glob("[0-9]*.zpl"))


def content(unit: str, copy: int) -> bytes:
    return b"^XA^FO20,20^A0N,40,40^FH_^FD%s/%d^FS^XZ" % (unit.encode(), copy)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def print_next(records: Records, tray: Tray, unit: str, at: Callable[[str], None]) -> None:
    """Print the label that waits, or the next copy, as a slot does; `at` is told how far it is."""
    row = records.living_label(unit, TEMPLATE)
    if row is None:
        copy = 1 + sum(label.template == TEMPLATE for label in records.unit_history(unit).labels)
        row = records.label_rendered(
            LabelJob(unit, TEMPLATE, f"{unit}/{copy}", sha256(content(unit, copy)).hexdigest())
        )
    at("rendered")

    def intend(mark: PrintMark) -> None:
        records.label_sent(row, mark.number, mark.printer)
        at("intent")

    printer = open_printer(tray.uri)
    hand_over = printer.print

    def handed(number: int, zpl: bytes, deadline: Deadline) -> None:
        try:
            hand_over(number, zpl, deadline)
        finally:
            at("sent")

    printer.print = handed
    result = print_label(printer, content(unit, row.copy), Deadline(5), intend, row.job_name)
    at("judged")
    settle(records, row, result)


def settle(records: Records, row: LabelRow, result: PrintResult) -> None:
    if result.fate is PrintFate.PRINTED:
        records.label_printed(row, result.odometer_after)
    elif result.fate is PrintFate.NOT_PRINTED:
        records.void_label(row, "never printed", "station")


def dies(fault: str, when: str, kill: str) -> bool:
    """Tell whether the station comes as far as where it is to be killed: it sends nothing to a sick printer."""
    return kill == "rendered" or (kill != "never" and not (when == "before" and fault in {*FLAGS, "silent"}))


def killed_station(url: str, tray: Tray, unit: str, case: tuple[str, str, str]) -> None:
    """Print one label with a fault, and die where the case says."""
    fault, when, kill = case

    def at(point: str) -> None:
        if (point, when) in {("rendered", "before"), ("intent", "after")} and fault != SWAP:
            tray.fall(fault)
        if point == kill:
            die()

    with open_records(url, STATION) as records:
        try:
            print_next(records, tray, unit, at)
        except ServiceError:
            os._exit(0)
    os._exit(0)


def go_on(records: Records, tray: Tray, unit: str) -> bool:
    """Be the station that is back: print what was not sent, or ask what became of it; tell whether it printed."""
    row = records.living_label(unit, TEMPLATE)
    if row is None or row.state in UNSENT:
        print_next(records, tray, unit, lambda _: None)
        return True
    if row.state is LabelState.SENT:
        mark = PrintMark(row.odometer_before, row.printer, row.job_name)
        settle(records, row, await_fate(open_printer(tray.uri), mark, Deadline(6)))
    return False


def recover(records: Records, tray: Tray, unit: str) -> LabelRow:
    """Do what station and operator do after the crash until the unit bears a label."""
    for _ in range(MOST_ROUNDS):
        if go_on(records, tray, unit):
            continue
        row = records.living_label(unit, TEMPLATE)
        if row is not None and tray.labels()[content(unit, row.copy)]:
            return records.label_scanned(row, row.code)
        if row is not None:
            records.void_label(row, "it is not in the tray", "operator-1")
    raise AssertionError("the unit never got its label")


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('books') / 'station.db'}"
    make_books(url, len(CHOSEN))
    return url


@pytest.fixture
def tray(virtual_printer: Callable[..., object]) -> Tray:
    zebra = virtual_printer("--pace", "0.05")
    return Tray(zebra.folder, f"tcp://127.0.0.1:{zebra.port}")


@pytest.mark.parametrize(("number", "case"), list(enumerate(CHOSEN, 1)), ids=["-".join(case) for case in CHOSEN])
def test_no_label_comes_out_twice(books: str, tray: Tray, number: int, case: tuple[str, str, str]) -> None:
    """At most one of each copy, and the one that the unit bears came out."""
    unit = unit_of(number).serial
    station = multiprocessing.get_context("fork").Process(target=killed_station, args=(books, tray, unit, case))
    station.start()
    station.join(60)
    assert station.exitcode == (-signal.SIGKILL if dies(*case) else 0)
    with open_records(books, STATION) as records:
        if case[0] != SWAP:
            with suppress(ServiceError):  # the printer is as sick as it was left
                go_on(records, tray, unit)
        tray.fall(SWAP if case[0] == SWAP else "")
        living = recover(records, tray, unit)
        rows = [row for row in records.unit_history(unit).labels if row.template == TEMPLATE]
    came_out = tray.labels()
    assert max(came_out.values()) == 1, case
    assert came_out[content(unit, living.copy)] == 1
    assert [row.state for row in rows if row.copy != living.copy] == [LabelState.VOID] * (len(rows) - 1)
