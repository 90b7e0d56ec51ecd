"""How long what stays: which tables grow, and which files may go because they can be made again.

No row ever goes: passports, certificates, measurements and the audit log are what the law and recalls ask for, and a
log whose rows were taken away would prove nothing. Files go that the records can make again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from station.config import StationConfig
from station.errors import ConfigError
from station.keeping.copying import told_disk
from station.records import Records
from station.trace.export.partial import manifest_of

DELETED = "files-deleted"
"""Kind of the event; its subject is the station."""
MOST_NAMED = 200
EXPORTS, PASSPORTS = "exports", "passports"


@dataclass(frozen=True)
class Expired:
    """A file that may go."""

    path: Path
    bytes: int
    at: datetime
    why: str


@dataclass(frozen=True)
class FolderSize:
    """How much lies in a folder of the station."""

    folder: str
    files: int
    bytes: int


def folder_sizes(directory: Path) -> tuple[FolderSize, ...]:
    """Tell what lies in each folder of a station."""
    return tuple(_size(folder) for folder in sorted(directory.iterdir()) if folder.is_dir())


def expired(config: StationConfig, records: Records, now: datetime) -> tuple[Expired, ...]:
    """List the files that may go by `[retention]`, the oldest first; without days none may."""
    found = (*_exports(config, now), *_passports(config, records, now))
    return tuple(sorted(found, key=lambda one: one.at))


def delete(config: StationConfig, records: Records, who: str, now: datetime) -> tuple[Expired, ...]:
    """Delete what may go, and record what that was before it is gone.

    Raises:
        ConfigError: A file can't be deleted.
    """
    gone = expired(config, records, now)
    if not gone:
        return ()
    names = [one.path.relative_to(config.directory).as_posix() for one in gone]
    told = {"files": len(gone), "bytes": sum(one.bytes for one in gone), "names": names[:MOST_NAMED]}
    records.event(DELETED, config.station.id, told, who)
    with told_disk(config.directory):
        for one in gone:
            one.path.unlink(missing_ok=True)
    return gone


def _exports(config: StationConfig, now: datetime) -> Iterator[Expired]:
    """Yield exports that the page or the schedule made, each with its manifest."""
    for path, size, at in _older(config.directory / EXPORTS, config.retention.exports_days, now):
        if path.name != manifest_of(path).name and not path.name.startswith("."):
            yield Expired(path, size, at, "an export can be made again")


def _passports(config: StationConfig, records: Records, now: datetime) -> Iterator[Expired]:
    """Yield PDFs of passports that the records have signed."""
    for path, size, at in _older(config.directory / PASSPORTS, config.retention.passports_days, now):
        if path.suffix == ".pdf" and records.passport(path.stem) is not None:
            yield Expired(path, size, at, "its signed passport is in the records: station passport build")


def _older(folder: Path, days: int, now: datetime) -> Iterator[tuple[Path, int, datetime]]:
    """Yield plain files of a folder that are older than so many days; 0 days are for ever."""
    if days <= 0 or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file():
            continue
        stat = path.stat()
        at = datetime.fromtimestamp(stat.st_mtime, UTC)
        if at < now - timedelta(days=days):
            yield path, stat.st_size, at


def _size(folder: Path) -> FolderSize:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return FolderSize(folder.name, len(files), sum(path.stat().st_size for path in files))


def demand_rules(config: StationConfig) -> None:
    """Refuse to delete where nothing says for how long files stay.

    Raises:
        ConfigError: No rule is set.
    """
    if not (config.retention.exports_days or config.retention.passports_days):
        raise ConfigError("no file may go", hint="Say in [retention] for how many days exports and PDFs stay.")
