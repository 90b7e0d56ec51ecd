"""A temporary table on disk in which the rows of one file wait to be judged, and are compared with each other.

It is a private database of SQLite without a name: it never grows in memory, and is gone when it is closed, also after
a crash. The station's records are not locked while a file is judged.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from station.identifiers import Identifier, Kind

BATCH = 500
SCHEMA = """
CREATE TABLE row (line INTEGER PRIMARY KEY, work_order TEXT NOT NULL, verdict TEXT NOT NULL, sentence TEXT NOT NULL);
CREATE TABLE number (
    line INTEGER NOT NULL, work_order TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, written TEXT NOT NULL,
    known INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (kind, value)
) WITHOUT ROWID;
"""


class Verdict(StrEnum):
    """What becomes of a row."""

    NEW = "new"
    SAME = "same"
    """The records have it already."""
    REFUSED = "refused"


@dataclass(frozen=True)
class RowVerdict:
    """What becomes of one row, and why."""

    line: int
    order: str
    verdict: Verdict
    sentence: str = ""


@dataclass(frozen=True)
class Staged:
    """An identifier of a file that waits to be compared with the records."""

    line: int
    order: str
    found: Identifier


class Staging:
    """The rows of one file; of one thread."""

    def __init__(self) -> None:
        """Make an empty table."""
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8000; {SCHEMA}")
        self._base.execute("BEGIN")
        self._waiting: list[tuple[int, str, str, str]] = []

    def close(self) -> None:
        """Forget everything."""
        self._base.close()

    def add(self, row: RowVerdict) -> None:
        """Add a row with its first verdict."""
        self._waiting.append((row.line, row.order, row.verdict.value, row.sentence))
        if len(self._waiting) >= BATCH:
            self._write()

    def add_number(self, staged: Staged) -> int:
        """Add an identifier of a row; return the line that has the same one already, or 0."""
        found = staged.found
        values = (staged.line, staged.order, found.kind.value, found.value, found.written)
        try:
            self._base.execute("INSERT INTO number (line, work_order, kind, value, written) VALUES (?,?,?,?,?)", values)
        except sqlite3.IntegrityError:
            query = "SELECT line FROM number WHERE kind = ? AND value = ?"
            (line,) = self._base.execute(query, (found.kind.value, found.value)).fetchone()
            return int(line)
        return 0

    def refuse(self, line: int, sentence: str) -> None:
        """Refuse a row; its first reason stays."""
        self._write()
        query = "UPDATE row SET verdict = 'refused', sentence = ? WHERE line = ? AND verdict <> 'refused'"
        self._base.execute(query, (sentence, line))

    def known(self, kind: Kind, values: Sequence[str]) -> None:
        """Note that the records have identifiers already, for the same order."""
        query = "UPDATE number SET known = 1 WHERE kind = ? AND value = ?"
        self._base.executemany(query, ((kind.value, text) for text in values))

    def settle(self) -> None:
        """Call rows new that bring an identifier which the records don't have."""
        self._write()
        self._base.execute(
            "UPDATE row SET verdict = 'new'"
            " WHERE verdict = 'same' AND line IN (SELECT line FROM number WHERE known = 0)"
        )

    def batches(self, kind: Kind) -> Iterator[list[Staged]]:
        """Yield the identifiers of a kind in parts that can be asked for at once."""
        last = ""
        while rows := self._page(kind, last):
            yield rows
            last = rows[-1].found.value

    def new_numbers(self) -> Iterator[tuple[str, Identifier]]:
        """Yield the identifiers that are to be added, with their orders."""
        kinds = {kind.value: kind for kind in Kind}
        query = "SELECT work_order, kind, value, written FROM number WHERE known = 0 ORDER BY kind, value"
        for order, kind, value, written in self._base.execute(query):
            yield order, Identifier(kinds[kind], value, written)

    def counts(self) -> dict[Verdict, int]:
        """Count rows by their verdict."""
        self._write()
        found = dict(self._base.execute("SELECT verdict, count(*) FROM row GROUP BY verdict"))
        return {verdict: found.get(verdict.value, 0) for verdict in Verdict}

    def verdicts(self, only: Verdict | None = None) -> Iterator[RowVerdict]:
        """Yield what becomes of the rows, by line."""
        self._write()
        query = "SELECT line, work_order, verdict, sentence FROM row WHERE ? IN ('', verdict) ORDER BY line"
        for line, order, verdict, sentence in self._base.execute(query, (only or "",)):
            yield RowVerdict(line, order, Verdict(verdict), sentence)

    def _write(self) -> None:
        """Write the rows that wait to be added together, as that is cheaper."""
        self._base.executemany("INSERT INTO row VALUES (?, ?, ?, ?)", self._waiting)
        self._waiting.clear()

    def _page(self, kind: Kind, after: str) -> list[Staged]:
        query = (
            "SELECT line, work_order, value, written FROM number WHERE kind = ? AND value > ? ORDER BY value LIMIT ?"
        )
        rows = self._base.execute(query, (kind.value, after, BATCH)).fetchall()
        return [Staged(line, order, Identifier(kind, value, written)) for line, order, value, written in rows]
