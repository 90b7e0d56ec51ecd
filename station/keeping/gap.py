"""What is newer elsewhere than a backup: the checkpoints that others kept of the audit log."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pki.errors import PkiError
from station.audit.signers import open_by
from station.audit.verify import Seen
from station.errors import ConfigError
from station.records import LogSigner
from station.strict import read_bounded

MOST_FILES, MOST_NOTE = 100_000, 16_384


@dataclass(frozen=True)
class Outside:
    """What checkpoints that others kept tell of a log."""

    newest: Seen | None
    fitting: tuple[tuple[str, bytes], ...]
    """Those that the log must fit as it is."""
    unsigned: tuple[str, ...]
    """Where something lies that calls itself a checkpoint of this log, and that no key of it signed."""


def read_outside(notes: Iterable[tuple[str, bytes]], signers: Sequence[LogSigner], entries: int) -> Outside:
    """Read the checkpoints that others kept of a log with so many entries; those of other logs don't count."""
    newest: Seen | None = None
    fitting, unsigned = [], []
    names = {signer.origin.encode() for signer in signers}
    for where, note in notes:
        try:
            checkpoint, by = open_by(note, signers)
        except PkiError:
            unsigned += [where] if note.partition(b"\n")[0] in names else []
            continue
        if checkpoint.origin != signers[by].origin:
            continue
        if newest is None or checkpoint.size > newest.checkpoint.size:
            newest = Seen(checkpoint, where)
        if checkpoint.size <= entries:
            fitting.append((where, note))
    return Outside(newest, tuple(fitting), tuple(unsigned))


def notes_in(paths: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the checkpoints of files, and of folders what is named as one (*.txt), each with its path.

    Raises:
        ConfigError: A file can't be read, or there are too many.
    """
    found = [file for path in paths for file in (sorted(path.rglob("[!.]*.txt")) if path.is_dir() else [path])]
    if len(found) > MOST_FILES:
        raise ConfigError(f"these are more than {MOST_FILES} checkpoints", hint="Name the folder of fewer days.")
    for file in found:
        yield str(file), read_bounded(file, str(file), MOST_NOTE)
