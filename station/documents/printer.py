"""Print a label at most once, and know whether it was printed.

A printer that took the bytes has printed nothing yet: without media it keeps a label for hours and prints it later, and
a connection that breaks says nothing about what came before. The truth is the odometer, the number of labels ever
printed. The caller makes its intent durable between reading the odometer and sending; whatever happens then, the fate
is judged from the odometer, and a fate that stays unknown is reported and never tried again by us.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from threading import RLock
from typing import Protocol

from station.clock import Deadline
from station.errors import Service, ServiceError

SETTLE_SECONDS = 3.0
"""How long a printer must stand ready, empty and with an unchanged odometer before a label counts as not printed."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds between two looks at the odometer; the pause doubles from the first to the longest."""
LOOK_SECONDS = 0.5
"""Time a look is given at least: one cut short by the deadline would blame a healthy printer."""


@dataclass(frozen=True)
class PrinterStatus:
    """Whether a label sent now would come out now."""

    ready: bool
    problem: str = ""
    """What is wrong, in one plain sentence; empty when ready."""
    hint: str = ""
    """What the operator does about it, in one imperative sentence."""
    waiting: int | None = 0
    """Labels the printer holds and has not printed; None while it does not tell."""


class PrintFate(StrEnum):
    """What became of a label that was sent."""

    PRINTED = "printed"
    NOT_PRINTED = "not printed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class PrintResult:
    """The fate of one label and the odometer readings it was judged from."""

    fate: PrintFate
    odometer_before: int
    odometer_after: int | None
    """None where the printer could not be asked any more."""
    problem: str = ""
    hint: str = ""


class Printer(Protocol):
    """What we need of a label printer; every call raises `ServiceError` when the printer does not answer in time."""

    @property
    def lock(self) -> RLock:
        """Return the lock that keeps to one job at a time over all slots."""
        ...

    def status(self, deadline: Deadline) -> PrinterStatus:
        """Tell whether the printer is ready; a printer that is away is not ready, and that is no error."""
        ...

    def odometer(self, deadline: Deadline) -> int:
        """Return the number of labels this printer has ever printed."""
        ...

    def serial_number(self, deadline: Deadline) -> str:
        """Return the printer's own serial number; odometers of two printers are not comparable."""
        ...

    def print(self, zpl: bytes, deadline: Deadline) -> None:
        """Hand one label over.

        Raises:
            JobInterrupted: Some bytes may have arrived.
            ServiceError: Nothing was sent.
        """
        ...

    def clear(self, deadline: Deadline) -> None:
        """Throw away every label the printer holds and has not begun to print."""
        ...


class JobInterrupted(ServiceError):
    """The connection broke after bytes of a label were sent: it may be printed, now or later."""

    def __init__(self, message: str) -> None:
        super().__init__(Service.PRINTER, message, hint="Look whether the printer made the label.", stops_line=False)


def printer_error(message: str, hint: str = "") -> ServiceError:
    """Return the error for a printer that cannot serve; other slots go on."""
    return ServiceError(Service.PRINTER, message, hint=hint or "Check the label printer.", stops_line=False)


def judge_fate(odometer_before: int, odometer_now: int, buffered: int | None) -> PrintFate:
    """Judge a label by the odometer at its intent and now.

    `buffered` counts what the printer still holds; None where it does not tell. Exactly one label more and an empty
    printer is ours. Anything that could also be someone else's label, another printer or a label yet to come stays
    unknown.
    """
    if buffered != 0:
        return PrintFate.UNKNOWN
    if odometer_now == odometer_before:
        return PrintFate.NOT_PRINTED
    return PrintFate.PRINTED if odometer_now == odometer_before + 1 else PrintFate.UNKNOWN


def print_label(
    printer: Printer, zpl: bytes, deadline: Deadline, on_intent: Callable[[int], None] = lambda _: None
) -> PrintResult:
    """Print one label at most once and report its fate.

    `on_intent(odometer_before)` runs after the printer proved ready and before the first byte is sent: it makes the
    intent durable, and what it raises ends the job with nothing sent. After it, nothing is raised any more for the
    printer's sake; the result tells. An unknown fate is left to the caller: `await_fate` looks again.

    Raises:
        ServiceError: The printer is away, sick, busy or still holds another label; nothing was sent.
    """
    with _turn(printer, deadline):
        status = printer.status(deadline)
        if not status.ready:
            raise printer_error(status.problem, status.hint)
        before = printer.odometer(deadline)
        on_intent(before)
        try:
            printer.print(zpl, deadline)
        except JobInterrupted:
            pass  # the odometer tells, below
        except ServiceError as error:
            return PrintResult(PrintFate.NOT_PRINTED, before, before, error.message, error.hint)
        return await_fate(printer, before, deadline)


def await_fate(printer: Printer, odometer_before: int, deadline: Deadline) -> PrintResult:
    """Watch the odometer until the fate of a sent label is certain or the deadline ends; sends nothing to print.

    `UNKNOWN` at the end of the deadline carries the printer's problem, if it has one: a label held for want of media
    prints once the operator has loaded some, and a second call sees it.
    """
    with _turn(printer, deadline):
        idle_since: float | None = None
        result = PrintResult(PrintFate.UNKNOWN, odometer_before, None, "the printer was not asked in time")
        for _ in _looks(deadline):
            result = _look(printer, odometer_before, deadline)
            if result.fate is PrintFate.PRINTED or _hopeless(result):
                return result
            idle = result.fate is PrintFate.NOT_PRINTED
            idle_since = (idle_since or time.monotonic()) if idle else None
            if idle_since is not None and time.monotonic() - idle_since >= SETTLE_SECONDS:
                return result
        return _doubted(result)


def _hopeless(result: PrintResult) -> bool:
    """Tell whether no later look can be clearer: the odometer has gone further, or back."""
    return result.odometer_after is not None and result.odometer_after - result.odometer_before not in (0, 1)


def _doubted(result: PrintResult) -> PrintResult:
    """Return the last look as unknown: the printer was not idle for long enough to believe it."""
    problem = result.problem or "the printer took the label and has not printed it yet"
    hint = result.hint or "Look whether the printer made the label."
    return PrintResult(PrintFate.UNKNOWN, result.odometer_before, result.odometer_after, problem, hint)


def _look(printer: Printer, odometer_before: int, deadline: Deadline) -> PrintResult:
    """Return what odometer and status say now; a printer that does not answer is unknown."""
    try:
        # Status first: a label counted in between makes the odometer newer than the buffer, never the reverse.
        status = printer.status(deadline)
        now = printer.odometer(deadline)
    except ServiceError as error:
        return PrintResult(PrintFate.UNKNOWN, odometer_before, None, error.message, error.hint)
    fate = judge_fate(odometer_before, now, status.waiting)
    if fate is PrintFate.NOT_PRINTED:
        problem = status.problem or "the printer did not make the label"
        return PrintResult(fate, odometer_before, now, problem, status.hint or "Print the label again.")
    result = PrintResult(fate, odometer_before, now, status.problem, status.hint)
    if _hopeless(result):
        problem = f"the printer's odometer went from {odometer_before} to {now}, which is not this label alone"
        return PrintResult(fate, odometer_before, now, problem, "Look whether the printer made the label.")
    return result


def _looks(deadline: Deadline) -> Iterator[None]:
    """Yield until the deadline ends, with growing pauses in between; at least once."""
    pause = FIRST_PAUSE
    yield
    while deadline.remaining > pause + LOOK_SECONDS:
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        yield


@contextmanager
def _turn(printer: Printer, deadline: Deadline) -> Iterator[None]:
    """Hold the printer's lock.

    Raises:
        ServiceError: Another slot's label held the printer until the deadline.
    """
    if not printer.lock.acquire(timeout=deadline.remaining):
        raise printer_error("the label printer is busy with another slot's label", "Wait for the other label.")
    try:
        yield
    finally:
        printer.lock.release()
