"""The drop folder: testers put files in, and find them in `done` or `refused` with an acknowledgement beside them.

A tester writes `NAME.tmp` and renames it when it is whole. A file is moved away last, so that a cut of power only lets
it be read again, which adds nothing.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

from station.board import Board
from station.config import StationConfig
from station.errors import ServiceError
from station.results.acknowledgement import Acknowledgement
from station.results.intake import DONE, ENDING, REFUSED, Intake, Upload
from station.results.trees import MOST_BYTES

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
SETTLE_SECONDS = 1.0
"""How long a file must have rested, for testers that write under the final name."""
MOST_FILES = 50
"""Files of one look, so that a stop never waits for a thousand."""
UNFINISHED = (".tmp", ".part", ".partial")
ALARM = "Test results: "


class ResultsFolder:
    """Takes in what lies in the drop folder, on one thread."""

    def __init__(self, config: StationConfig, intake: Intake, board: Board) -> None:
        """Prepare the folder of a station; nothing is read yet."""
        self._format = config.results.format
        self._intake, self._board = intake, board
        self._folder = intake.folder
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="results", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the file in hand."""
        self._stopping.set()
        self._thread.join(timeout)

    def look(self) -> tuple[Acknowledgement, ...]:
        """Take in the files that are whole, the oldest first, and return what became of each.

        Raises:
            ServiceError: The folder or the records can't be written; what is left stays where it is.
        """
        try:
            for folder in (DONE, REFUSED):
                (self._folder / folder).mkdir(parents=True, exist_ok=True)
            return tuple(self._taken(path) for path in self._waiting() if not self._stopping.is_set())
        except OSError as error:
            raise self._intake.unusable(error) from error

    def _work(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
                self._show()
            except ServiceError as error:
                self._alarm(f"{error.message} {error.hint}")
            except Exception:  # the thread's boundary: the next look goes on, the file stays
                log.exception("results")
                self._alarm("The station failed while it read a file. Call engineering.")

    def _show(self) -> None:
        """Show how many files somebody has to look at, until they are gone from `refused`."""
        left = [path for path in (self._folder / REFUSED).iterdir() if not path.name.endswith(ENDING)]
        files = "1 file was" if len(left) == 1 else f"{len(left)} files were"
        self._alarm(f"{files} refused. Read why in {self._folder / REFUSED}, and take them out." if left else "")

    def _alarm(self, sentence: str) -> None:
        """Show one sentence, or none."""
        told = f"{ALARM}{sentence}"
        if told not in self._board.view().alarms:
            self._board.clear_alarms(ALARM)
        if sentence:
            self._board.raise_alarm(told)

    def _waiting(self) -> list[Path]:
        """Return the files that are whole, the oldest first."""
        found = sorted((path.lstat().st_mtime, path) for path in self._files())
        now = time.time()
        return [path for changed, path in found if not 0 <= now - changed < SETTLE_SECONDS][:MOST_FILES]

    def _files(self) -> Iterator[Path]:
        """Yield the files of the drop folder and of its sub-folders."""
        folders = [path for path in self._folder.iterdir() if path.is_dir() and path.name not in (DONE, REFUSED)]
        for folder in (self._folder, *folders):
            for path in folder.iterdir():
                unfinished = path.name.startswith(".") or path.name.lower().endswith(UNFINISHED)
                if not unfinished and S_ISREG(path.lstat().st_mode):
                    yield path

    def _taken(self, path: Path) -> Acknowledgement:
        """Take in one file, acknowledge it and move it away, in this order."""
        layout = self._format if path.parent == self._folder else path.parent.name
        upload = Upload(path.name, _content(path))
        told = self._intake.take(upload, layout)
        self._intake.keep(upload, told, path)
        return told


def _content(path: Path) -> bytes:
    """Return a file's bytes, or just more than the most that is read; never of what a link leads to."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW)) as file:
        return file.read(MOST_BYTES + 1)
