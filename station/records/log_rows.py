"""What comes out of the log: how large it is, its checkpoints, and what a look through it found."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class LogHead:
    """The tree at one moment."""

    size: int
    root: bytes


@dataclass(frozen=True)
class CheckpointRow:
    """What the audit key signed of the log."""

    size: int
    note: bytes
    at: datetime


@dataclass(frozen=True)
class LogSigner:
    """In whose name a log is signed, and by which key."""

    origin: str
    """Name of the log."""
    spki: bytes
    """The public key (SubjectPublicKeyInfo, DER)."""


@dataclass(frozen=True)
class HandOver:
    """An entry that says who signs from here on."""

    position: int
    before: LogSigner
    after: LogSigner


@dataclass(frozen=True)
class Deviation:
    """Something that is not as the log says."""

    kind: str
    """`changed`, `removed`, `added`, `entries`, `tree`, `tiles`, `schema`, `checkpoint` or `unproven`."""
    subject: str
    """The row or the part of the log."""
    sentence: str
    position: int | None = None
    """Entry that shows it; None for what has no entry."""


@dataclass(frozen=True)
class LogFindings:
    """What a look through the whole log and all rows found."""

    entries: int
    rows: int
    root: bytes
    """Computed from the entries as they are now."""
    roots: dict[int, bytes]
    """Root at each size that was asked for and that the log reaches."""
    deviations: tuple[Deviation, ...]
    more: int
    """Deviations beyond those that are listed."""
    handed_over: tuple[HandOver, ...] = ()
