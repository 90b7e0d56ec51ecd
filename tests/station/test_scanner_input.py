"""Scanners that the station reads itself: key codes, not layouts; whole codes only; a cable that comes off."""

import os
import pty
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from station.board import Board
from station.errors import ConfigError
from station.model import LineView, ScanReply
from station.scanner import AWAY, KEYS, Keystrokes, ScannerWorker, open_scanner
from station.scans import read_scan

pytestmark = pytest.mark.timeout(30)
SHIFT, CONTROL, ENTER = 42, 29, 28
DOWN, UP, HELD = 1, 0, 2
BY_CHARACTER = {pair[side]: (code, side) for code, pair in KEYS.items() if code < 58 for side in (0, 1)}


def records(text: str) -> Iterator[tuple[int, int]]:
    """Yield the key events that a scanner sends for a text, as a kernel records them: code and value."""
    for character in text:
        code, shifted = BY_CHARACTER[character]
        yield from [(SHIFT, DOWN)] * shifted
        yield from ((code, DOWN), (code, HELD), (code, UP))
        yield from [(SHIFT, UP)] * shifted
    yield from ((ENTER, DOWN), (ENTER, UP))


def typed(keys: Keystrokes, events: Iterator[tuple[int, int]], at: float = 1.0) -> list[str]:
    """Return the codes that come of events that follow each other by 2 ms."""
    found = (keys.key(code, value, at + number * 0.002) for number, (code, value) in enumerate(events))
    return [code for code in found if code is not None]


@pytest.mark.parametrize("code", ["SL-1", "SN:AC22-000017:2", "CMD-ACK", "OR-WO_7", "89049032123456789012", "a+b/c=d"])
def test_keys_are_read_by_their_codes(code: str) -> None:
    """Recorded events of a scanner: what the desktop's layout makes of them plays no part."""
    assert typed(Keystrokes(), records(code)) == [code]


def test_recorded_scan_of_a_real_key_sequence() -> None:
    """`SL-1` as the kernel numbers it: shift+S, shift+L, minus, 1, enter (linux/input-event-codes.h)."""
    events = [(42, 1), (31, 1), (31, 0), (38, 1), (38, 0), (42, 0), (12, 1), (12, 0), (2, 1), (2, 0), (28, 1), (28, 0)]
    assert typed(Keystrokes(), iter(events)) == ["SL-1"]


def test_broken_off_scan_does_not_spoil_the_next() -> None:
    keys = Keystrokes()
    assert typed(keys, iter(list(records("SL-9"))[:-2])) == []
    assert typed(keys, records("SL-1"), at=10.0) == ["SL-1"]


def test_control_keys_of_a_hostile_code_are_refused() -> None:
    """A barcode may press Ctrl keys; grabbed, they reach nobody, and the code is none."""
    events = [(CONTROL, DOWN), (BY_CHARACTER["o"][0], DOWN), (CONTROL, UP), *records("SL-1")]
    (code,) = typed(Keystrokes(), iter(events))
    with pytest.raises(ValueError, match="control characters"):
        read_scan(code)


def test_endless_code_is_cut_and_refused() -> None:
    (code,) = typed(Keystrokes(), records("A" * 5000))
    assert len(code) == 129
    with pytest.raises(ValueError, match="too long"):
        read_scan(code)


@pytest.mark.parametrize("device", ["keyboard", "evdev:", "serial:ttyACM0", "http://127.0.0.1"])
def test_device_that_is_none_is_refused_at_the_start(device: str) -> None:
    with pytest.raises(ConfigError, match="scanner: device"):
        open_scanner(device, 9600)


def test_without_a_device_pages_take_scans() -> None:
    assert open_scanner("", 9600) is None


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def reading(link: Path, take: Callable[[str], ScanReply]) -> Iterator[Board]:
    """Read a serial scanner at a path."""
    source = open_scanner(f"serial:{link}", 9600)
    assert source is not None
    board = Board(LineView("L1", 1, ()))
    worker = ScannerWorker(source, take, board)
    worker.start()
    try:
        yield board
    finally:
        worker.stop(5)


@contextmanager
def plugged(link: Path) -> Iterator[int]:
    """Plug a scanner in serial mode: a pty behind a link; yields what it is written to."""
    master, slave = pty.openpty()
    link.symlink_to(os.ttyname(slave))
    try:
        yield master
    finally:
        link.unlink()
        os.close(slave)
        os.close(master)


def test_serial_scanner_is_read_line_by_line_and_comes_back_after_its_cable(tmp_path: Path) -> None:
    """F-N2: half codes wait for their end, every answer is shown, and an unplugged scanner is told and waited for."""
    link, taken = tmp_path / "scanner", []

    def take(code: str) -> ScanReply:
        taken.append(code)
        return ScanReply(True, f"{code} read.")

    with reading(link, take) as board:
        for code in ("SL-1", "SL-2"):
            eventually(lambda: any(alarm.startswith(AWAY) for alarm in board.view().alarms))
            with plugged(link) as scanner:
                eventually(lambda: board.view().alarms == ())
                os.write(scanner, code[:1].encode())
                os.write(scanner, code[1:].encode() + b"\r\nCMD-ACK\r")
                eventually(lambda: board.view().echo == ScanReply(True, "CMD-ACK read."))
                board.show_echo(ScanReply(False, "Another answer."))
    assert taken == ["SL-1", "CMD-ACK", "SL-2", "CMD-ACK"]
