"""IPP against CUPS' own printer: a label is printed at most once, and its job tells its fate (F-J5, design 7.8)."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest

from fixtures.printer_ipp import ipp_printer
from station.clock import Deadline
from station.documents import ipp
from station.documents.ipp import COMPLETED, IppPrinter, Job, judge_job, printer_status
from station.documents.ipp_message import Attributes
from station.documents.printer import NotReady, PrintFate, PrintMark, await_fate, print_label, print_when_ready
from station.documents.printers import open_printer
from station.errors import ServiceError

LABEL = b"%PDF-1.7\nnot a page, and nobody looks\n%%EOF\n"


@dataclass
class Shop:
    """A running printer, and the station's handle on it."""

    printer: IppPrinter
    folder: Path
    port: int

    def fall(self, fault: str) -> None:
        (self.folder / "fault").write_text(fault)

    @property
    def labels(self) -> int:
        """Return how many labels came out."""
        return len(list(self.folder.glob("[0-9]*.pdf")))


def opened(uri: str) -> IppPrinter:
    printer = open_printer(uri)
    assert isinstance(printer, IppPrinter)
    return printer


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Yield a healthy printer; its folder's path is short enough for a socket."""
    with TemporaryDirectory() as name, ipp_printer(Path(name)) as uri:
        yield Shop(opened(uri), Path(name), urlsplit(uri).port or 0)


def test_label_is_printed_once_and_known_by_its_job(shop: Shop) -> None:
    marks: list[PrintMark] = []
    result = print_label(shop.printer, LABEL, Deadline(30), marks.append, "AC22-000001 unit 1")
    assert (result.fate, shop.labels) == (PrintFate.PRINTED, 1)
    assert (marks[0].number, marks[0].name) == (result.odometer_before, "AC22-000001 unit 1")
    assert await_fate(shop.printer, marks[0], Deadline(10)).fate is PrintFate.PRINTED
    assert shop.labels == 1


def test_open_cover_is_refused_before_anything_is_sent_and_waited_for(shop: Shop) -> None:
    """The unit that waits gets its label once somebody closed the cover, which takes this printer one job."""
    shop.fall("cover-open")
    print_label(shop.printer, LABEL, Deadline(20))
    with pytest.raises(NotReady, match="cover open") as refused:
        print_label(shop.printer, LABEL, Deadline(10))
    assert (refused.value.hint, shop.labels) == ("Close the printer's cover.", 0)
    shop.fall("")
    heard: list[str] = []

    def told(error: ServiceError) -> None:
        if not heard:
            shop.printer.print(shop.printer.begin("test page", Deadline(10)), LABEL, Deadline(10))
        heard.append(error.message)

    result = print_when_ready(shop.printer, LABEL, Deadline(60), lambda _: None, told)
    assert (result.fate, shop.labels) == (PrintFate.PRINTED, 2)


def test_out_of_labels_in_the_middle_stays_unknown_until_loaded(shop: Shop) -> None:
    shop.fall("media-empty")
    marks: list[PrintMark] = []
    result = print_label(shop.printer, LABEL, Deadline(8), marks.append)
    assert (result.fate, result.hint, shop.labels) == (PrintFate.UNKNOWN, "Load labels.", 0)
    with pytest.raises(NotReady):
        print_label(shop.printer, LABEL, Deadline(20))
    shop.fall("")
    assert await_fate(shop.printer, marks[0], Deadline(60)).fate is PrintFate.PRINTED
    assert shop.labels == 1


@pytest.mark.parametrize(
    ("fault", "fate", "problem"),
    [
        ("cover-open", PrintFate.NOT_PRINTED, "aborted the job, label printer .* cover open"),
        ("media-jam", PrintFate.UNKNOWN, "aborted the job, label printer .* labels are jammed"),
        ("uncounted", PrintFate.UNKNOWN, "ended the job"),
    ],
)
def test_fate_of_a_job_that_ends_badly(shop: Shop, fault: str, fate: PrintFate, problem: str) -> None:
    """`completed` without an impression is believed as little as an aborted job with one."""
    shop.fall(fault)
    result = print_label(shop.printer, LABEL, Deadline(30))
    assert result.fate is fate
    assert re.search(problem, result.problem), result.problem


def test_busy_printer_is_waited_for(shop: Shop) -> None:
    """Somebody else's job is at work (0x507): ours is created when it is done."""
    shop.fall("slow")
    other = opened(f"ipp://localhost:{shop.port}/ipp/print")
    first = threading.Thread(target=print_label, args=(other, LABEL, Deadline(60)), kwargs={"name": "other"})
    first.start()
    eventually(lambda: not shop.printer.status(Deadline(10)).ready)
    with pytest.raises(NotReady, match="busy with another job"):
        shop.printer.begin("AC22-000001 unit 1", Deadline(10))
    result = print_when_ready(shop.printer, LABEL, Deadline(60), lambda _: None, lambda _: None)
    first.join(60)
    assert (result.fate, shop.labels) == (PrintFate.PRINTED, 2)


def test_intent_that_cannot_be_kept_prints_nothing_and_holds_nothing_up(shop: Shop) -> None:
    """Cut between the job's creation and its document: the job cannot print, and the next label cancels it."""

    def power_cut(mark: PrintMark) -> None:
        marks.append(mark)
        raise OSError("no space left on device")

    marks: list[PrintMark] = []
    with pytest.raises(OSError, match="no space"):
        print_label(shop.printer, LABEL, Deadline(20), power_cut)
    assert print_label(shop.printer, LABEL, Deadline(30)).fate is PrintFate.PRINTED
    assert await_fate(shop.printer, marks[0], Deadline(10)).fate is PrintFate.NOT_PRINTED
    assert shop.labels == 1


def test_job_cut_before_its_document_is_not_printed(shop: Shop) -> None:
    """After a crash: the job is there and has no document; it is cancelled, and the next copy may be printed."""
    mark = PrintMark(shop.printer.begin("AC22-000001 unit 1", Deadline(10)), name="AC22-000001 unit 1")
    assert await_fate(shop.printer, mark, Deadline(20)).fate is PrintFate.NOT_PRINTED
    assert (shop.printer.status(Deadline(5)).ready, shop.labels) == (True, 0)


def test_job_that_is_cancelled_too_late_is_not_taken_for_unprinted(shop: Shop) -> None:
    """The printer had begun: it says cancelled, and the label is there."""
    shop.fall("media-empty")
    marks: list[PrintMark] = []
    print_label(shop.printer, LABEL, Deadline(8), marks.append)
    shop.printer.clear(Deadline(20))
    shop.fall("")
    eventually(lambda: await_fate(shop.printer, marks[0], Deadline(5)).final)
    assert await_fate(shop.printer, marks[0], Deadline(20)).fate is PrintFate.UNKNOWN
    assert shop.labels == 1


def test_restarted_printer_does_not_lend_its_numbers(tmp_path: Path) -> None:
    """It counts its jobs from 1 again: another label's job is not taken for ours, and nothing is sent again."""
    marks: list[PrintMark] = []
    with TemporaryDirectory() as name:
        with ipp_printer(Path(name)) as uri:
            print_label(opened(uri), LABEL, Deadline(30), marks.append, "AC22-000001 unit 1")
        with ipp_printer(Path(name), urlsplit(uri).port or 0) as uri:
            assert await_fate(opened(uri), marks[0], Deadline(10)).final
            print_label(opened(uri), LABEL, Deadline(30), marks.append, "AC22-000002 unit 1")
            result = await_fate(opened(uri), marks[0], Deadline(10))
    assert marks[0].number == marks[1].number
    assert (result.fate, "does not remember" in result.problem) == (PrintFate.UNKNOWN, True)


@pytest.mark.parametrize("waiting", [0, 2])
def test_completed_is_not_believed_while_the_printer_is_out_of_labels(waiting: int) -> None:
    """Whatever else waits there; a healthy one that has somebody's job is believed."""
    job = Job(7, COMPLETED, frozenset(), 1, ours=True)
    facts: Attributes = {
        "printer-state": (3,), "printer-is-accepting-jobs": (1,), "document-format-supported": ("application/pdf",),
    }  # fmt: skip
    empty = printer_status("printer", {**facts, "printer-state-reasons": ("media-empty-error",)}, waiting)
    assert judge_job("printer", job, empty).fate is PrintFate.UNKNOWN
    assert judge_job("printer", job, printer_status("printer", facts, waiting)).fate is PrintFate.PRINTED


def test_jobs_of_another_station_are_left_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stations share a printer: neither cancels what the other has begun."""
    with monkeypatch.context() as other:
        other.setattr(ipp, "USER", f"{ipp.USER}-2")
        number = shop.printer.begin("AC22-000001 unit 1", Deadline(20))
    shop.printer.clear(Deadline(20))
    assert number in [job.number for job in shop.printer._jobs(Deadline(20))]
    assert gethostname() in ipp.USER


def test_printer_of_another_kind_is_refused() -> None:
    """One that takes no PDF is told so before anything is sent."""
    with TemporaryDirectory() as name, ipp_printer(Path(name), formats="image/jpeg") as uri:
        status = opened(uri).status(Deadline(10))
    assert (status.ready, "takes no PDF" in status.problem) == (False, True)


def test_printer_that_dies_with_the_label_is_unknown() -> None:
    """It took the label and waits for paper when it goes."""
    marks: list[PrintMark] = []
    with TemporaryDirectory() as name:
        with ipp_printer(Path(name)) as uri:
            (Path(name) / "fault").write_text("media-empty")
            print_label(opened(uri), LABEL, Deadline(8), marks.append)
        result = await_fate(opened(uri), marks[0], Deadline(1))
    assert (result.fate, result.odometer_after) == (PrintFate.UNKNOWN, None)
    assert "cannot be reached" in result.problem


def eventually(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)
