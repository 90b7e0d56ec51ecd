"""Make a backup while the line runs: copy, sign, restore on trial, and only then give it its name.

The records are copied before the PKI's ledger: so the ledger knows every certificate that the records speak of, as
after a power cut between the two.
"""

import fcntl
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from pki.files import sync_folder, write_file
from station.clock import iso, utc_now
from station.config import StationConfig
from station.errors import ConfigError
from station.keeping.contents import Contents, contents_of
from station.keeping.copying import copy_database, copy_file, schema_of, settle_file, settled, sync_folders, told_disk
from station.keeping.copying import rows_of as rows_of_file
from station.keeping.manifest import FILE, LogPosition, Manifest, seal_manifest
from station.keeping.restore import Examined, examine, take_all
from station.records import Records, open_records
from station.trace.export.envelope import Signer
from station.version import software_version

Progress = Callable[[str], None]
"""Told what is being done."""
PARTIAL, TRIAL = "partial", "trial"
MOST_KEPT = 10_000
ROOM = 2.2
"""Times the size of a backup that must be free: it is restored on trial beside itself."""


@dataclass(frozen=True)
class Wanted:
    """Which backup is wanted."""

    folder: Path
    """Where backups lie: on another disk, and there already."""
    keep: int
    """How many of this station stay, the newest."""
    who: str

    def __post_init__(self) -> None:
        """Refuse to keep none."""
        if not 1 <= self.keep <= MOST_KEPT:
            raise ConfigError(f"keep must be 1 to {MOST_KEPT}, not {self.keep}", hint="Keep some.")


@dataclass(frozen=True)
class Made:
    """A backup that was made and restored on trial."""

    path: Path
    bytes: int
    entries: int
    root: str
    rows: int
    left_out: dict[str, str]
    secrets: tuple[str, ...]
    pruned: tuple[str, ...]
    problems: tuple[str, ...]
    """What is wrong with the audit log that was copied; then nothing older is taken away."""
    ahead: tuple[str, ...]
    """Backups that bear a time to come: a clock was wrong when they were made, or is now. They stay."""


def make_backup(
    config: StationConfig, records: Records, signer: Signer, wanted: Wanted, progress: Progress = lambda _what: None
) -> Made:
    """Make a backup of a station that may be at work.

    Raises:
        ConfigError: The folder is not there, can't be written or has no room, or another backup is being made.
        ServiceError: Records or HSM are away.
        StationError: What was copied does not come back as it was.
    """
    with told_disk(config.directory):
        contents, folder = contents_of(config), demand_folder(config, wanted.folder)
    with told_disk(folder), _alone(config.directory):
        _sweep(folder, config.station.id)
        _demand_room(contents, folder)
        name = _name(config.station.id, utc_now())
        partial, trial = _beside(folder, name, PARTIAL), _beside(folder, name, TRIAL)
        partial.mkdir(mode=0o700)
        try:
            progress("copying")
            manifest = _copied(config, contents, partial, name, wanted.who)
            write_file(partial / FILE, seal_manifest(manifest, signer), 0o600)
            sync_folders(partial)
            progress("restoring on trial")
            examined = _tried(partial, trial, signer)
            partial.rename(folder / name)
            sync_folder(folder)
        finally:
            _remove(trial)
            _remove(partial)
        ahead = tuple(path.name for path in backups(folder, config.station.id) if path.name > name)
        told = {"name": name, "folder": str(folder), "entries": manifest.log.entries, "bytes": manifest.bytes}
        records.backup_made(wanted.who, told | {"problems": len(examined.problems), "ahead": len(ahead)})
        pruned = () if examined.problems else _prune(folder, config.station.id, wanted.keep, name)
    return Made(
        folder / name, manifest.bytes, manifest.log.entries, manifest.log.root, sum(manifest.rows.values()),
        manifest.left_out, manifest.secrets, pruned, examined.problems, ahead,
    )  # fmt: skip


def backups(folder: Path, station: str) -> tuple[Path, ...]:
    """List the backups of a station in a folder, the oldest first."""
    form = re.compile(_form(station))
    return tuple(sorted(path for path in folder.iterdir() if form.fullmatch(path.name) and path.is_dir()))


def demand_folder(config: StationConfig, folder: Path) -> Path:
    """Return where backups go: a folder that is there, as one that is not mounted would be one on our own disk.

    Raises:
        ConfigError: It is not there, or in the station directory.
    """
    found = folder if folder.is_absolute() else config.directory / folder
    if not found.is_dir():
        raise ConfigError(f"{found} is not there", hint="Mount the disk for backups, and make the folder on it.")
    if found.resolve().is_relative_to(config.directory.resolve()):
        message = f"{found} is in the station directory and would be lost with it"
        raise ConfigError(message, hint="Name a folder on another disk.")
    return found.resolve()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    with (directory / "backup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError("another backup is being made", hint="Wait until it is done.") from error
        yield


def _demand_room(contents: Contents, folder: Path) -> None:
    databases = [contents.database, *([contents.ledger] if contents.ledger else [])]
    size = sum(path.stat().st_size for path in (*contents.files.values(), *databases))
    free = shutil.disk_usage(folder).free
    if free < size * ROOM:
        message = f"{folder} has {free // 1_000_000} MB free; a backup takes {int(size * ROOM) // 1_000_000} MB"
        raise ConfigError(message, hint="Free space, or keep fewer.")


def _copied(config: StationConfig, contents: Contents, partial: Path, name: str, who: str) -> Manifest:
    """Copy everything and return what it is."""
    made_at, modes = iso(utc_now()), {}
    records_name = contents.database.relative_to(config.directory).as_posix()
    ledger_name = contents.ledger.relative_to(config.directory).as_posix() if contents.ledger else ""
    copy_database(contents.database, partial / records_name)
    if contents.ledger:
        copy_database(contents.ledger, partial / ledger_name)
    for each, source in contents.files.items():
        modes[each] = copy_file(source, partial / each)
    log = _position(partial / records_name, config.station.id)
    names = (records_name, *([ledger_name] if ledger_name else []), *contents.files)
    return Manifest(
        name=name, station=config.station.id, made_at=made_at, who=who, software=software_version(),
        database_schema=schema_of(partial / records_name), records=records_name, ledger=ledger_name,
        files=tuple(settled(partial, each, modes.get(each, 0o600)) for each in names),
        rows=rows_of_file(partial / records_name),
        ledger_rows=rows_of_file(partial / ledger_name) if ledger_name else {},
        log=log, left_out=dict(contents.left_out), secrets=contents.secrets,
    )  # fmt: skip


def _position(copy: Path, station: str) -> LogPosition:
    """Return where the log is in a copy of the records, and leave the copy in one file."""
    with open_records(f"sqlite:///{copy}", station) as copied:
        head, last = copied.log_head(), copied.last_checkpoint()
    settle_file(copy)
    return LogPosition(head.size, head.root.hex(), last.note.decode() if last else "")


def _tried(partial: Path, trial: Path, signer: Signer) -> Examined:
    """Restore a backup beside itself and look at all of it."""
    anchors = x509.load_pem_x509_certificates(signer.certificate.encode())
    trial.mkdir(mode=0o700)
    manifest = take_all(partial, trial, anchors)
    return examine(trial, manifest)


def _prune(folder: Path, station: str, keep: int, made: str) -> tuple[str, ...]:
    """Take the oldest away beyond those that are kept; one that is half gone has its name no more.

    One that bears a later time than what was just made neither goes nor counts.
    """
    gone = [path for path in backups(folder, station) if path.name <= made][:-keep]
    for path in gone:
        doomed = _beside(folder, path.name, PARTIAL)
        path.rename(doomed)
        _remove(doomed)
    return tuple(path.name for path in gone)


def _sweep(folder: Path, station: str) -> None:
    """Take away what a process that was killed left, of this station alone."""
    form = re.compile(rf"\.{_form(station)}\.({PARTIAL}|{TRIAL})")
    for path in [path for path in folder.iterdir() if form.fullmatch(path.name)]:
        _remove(path)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _form(station: str) -> str:
    return re.escape(station) + r"-\d{8}T\d{9}Z"


def _name(station: str, at: datetime) -> str:
    return f"{station}-{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03d}Z"


def _beside(folder: Path, name: str, what: str) -> Path:
    return folder / f".{name}.{what}"
