"""A file that is there whole or not at all, and that a later call may go on with where this one was cut off.

It grows as `.NAME.partial`; beside it `.NAME.progress` says how far it surely is. What a process that was killed left
is believed only as far as its digest says, and only for the same request.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from pki.files import sync_folder
from station.errors import ConfigError
from station.whole import alone, demand_free, refused_by_disk

BLOCK = 1 << 20
MOST_PROGRESS = 100_000


@dataclass(frozen=True)
class Progress:
    """How far a file is."""

    request: str
    """What was asked for; another request begins anew."""
    bytes: int
    sha256: str
    """Of so many bytes."""
    rows: int
    key: Sequence[str]
    """Of the last row."""
    keys: str
    """SHA-256 of the keys of all rows."""
    looks: Sequence[Sequence[Any]]
    """When the records were looked at, and from which row on."""


class Partial:
    """A file that grows under another name than its own."""

    def __init__(self, target: Path, file: IO[bytes]) -> None:
        self.file = file
        self.target = target
        self._progress = _beside(target, "progress")

    def before(self, request: str) -> Progress | None:
        """Return how far an earlier call with the same request came, if what it left is what it says."""
        try:
            found = Progress(**json.loads(self._progress.read_bytes()[:MOST_PROGRESS]))
            fits = found.request == request and found.bytes > 0 and found.rows > 0
            return found if fits and Running(self.file).upto(found.bytes) == found.sha256 else None
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def note(self, progress: Progress) -> None:
        """Note how far it is; the note before holds until this one does."""
        self.file.flush()
        fresh = self._progress.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(progress)))
        fresh.replace(self._progress)

    def cut(self, size: int) -> None:
        """Forget what is behind so many bytes, and go on there."""
        self.file.truncate(size)
        self.file.seek(size)

    def forget(self) -> None:
        """Leave nothing behind."""
        _beside(self.target, "partial").unlink(missing_ok=True)
        self._progress.unlink(missing_ok=True)
        _fresh(self.target).unlink(missing_ok=True)

    def settle(self, manifest: bytes) -> None:
        """Have the file and its manifest on the disk for good, still without their names."""
        self.file.flush()
        os.fsync(self.file.fileno())
        _write_durably(_fresh(self.target), manifest)

    def finish(self) -> None:
        """Give the file its name, after the manifest beside it has its own."""
        _fresh(self.target).replace(manifest_of(self.target))
        _beside(self.target, "partial").rename(self.target)
        self._progress.unlink(missing_ok=True)
        sync_folder(self.target.parent)


@contextmanager
def growing(target: Path, *, goes_on: bool) -> Iterator[Partial]:
    """Yield a file that gets its name with `Partial.finish`; it is empty, unless it goes on with what is there.

    Raises:
        ConfigError: The name is taken, somebody else is writing it, or the disk refuses; then nothing is left.
    """
    with refused_by_disk(target), alone(_beside(target, "partial")) as file:
        partial = Partial(target, file)
        try:
            demand_free(target)
            if not goes_on:
                partial.cut(0)
            yield partial
        except OSError:  # a full disk would stay full
            partial.forget()
            raise
        except BaseException:
            if not goes_on or target.exists():
                partial.forget()
            raise


def sweep(folder: Path, seconds: float) -> None:
    """Remove what was cut off in a folder and not gone on with for so long; what somebody is writing stays."""
    oldest = time.time() - seconds
    for path in folder.glob(".*.partial"):
        with suppress(OSError, ConfigError):
            if path.lstat().st_mtime < oldest:
                with alone(path) as file:
                    Partial(path.with_name(path.name[1 : -len(".partial")]), file).forget()


def is_begun(target: Path) -> bool:
    """Tell whether a file was begun and has not got its name."""
    return _beside(target, "partial").exists()


def manifest_of(target: Path) -> Path:
    """Return where the manifest of a file lies: beside it."""
    return target.with_name(f"{target.name}.manifest.json")


class Running:
    """The SHA-256 of a file that grows; each byte is read once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest = file, sha256()
        self.bytes = 0

    def upto(self, size: int) -> str:
        """Return the SHA-256 of the first bytes of a file; nothing if it has fewer."""
        self._file.seek(self.bytes)
        while self.bytes < size and (block := self._file.read(min(BLOCK, size - self.bytes))):
            self._digest.update(block)
            self.bytes += len(block)
        return self._digest.hexdigest() if self.bytes == size else ""

    def all(self) -> str:
        """Return the SHA-256 of the whole file, and stand at its end."""
        return self.upto(self._file.seek(0, os.SEEK_END))


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


def _fresh(target: Path) -> Path:
    """Return where the manifest lies until the file is recorded."""
    return _beside(target, "manifest.json.new")


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
