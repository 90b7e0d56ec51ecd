"""A file that is there whole or not at all: a process that is killed leaves nothing under its name."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pki.files import sync_folder
from station.errors import ConfigError


@contextmanager
def whole_file(target: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write and read, which gets its name when the block ends well.

    Raises:
        ConfigError: The name is taken, somebody else is writing it, or the disk refuses.
    """
    partial = target.with_name(f".{target.name}.partial")
    with refused_by_disk(target), alone(partial) as file:
        try:
            file.truncate()
            demand_free(target)
            yield file
            file.flush()
            os.fsync(file.fileno())
            partial.rename(target)
            sync_folder(target.parent)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def alone(partial: Path) -> Iterator[IO[bytes]]:
    """Open what an earlier process may have left, as it left it; only one process has it.

    Raises:
        ConfigError: Somebody else has it.
    """
    with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
        if not _is_ours(file, partial):
            raise ConfigError(f"somebody else is writing {partial.name}", hint="Wait until that is done.")
        yield file


@contextmanager
def refused_by_disk(target: Path) -> Iterator[None]:
    """Turn what a disk refuses into our error.

    Raises:
        ConfigError: The file can't be written.
    """
    try:
        yield
    except OSError as error:
        message = f"{target} can't be written: {error.strerror or error}"
        raise ConfigError(message, hint="Choose another place, or free space.") from error


def demand_free(target: Path) -> None:
    """Refuse a name that a file has: nothing is overwritten.

    Raises:
        ConfigError: It has.
    """
    if target.exists():
        raise ConfigError(f"{target} is there already", hint="Choose another name, or move the file away.")


def _is_ours(file: IO[bytes], partial: Path) -> bool:
    """Lock a file; False if somebody else has it, or ended since it was opened: then it is a finished file."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), partial.stat())
    except (BlockingIOError, FileNotFoundError):
        return False
