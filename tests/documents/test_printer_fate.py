"""A label is printed at most once, and its fate is told by the odometer alone (design 7.8, F-J5)."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from station.clock import Deadline
from station.documents.printer import (
    JobInterrupted,
    NotReady,
    PrintFate,
    PrintMark,
    await_fate,
    judge_fate,
    print_label,
)
from station.documents.printers import open_printer
from station.documents.zebra import ZebraPrinter
from station.errors import ConfigError, Service, ServiceError

LABEL = b"^XA^CI28^FO20,20^A0N,40,40^FH_^FDone^FS^XZ"
Start = Callable[..., "VirtualPrinter"]  # noqa: F821


def test_printed_label_is_known_from_the_odometer(virtual_printer: Start) -> None:
    zebra = virtual_printer("--pace", "0.2")
    result = print_label(zebra.printer, LABEL, Deadline(20))
    assert (result.fate, result.odometer_before, result.odometer_after) == (PrintFate.PRINTED, 0, 1)
    assert zebra.labels == [LABEL]


def test_intent_is_committed_before_the_first_byte(virtual_printer: Start) -> None:
    zebra = virtual_printer()
    seen: list[tuple[int, int]] = []
    print_label(zebra.printer, LABEL, Deadline(20), lambda mark: seen.append((mark.number, len(zebra.labels))))
    assert seen == [(0, 0)]
    assert len(zebra.labels) == 1


def test_nothing_is_sent_when_the_intent_cannot_be_committed(virtual_printer: Start) -> None:
    zebra = virtual_printer()

    def full_disk(_: PrintMark) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        print_label(zebra.printer, LABEL, Deadline(20), full_disk)
    assert zebra.printer.odometer(Deadline(5)) == 0
    assert zebra.printer.status(Deadline(5)).ready


@pytest.mark.parametrize(
    ("fault", "problem", "hint"),
    [
        ("media-out", "out of labels", "Load labels."),
        ("ribbon-out", "out of ribbon", "Load ribbon."),
        ("head-open", "print head open", "Close the print head."),
        ("paused", "paused", "Press PAUSE on the printer."),
        ("silent", "does not answer", "Check the label printer's power and network cable."),
    ],
)
def test_sick_printer_gets_no_label(virtual_printer: Start, fault: str, problem: str, hint: str) -> None:
    zebra = virtual_printer("--fault", fault)
    with pytest.raises(ServiceError, match=problem) as refused:
        print_label(zebra.printer, LABEL, Deadline(20))
    assert (refused.value.service, refused.value.stops_line, refused.value.hint) == (Service.PRINTER, False, hint)
    zebra.fall("")
    assert zebra.printer.status(Deadline(5)).ready
    assert zebra.labels == []


def test_half_a_label_is_not_followed_by_a_whole_one(virtual_printer: Start) -> None:
    """Out of labels in the middle of one: `^JZN` keeps the printer from printing it again by itself."""
    zebra = virtual_printer("--fault", "media-out-midway")
    result = print_label(zebra.printer, LABEL, Deadline(6))
    assert (result.fate, result.hint) == (PrintFate.UNKNOWN, "Load labels.")
    zebra.fall("")
    assert await_fate(zebra.printer, PrintMark(result.odometer_before), Deadline(60)).fate is PrintFate.NOT_PRINTED
    assert zebra.labels == []


def test_label_of_a_slow_printer_stays_unknown_and_prints_once(virtual_printer: Start) -> None:
    zebra = virtual_printer("--pace", "10")
    result = print_label(zebra.printer, LABEL, Deadline(4))
    assert result.fate is PrintFate.UNKNOWN
    with pytest.raises(ServiceError, match="still holds"):
        print_label(zebra.printer, LABEL, Deadline(20))
    assert await_fate(zebra.printer, PrintMark(0), Deadline(60)).fate is PrintFate.PRINTED
    assert zebra.labels == [LABEL]


def test_reset_before_the_end_of_the_label_is_not_printed(virtual_printer: Start) -> None:
    zebra = virtual_printer("--fault", "reset-before-end")
    result = print_label(zebra.printer, LABEL, Deadline(20))
    assert (result.fate, result.odometer_after) == (PrintFate.NOT_PRINTED, 0)
    assert print_label(zebra.printer, LABEL, Deadline(20)).fate is PrintFate.PRINTED
    assert len(zebra.labels) == 1


def test_reset_after_the_end_of_the_label_is_printed(virtual_printer: Start) -> None:
    zebra = virtual_printer("--fault", "reset-after-end", "--pace", "0.5")
    result = print_label(zebra.printer, LABEL, Deadline(20))
    assert result.fate is PrintFate.PRINTED
    assert zebra.labels == [LABEL]


@pytest.mark.parametrize("fault", ["reset-before-end", "reset-after-end"])
def test_reset_is_noticed_while_the_label_is_handed_over(virtual_printer: Start, fault: str) -> None:
    zebra = virtual_printer("--fault", fault)
    with pytest.raises(JobInterrupted, match="broke while the label was sent"):
        zebra.printer.print(0, LABEL, Deadline(5))


def test_label_that_arrives_late_is_not_taken_for_lost(virtual_printer: Start) -> None:
    """The printer stands ready, empty and unchanged for a second after it was sent the label."""
    zebra = virtual_printer("--fault", "late")
    assert print_label(zebra.printer, LABEL, Deadline(20)).fate is PrintFate.PRINTED
    assert zebra.labels == [LABEL]


def test_printer_that_dies_after_the_bytes_is_unknown(virtual_printer: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    zebra, send = virtual_printer("--pace", "600"), ZebraPrinter.print

    def print_and_die(printer: ZebraPrinter, number: int, content: bytes, deadline: Deadline) -> None:
        send(printer, number, content, deadline)
        zebra.process.kill()
        zebra.process.wait()

    monkeypatch.setattr(ZebraPrinter, "print", print_and_die)
    result = print_label(zebra.printer, LABEL, Deadline(15))
    assert (result.fate, result.odometer_after) == (PrintFate.UNKNOWN, None)
    assert "does not" in result.problem


def test_printer_that_dies_before_the_bytes_is_not_printed(virtual_printer: Start) -> None:
    zebra = virtual_printer()

    def die(_: PrintMark) -> None:
        zebra.process.kill()
        zebra.process.wait()

    result = print_label(zebra.printer, LABEL, Deadline(5), die)
    assert (result.fate, result.odometer_after) == (PrintFate.NOT_PRINTED, 0)


def test_one_job_at_a_time_over_all_slots(virtual_printer: Start) -> None:
    zebra = virtual_printer("--pace", "0.2")
    readings: list[int] = []

    def slot(number: int) -> None:
        result = print_label(zebra.printer, LABEL.replace(b"one", b"%d" % number), Deadline(60))
        assert result.odometer_after == result.odometer_before + 1
        readings.append(result.odometer_before)

    slots = [threading.Thread(target=slot, args=(number,)) for number in range(4)]
    for thread in slots:
        thread.start()
    for thread in slots:
        thread.join(60)
    assert sorted(readings) == [0, 1, 2, 3]
    assert len(set(zebra.labels)) == 4


def test_busy_printer_is_refused_at_the_deadline(virtual_printer: Start) -> None:
    zebra = virtual_printer()
    held, refused = threading.Event(), threading.Event()

    def other_slot() -> None:
        with zebra.printer.lock:
            held.set()
            refused.wait(60)

    thread = threading.Thread(target=other_slot)
    thread.start()
    assert held.wait(60)
    with pytest.raises(ServiceError, match="busy"):
        print_label(zebra.printer, LABEL, Deadline(0.2))
    refused.set()
    thread.join(10)


@pytest.mark.parametrize("before", [0, 5])
def test_odometer_that_tells_nothing_is_not_waited_for(virtual_printer: Start, before: int) -> None:
    """After a crash: other labels were printed since, or the printer was exchanged."""
    zebra = virtual_printer()
    for _ in range(2):
        print_label(zebra.printer, LABEL, Deadline(20))
    deadline = Deadline(60)
    result = await_fate(zebra.printer, PrintMark(before), deadline)
    assert result.fate is PrintFate.UNKNOWN
    assert f"from {before} to 2" in result.problem
    assert not deadline.expired


def test_cancelled_label_never_comes_out(virtual_printer: Start) -> None:
    zebra = virtual_printer()
    result = print_label(zebra.printer, LABEL, Deadline(6), lambda _: zebra.fall("media-out"))
    assert result.fate is PrintFate.UNKNOWN
    zebra.printer.clear(Deadline(20))
    zebra.printer.status(Deadline(20))  # its answer comes after the cancel was read
    zebra.fall("")
    assert await_fate(zebra.printer, PrintMark(result.odometer_before), Deadline(60)).fate is PrintFate.NOT_PRINTED
    assert zebra.labels == []


@pytest.mark.parametrize(
    ("before", "now", "buffered", "fate"),
    [
        (7, 8, 0, PrintFate.PRINTED),
        (7, 7, 0, PrintFate.NOT_PRINTED),
        (7, 7, 1, PrintFate.UNKNOWN),  # it may print yet
        (7, 7, None, PrintFate.UNKNOWN),  # media out: ~HS is silent
        (7, 8, 1, PrintFate.UNKNOWN),  # one more is to come
        (7, 9, 0, PrintFate.UNKNOWN),  # someone else printed too
        (7, 2, 0, PrintFate.UNKNOWN),  # another printer, or a reset odometer
    ],
)
def test_fate_is_judged_by_the_odometer(before: int, now: int, buffered: int | None, fate: PrintFate) -> None:
    assert judge_fate(before, now, buffered) is fate


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n\x03", b"\x03" * 9000, b"\xff\x00\x03", b""])
def test_something_else_on_the_port_is_not_ready(noise: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def babble() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(noise)

    thread = threading.Thread(target=babble, daemon=True)
    thread.start()
    printer = open_printer(f"tcp://127.0.0.1:{server.getsockname()[1]}")
    assert not printer.status(Deadline(5)).ready
    with pytest.raises(ServiceError, match=r"odometer|count"):
        printer.odometer(Deadline(5))
    server.close()


def test_printer_that_goes_on_talking_is_let_go() -> None:
    """One that answers a label with a byte now and then keeps neither lock nor slot."""
    server, told_all = socket.create_server(("127.0.0.1", 0)), []

    def drip() -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            for _ in range(100):
                connection.sendall(b"x")
                time.sleep(0.1)
            told_all.append(True)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    open_printer(f"tcp://127.0.0.1:{server.getsockname()[1]}").print(0, LABEL, Deadline(60))
    assert told_all == []
    thread.join(20)
    server.close()


def test_printer_that_never_counts_is_not_waited_for() -> None:
    """Firmware without the odometer answers `"?"`, today as tomorrow."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b'"?"')

    threading.Thread(target=answer, daemon=True).start()
    with pytest.raises(ServiceError, match="does not count labels") as refused:
        open_printer(f"tcp://127.0.0.1:{server.getsockname()[1]}").odometer(Deadline(60))
    assert not isinstance(refused.value, NotReady)
    server.close()


def test_folder_printer_counts_even_when_labels_are_taken_away(tmp_path: Path) -> None:
    printer = open_printer(f"file:{tmp_path}/labels")
    assert print_label(printer, LABEL, Deadline(5)).fate is PrintFate.PRINTED
    (tmp_path / "labels" / "000001.zpl").unlink()
    again = print_label(open_printer(f"file:{tmp_path}/labels"), LABEL, Deadline(5))
    assert (again.odometer_before, again.odometer_after) == (1, 2)
    assert (tmp_path / "labels" / "000002.zpl").read_bytes() == LABEL


def test_folder_printer_counts_a_label_whose_counter_was_lost(tmp_path: Path) -> None:
    """The power cut between label and counter: the label is there, so it counts."""
    printer = open_printer(f"file:{tmp_path}")
    (tmp_path / "000001.zpl").write_bytes(LABEL)
    assert printer.odometer(Deadline(1)) == 1


def test_discard_printer_satisfies_the_same_contract() -> None:
    assert print_label(open_printer("discard:"), LABEL, Deadline(5)).fate is PrintFate.PRINTED


@pytest.mark.parametrize("uri", ["lpt:1", "tcp://", "tcp://host:x", "file:labels", "tcp://user:pw@host:9100", ""])
def test_bad_uri_is_refused_by_name(uri: str) -> None:
    with pytest.raises(ConfigError, match="printer"):
        open_printer(uri)


def test_another_printer_tells_nothing_of_a_label_that_it_was_not_sent(virtual_printer: Start) -> None:
    """Swapped while the label's fate was open: an odometer that happens to fit proves nothing."""
    zebra = virtual_printer()
    marks: list[PrintMark] = []
    assert print_label(zebra.printer, LABEL, Deadline(20), marks.append).fate is PrintFate.PRINTED
    (zebra.folder / "serial").write_text("99J204509999")
    result = await_fate(zebra.printer, marks[0], Deadline(20))
    assert (result.fate, result.final) == (PrintFate.UNKNOWN, True)
    assert "99J204509999 is not the one" in result.problem
