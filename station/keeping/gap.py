"""What is newer elsewhere than a backup: the checkpoints that others kept of the audit log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pki.errors import PkiError
from station.audit.signers import open_by
from station.audit.verify import Seen
from station.records import LogSigner


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
