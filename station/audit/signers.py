"""Who signs the log now, and who did before: a new key or a new name goes on with the same log.

The log itself says so by an entry that the new key signs with it, so whoever trusts the new key knows the old ones.
"""

from collections.abc import Sequence

from pki.errors import RequestRefused
from pki.log import Checkpoint, open_note
from station.records import HandOver, LogSigner


def signers_of(now: LogSigner, handed_over: Sequence[HandOver]) -> tuple[tuple[LogSigner, ...], tuple[HandOver, ...]]:
    """Return who signed the log, whoever does now first, and the entries by which each took over from the next."""
    signers, entries = [now], []
    for one in reversed(handed_over):
        if one.after == signers[-1]:
            signers.append(one.before)
            entries.append(one)
    return tuple(signers), tuple(entries)


def open_by(note: bytes, signers: Sequence[LogSigner]) -> tuple[Checkpoint, int]:
    """Return a checkpoint, and which of the signers signed it; one in another log's name counts as the first's.

    Raises:
        RequestRefused: It is no checkpoint, or none of them signed it.
    """
    opened = [(at, found) for at, signer in enumerate(signers) if (found := _opened(note, signer)) is not None]
    for at, checkpoint in opened:
        if checkpoint.origin == signers[at].origin:
            return checkpoint, at
    return opened[0][1] if opened else open_note(note, signers[0].spki), 0


def _opened(note: bytes, signer: LogSigner) -> Checkpoint | None:
    try:
        return open_note(note, signer.spki)
    except RequestRefused:
        return None
