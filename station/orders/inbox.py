"""The drop folder for work orders: other systems put files in, and find them in `done` or `refused`, acknowledged.

Whoever writes a file calls it `NAME.tmp` and renames it when it is whole. The acknowledgement is written first and the
file is moved last, so that a cut of power only lets the file be read again, which changes nothing.
"""

import json
import logging
import os
import stat
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from station.board import Board
from station.errors import ConfigError, ServiceError
from station.orders.files import digest, safe_name
from station.orders.importing import Examination, examined
from station.orders.making import Office
from station.orders.staging import RowVerdict

log = logging.getLogger(__name__)

WHO = "service:inbox"
"""Who stands in rows for what the drop folder brings."""
DONE, REFUSED, ACK = "done", "refused", ".ack.jsonl"
ENDINGS = (".csv", ".json", ".txt")
"""What is read; everything else waits, such as `.tmp`."""
LOOK_SECONDS = 2.0
SETTLE_SECONDS = 1.0
"""How long a file must have rested, for systems that write under the final name."""
ALARM = "Work orders: "
Told = dict[str, Any]


class OrderInbox:
    """Imports what lies in the drop folder, on one thread."""

    def __init__(self, office: Office, folder: Path, board: Board) -> None:
        """Prepare to look into a folder; it is made if it is not there."""
        self._office, self._folder, self._board = office, folder, board
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="orders", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the file in hand."""
        self._stopping.set()
        self._thread.join(timeout)

    def look(self) -> int:
        """Import the files that are whole, the oldest first, and return how many there were.

        Raises:
            ServiceError: The records are away; what is left stays where it is.
            OSError: The folder can't be written.
        """
        for folder in (DONE, REFUSED):
            (self._folder / folder).mkdir(parents=True, exist_ok=True)
        taken = 0
        for path in self._waiting():
            if self._stopping.is_set():
                break
            self._take(path)
            taken += 1
        return taken

    def _work(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
                self._tell(self._left())
            except ServiceError as error:
                self._tell(f"{error.message} {error.hint}")
            except OSError as error:
                self._tell(
                    f"{self._folder} can't be used: {error.strerror}. Give the station the right to write there."
                )
            except Exception:  # the thread's boundary: the next look goes on, the file stays
                log.exception("work orders")
                self._tell("The station failed while it read a file. Call engineering.")

    def _waiting(self) -> list[Path]:
        """Return the files that are whole, the oldest first."""
        now, found = time.time(), []
        for path in self._folder.iterdir():
            state = path.lstat()
            whole = stat.S_ISREG(state.st_mode) and not 0 <= now - state.st_mtime < SETTLE_SECONDS
            if whole and path.suffix.lower() in ENDINGS and not path.name.startswith("."):
                found.append((state.st_mtime, path))
        return [path for _, path in sorted(found)]

    def _take(self, path: Path) -> None:
        """Import one file, acknowledge it and move it away, in this order."""
        kept = f"{digest(path)[:16]}-{safe_name(path.name)}"
        try:
            with examined(self._office, path) as examination:
                told = _committed(examination)
                target = self._acknowledge(kept, told, examination.verdicts())
        except ConfigError as error:
            log.warning("%s", error.message)
            target = self._acknowledge(kept, {"accepted": False, "sentence": _said(error)}, ())
        path.replace(target)

    def _acknowledge(self, kept: str, told: Told, verdicts: Iterable[RowVerdict]) -> Path:
        """Write the verdict on the file in the first line and one on each row after it; return where the file goes."""
        target = self._folder / (DONE if told["accepted"] else REFUSED) / kept
        draft = target.with_name(f".{kept}.tmp")
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
            file.writelines(json.dumps(vars(verdict)) + "\n" for verdict in verdicts)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target.with_name(kept + ACK))
        return target

    def _left(self) -> str:
        """Tell which files somebody has to look at, until they are gone from `refused`."""
        left = [path.name for path in (self._folder / REFUSED).iterdir() if not path.name.endswith(ACK)]
        names = ", ".join(sorted(left)[:3])
        return f"{names} was refused. Read why in {self._folder / REFUSED}, and take it out." if left else ""

    def _tell(self, sentence: str) -> None:
        """Show one sentence, or none."""
        told = f"{ALARM}{sentence}"
        if told not in self._board.view().alarms:
            self._board.clear_alarms(ALARM)
        if sentence:
            self._board.raise_alarm(told)


def _committed(examination: Examination) -> Told:
    """Import a file, and return what to answer for it as a whole."""
    try:
        preview, refusal = examination.commit(WHO), ""
    except ConfigError as error:
        preview, refusal = examination.preview, _said(error)
    orders = [order.id for order in preview.orders]
    counts = {"new": preview.new, "same": preview.same, "refused": preview.refused}
    said = {"accepted": not refusal, "sentence": refusal or preview.sentence, "sha256": preview.sha256}
    return {**said, "orders": orders, **counts}


def _said(error: ConfigError) -> str:
    return f"{error.message}. {error.hint}"
