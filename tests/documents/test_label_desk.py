"""Labels beside the slots: the printer's card, another resolution, and what is a slot's own (F-J2, F-J4)."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fixtures.people import pin_file
from fixtures.samples import sample_unit
from station.cli.labels import label
from station.config import load_station
from station.documents.label_set import Piece, Print, Sort, checked_label, shipped_template
from station.documents.printer import PRINTS_NOW
from station.errors import ConfigError
from station.labelled import LabelRoom
from station.records import LabelJob, LabelState, Records, RunRequest
from station.reprinting import Desk
from station.steps.printing import Press
from tests.documents.test_label_step import ORDER
from tests.people.staff import Staff, staffed


@pytest.fixture
def staff(tmp_path: Path) -> Staff:
    return staffed(tmp_path / "staff")


@pytest.fixture
def records(staff: Staff) -> Iterator[Records]:
    with staff.records() as records:
        records.create_order(ORDER)
        yield records


@pytest.fixture
def unit(records: Records) -> str:
    """Return a unit in work."""
    return records.run(records.open_run(RunRequest("WO-1", "aa01", "1", ("label",), "3.4.1", ""))).unit


def desk_of(staff: Staff, records: Records, printer: Any, dpi: int = 203) -> Desk:
    config = load_station(staff.station)
    return Desk(LabelRoom(replace(config, labels=replace(config.labels, dpi=dpi)), records), printer, "tcp://printer")


def test_printer_at_work_is_not_asked(staff: Staff, records: Records, virtual_printer: Callable[..., Any]) -> None:
    """Many serve one connection at a time: a look from the page would cost the slot its label.

    Whoever wants a label then waits for the slot's: a printer that prints is ready.
    """
    zebra = virtual_printer()
    desk, done = desk_of(staff, records, zebra.printer), threading.Event()

    def slot(held: threading.Event) -> None:
        with zebra.printer.lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=slot, args=(held := threading.Event(),))
    thread.start()
    assert held.wait(60)
    (card,) = desk.printers()
    Press(records, zebra.printer, 203).demand_ready()
    assert thread.is_alive()
    done.set()
    thread.join(60)
    assert (card.ready, card.problem) == (False, PRINTS_NOW)
    assert desk.printers()[0].ready


def test_page_prints_nothing_on_a_printer_of_another_resolution(
    staff: Staff, records: Records, unit: str, virtual_printer: Callable[..., Any]
) -> None:
    """As a slot: it would come out too large, and nothing is sent."""
    zebra = virtual_printer()
    made = checked_label(sample_unit(unit), Piece(Sort.UNIT, shipped_template(Sort.UNIT)), Print(dpi=300))
    row = records.label_rendered(LabelJob(unit, "unit", made.code, made.sha256))
    with pytest.raises(ConfigError, match="has 203 dots per inch, and labels are made for 300"):
        desk_of(staff, records, zebra.printer, 300)._print(row, made)
    assert (zebra.labels, records.living_label(unit, "unit").state) == ([], LabelState.RENDERED)


def test_command_voids_no_label_that_a_slot_has_in_work(staff: Staff, records: Records, unit: str) -> None:
    """It is declared void at its slot, where the next copy is printed."""
    row = records.label_rendered(LabelJob(unit, "unit", f"SN:{unit}", "0" * 64))
    words = ["void", unit, "--reason", "torn in the packing", "--dir", str(staff.station)]
    words += ["--as", "lead-1", "--pin-file", str(pin_file(staff.people, "lead-1"))]
    done = CliRunner().invoke(label, words)
    assert (done.exit_code, "is not released" in done.output) == (1, True), done.output
    assert records.living_label(unit, "unit") == row
