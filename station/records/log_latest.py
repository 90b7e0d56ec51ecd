"""Rows that change, or have no numbers, beside the entries about them: the last entry of each says what it is."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from station.records.log_form import Form, row_digest
from station.records.log_sides import Rows, key_of

MOST_HELD = 20_000
"""Rows of a table whose last entries are held in memory: some 7 MB; those of others lie on disk."""


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

    def take(self, head: bytes, digest: bytes, position: int, was: bytes = b"") -> None:
        """Keep what an entry says until all are read; what a row was must be what its last entry says."""
        before = self._told.get(head)
        if was and (before is None or before.digest != was):
            self.rows.edited(key_of(head), None if before is None else before.position, position)
        elif before is not None and (self._once or (self._edits and not was)):
            self.rows.differs(key_of(head), position)
        self._told.put(head, Entry(digest, position, self.rows.form))

    def edits_told(self) -> None:
        """From here on an entry that does not say what its row was is that of a new one."""
        self._edits = True

    def end(self) -> int:
        """Compare every row with its last entry."""
        seen = 0
        for row in self.rows.all():
            self._judge(row)
            seen += 1
        for head, entry in self._told.rest():
            self.rows.differs(key_of(head), entry.position)
        self._told.close()
        return seen

    def _judge(self, row: Sequence[Any]) -> None:
        told = self._told.pop(self.rows.now.head(row))
        if told is None:
            self.rows.unknown(self.rows.key(row))
        elif row_digest(self.rows.picked(row, told.form)) != told.digest:
            self.rows.differs(self.rows.key(row), told.position)


class LastEntries:
    """The last entry about each row, by what it begins with: the newest in memory, others in a file without a name."""

    def __init__(self) -> None:
        self._held: dict[bytes, Entry] = {}
        self._forms: list[Form] = []
        self._disk: sqlite3.Connection | None = None

    def get(self, head: bytes) -> Entry | None:
        """Return the last entry about a row; None where there was none."""
        return self._held.get(head) or self._read("SELECT digest, position, form FROM told WHERE head = ?", head)

    def put(self, head: bytes, entry: Entry) -> None:
        """Keep the newest entry about a row."""
        self._held[head] = entry
        if len(self._held) > MOST_HELD:
            self._lay_down()

    def pop(self, head: bytes) -> Entry | None:
        """Return the last entry about a row, and forget it."""
        kept = self._read("DELETE FROM told WHERE head = ? RETURNING digest, position, form", head)
        return self._held.pop(head, kept)

    def rest(self) -> Iterator[tuple[bytes, Entry]]:
        """Yield what nobody asked for, in the order of the entries."""
        self._lay_down()
        if self._disk is not None:
            for head, *entry in self._disk.execute("SELECT head, digest, position, form FROM told ORDER BY position"):
                yield head, self._entry(entry)

    def close(self) -> None:
        """Give the file back."""
        if self._disk is not None:
            self._disk.close()

    def _read(self, query: str, head: bytes) -> Entry | None:
        found = self._disk.execute(query, (head,)).fetchone() if self._disk is not None else None
        return None if found is None else self._entry(found)

    def _entry(self, row: Sequence[Any]) -> Entry:
        digest, position, form = row
        return Entry(digest, position, self._forms[form])

    def _lay_down(self) -> None:
        if not self._held:
            return
        if self._disk is None:
            self._disk = sqlite3.connect("", isolation_level=None)
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
                self._disk.execute(f"PRAGMA {pragma}")
            self._disk.execute("CREATE TABLE told (head BLOB PRIMARY KEY, digest, position, form) WITHOUT ROWID")
        self._disk.execute("BEGIN")
        rows = ((head, digest, at, self._number(form)) for head, (digest, at, form) in self._held.items())
        self._disk.executemany("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)", rows)
        self._disk.execute("COMMIT")
        self._held.clear()

    def _number(self, form: Form) -> int:
        if form not in self._forms:
            self._forms.append(form)
        return self._forms.index(form)
