"""Checkpoints at work: one thread signs what the log has become, at each release and each minute while it grows.

An HSM that is away delays the checkpoint and nothing else: rows and their entries are durable without it. What is
signed must go on from what was signed before; a log that does not is never signed again by itself.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pki.errors import PkiError, RequestRefused
from pki.log import Checkpoint, open_note, sign_checkpoint
from station.audit.copies import Copies
from station.audit.key import LogKey
from station.audit.signers import open_by, signers_of
from station.audit.tiles import newest, write_tiles
from station.board import Board
from station.clock import utc_now
from station.errors import ConfigError, Service, ServiceError
from station.records import LogSigner, Records

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
EVERY_SECONDS = 60.0
"""After so long a checkpoint is signed if there are new entries, and given again to whom it could not be given."""
AGAIN_SECONDS = 5.0
"""How long HSM and records are left alone after a look failed."""
FOLDER = "audit"
"""Where the log lies as files, below the station directory."""
ALARM = "Audit log: "


@dataclass(frozen=True)
class LogOffice:
    """What is needed to publish a log."""

    records: Records
    key: LogKey
    folder: Path
    copies: Copies

    def publish(self) -> tuple[Checkpoint, list[str]]:
        """Sign a checkpoint of the log as it is, keep it, and give it to all; what went wrong with copies beside it.

        Raises:
            ServiceError: The log does not go on from its last checkpoint, or the HSM or the records are away.
        """
        checkpoint, note = self._signed()
        problems = self.copies.give(self.records.database.station, checkpoint.size, note, utc_now())
        try:
            write_tiles(self.records, self.folder, note, self.key.spki)
        except OSError as error:
            problems.append(f"The log can't be written to {error.filename}: {error.strerror}.")
        return checkpoint, problems

    def hand_over(self, before: LogSigner, who: str, reason: str) -> tuple[Checkpoint, list[str]]:
        """Go on with a log that was signed by another key or in another name, and sign it.

        Raises:
            ConfigError: They did not sign it last, or it was handed over already.
            ServiceError: The log does not go on from its last checkpoint, or the HSM or the records are away.
        """
        last = self.records.last_checkpoint()
        if last is None or before == self.key.signer or not self._is_by(before, last.note):
            message = f"{before.origin} with this certificate did not sign this log last"
            raise ConfigError(message, hint="Name the audit certificate and the station id of before.")
        self._continued((before,), last.note)
        self.records.hand_over_log(before, self.key.signer, who, reason)
        return self.publish()

    @staticmethod
    def _is_by(signer: LogSigner, note: bytes) -> bool:
        try:
            return open_note(note, signer.spki).origin == signer.origin
        except PkiError:
            return False

    def _signed(self) -> tuple[Checkpoint, bytes]:
        last = self.records.last_checkpoint()
        signers, _ = signers_of(self.key.signer, self.records.log_handed_over())
        checkpoint = self._continued(signers, last.note if last else b"")
        if last is not None and last.size == checkpoint.size:
            return checkpoint, last.note
        note = sign_checkpoint(checkpoint, self.key.spki, self.key.sign)
        self.records.keep_checkpoint(checkpoint.size, note)
        return checkpoint, note

    def _continued(self, signers: Sequence[LogSigner], last: bytes) -> Checkpoint:
        """Return what the log is now, if what was signed last is a part of it."""
        try:
            with self.records.log_tree() as tree:
                for before in self._befores(signers, last):
                    if tree.root(before.size) != before.root:
                        raise RequestRefused(f"it does not go on from checkpoint {before.size}")
                head = tree.head()
                if tree.root(head.size) != head.root:
                    raise RequestRefused("its tree is not that of its entries")
                return Checkpoint(self.key.origin, head.size, head.root)
        except PkiError as error:
            raise _damaged(error.message) from error
        except (TypeError, ValueError, IndexError) as error:
            raise _damaged("its tree is not that of its entries") from error

    def _befores(self, signers: Sequence[LogSigner], last: bytes) -> list[Checkpoint]:
        """Return what was signed last, as the records say and as the files do: records may be an old backup's.

        Raises:
            PkiError: The records' checkpoint is signed by nobody who signs this log, or did before.
        """
        published = [found for one in signers if (found := newest(self.folder, one.spki)) is not None]
        return [*([_by_one_of(signers, last)] if last else []), *published[:1]]


def _by_one_of(signers: Sequence[LogSigner], note: bytes) -> Checkpoint:
    checkpoint, at = open_by(note, signers)
    if checkpoint.origin != signers[at].origin:
        hint = "Hand it over with 'station audit hand-over'."
        raise RequestRefused(f"it was signed as {checkpoint.origin}, and not as {signers[0].origin}", hint=hint)
    return checkpoint


def _damaged(reason: str) -> ServiceError:
    message = f"The audit log is damaged and is not signed: {reason}."
    hint = "Run 'station audit verify' and call quality; after a new key or name, 'station audit hand-over'."
    return ServiceError(Service.DATABASE, message, hint=hint, stops_line=False)


class Publisher:
    """Publishes from time to time, on one thread."""

    def __init__(self, office: LogOffice, board: Board, every: float = EVERY_SECONDS) -> None:
        """Prepare; nothing is signed yet. Every so many seconds what is new is signed, and what failed tried again."""
        self._office, self._board, self._every = office, board, every
        self._owed = False
        self._size, self._signed_at, self._not_before = 0, 0.0, 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)

    @property
    def signed(self) -> int:
        """Return how many entries are signed and published since the start."""
        return self._size

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End with a last checkpoint."""
        self._stopping.set()
        self._thread.join(timeout)
        self._office.copies.close()

    def _work(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self._guarded(last=False)
        self._guarded(last=True)

    def _guarded(self, *, last: bool) -> None:
        try:
            self._look(last=last)
        except ServiceError as error:
            self._tell([f"{error.message} {error.hint}"])
        except Exception:  # the thread's boundary: the next look goes on
            log.exception("audit log")
            self._tell(["The station failed while it signed. Call engineering."])

    def _look(self, *, last: bool) -> None:
        now = time.monotonic()
        if now < self._not_before and not last:
            return
        self._not_before = now + AGAIN_SECONDS  # holds where what follows fails
        size = self._office.records.log_head().size
        if (size != self._size or self._owed) and (last or self._due(now)):
            checkpoint, problems = self._office.publish()
            self._size, self._signed_at, self._owed = checkpoint.size, now, bool(problems)
            self._tell(problems)
        self._not_before = 0.0

    def _due(self, now: float) -> bool:
        """Tell whether the minute is over, or something was written for which others wait."""
        return now - self._signed_at >= self._every or self._office.records.documents_logged(self._size)

    def _tell(self, problems: list[str]) -> None:
        """Show what is wrong now, and take back what was."""
        self._board.clear_alarms(ALARM)
        for problem in problems:
            self._board.raise_alarm(f"{ALARM}{problem}")
