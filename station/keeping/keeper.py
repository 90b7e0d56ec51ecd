"""Backups by themselves: when the last one is too old, the next is made beside the line; what fails is an alarm."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from station.board import Board
from station.clock import utc_now
from station.config import StationConfig
from station.errors import ServiceError
from station.records import EventRow, Records
from station.records.keeping import age_of

log = logging.getLogger(__name__)

ALARM = "Backup: "
LOOK_SECONDS = 5.0
AGAIN_SECONDS = 600.0
"""After so long a backup that failed is tried again."""
LATE = 2.0
"""Times the age at which the next is made; then there is an alarm."""
SKEW_SECONDS = 600.0
"""By so much the clock may have been set back since the last backup."""
BROKEN_OFF = "The backup was broken off. It is tried again."


class Keeper:
    """Makes backups from time to time, on one thread, each in a process of its own."""

    def __init__(
        self, config: StationConfig, records: Records, board: Board, now: Callable[[], datetime] = utc_now
    ) -> None:
        """Prepare; nothing is copied yet, and without a folder nothing ever is."""
        self._config, self._records, self._board, self._now = config, records, board, now
        self._stopping = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._problem, self._not_before = "", 0.0
        self._failed_after: EventRow | None = None
        self._thread = threading.Thread(target=self._work, name="backup", daemon=True)

    def start(self) -> None:
        """Begin to look, where there is a folder for backups."""
        if self._config.backup.directory:
            self._thread.start()

    def stop(self, timeout: float) -> None:
        """End; a backup under way is broken off, and leaves nothing that looks like one."""
        self._stopping.set()
        process = self._process
        if process is not None:
            process.terminate()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except ServiceError as error:
                self._tell(f"{error.message.removesuffix('.')}. {error.hint}".strip())
            except Exception:  # the thread's boundary: the next look goes on
                log.exception("backup")
                self._tell("The station failed while it looked after its backups. Call engineering.")
            self._stopping.wait(LOOK_SECONDS)

    def _look(self) -> None:
        every = self._config.backup.every_hours * 3600
        last = self._records.last_backup()
        if self._is_due(last, every) and time.monotonic() >= self._not_before:
            self._not_before = time.monotonic() + AGAIN_SECONDS
            self._problem, self._failed_after = self._made(), last
            last = self._records.last_backup()
        age = age_of(last, self._now())
        late = age is not None and age >= every * LATE
        failed = self._problem if last == self._failed_after else ""
        self._tell(failed, *_told(last), f"The last one is {age / 3600:.0f} hours old." if age and late else "")

    def _is_due(self, last: EventRow | None, every: float) -> bool:
        """Tell whether the last backup is too old; one of a time to come was made by a clock that was wrong."""
        age = age_of(last, self._now())
        return age is None or age >= every or age < -SKEW_SECONDS

    def _made(self) -> str:
        """Make a backup and return why there is none, or nothing."""
        command = [sys.executable, "-m", "station.keeping.work", str(self._config.directory)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            self._process = process
            if self._stopping.is_set():
                process.terminate()
            said, _ = process.communicate()
            self._process = None
        try:
            told = json.loads(said.strip().splitlines()[-1])
        except (ValueError, IndexError):
            return BROKEN_OFF
        return str(told.get("error", ""))

    def _tell(self, *problems: str) -> None:
        """Show what is wrong now, and take back what was."""
        wanted = [f"{ALARM}{problem}" for problem in problems if problem]
        shown = [alarm for alarm in self._board.view().alarms if alarm.startswith(ALARM)]
        if shown != wanted:
            self._board.clear_alarms(ALARM)
            for sentence in wanted:
                self._board.raise_alarm(sentence)


def _told(last: EventRow | None) -> Iterator[str]:
    """Yield what the records say is wrong with the last backup, whoever made it."""
    body = json.loads(last.body) if last else {}
    if body.get("problems"):
        yield "The audit log that was copied is not good. Run 'station audit verify'."
    if body.get("ahead"):
        yield f"Backups in {body['folder']} bear a time to come: a clock was wrong. Look at them, and take them away."
