r"""A Zebra printer (ZPL II) over raw TCP, usually port 9100.

Ref: Zebra ZPL Programming Guide, `~HQ` (query types ES, SN), `~HS`, `~JA`; SGD `odometer.total_label_count`.

- `~HS` is silent exactly when it matters (media out, ribbon out, head open), so `~HQES` is asked first and `~HS` only
  for what a healthy printer holds in its buffer.
- `~HQOD` counts inches or centimetres of media. Labels are counted by the setting `odometer.total_label_count`, read
  with `! U1 getvar`; the answer is a number in double quotes, `"?"` from firmware that does not count.
- Each exchange has its own connection: many models serve one at a time, and a printer left connected locks others out.
"""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import ClassVar

from station.clock import Deadline
from station.documents.printer import (
    JobInterrupted,
    Language,
    PrinterStatus,
    PrintMark,
    PrintResult,
    look_at_odometer,
    printer_error,
    unsuited,
)

ANSWER_SECONDS = 3.0
"""Longest wait for one answer; a sick printer is silent, and the operator should learn that soon."""
END_SECONDS = 0.5
"""Longest wait for the printer to close its side after a label."""
MAX_ANSWER = 4096
"""Bytes of an answer that are read; the longest real one, `~HS`, has about 100."""
CABLE = "Check the label printer's power and network cable."
STX, ETX = b"\x02", b"\x03"
START, NO_REPRINT = b"^XA", b"^JZN"
"""By default a printer whose media ended in the middle of a label prints it again, whole, once it is loaded, and there
are two of it; `^JZN` in the label forbids that (ZPL guide, `^JZ`)."""
RESOLUTIONS = {8: 203, 12: 300}
"""Dots per inch by the dots per millimetre that `~HI` tells."""

ERRORS: tuple[tuple[int, str, str], ...] = (
    (0x0000_0001, "out of labels", "Load labels."),
    (0x0000_0002, "out of ribbon", "Load ribbon."),
    (0x0000_0004, "print head open", "Close the print head."),
    (0x0000_0008, "cutter fault", "Clear the cutter."),
    (0x0000_0010, "print head too hot", "Let the printer cool down."),
    (0x0000_0020, "motor too hot", "Let the printer cool down."),
    (0x0000_0040, "print head element broken", "Have the print head replaced."),
    (0x0000_0080, "print head not detected", "Have the print head checked."),
    (0x0000_4000, "paper feed error", "Clear the paper path."),
    (0x0000_8000, "paper path not clear", "Clear the paper path."),
    (0x0001_0000, "paused", "Press PAUSE on the printer."),
)
"""Bits of the first group of `~HQES` error flags that an operator can act on: bit, problem, hint."""
_ES_ERRORS = re.compile(rb"ERRORS:\s*([01])\s+([0-9A-Fa-f]{8})\s+([0-9A-Fa-f]{8})")
_MODEL = re.compile(rb"\x02\s*([ -+\--~]{1,40}),[^,]{1,40},\s*(\d{1,2}),")
_SERIAL = re.compile(rb"SERIAL NUMBER\s*([0-9A-Za-z-]{1,32})")
_COUNT = re.compile(rb'"(\d{1,12})"')


class ZebraPrinter:
    """A ZPL printer at `host:port`."""

    default_port: ClassVar[int] = 9100

    def __init__(self, host: str, port: int = default_port) -> None:
        self._address = (host, port)
        self._name = f"label printer {host}:{port}"
        self._lock = RLock()

    @property
    def lock(self) -> RLock:
        """Return the lock that keeps to one job at a time over all slots."""
        return self._lock

    def status(self, deadline: Deadline) -> PrinterStatus:
        """Ask `~HQES`, then `~HS` of a printer that says it is healthy."""
        sick = self._sickness(deadline)
        if sick:
            return sick
        answer = self._ask(b"~HS", _ended_by(ETX, times=3), deadline.at_most(deadline.remaining / 2))
        # Silence now means that it fell sick between the two questions.
        return (self._sickness(deadline) if answer is None else None) or host_status(self._name, answer)

    def _sickness(self, deadline: Deadline) -> PrinterStatus | None:
        """Return what `~HQES` complains of, or None for a healthy printer."""
        errors = self._ask(b"~HQES", _ended_by(ETX), deadline)
        if errors is None:
            problem = f"{self._name} does not answer"
            return PrinterStatus(ready=False, problem=problem, hint=CABLE, waiting=None)
        return error_status(self._name, errors)

    def odometer(self, deadline: Deadline) -> int:
        """Return the labels ever printed, by SGD `odometer.total_label_count`."""
        answer = self._ask(b'! U1 getvar "odometer.total_label_count"\r\n', _quoted, deadline)
        if answer is None:
            raise printer_error(f"{self._name} does not tell its odometer")
        found = _COUNT.search(answer)
        if found is None:
            hint = "Use a printer whose firmware has odometer.total_label_count."
            raise unsuited(f"{self._name} does not count labels", hint)
        return int(found[1])

    def serial_number(self, deadline: Deadline) -> str:
        """Return the printer's serial number, by `~HQSN`."""
        found = _SERIAL.search(self._ask(b"~HQSN", _ended_by(ETX), deadline) or b"")
        if found is None:
            raise printer_error(f"{self._name} does not tell its serial number")
        return found[1].decode()

    @property
    def language(self) -> Language:
        """Return ZPL."""
        return Language.ZPL

    def dpi(self, deadline: Deadline) -> int:
        """Return the resolution that `~HI` tells, in dots per millimetre."""
        found = _MODEL.search(self._ask(b"~HI", _ended_by(ETX), deadline) or b"")
        if found is None:
            raise printer_error(f"{self._name} does not tell its model")
        model, dots = found[1].decode(), int(found[2])
        if dots not in RESOLUTIONS:
            hint = "Use a printer of 203 or 300 dots per inch."
            raise unsuited(f"{self._name} is a {model} with {dots} dots per millimetre", hint)
        return RESOLUTIONS[dots]

    def begin(self, name: str, deadline: Deadline) -> int:  # noqa: ARG002  (ZPL knows no names of jobs)
        """Return the odometer."""
        return self.odometer(deadline)

    def look(self, mark: PrintMark, deadline: Deadline) -> PrintResult:
        """Tell a label's fate from the odometer."""
        return look_at_odometer(self, mark.number, deadline)

    def print(self, number: int, content: bytes, deadline: Deadline) -> None:  # noqa: ARG002
        """Send one label and close the sending side, so that the printer sees where it ends."""
        with self._connected(deadline) as connection:
            try:
                connection.settimeout(max(deadline.remaining, 0.001))
                connection.sendall(content.replace(START, START + NO_REPRINT, 1))
                connection.shutdown(socket.SHUT_WR)
                _await_end(connection, deadline.at_most(END_SECONDS))
            except OSError as error:
                raise JobInterrupted(f"{self._name}: the connection broke while the label was sent: {error}") from error

    def clear(self, deadline: Deadline) -> None:
        """Cancel all waiting formats with `~JA`."""
        with self._connected(deadline) as connection:
            try:
                connection.sendall(b"~JA")
            except OSError as error:
                raise printer_error(f"{self._name} did not take the cancel command: {error}") from error

    @contextmanager
    def _connected(self, deadline: Deadline) -> Iterator[socket.socket]:
        """Yield a connection.

        Raises:
            ServiceError: The printer cannot be reached.
        """
        try:
            connection = socket.create_connection(
                self._address, timeout=max(deadline.at_most(ANSWER_SECONDS).remaining, 0.001)
            )
        except OSError as error:
            raise printer_error(f"{self._name} cannot be reached: {error.strerror or error}", CABLE) from error
        with connection:
            yield connection

    def _ask(self, query: bytes, complete: Callable[[bytes], bool], deadline: Deadline) -> bytes | None:
        """Return the whole answer to a query, or None where the printer is away, silent or stops midway."""
        patience = deadline.at_most(ANSWER_SECONDS)
        answer = b""
        try:
            with socket.create_connection(self._address, timeout=max(patience.remaining, 0.001)) as connection:
                connection.sendall(query)
                while not complete(answer) and len(answer) < MAX_ANSWER:
                    connection.settimeout(max(patience.remaining, 0.001))
                    chunk = connection.recv(MAX_ANSWER)
                    if not chunk:
                        return None
                    answer += chunk
        except OSError:
            return None
        return answer if complete(answer) else None


def _await_end(connection: socket.socket, deadline: Deadline) -> None:
    """Read until the printer closes too, for a moment at most.

    Closing over unread bytes would reset the connection and could cost the label's last bytes; and a reset that the
    printer sends is seen here.
    """
    try:
        while not deadline.expired:
            connection.settimeout(max(deadline.remaining, 0.001))
            if not connection.recv(MAX_ANSWER):
                return
    except TimeoutError:
        return  # many models keep a connection open for a while


def error_status(name: str, answer: bytes) -> PrinterStatus | None:
    """Return what the error flags of a `~HQES` answer mean, or None for a healthy printer."""
    found = _ES_ERRORS.search(answer)
    if found is None:
        problem, hint = f"{name} answers, but not like a ZPL printer", "Check the printer's address in station.toml."
        return PrinterStatus(ready=False, problem=problem, hint=hint, waiting=None)
    flags = int(found[3], 16)
    if found[1] == b"0" and not flags:
        return None
    known = [(problem, hint) for bit, problem, hint in ERRORS if flags & bit]
    problems = ", ".join(problem for problem, _ in known) or f"error flags {found[2].decode()} {found[3].decode()}"
    hint = known[0][1] if known else "Read the message on the printer's display."
    return PrinterStatus(ready=False, problem=f"{name}: {problems}", hint=hint, waiting=None)


def host_status(name: str, answer: bytes | None) -> PrinterStatus:
    """Return the status from the three strings of a `~HS` answer (None: it stayed silent)."""
    try:
        first, second = [part.split(ETX)[0].decode().split(",") for part in (answer or b"").split(STX)[1:3]]
        paused, waiting, partial = first[2] == "1", int(first[4]), first[7] == "1"
        left = int(second[8])
    except (ValueError, IndexError, UnicodeDecodeError):
        problem, hint = f"{name} does not tell its state", "Switch the label printer off and on."
        return PrinterStatus(ready=False, problem=problem, hint=hint, waiting=None)
    held = max(waiting, left) + partial
    if paused:
        return PrinterStatus(ready=False, problem=f"{name}: paused", hint="Press PAUSE on the printer.", waiting=held)
    if held:
        what = "half a label" if partial else "a label it has not printed yet"
        hint = "Wait until it is printed, or cancel it on the printer."
        return PrinterStatus(ready=False, problem=f"{name} still holds {what}", hint=hint, waiting=held)
    return PrinterStatus(ready=True)


def _ended_by(mark: bytes, times: int = 1) -> Callable[[bytes], bool]:
    """Return a test for an answer that contains `mark` often enough to be whole."""
    return lambda answer: answer.count(mark) >= times


def _quoted(answer: bytes) -> bool:
    """Tell whether an SGD answer has its closing quote."""
    return answer.count(b'"') >= 2
