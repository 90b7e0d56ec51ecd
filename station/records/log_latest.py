"""Rows that change, or have no numbers, beside the entries about them: the last entry of each says what it is."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from station.records.log_form import Form, row_digest
from station.records.log_sides import Rows, key_of

MOST_WAITING = 20_000
"""Entries of a table that wait in memory to be compared and laid down together: some 7 MB."""
AT_ONCE = 200
"""Rows or entries that are looked for in one query: asked for one by one, most of the time would go into asking."""


class Entry(NamedTuple):
    """What the last entry about a row says."""

    digest: bytes
    position: int
    form: Form


class Latest:
    """Rows of one table, in whatever order the entries about them come; of history there is only one each."""

    def __init__(self, rows: Rows, *, once: bool) -> None:
        self.rows, self._once, self._edits = rows, once, False
        self._told = LastEntries()
        self._waiting: list[tuple[bytes, Entry, bytes]] = []

    def take(self, head: bytes, digest: bytes, position: int, was: bytes = b"") -> None:
        """Keep what an entry says until all are read; what a row was must be what its last entry says."""
        self._waiting.append((head, Entry(digest, position, self.rows.form), was))
        if len(self._waiting) == MOST_WAITING:
            self._settle()

    def edits_told(self) -> None:
        """From here on an entry that does not say what its row was is that of a new one."""
        self._settle()
        self._edits = True

    def end(self) -> int:
        """Compare every row with its last entry."""
        self._settle()
        seen, left = 0, self.rows.all()
        while rows := list(islice(left, AT_ONCE)):
            self._judge(rows)
            seen += len(rows)
        for head, entry in self._told.rest():
            self.rows.differs(key_of(head), entry.position)
        self._told.close()
        return seen

    def _settle(self) -> None:
        """Compare the entries that wait with those before them, in their order, and lay them down."""
        told = self._told.of([head for head, _, _ in self._waiting])
        for head, entry, was in self._waiting:
            self._compare(head, told.get(head), entry, was)
            told[head] = entry
        self._told.keep(told)
        self._waiting.clear()

    def _compare(self, head: bytes, before: Entry | None, entry: Entry, was: bytes) -> None:
        if was and (before is None or before.digest != was):
            self.rows.edited(key_of(head), None if before is None else before.position, entry.position)
        elif before is not None and (self._once or (self._edits and not was)):
            self.rows.differs(key_of(head), entry.position)

    def _judge(self, rows: Sequence[Sequence[Any]]) -> None:
        heads = [self.rows.now.head(row) for row in rows]
        found = self._told.taken(heads)
        for row, head in zip(rows, heads, strict=True):
            told = found.pop(head, None)
            if told is None:
                self.rows.unknown(self.rows.key(row))
            elif row_digest(self.rows.picked(row, told.form)) != told.digest:
                self.rows.differs(self.rows.key(row), told.position)


class LastEntries:
    """The last entry about each row, by what it begins with, in a file without a name."""

    def __init__(self) -> None:
        self._forms: list[Form] = []
        self._file = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
            self._file.execute(f"PRAGMA {pragma}")
        self._file.execute("CREATE TABLE told (head BLOB PRIMARY KEY, digest, position, form) WITHOUT ROWID")

    def of(self, heads: Sequence[bytes]) -> dict[bytes, Entry]:
        """Return the last entries about rows; those without one are left out."""
        return self._found("SELECT head, digest, position, form FROM told WHERE head IN ({})", heads)

    def taken(self, heads: Sequence[bytes]) -> dict[bytes, Entry]:
        """Return the last entries about rows, and forget them."""
        return self._found("DELETE FROM told WHERE head IN ({}) RETURNING head, digest, position, form", heads)

    def keep(self, entries: Mapping[bytes, Entry]) -> None:
        """Keep the newest entries about rows."""
        rows = ((head, digest, at, self._number(form)) for head, (digest, at, form) in entries.items())
        self._file.execute("BEGIN")
        self._file.executemany("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)", rows)
        self._file.execute("COMMIT")

    def rest(self) -> Iterator[tuple[bytes, Entry]]:
        """Yield what nobody asked for, in the order of the entries."""
        for row in self._file.execute("SELECT head, digest, position, form FROM told ORDER BY position"):
            yield self._entry(row)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _found(self, query: str, heads: Sequence[bytes]) -> dict[bytes, Entry]:
        found: dict[bytes, Entry] = {}
        for first in range(0, len(heads), AT_ONCE):
            some = heads[first : first + AT_ONCE]
            rows = self._file.execute(query.format(",".join("?" * len(some))), some)
            found.update(map(self._entry, rows))
        return found

    def _entry(self, row: Sequence[Any]) -> tuple[bytes, Entry]:
        head, digest, position, form = row
        return head, Entry(digest, position, self._forms[form])

    def _number(self, form: Form) -> int:
        if form not in self._forms:
            self._forms.append(form)
        return self._forms.index(form)
