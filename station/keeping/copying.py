"""Copies that are on the disk for good before anybody relies on them."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

from pki.files import sync_folder
from station.errors import ConfigError, StationError
from station.keeping.manifest import HINT, Kept

BLOCK = 1 << 20
MODES = 0o777
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"


@contextmanager
def told_disk(where: Path) -> Iterator[None]:
    """Turn what a disk refuses into our error.

    Raises:
        ConfigError: It can't be written or read.
    """
    hint = "Free space, or choose another place."
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{error.filename or where}: {error.strerror or error}", hint=hint) from error
    except sqlite3.Error as error:
        raise ConfigError(f"{where}: a database can't be copied: {error}", hint=hint) from error


def copy_database(source: Path, target: Path) -> None:
    """Copy a database in one consistent state while others write it; the copy needs no file beside it.

    Raises:
        OSError: A folder can't be made.
        sqlite3.Error: It can't be read or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    found = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
    with closing(found), closing(sqlite3.connect(target)) as copy:
        found.backup(copy)
        settle_database(copy)


def settle_file(path: Path) -> None:
    """Have a database that was opened in one file again."""
    with closing(sqlite3.connect(path)) as copy:
        settle_database(copy)


def settle_database(copy: sqlite3.Connection) -> None:
    """Have a database in one file, without a write-ahead log beside it."""
    copy.execute("PRAGMA synchronous=FULL")
    copy.execute("PRAGMA journal_mode=DELETE")


def rows_of(database: Path) -> dict[str, int]:
    """Count the rows of each table of a database.

    Raises:
        sqlite3.Error: It can't be read.
    """
    with closing(sqlite3.connect(database)) as found:
        names = [name for (name,) in found.execute(TABLES)]
        return {name: found.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608 - own names


def schema_of(database: Path) -> str:
    """Return which schema the records have."""
    with closing(sqlite3.connect(database)) as found:
        return str(found.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def faults_of(database: Path) -> list[str]:
    """Return what SQLite finds wrong with a whole database."""
    with closing(sqlite3.connect(database)) as found:
        return [str(fault) for (fault,) in found.execute("PRAGMA integrity_check(5)") if fault != "ok"]


def copy_file(source: Path, target: Path) -> int:
    """Copy a file with the rights of its owner, and return these.

    Raises:
        OSError: It can't be read or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    mode = source.stat().st_mode & MODES
    target.chmod(mode)
    return mode


def settled(folder: Path, name: str, mode: int) -> Kept:
    """Have a file on the disk for good, and return what it is."""
    path = folder / name
    with path.open("rb") as file:
        digest = _digest_of(file.fileno())
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    return Kept(name, size, digest, mode)


def sync_folders(folder: Path) -> None:
    """Make the names in a folder and all below it durable."""
    for place, _, _ in os.walk(folder, topdown=False):
        sync_folder(Path(place))


def take_out(folder: Path, kept: Kept, target: Path) -> None:
    """Copy a file out of a backup, if it is the one that was put there.

    Raises:
        OSError: It can't be read or written.
        StationError: It is missing, no plain file, or another one.
    """
    source, place = folder / kept.path, target / kept.path
    if source.is_symlink() or not source.is_file():
        raise StationError(f"backup: {kept.path} is missing", hint=HINT)
    place.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file, place.open("xb") as copy:
        shutil.copyfileobj(file, copy, BLOCK)
        copy.flush()
        os.fsync(copy.fileno())
    place.chmod(kept.mode & MODES)
    if settled(target, kept.path, kept.mode) != kept:
        raise StationError(f"backup: {kept.path} is not as it was put there", hint=HINT)


def _digest_of(descriptor: int) -> str:
    digest = sha256()
    while block := os.read(descriptor, BLOCK):
        digest.update(block)
    return digest.hexdigest()
