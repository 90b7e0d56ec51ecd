"""Exports by themselves: each schedule has its file of every day, week or month (UTC) once that is over.

What was made stands in the records, not in memory: nothing is made twice, also where the file was taken away, and what
a stop or a broken disk left out comes when the station is back, the oldest first. A schedule begins with the last span
that was over when it was first seen; one whose format, table or filter changes begins anew under another name.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from station.board import Board
from station.clock import utc_now
from station.config import StationConfig
from station.errors import StationError
from station.model import Outcome
from station.records import ExportFilter, ExportSet, Records
from station.schedules import ScheduledExport
from station.trace.desk import ExportDesk, ExportOrder
from station.trace.export import Wanted
from station.trace.export.naming import file_name
from station.trace.export.partial import is_begun

log = logging.getLogger(__name__)

ALARM = "Export: "
WHO = "schedule"
"""Who asked, in the records and in manifests."""
LOOK_SECONDS = 5.0
AGAIN_SECONDS = 600.0
"""After so long an export that failed is tried again."""
SETTLE = timedelta(minutes=5)
"""After the end of a span; what ended in it stands in the records by then."""
MOST_BACK = 400
"""Spans that are caught up with."""
Span = tuple[datetime, datetime]


class ScheduledExports:
    """Makes exports when they are due, on one thread, each by the desk in a process of its own."""

    def __init__(
        self, config: StationConfig, records: Records, desk: ExportDesk, now: Callable[[], datetime] = utc_now
    ) -> None:
        """Prepare; nothing is made yet, and without a schedule nothing ever is."""
        self._config, self._records, self._desk, self._now = config, records, desk, now
        self._problems: dict[str, tuple[str, float]] = {}
        self._stopping = threading.Event()
        self._board: Board | None = None
        self._thread = threading.Thread(target=self._work, name="schedule", daemon=True)

    def start(self, board: Board) -> None:
        """Begin to look, where there is a schedule."""
        self._board = board
        if self._config.exports.schedule:
            self._thread.start()

    def stop(self, timeout: float) -> None:
        """End; what is being made is broken off, and comes after the next start."""
        self._stopping.set()
        self._desk.stop(timeout)
        if self._thread.is_alive():
            self._thread.join(timeout)

    def look(self) -> int:
        """Make what is due, and return how many files that were; why one could not be made is kept.

        Raises:
            ServiceError: The records can't be read.
        """
        made = 0
        for schedule in self._config.exports.schedule:
            _, not_before = self._problems.get(schedule.name, ("", 0.0))
            if time.monotonic() >= not_before:
                made += self._caught_up(schedule)
        return made

    @property
    def problems(self) -> tuple[str, ...]:
        """Return why files are missing, one sentence each."""
        return tuple(f"{ALARM}{problem}" for problem, _ in self._problems.values())

    def due(self, schedule: ScheduledExport) -> tuple[ExportOrder, ...]:
        """Return what a schedule has to make, the oldest first."""
        waiting: list[ExportOrder] = []
        for span in islice(_spans(schedule.every, self._now() - SETTLE), MOST_BACK):
            order = self._order(schedule, span)
            if self._records.was_exported(order.target.name) and not is_begun(order.target):
                return tuple(reversed(waiting))
            waiting.append(order)
        return tuple(waiting[:1])

    def _caught_up(self, schedule: ScheduledExport) -> int:
        """Make what a schedule has to, up to what goes wrong, and return how many files that were."""
        made = 0
        for order in self.due(schedule):
            if self._stopping.is_set() or self._desk.job().running:  # somebody asked for one on the page
                return made
            try:
                problem = self._desk.make(order)
            except StationError as error:
                problem = f"{error.message} {error.hint}"
            if problem:
                self._problems[schedule.name] = (f"{order.target.name}: {problem}", time.monotonic() + AGAIN_SECONDS)
                return made
            made += 1
        self._problems.pop(schedule.name, None)
        return made

    def _order(self, schedule: ScheduledExport, span: Span) -> ExportOrder:
        outcome = Outcome(schedule.outcome) if schedule.outcome else None
        rows = ExportFilter(schedule.order, schedule.product, "", outcome, *span)
        wanted = Wanted(schedule.format, WHO, ExportSet(schedule.table), rows)
        return ExportOrder(wanted, self._config.directory / schedule.directory / file_name(wanted, schedule.name))

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
                self._tell(self.problems)
            except StationError as error:
                self._tell((f"{ALARM}{error.message} {error.hint}",))
            except Exception:  # the thread's boundary: the next look goes on
                log.exception("scheduled exports")
                self._tell((f"{ALARM}The station failed while it made one. Call engineering.",))
            self._stopping.wait(LOOK_SECONDS)

    def _tell(self, wanted: tuple[str, ...]) -> None:
        """Show what is wrong now, and take back what was."""
        if self._board is None:
            return
        shown = tuple(alarm for alarm in self._board.view().alarms if alarm.startswith(ALARM))
        if shown != wanted:
            self._board.clear_alarms(ALARM)
            for sentence in wanted:
                self._board.raise_alarm(sentence)


def _spans(every: str, now: datetime) -> Iterator[Span]:
    """Yield the days, weeks or months that are over, the latest first."""
    until = now.replace(hour=0, minute=0, second=0, microsecond=0)
    until = {"week": until - timedelta(days=until.weekday()), "month": until.replace(day=1)}.get(every, until)
    while True:
        before = until - timedelta(days=7 if every == "week" else 1)
        since = before.replace(day=1) if every == "month" else before
        yield since, until
        until = since
