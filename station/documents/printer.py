"""Print a label at most once, and know whether it was printed.

A printer that took the bytes has printed nothing yet: without media it keeps a label for hours and prints it later, and
a connection that breaks says nothing about what came before. What tells is a number that the printer keeps itself: the
labels it has ever printed (its odometer), or the number that it gave the job. The caller makes that number durable
before the first byte is sent; whatever happens then, the fate is judged from it, and a fate that stays unknown is
reported and never tried again by us.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from threading import RLock
from typing import Protocol

from station.clock import Deadline
from station.errors import Service, ServiceError

SETTLE_SECONDS = 3.0
"""How long a printer must stand ready, empty and with an unchanged odometer before a label counts as not printed."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds between two looks at the printer; the pause doubles from the first to the longest."""
LOOK_SECONDS = 0.5
"""Time a look is given at least: one cut short by the deadline would blame a healthy printer."""
JOB_SECONDS = 60.0
"""Time that one label is given once its printer is ready."""


PRINTS_NOW = "the label printer is busy with another label"
WAIT = "Wait for the other label."


class Language(StrEnum):
    """What a printer is sent."""

    ZPL = "zpl"
    PDF = "pdf"


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
class PrintMark:
    """What tells a label's fate later; to be durable before the first byte is sent."""

    number: int
    """The printer's odometer before the label, or the number that it gave the job."""
    printer: str = ""
    """The printer's serial number; empty where it was never asked."""
    name: str = ""
    """What the job is called; a printer that was restarted may give its number to another job."""


@dataclass(frozen=True)
class PrintResult:
    """The fate of one label and the numbers it was judged from."""

    fate: PrintFate
    odometer_before: int
    odometer_after: int | None
    """None where the printer could not be asked any more."""
    problem: str = ""
    hint: str = ""
    final: bool = False
    """Whether no later look can be clearer."""


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
        """Return the printer's own serial number; the numbers of two printers are not comparable."""
        ...

    @property
    def language(self) -> Language:
        """Return what the printer is sent."""
        ...

    def dpi(self, deadline: Deadline) -> int:
        """Return the printer's dots per inch; 0 where the language does not depend on them."""
        ...

    def begin(self, name: str, deadline: Deadline) -> int:
        """Return the number by which the fate of a label called `name` will be told; nothing is printed yet."""
        ...

    def print(self, number: int, content: bytes, deadline: Deadline) -> None:
        """Hand over the one label of a number from `begin`.

        Raises:
            JobInterrupted: Some bytes may have arrived.
            ServiceError: Nothing was sent.
        """
        ...

    def look(self, mark: PrintMark, deadline: Deadline) -> PrintResult:
        """Tell what became of the label so far; sends nothing to print."""
        ...

    def clear(self, deadline: Deadline) -> None:
        """Throw away every label the printer holds and has not begun to print."""
        ...


class JobInterrupted(ServiceError):
    """The connection broke after bytes of a label were sent: it may be printed, now or later."""

    def __init__(self, message: str) -> None:
        super().__init__(Service.PRINTER, message, hint="Look whether the printer made the label.", stops_line=False)


class NotReady(ServiceError):
    """The printer can't serve now, and nothing was sent: a later try may."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(Service.PRINTER, message, hint=hint, stops_line=False)


def printer_error(message: str, hint: str = "") -> ServiceError:
    """Return the error for a printer that cannot serve; other slots go on."""
    return NotReady(message, hint or "Check the label printer.")


def unsuited(message: str, hint: str) -> ServiceError:
    """Return the error for a printer that no wait makes one of ours; other slots go on."""
    return ServiceError(Service.PRINTER, message, hint=hint, stops_line=False)


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
    printer: Printer,
    content: bytes,
    deadline: Deadline,
    on_intent: Callable[[PrintMark], None] = lambda _: None,
    name: str = "label",
) -> PrintResult:
    """Print one label at most once and report its fate.

    `on_intent` runs after the printer proved ready and before the first byte is sent: it makes the mark durable, and
    what it raises ends the job with nothing sent. After it, nothing is raised any more for the printer's sake; the
    result tells. An unknown fate is left to the caller: `await_fate` looks again.

    Raises:
        NotReady: The printer is away, sick, busy or still holds another label; nothing was sent.
        ServiceError: It lacks what a label's fate is told by; nothing was sent.
    """
    with _turn(printer, deadline):
        status = printer.status(deadline)
        if not status.ready:
            raise printer_error(status.problem, status.hint)
        serial = printer.serial_number(deadline)
        mark = PrintMark(printer.begin(name, deadline), serial, name)
        on_intent(mark)
        try:
            printer.print(mark.number, content, deadline)
        except JobInterrupted:
            pass  # the printer's own number tells, below
        except ServiceError as error:
            return PrintResult(PrintFate.NOT_PRINTED, mark.number, mark.number, error.message, error.hint)
        return await_fate(printer, mark, deadline)


def print_when_ready(
    printer: Printer,
    content: bytes,
    deadline: Deadline,
    on_intent: Callable[[PrintMark], None],
    on_wait: Callable[[ServiceError], None],
    name: str = "label",
) -> PrintResult:
    """Print one label as `print_label` does, and wait for a printer that is not ready until the deadline ends.

    Only the unit whose label it is waits: the printer is asked now and then, and is not held in between. `on_wait` is
    told why before each pause, and ends the wait by raising.

    Raises:
        NotReady: The printer was not ready in all that time; nothing was sent.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return print_label(printer, content, deadline.at_most(JOB_SECONDS), on_intent, name)
        except NotReady as error:
            if deadline.remaining <= pause:
                raise
            on_wait(error)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def await_fate(printer: Printer, mark: PrintMark, deadline: Deadline) -> PrintResult:
    """Watch the printer until the fate of a sent label is certain or the deadline ends; sends nothing to print.

    `UNKNOWN` at the end of the deadline carries the printer's problem, if it has one: a label held for want of media
    prints once the operator has loaded some, and a second call sees it.
    """
    with _turn(printer, deadline):
        idle_since: float | None = None
        result = PrintResult(PrintFate.UNKNOWN, mark.number, None, "the printer was not asked in time")
        for _ in _looks(deadline):
            result = _look(printer, mark, deadline)
            if result.fate is PrintFate.PRINTED or result.final:
                return result
            idle = result.fate is PrintFate.NOT_PRINTED
            idle_since = (idle_since or time.monotonic()) if idle else None
            if idle_since is not None and time.monotonic() - idle_since >= SETTLE_SECONDS:
                return result
        return _doubted(result)


def look_at_odometer(printer: Printer, before: int, deadline: Deadline) -> PrintResult:
    """Tell a label's fate from status and odometer, for printers that count labels and know no jobs."""
    # Status first: a label counted in between makes the odometer newer than the buffer, never the reverse.
    status = printer.status(deadline)
    now = printer.odometer(deadline)
    fate = judge_fate(before, now, status.waiting)
    if fate is PrintFate.NOT_PRINTED:
        problem = status.problem or "the printer did not make the label"
        return PrintResult(fate, before, now, problem, status.hint or "Print the label again.")
    if now - before not in (0, 1):
        problem = f"the printer's odometer went from {before} to {now}, which is not this label alone"
        return PrintResult(fate, before, now, problem, "Look whether the printer made the label.", final=True)
    return PrintResult(fate, before, now, status.problem, status.hint)


def _doubted(result: PrintResult) -> PrintResult:
    """Return the last look as unknown: the printer was not idle for long enough to believe it."""
    problem = result.problem or "the printer took the label and has not printed it yet"
    hint = result.hint or "Look whether the printer made the label."
    return replace(result, fate=PrintFate.UNKNOWN, problem=problem, hint=hint)


def _look(printer: Printer, mark: PrintMark, deadline: Deadline) -> PrintResult:
    """Return what the printer says now; one that does not answer is unknown, and another one says nothing of ours."""
    try:
        serial = printer.serial_number(deadline) if mark.printer else ""
        if serial == mark.printer:
            return printer.look(mark, deadline)
    except ServiceError as error:
        return PrintResult(PrintFate.UNKNOWN, mark.number, None, error.message, error.hint)
    problem = f"printer {serial} is not the one that was sent the label, {mark.printer}"
    return PrintResult(
        PrintFate.UNKNOWN, mark.number, None, problem, "Look whether the other printer made the label.", final=True
    )


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
        NotReady: Another slot's label held the printer until the deadline.
    """
    if not printer.lock.acquire(timeout=deadline.remaining):
        raise printer_error(PRINTS_NOW, WAIT)
    try:
        yield
    finally:
        printer.lock.release()
