"""Where pages and schedules ask for exports: one is made at a time, beside the line, in a process of its own."""

import json
import re
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from station.clock import iso, utc_now
from station.config import StationConfig
from station.errors import ConfigError
from station.model import Outcome
from station.records import ExportFilter, ExportSet
from station.trace.export import Wanted
from station.trace.export.naming import file_name
from station.trace.export.partial import sweep
from station.trace.moments import moment, month
from station.web.exports import Asked, ExportFile, ExportJob

FOLDER = "exports"
MOST_FILES = 200
"""That are listed at a time."""
ABANDONED_SECONDS = 86_400.0
"""After so long without a byte, what was cut off is not gone on with."""
FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
ANSWER, PROGRESS = '{"', re.compile(r"([0-9]{1,15}) ([0-9]{1,15})\n")
"""How lines of the process begin, or look, that are for us; libraries may write others."""


@dataclass(frozen=True)
class ExportOrder:
    """An export that is to be made, and where."""

    wanted: Wanted
    target: Path

    def line(self) -> str:
        """Return what the process is told."""
        wanted, rows = self.wanted, self.wanted.rows
        told = {name: getattr(rows, name) or "" for name in ("order", "product", "outcome")}
        told |= {name: iso(at) if (at := getattr(rows, name)) else "" for name in ("since", "until")}
        told |= {"format": wanted.format, "table": wanted.set, "who": wanted.who, "target": str(self.target)}
        return json.dumps(told) + "\n"


class ExportDesk:
    """The exports of one station; safe from all threads."""

    def __init__(self, config: StationConfig) -> None:
        """Export from a station's records, into its directory."""
        self._directory, self._folder = config.directory, config.directory / FOLDER
        self._lock = threading.Lock()
        self._job = ExportJob()
        self._process: subprocess.Popen[str] | None = None

    def begin(self, asked: Asked, who: str) -> str:
        """Begin an export, and return the name of its file.

        Raises:
            ConfigError: One is being made, a file of this name is there, or what is asked for is no month.
        """
        outcome = Outcome(asked.outcome) if asked.outcome else None
        times = month(asked.month) if asked.month else (None, None)
        rows = ExportFilter(asked.order, asked.product, "", outcome, *times)
        wanted = Wanted(asked.format, who, ExportSet(asked.table), rows)
        target = self._folder / file_name(wanted, now=utc_now())
        self._begun(ExportOrder(wanted, target))
        return target.name

    def make(self, order: ExportOrder) -> str:
        """Make an export, and return why there is no file, or nothing.

        Raises:
            ConfigError: Another one is being made, or a file of this name is there.
        """
        thread = self._begun(order)
        thread.join()
        return self.job().problem

    def _begun(self, order: ExportOrder) -> threading.Thread:
        target = order.target
        with self._lock:
            if self._process is not None:
                raise ConfigError("another export is being made", hint="Wait until it is done.")
            if target.exists():
                raise ConfigError(f"{target.name} is there already", hint="Ask the admin to move it away.")
            self._folder.mkdir(mode=0o700, exist_ok=True)
            sweep(self._folder, ABANDONED_SECONDS)
            command = [sys.executable, "-m", "station.trace.export.work", str(self._directory)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._process, self._job = process, ExportJob(target.name, order.wanted.who, running=True)
        thread = threading.Thread(target=self._follow, args=(process, order.line()), name="export", daemon=True)
        thread.start()
        return thread

    def _follow(self, process: "subprocess.Popen[str]", order: str) -> None:
        """Keep what a process tells, until it ends."""
        problem = "The export was ended before it was done."
        try:
            with suppress(OSError, ValueError), process:  # a process that is dead already takes nothing
                problem = self._exchanged(process, order, problem)
        finally:
            with self._lock:
                self._job = ExportJob(self._job.name, self._job.who, self._job.done, self._job.total, problem)
                self._process = None

    def _exchanged(self, process: "subprocess.Popen[str]", order: str, problem: str) -> str:
        """Say what is wanted, and keep what is told; return why there is no file, or nothing."""
        if process.stdin and process.stdout:
            process.stdin.write(order)
            process.stdin.close()
            for line in process.stdout:
                if line.startswith(ANSWER):
                    problem = str(json.loads(line).get("error", ""))
                elif told := PROGRESS.fullmatch(line):
                    self._note(*map(int, told.groups()))
        return problem

    def _note(self, done: int, total: int) -> None:
        with self._lock:
            self._job = ExportJob(self._job.name, self._job.who, done, total, running=True)

    def job(self) -> ExportJob:
        """Return what is being made, or was made last."""
        with self._lock:
            return self._job

    def files(self) -> tuple[ExportFile, ...]:
        """List the newest files, the newest first."""
        return tuple(self._found()[:MOST_FILES])

    def made_since(self, day: str) -> tuple[ExportFile, ...]:
        """List all files that were made from a day or time on, the newest first; of any time where none is given.

        Raises:
            ConfigError: It is no day or time.
        """
        since = moment(day, "since")
        return tuple(row for row in self._found() if since is None or row.at >= since)

    def _found(self) -> list[ExportFile]:
        paths = list(self._folder.iterdir()) if self._folder.is_dir() else []
        found = [path for path in paths if FILE.fullmatch(path.name) and path.is_file() and not path.is_symlink()]
        files = [(path.stat(), path.name) for path in found]
        rows = [ExportFile(name, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC)) for stat, name in files]
        return sorted(rows, key=lambda row: (row.at, row.name), reverse=True)

    def path(self, name: str) -> Path | None:
        """Return where a file lies, or None where there is none of this name."""
        path = self._folder / name
        return path if FILE.fullmatch(name) and path.is_file() and not path.is_symlink() else None

    def stop(self, patience: float) -> None:
        """End what is being made; a file of lines goes on when it is asked for again."""
        with self._lock:
            process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
