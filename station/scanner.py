"""Hand scanners that the station reads itself, so that no page needs the focus and no keyboard layout matters.

A scanner that plays a keyboard (evdev) is grabbed: nothing that it types reaches anybody else, also no control keys
that a barcode may press. Its keys are read by their codes, which are those of the US layout that scanners type in.
Ref: linux/input-event-codes.h.
"""

import logging
import select
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from types import MappingProxyType
from typing import Protocol

from station.board import Board
from station.errors import ConfigError, StationError
from station.model import ScanReply
from station.scans import LONGEST_SCAN

log = logging.getLogger(__name__)

AWAY = "Scanner: "
"""How alarms of a scanner that is away begin."""
RETRY_SECONDS = 2.0
POLL_SECONDS = 0.5
PAUSE_SECONDS = 2.0
"""After such a pause between two keys a new scan begins: what came before was broken off."""
RELEASED, PRESSED = 0, 1
ENTER, SHIFT, CONTROL = frozenset({28, 96}), frozenset({42, 54}), frozenset({29, 97})
UNREADABLE = "\0"
"""Stands for a key that no code of ours needs; the grammar refuses it."""
_ROWS = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (57, " ", " "),
    (71, "789-456+1230.", "789-456+1230."),
)
"""First key code of a row of keys, and what its keys type without and with shift."""
KEYS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        first + number: pair
        for first, plain, shifted in _ROWS
        for number, pair in enumerate(zip(plain, shifted, strict=True))
    }
)


class Source(Protocol):
    """A scanner that can be opened."""

    def scans(self, stopping: threading.Event) -> Iterator[str]:
        """Open the scanner and yield what it reads, until the station stops; an empty text tells that it is open.

        Raises:
            OSError: It is not there, or was unplugged.
        """
        ...


class Keystrokes:
    """Puts the keys of one scanner together to codes."""

    def __init__(self) -> None:
        """Begin with nothing typed."""
        self._typed = ""
        self._shift: set[int] = set()
        self._control: set[int] = set()
        self._last = 0.0

    def key(self, code: int, value: int, at: float) -> str | None:
        """Take one key event at a time in seconds; return the whole code at its end."""
        for held, keys in ((self._shift, SHIFT), (self._control, CONTROL)):
            if code in keys:
                held.discard(code) if value == RELEASED else held.add(code)
                return None
        if value != PRESSED:
            return None
        if at - self._last > PAUSE_SECONDS:
            self._typed = ""
        self._last = at
        if code in ENTER:
            typed, self._typed = self._typed, ""
            return typed
        self._typed = (self._typed + self._character(code))[: LONGEST_SCAN + 1]
        return None

    def _character(self, code: int) -> str:
        if self._control or code not in KEYS:
            return UNREADABLE
        return KEYS[code][bool(self._shift)]


class KeyboardScanner:
    """A scanner that plays a keyboard, for nobody but the station."""

    def __init__(self, path: str) -> None:
        """Read the device file, such as one below /dev/input/by-id."""
        self._path = path

    def scans(self, stopping: threading.Event) -> Iterator[str]:
        """Grab the device and yield what it reads."""
        try:
            import evdev
        except ImportError as error:
            hint = "Install the station's extra 'scanner', or use the scanner's serial mode."
            raise ConfigError("station.toml: scanner: device: 'evdev:' needs the package evdev", hint=hint) from error
        keys = Keystrokes()
        with closing(evdev.InputDevice(self._path)) as device:
            device.grab()
            yield ""
            while not stopping.is_set():
                if not select.select([device.fd], [], [], POLL_SECONDS)[0]:
                    continue
                for event in device.read():
                    if event.type == evdev.ecodes.EV_KEY:
                        code = keys.key(event.code, event.value, event.timestamp())
                        yield from [code] if code else []


class SerialScanner:
    """A scanner in serial mode: one code a line, ended by a carriage return or a line feed."""

    def __init__(self, path: str, baud: int) -> None:
        """Read the port at a speed in bits per second; scanners that are USB devices take any."""
        self._path = path
        self._baud = baud

    def scans(self, stopping: threading.Event) -> Iterator[str]:
        """Open the port for nobody else and yield what it reads."""
        import serial

        with serial.Serial(self._path, self._baud, timeout=POLL_SECONDS, exclusive=True) as port:
            yield ""
            line = b""
            while not stopping.is_set():
                line += port.read(max(1, port.in_waiting))
                *whole, line = line.replace(b"\r", b"\n").split(b"\n")
                line = line[: LONGEST_SCAN + 1]
                yield from (found[: LONGEST_SCAN + 1].decode("ascii", "replace") for found in whole if found)


def open_scanner(device: str, baud: int) -> Source | None:
    """Return the scanner that `[scanner] device` names; None where the page alone takes scans.

    Raises:
        ConfigError: It is neither `evdev:PATH` nor `serial:PATH`.
    """
    scheme, _, path = device.partition(":")
    if not device:
        return None
    if scheme == "evdev" and path.startswith("/"):
        return KeyboardScanner(path)
    if scheme == "serial" and path.startswith("/"):
        return SerialScanner(path, baud)
    message = f"station.toml: scanner: device: '{device[:60]}' is neither 'evdev:/dev/input/…' nor 'serial:/dev/…'"
    raise ConfigError(message)


class ScannerWorker:
    """Reads one scanner on a thread of its own, brings its codes to the line, and shows the answers."""

    def __init__(self, source: Source, take: Callable[[str], ScanReply], board: Board) -> None:
        """Bring what `source` reads to `take`."""
        self._source = source
        self._take = take
        self._board = board
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="scanner", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Let go of the scanner."""
        self._stopping.set()
        self._thread.join(timeout)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read()
            except ConfigError as error:
                self._board.raise_alarm(f"{AWAY}{error.message}. {error.hint}")
            except OSError as error:
                self._board.raise_alarm(f"{AWAY}{error.strerror or error}. Plug the scanner in.")
            except Exception:  # the thread's boundary: the next scan is read
                log.exception("scanner")
            self._stopping.wait(RETRY_SECONDS)

    def _read(self) -> None:
        for code in self._source.scans(self._stopping):
            self._board.clear_alarms(AWAY)
            if code:
                self._board.show_echo(self._answered(code))

    def _answered(self, code: str) -> ScanReply:
        try:
            return self._take(code)
        except StationError as error:
            return ScanReply(False, f"{error.message} {error.hint}")
