"""Compare what the records say with what the log says: every row with its entry, every entry with the tree.

Entries are read in their order, once. Rows of history have one entry each and come in the same order, so each is met
by a cursor that goes along: no memory however many there are. Of rows that change, the last entry counts.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256

from pki.errors import RequestRefused
from pki.log import TILE, Range, fold
from station.records.log_form import ADDED, BEFORE_ROW, BEFORE_ROWS, BEFORE_TABLE, BEFORE_WAS, DIGITS, forms
from station.records.log_hook import read_tree
from station.records.log_latest import Latest
from station.records.log_rows import HandOver, LogFindings
from station.records.log_schema import compare_schema
from station.records.log_sides import NUMBERED, History, Report, Rows, Side
from station.records.log_told import NO_ENTRY, Told, handed_over_of, schema_digest, told_of

ENTRIES = "SELECT position, leaf FROM log_entry ORDER BY position"
CHANGE = len(BEFORE_WAS) + DIGITS + len('"}')
"""How much longer the entry of a row is that was changed."""
TILE_OF = "SELECT hashes, root FROM log_tile WHERE level = ? AND number = ?"


def compare(connection: sqlite3.Connection, sizes: Sequence[int]) -> LogFindings:
    """Look through the whole log and all rows; return the root at each of `sizes` that the log reaches, too.

    It does not stop at what it finds, and nothing in the database can make it fail.
    """
    before = connection.text_factory
    try:
        return _compare(connection, sizes)
    except sqlite3.OperationalError as error:
        if "UTF-8" not in str(error):
            raise
        # Text that is none was not written by us: read it as bytes would be, once more from the start.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        return _compare(connection, sizes)
    finally:
        connection.text_factory = before


def _compare(connection: sqlite3.Connection, sizes: Sequence[int]) -> LogFindings:
    report = Report()
    sides = _sides(connection, report)
    rare = Rare(connection, sides, report)
    tree = Tree(connection, report, sizes)
    for start, leaves in _portions(connection, report):
        tree.extend(leaves)
        for position, leaf in enumerate(leaves, start):
            head, _, rest = leaf.rpartition(BEFORE_ROW)
            side = sides.get(rest[DIGITS:])
            if side is not None:
                side.take(head, rest[:DIGITS], position)
            else:
                rare.take(leaf, position)
    rows = sum(side.end() for side in sides.values())
    tree.end()
    rare.end()
    return LogFindings(
        tree.size, rows, tree.root(), tree.roots, tuple(report.listed), report.more, (*rare.handed_over,)
    )


def _portions(connection: sqlite3.Connection, report: Report) -> Iterator[tuple[int, list[bytes]]]:
    """Yield entries by 256, each time with the position of the first, up to where one is missing."""
    cursor, start = connection.cursor().execute(ENTRIES), 0
    while rows := cursor.fetchmany(TILE):
        leaves = [leaf if isinstance(leaf, bytes) else _text(leaf) for _, leaf in rows]
        if rows[-1][0] != start + len(rows) - 1:
            gap, found = next((at, row[0]) for at, row in enumerate(rows, start) if row[0] != at)
            report.add("entries", "log", f"Entry {gap} of the log is missing: {found} follows.", gap)
            yield start, leaves[: gap - start]
            return
        yield start, leaves
        start += len(rows)


def _text(leaf: object) -> bytes:
    """Return what stands in an entry's place and is none."""
    return repr(leaf).encode("utf-8", "surrogateescape")


def _sides(connection: sqlite3.Connection, report: Report) -> dict[bytes, Side]:
    """Return the rows of each table by how entries about them end."""
    found: dict[bytes, Side] = {}
    for table, form in forms(connection).items():
        rows = Rows(connection, form, report)
        history = table in ADDED and form.key == NUMBERED
        found[form.tail] = History(rows) if history else Latest(rows, once=table in ADDED)
    return found


class Rare:
    """Entries that are not those of one new row: of a change, of rows that share one, and of the log itself."""

    def __init__(self, connection: sqlite3.Connection, sides: dict[bytes, Side], report: Report) -> None:
        self._connection, self._sides, self._report = connection, sides, report
        self._told = Told()
        self.handed_over: list[HandOver] = []

    def take(self, leaf: bytes, position: int) -> None:
        """Compare an entry."""
        if not (self._changed(leaf, position) or self._shared(leaf, position) or self._said(leaf, position)):
            sentence = f"Entry {position} of the log is none that the station writes."
            self._report.add("entries", "log", sentence, position)

    def end(self) -> None:
        """Compare the schema with what the log says last, and with what this version makes."""
        if self._told.schema not in (None, schema_digest(self._connection)):
            sentence = "The database's schema is not as the station left it: somebody else changed it since."
            self._report.add("schema", "schema", sentence)
        compare_schema(self._connection, self._report)

    def _changed(self, leaf: bytes, position: int) -> bool:
        head, _, rest = leaf[:-CHANGE].rpartition(BEFORE_ROW)
        side = self._sides.get(rest[DIGITS:] + b"}")
        if side is None or not leaf[-CHANGE:].startswith(BEFORE_WAS):
            return False
        side.take(head, rest[:DIGITS], position, leaf[-DIGITS - 2 : -2])
        return True

    def _shared(self, leaf: bytes, position: int) -> bool:
        head, _, rest = leaf.rpartition(BEFORE_ROWS)
        digests, quote, tail = rest.partition(b'"')
        side = self._sides.get(quote + tail)
        return isinstance(side, History) and side.take_shared(head, digests, position)

    def _said(self, leaf: bytes, position: int) -> bool:
        """Go on as an entry about the log itself says; False where it is none, or names what is gone."""
        try:
            if leaf.startswith(b'{"handed-over":'):
                self.handed_over.append(handed_over_of(leaf, position))
                return True
            told = told_of(leaf)
        except NO_ENTRY:
            return False
        if not told.migrated:
            sentence = f"The database's schema was changed past the station: entry {position} shows it."
            self._report.add("schema", "schema", sentence, position)
        self._told.add(told)
        for side in self._sides.values():
            if told.edits and isinstance(side, Latest):
                side.edits_told()
        found = [
            (self._sides.get(BEFORE_TABLE + table.encode() + b'"}'), names) for table, names in told.columns.items()
        ]
        known = [side is not None and side.rows.told(names) for side, names in found]
        return all(known)


class Tree:
    """The tree, computed again from the entries, beside the one that the database has."""

    def __init__(self, connection: sqlite3.Connection, report: Report, sizes: Sequence[int]) -> None:
        self._connection, self._report = connection, report
        self._wanted = set(sizes)
        self._whole = Range()  # of tiles: its peaks are those of the tree
        self._hashes: list[list[bytes]] = [[]]
        self._tiles = 0
        self.size = 0
        self.roots: dict[int, bytes] = {0: self.root()}

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add 256 entries, or the last ones."""
        hashes = [sha256(b"\0" + leaf).digest() for leaf in leaves]
        for size in self._wanted.intersection(range(self.size + 1, self.size + len(hashes) + 1)):
            self.roots[size] = self._root(size, hashes[: size - self.size])
        self.size += len(hashes)
        self._hashes[0] = hashes
        if len(hashes) == TILE:
            root = fold(hashes)
            self._whole.append(root)
            self._complete(0, root)

    def root(self) -> bytes:
        """Return the root as it is now."""
        return self._root(self.size, self._hashes[0])

    def _root(self, size: int, last: Sequence[bytes]) -> bytes:
        """Return the root of the tiles that are whole, and of entries behind them."""
        part = Range()
        for leaf in last:
            part.append(leaf)
        return Range(size, (*self._whole.peaks, *part.peaks)).root()

    def end(self) -> None:
        """Compare the tree with the one that the database has."""
        try:
            kept = read_tree(self._connection)
            same = (kept.size, kept.root()) == (self.size, self.root())
        except (RequestRefused, TypeError, ValueError):
            same = False
        if not same:
            self._report.add("tree", "log", f"The tree is not that of the {self.size} entries of the log.")
        (tiles,) = self._connection.execute("SELECT count(*) FROM log_tile").fetchone()
        if tiles != self._tiles:
            self._report.add("tiles", "log", f"The log has {tiles} tiles, where its entries make {self._tiles}.")

    def _complete(self, level: int, root: bytes) -> None:
        """Compare a tile that is whole, and each above that becomes whole by it."""
        hashes, number = b"".join(self._hashes[level]), self.size // TILE ** (level + 1) - 1
        self._hashes[level] = []
        self._tiles += 1
        if self._connection.execute(TILE_OF, (level, number)).fetchone() != (hashes, root):
            self._report.add("tiles", "log", f"Tile {number} of level {level} is not that of the log's entries.")
        if level + 1 == len(self._hashes):
            self._hashes.append([])
        self._hashes[level + 1].append(root)
        if len(self._hashes[level + 1]) == TILE:
            self._complete(level + 1, fold(self._hashes[level + 1]))
