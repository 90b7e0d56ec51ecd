"""The log as others use it: its head, its entries and tiles, its checkpoints, and the proof of one document."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import exists, func, insert, select

from pki.errors import RequestRefused
from pki.log import HASH_BYTES, TILE, Inclusion, Range, fold, inclusion, leaf_hash, peaks_of
from station.clock import utc_now
from station.records import tables
from station.records.canonical import canonical, sentence
from station.records.log_check import compare
from station.records.log_hook import PORTION, append, read_tree, sound_log
from station.records.log_rows import CheckpointRow, HandOver, LogFindings, LogHead, LogSigner
from station.records.log_told import HANDED_OVER, NO_ENTRY, TOLD, handed_over_entry, handed_over_of
from station.records.orders import Section, value

OURS = (TOLD, HANDED_OVER)
"""Marks of entries that name no document."""
MOST_TILES = 1024
"""Tiles that are held in memory: 8 MiB."""


class TreeReader:
    """Roots of whole subtrees as the database has them, in one state of it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._hashes: dict[tuple[int, int], bytes] = {}

    def head(self) -> LogHead:
        """Return how large the log is, and its root.

        Raises:
            RequestRefused: The right edge of the tree is damaged.
        """
        tree = read_tree(self._connection)
        return LogHead(tree.size, tree.root())

    def root(self, size: int) -> bytes:
        """Return the root of the tree when it had `size` entries.

        Raises:
            RequestRefused: It never had so many.
        """
        if size > self.head().size:
            raise RequestRefused(f"the log has less than {size} entries", hint="Run 'station audit verify'.")
        return Range(size, peaks_of(size, self.node)).root()

    def node(self, level: int, number: int) -> bytes:
        """Return the root of the subtree of 2^level entries that has this number from the left."""
        above, within = divmod(level, 8)
        first = number << within
        tile, offset = divmod(first, TILE)
        hashes = self.tile(above, tile)[offset * HASH_BYTES : (offset + (1 << within)) * HASH_BYTES]
        found = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
        return fold(found)

    def tile(self, level: int, number: int) -> bytes:
        """Return the hashes of a tile, as many as there are of it."""
        if (level, number) not in self._hashes:
            if len(self._hashes) == MOST_TILES:
                self._hashes.clear()
            self._hashes[level, number] = self._read(level, number)
        return self._hashes[level, number]

    def _read(self, level: int, number: int) -> bytes:
        query = "SELECT hashes FROM log_tile WHERE level = ? AND number = ?"
        row = self._connection.execute(query, (level, number)).fetchone()
        if row is not None:
            return bytes(row[0])
        first = number * TILE
        if level:
            query = "SELECT root FROM log_tile WHERE level = ? AND number >= ? AND number < ? ORDER BY number"
            return b"".join(root for (root,) in self._connection.execute(query, (level - 1, first, first + TILE)))
        query = "SELECT leaf FROM log_entry WHERE position >= ? AND position < ? ORDER BY position"
        return b"".join(leaf_hash(leaf) for (leaf,) in self._connection.execute(query, (first, first + TILE)))


class Log(Section):
    """The log over everything that the station wrote (F-K3)."""

    def log_head(self) -> LogHead:
        """Return how large the log is, and its root.

        Raises:
            ServiceError: The right edge of the tree is damaged.
        """
        with self.log_tree() as tree, sound_log():
            return tree.head()

    def log_entries(self, first: int, end: int) -> Iterator[bytes]:
        """Yield entries by their position, up to `end` without it."""
        entry = tables.LogEntry
        for start in range(first, end, PORTION):
            query = select(entry.leaf).where(entry.position >= start, entry.position < min(end, start + PORTION))
            with self.database.read() as session:
                yield from session.scalars(query.order_by(entry.position)).all()

    @contextmanager
    def log_tree(self) -> Iterator[TreeReader]:
        """Yield the tree in one state of the database."""
        with self._raw() as connection:
            yield TreeReader(connection)

    def documents_logged(self, first: int) -> bool:
        """Tell whether a document that leaves us, such as a passport, has an entry from a position on."""
        entry = tables.LogEntry
        query = select(exists().where(entry.position >= first, entry.mark.is_not(None), entry.mark.not_in(OURS)))
        with self.database.read() as session:
            return session.scalar(query) is True

    def keep_checkpoint(self, size: int, note: bytes) -> None:
        """Keep what the audit key signed."""
        with self.database.write() as session:
            session.execute(insert(tables.LogCheckpoint), {"size": size, "note": note, "at": utc_now()})

    def last_checkpoint(self, at_least: int = 0) -> CheckpointRow | None:
        """Return the newest checkpoint, if it covers so many entries."""
        row = tables.LogCheckpoint
        with self.database.read() as session:
            found = session.scalar(select(row).where(row.size >= at_least).order_by(row.size.desc()).limit(1))
            return None if found is None else value(CheckpointRow, found)

    def checkpoints(self) -> tuple[CheckpointRow, ...]:
        """Return every checkpoint, the smallest first."""
        with self.database.read() as session:
            rows = session.scalars(select(tables.LogCheckpoint).order_by(tables.LogCheckpoint.size))
            return tuple(value(CheckpointRow, row) for row in rows)

    def hand_over_log(self, before: LogSigner, after: LogSigner, who: str, reason: str) -> None:
        """Say in the log who signs it from here on, and record who decided so and why.

        Raises:
            ServiceError: The log is damaged.
        """
        body = canonical({"from": before.origin, "to": after.origin, "reason": sentence(reason)})
        row = tables.Event(kind="log-handed-over", subject=after.origin, at=utc_now(), body=body, who=who)
        with self.database.write() as session:
            connection: Any = session.connection().connection.driver_connection
            with sound_log():
                append(connection, [(handed_over_entry(before, after), HANDED_OVER)])
            self.database.append(session, row)

    def log_handed_over(self) -> tuple[HandOver, ...]:
        """Return who signed the log before whom, the oldest first; what is no such entry is left out."""
        entry = tables.LogEntry
        query = select(entry.leaf, entry.position).where(entry.mark == HANDED_OVER).order_by(entry.position)
        found = []
        with self.database.read() as session:
            for leaf, position in session.execute(query):
                with suppress(*NO_ENTRY):
                    found.append(handed_over_of(leaf, position))
        return tuple(found)

    def document_proof(self, sha256: str) -> bytes | None:
        """Return the proof that the log has a document (c2sp.org/tlog-proof), up to the newest checkpoint.

        None while no checkpoint covers it, or where the log has no such document.
        """
        last = self.last_checkpoint()
        if last is None:
            return None
        query = select(func.min(tables.LogEntry.position)).where(tables.LogEntry.mark == sha256)
        with self.database.read() as session:
            index = session.scalar(query)
            if index is None or index >= last.size:
                return None
            leaf = session.get_one(tables.LogEntry, index).leaf
        with self.log_tree() as tree:
            path = inclusion(index, last.size, tree.node)
        return bytes(Inclusion(leaf, index, tuple(path), last.note))

    def look_through(self, sizes: Sequence[int]) -> LogFindings:
        """Compare every row with its entry and every entry with the tree; return the root at each of `sizes`, too."""
        with self._raw() as connection:
            return compare(connection, sizes)

    @contextmanager
    def _raw(self) -> Iterator[Any]:
        """Yield the driver's own connection in one state of the database: what reads millions of rows is plain."""
        with self.database.read() as session:
            yield session.connection().connection.driver_connection
