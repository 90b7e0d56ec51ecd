"""Is everything as the log says, and the log as it was signed? Every row, every entry, every checkpoint (F-K3)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pki.errors import PkiError
from pki.log import Checkpoint
from station.audit.signers import open_by, signers_of
from station.records import CheckpointRow, Deviation, HandOver, LogFindings, LogSigner, Records

UNPROVEN = "unproven"
"""Kind of the deviation that no checkpoint shows what was there."""


@dataclass(frozen=True)
class Seen:
    """A checkpoint that the key signed, and where it was found."""

    checkpoint: Checkpoint
    where: str
    by: int = 0
    """Which signer: 0 is the one of now, 1 the one before."""


@dataclass(frozen=True)
class LogVerdict:
    """What a check of the whole log found."""

    entries: int
    rows: int
    root: bytes
    checkpoints: int
    """Checkpoints that the log still fits."""
    fits: Seen | None
    """The newest of them: up to there nothing was changed since it was signed."""
    shows: Seen | None
    """The oldest that it does not fit: what was changed lies before it."""
    deviations: tuple[Deviation, ...]
    more: int
    """Deviations beyond those that are listed."""

    @property
    def good(self) -> bool:
        """Tell whether nothing was found."""
        return not self.deviations

    @property
    def unproven(self) -> bool:
        """Tell whether nothing is wrong but that no checkpoint is there: a new station, or one that was cleared."""
        return [one.kind for one in self.deviations] == [UNPROVEN]

    @property
    def unsigned(self) -> int:
        """Return how many entries no checkpoint covers yet."""
        return self.entries - (self.fits.checkpoint.size if self.fits else 0)


def verify_log(records: Records, spki: bytes, origin: str, outside: Iterable[tuple[str, bytes]] = ()) -> LogVerdict:
    """Check records and log against each other and against all checkpoints, also those from outside.

    Args:
        records: The records.
        spki: The audit key (SubjectPublicKeyInfo, DER).
        origin: Name of the station's log; the same key signs those of other stations.
        outside: Checkpoints that were kept elsewhere, with a name of where; they show what no file here can.

    Raises:
        ServiceError: The records can't be read.
    """
    signers, _ = signers_of(LogSigner(origin, spki), records.log_handed_over())
    seen: list[Seen] = []
    problems: list[Deviation] = []
    for row in records.checkpoints():
        _sort(_kept(row, signers), signers, seen, problems)
    for where, note in outside:
        _sort(_opened(where, note, signers), signers, seen, problems)
    findings = records.look_through([one.checkpoint.size for one in seen])
    good, bad = _compared(seen, findings)
    named, links = signers_of(signers[0], findings.handed_over)
    if named != signers:
        problems.append(Deviation("entries", "log", "Who signed the log before is not found as its entries say."))
    good, lost = _linked(good, links)
    problems += [_unfit(one, findings.entries) for one in bad]
    problems += [_unlinked(one, signers[one.by]) for one in lost]
    if findings.entries and not good:
        problems.append(Deviation(UNPROVEN, "log", "No checkpoint fits: nothing here is proven."))
    return LogVerdict(
        findings.entries, findings.rows, findings.root, len(good),
        good[-1] if good else None, bad[0] if bad else None,
        (*findings.deviations, *problems), findings.more,
    )  # fmt: skip


def _sort(found: Seen | Deviation, signers: Sequence[LogSigner], seen: list[Seen], problems: list[Deviation]) -> None:
    if isinstance(found, Deviation):
        problems.append(found)
    elif found.checkpoint.origin != (origin := signers[found.by].origin):
        sentence = f"The checkpoint in {found.where} is of another log, {found.checkpoint.origin}, and not of {origin}."
        problems.append(Deviation("checkpoint", f"checkpoint {found.checkpoint.size}", sentence))
    else:
        seen.append(found)


def _kept(row: CheckpointRow, signers: Sequence[LogSigner]) -> Seen | Deviation:
    """Return a checkpoint of the records; one under another size than it says is none."""
    found = _opened("the records", row.note, signers)
    if isinstance(found, Seen) and found.checkpoint.size != row.size:
        return Deviation("checkpoint", f"checkpoint {row.size}", f"Checkpoint {row.size} of the records is another.")
    return found


def _opened(where: str, note: bytes, signers: Sequence[LogSigner]) -> Seen | Deviation:
    try:
        checkpoint, by = open_by(note, signers)
    except PkiError as error:
        return Deviation("checkpoint", where, f"In {where}: {error.message}.")
    return Seen(checkpoint, where, by)


def _compared(seen: list[Seen], findings: LogFindings) -> tuple[list[Seen], list[Seen]]:
    """Return the checkpoints that the log fits and those that it does not, each the smallest first."""
    good: list[Seen] = []
    bad: list[Seen] = []
    for one in sorted(seen, key=lambda one: one.checkpoint.size):
        fits = findings.roots.get(one.checkpoint.size) == one.checkpoint.root
        (good if fits else bad).append(one)
    return good, bad


def _linked(good: list[Seen], links: Sequence[HandOver]) -> tuple[list[Seen], list[Seen]]:
    """Return what counts, and what does not: what was signed before counts up to an entry that its follower signed."""
    believed = [one for one in good if one.by == 0]
    for by, link in enumerate(links, 1):
        signed = any(one.by == by - 1 and one.checkpoint.size > link.position for one in believed)
        believed += [one for one in good if one.by == by and signed and one.checkpoint.size <= link.position]
    counts = {id(one) for one in believed}
    return [one for one in good if id(one) in counts], [one for one in good if id(one) not in counts]


def _unlinked(seen: Seen, signer: LogSigner) -> Deviation:
    size = seen.checkpoint.size
    sentence = f"Checkpoint {size} in {seen.where} is signed as {signer.origin} by a key that hands nothing over there."
    return Deviation("checkpoint", f"checkpoint {size}", sentence, size)


def _unfit(seen: Seen, entries: int) -> Deviation:
    size, subject = seen.checkpoint.size, f"checkpoint {seen.checkpoint.size}"
    if size > entries:
        sentence = (
            f"The log has {entries} entries; checkpoint {size} in {seen.where} had {size}: it was cut or set back."
        )
    else:
        sentence = f"The first {size} entries are not those that checkpoint {size} in {seen.where} signed."
    return Deviation("checkpoint", subject, sentence, size)
