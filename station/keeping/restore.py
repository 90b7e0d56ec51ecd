"""Bring a backup back, on trial or in earnest: by the same steps, so that the trial proves the other.

A restored station knows nothing of what happened after its backup. What others kept says how much that was, and until
two people have answered for the gap it does not run.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from pki.errors import PkiError
from pki.files import sync_folder
from station.audit.key import origin_of, read_anchor
from station.audit.signers import signers_of
from station.audit.verify import LogVerdict, Seen, verify_log
from station.audit.words import verdict_lines
from station.config import StationConfig, load_station
from station.errors import ConfigError, StationError
from station.keeping.contents import AUDIT_KEY
from station.keeping.copying import faults_of, rows_of, schema_of, sync_folders, take_out, told_disk
from station.keeping.gap import read_outside
from station.keeping.manifest import FILE, HINT, MOST_MANIFEST, Manifest, open_manifest
from station.records import LogSigner, Records, open_records, upgrade
from station.records.database import newest_schema
from station.strict import read_bounded

Notes = Iterable[tuple[str, bytes]]
"""Checkpoints that were kept elsewhere, each with where."""


@dataclass(frozen=True)
class Examined:
    """What was found in a station that came out of a backup."""

    entries: int
    problems: tuple[str, ...]
    """What is wrong with the audit log, as it was copied."""
    newest: Seen | None = None
    """The newest checkpoint that others kept."""
    unsigned: tuple[str, ...] = ()
    """Where something lies that calls itself a checkpoint of this log, and that no key of it signed."""

    @property
    def lost(self) -> int | None:
        """Return how many entries are gone at least; None where nothing from outside shows that any are."""
        size = 0 if self.newest is None else self.newest.checkpoint.size
        return size - self.entries if size > self.entries else None


@dataclass(frozen=True)
class Restored:
    """A station that came back."""

    directory: Path
    manifest: Manifest
    examined: Examined


def restore(backup: Path, target: Path, anchors: Sequence[x509.Certificate], outside: Notes = ()) -> Restored:
    """Make a station directory of a backup, whole or not at all; it runs once two people accepted the gap.

    Raises:
        ConfigError: The directory is not empty or can't be written, or the backup can't be read.
        StationError: The backup is not what was signed.
        ServiceError: Its records are of a newer version of this software, or damaged.
    """
    target = target.resolve()
    _demand_empty(target)
    partial = target.parent / f".{target.name}.restoring"
    with told_disk(target):
        if partial.exists():
            raise ConfigError(f"{partial} is there", hint="Take away what an earlier restore left, then try again.")
        partial.mkdir(mode=0o700, parents=True)
        try:
            manifest = take_all(backup, partial, anchors)
            examined = examine(partial, manifest, outside)
            _tell(partial, manifest, examined)
            sync_folders(partial)
            if target.exists():
                target.rmdir()
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        sync_folder(target.parent)
    return Restored(target, manifest, examined)


def take_all(backup: Path, target: Path, anchors: Sequence[x509.Certificate]) -> Manifest:
    """Copy all files of a backup into an empty folder, each compared with the signed manifest.

    Raises:
        ConfigError: There is no manifest.
        StationError: It was not signed by the anchor, or a file is missing or another.
    """
    place = backup / FILE
    manifest = open_manifest(read_bounded(place, str(place), MOST_MANIFEST, "Name the folder of a backup."), anchors)
    for kept in manifest.files:
        take_out(backup, kept, target)
    return manifest


def examine(directory: Path, manifest: Manifest, outside: Notes = ()) -> Examined:
    """Look at a station that was just copied out of a backup: databases, counts, schema, and the whole audit log.

    Raises:
        StationError: It is not what the manifest says.
        ServiceError: Its records are of a newer version of this software, or damaged.
    """
    config = load_station(directory)
    if (
        config.station.id != manifest.station
        or config.directory / config.station.database != directory / manifest.records
    ):
        raise StationError("backup: its settings are of another station", hint=HINT)
    _demand_sound(directory, manifest)
    if manifest.database_schema != newest_schema():
        upgrade(config.database_url)
    spki, origin = read_anchor(directory / AUDIT_KEY), origin_of(manifest.station)
    with open_records(config.database_url, config.station.id) as records:
        _demand_position(records, manifest)
        signers, _ = signers_of(LogSigner(origin, spki), records.log_handed_over())
        kept = read_outside(outside, signers, manifest.log.entries)
        verdict = verify_log(records, spki, origin, kept.fitting)
    return Examined(manifest.log.entries, _problems(verdict), kept.newest, kept.unsigned)


def _demand_empty(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is not empty", hint="Name a new folder; nothing is ever overwritten.")


def _demand_sound(directory: Path, manifest: Manifest) -> None:
    found = {name: rows_of(directory / name) for name in (manifest.records, manifest.ledger) if name}
    if found[manifest.records] != manifest.rows or found.get(manifest.ledger, {}) != manifest.ledger_rows:
        raise StationError("backup: its databases have other rows than were counted", hint=HINT)
    for name in found:
        if faults := faults_of(directory / name):
            raise StationError(f"backup: {name} is damaged: {faults[0][:200]}", hint=HINT)
    if schema_of(directory / manifest.records) != manifest.database_schema:
        raise StationError("backup: its records have another schema than was written down", hint=HINT)


def _demand_position(records: Records, manifest: Manifest) -> None:
    """Check that the log is at least where it was, by its own tree."""
    try:
        with records.log_tree() as tree:
            root = tree.root(manifest.log.entries).hex()
    except (PkiError, IndexError, TypeError, ValueError) as error:
        raise StationError("backup: its audit log has no sound tree", hint=HINT) from error
    if root != manifest.log.root:
        raise StationError("backup: its audit log is not where it was", hint=HINT)


def _problems(verdict: LogVerdict) -> tuple[str, ...]:
    """Return what is wrong with the log in words; a new station that has signed nothing yet is none."""
    return () if verdict.good or verdict.unproven else verdict_lines(verdict)


def _tell(directory: Path, manifest: Manifest, examined: Examined) -> None:
    """Have the restored records say that they are restored, and from what."""
    config: StationConfig = load_station(directory)
    seen = examined.newest
    known = {"size": seen.checkpoint.size, "root": seen.checkpoint.root.hex(), "where": seen.where} if seen else {}
    told = {
        "backup": manifest.name,
        "made_at": manifest.made_at,
        "entries": manifest.log.entries,
        "root": manifest.log.root,
        "newest_elsewhere": known,
        "lost_entries": examined.lost,
        "unsigned_elsewhere": len(examined.unsigned),
        "log_problems": len(examined.problems),
    }
    with open_records(config.database_url, config.station.id) as records:
        records.restored(told)
