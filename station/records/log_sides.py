"""The rows of one table beside the entries about them: what is compared, and what it means where they differ."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

from station.records.log_form import DIGITS, SHORT, Form, plain, row_digest, shared_digest
from station.records.log_rows import Deviation

MOST = 100
"""Deviations that are listed; the others are counted."""
NUMBERED = ("station", "sequence")
RANKS: dict[type, int] = {type(None): 0, int: 1, float: 1, str: 2, bytes: 3}
"""How the database orders values of different types."""
MOST_NUMBER = 1 << 63
Key = tuple[Any, ...]


@dataclass
class Report:
    """What was found so far."""

    listed: list[Deviation] = field(default_factory=list)
    more: int = 0

    def add(self, kind: str, subject: str, sentence: str, position: int | None = None) -> None:
        """Note a deviation."""
        if len(self.listed) < MOST:
            self.listed.append(Deviation(kind, subject, sentence, position))
        else:
            self.more += 1


class Rows:
    """Reads the rows of one table in the form in which the log says that they were hashed."""

    def __init__(self, connection: sqlite3.Connection, now: Form, report: Report) -> None:
        self.connection, self.now, self.report = connection, now, report
        self.form = now

    def told(self, columns: tuple[str, ...]) -> bool:
        """Go on with the columns that an entry names; False where one of them is gone."""
        if not set(self.now.key) <= set(columns) <= set(self.now.columns):
            return False
        same = columns == self.now.columns
        self.form = self.now if same else Form(self.now.table, columns, self.now.key)
        return True

    def picked(self, row: Sequence[Any], form: Form | None = None) -> Sequence[Any]:
        """Return the columns of a row that were hashed, by the form of now or of an entry."""
        form = form or self.form
        return row if form is self.now else [row[self.now.columns.index(name)] for name in form.columns]

    def digest(self, row: Sequence[Any]) -> bytes:
        """Return the digest of a row in the form that counts now."""
        return row_digest(row if self.form is self.now else self.picked(row))

    def all(self, where: str = "", *values: Any) -> Iterator[Any]:
        """Yield rows in the order of their keys."""
        query = f"{self.now.selected} {where} ORDER BY {', '.join(self.now.key)}"
        return iter(self.connection.cursor().execute(query, values))

    def count(self) -> int:
        """Return how many rows there are."""
        found: int = self.connection.execute(f"SELECT count(*) FROM {self.now.table}").fetchone()[0]  # noqa: S608 - own name
        return found

    def one(self, key: Key) -> Any:
        """Return a row by its key; None where there is none."""
        if len(key) != len(self.now.key):
            return None
        matching = " AND ".join(f'"{name}" = ?' for name in self.now.key)
        return self.connection.execute(f"{self.now.selected} WHERE {matching}", key).fetchone()

    def key(self, row: Sequence[Any]) -> Key:
        """Return the key of a row."""
        return tuple(row[at] for at in self.now.key_at)

    def differs(self, key: Key, position: int) -> None:
        """Note a row that is not as its entry says."""
        gone = self.one(key) is None
        kind, what = ("removed", "was removed") if gone else ("changed", "was changed past the station")
        self.report.add(kind, self._name(key), f"Row {self._name(key)} {what}: entry {position} shows it.", position)

    def edited(self, key: Key, before: int | None, position: int) -> None:
        """Note a row that was not as its last entry says when the station changed it."""
        name = self._name(key)
        if before is None:
            sentence = f"Row {name} was not written by the station, which then changed it: entry {position} shows it."
            self.report.add("added", name, sentence, position)
            return
        sentence = f"Row {name} was changed past the station between entries {before} and {position}, which shows it."
        self.report.add("changed", name, sentence, position)

    def unknown(self, key: Key) -> None:
        """Note a row that no entry tells of."""
        name = self._name(key)
        self.report.add("added", name, f"Row {name} was not written by the station: the log has no entry of it.")

    def _name(self, key: Key) -> str:
        return f"{self.now.table} {' '.join(str(part)[:80] for part in key)}"


class Side(Protocol):
    """The rows of one table, beside the entries about them."""

    rows: Rows

    def take(self, head: bytes, digest: bytes, position: int, was: bytes = b"") -> None:
        """Compare an entry: what it begins with, the digest of the row, and of what it was if it was changed."""

    def end(self) -> int:
        """Tell which rows no entry told of, and return how many rows there are."""


class History:
    """Rows that never change, numbered by their station: one entry each, in the order of their numbers."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self._row = rows, None
        self._names_documents = rows.now.document_at is not None
        distinct = rows.connection.execute(f"SELECT DISTINCT station FROM {rows.now.table} ORDER BY 1").fetchall()  # noqa: S608 - own name
        self._ahead = chain.from_iterable(rows.all("WHERE station = ?", station) for (station,) in distinct)
        self._passed: set[Key] = set()
        self._next()

    def take(self, head: bytes, digest: bytes, position: int, was: bytes = b"") -> None:
        """Compare an entry with the row that the cursor is at: almost always it is about this one."""
        rows, row = self.rows, self._row
        if row is None or rows.digest(row) != digest or was or self._names_documents:
            self._judge(head, digest, position)
        else:  # the digest is over the key, too
            self._row = next(self._ahead, None)

    def take_shared(self, head: bytes, digests: bytes, position: int) -> bool:
        """Compare an entry with as many rows as it has short digests, and name those that differ; tell if it is one."""
        key = key_of(head)
        count, odd = divmod(len(digests) - DIGITS, SHORT)
        if len(key) != len(NUMBERED) or type(key[1]) is not int or count < 1 or odd:
            return False
        keys = [(key[0], number) for number in range(key[1], key[1] + count)]
        found = [self._claimed(one) for one in keys]
        told = shared_digest([b"" if row is None else plain(self.rows.picked(row)) for row in found])
        if told != digests:
            for one in _unlike(keys, told, digests):
                self.rows.differs(one, position)
        return True

    def end(self) -> int:
        """Tell which rows no entry told of."""
        while self._row is not None:
            self._pass()
        for key in self._passed:
            self.rows.unknown(key)
        return self.rows.count()

    def _judge(self, head: bytes, digest: bytes, position: int) -> None:
        """Compare an entry with its row, wherever that is, and name what differs."""
        rows, row = self.rows, self._row
        if row is None or rows.now.head(row) != head:
            self._find(head, digest, position)
            return
        if rows.digest(row) != digest:
            rows.differs(key_of(head), position)
        self._next()

    def _claimed(self, key: Key) -> Sequence[Any] | None:
        """Return the row of a key, if no entry told of it before."""
        row = self._row
        if row is not None and self.rows.key(row) == key:
            self._next()
            return row
        row = self.rows.one(key)
        return row if row is not None and self._reached(key) else None

    def _find(self, head: bytes, digest: bytes, position: int) -> None:
        """Look for the row of an entry further on, or among those that were passed."""
        key = key_of(head)
        row = self.rows.one(key)
        there = row is not None and self._reached(key)
        if not there or self.rows.now.head(row) != head or self.rows.digest(row) != digest:
            self.rows.differs(key, position)

    def _reached(self, key: Key) -> bool:
        """Go on to a row that is there; False if an entry told of it before."""
        if key in self._passed:
            self._passed.remove(key)
            return True
        while self._row is not None and _order(self.rows.key(self._row)) < _order(key):
            self._pass()
        if self._row is None or self.rows.key(self._row) != key:
            return False
        self._next()
        return True

    def _pass(self) -> None:
        self._passed.add(self.rows.key(self._row or ()))
        self._next()

    def _next(self) -> None:
        self._row = next(self._ahead, None)


def key_of(head: bytes) -> Key:
    """Return the key that an entry names; empty where it names none."""
    try:
        key = tuple(json.loads(head + b"}")["key"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    fits = all(isinstance(part, str) or (type(part) is int and abs(part) < MOST_NUMBER) for part in key)
    return key if fits else ()


def _unlike(keys: Sequence[Key], told: bytes, digests: bytes) -> Sequence[Key]:
    """Return the rows whose short digests differ; all of them where none does, as one that was made to fit can't."""
    starts = range(DIGITS, len(told), SHORT)
    found = [key for key, at in zip(keys, starts, strict=True) if told[at : at + SHORT] != digests[at : at + SHORT]]
    return found or keys


def _order(key: Key) -> list[tuple[int, Any]]:
    return [(RANKS.get(type(value), 4), value) for value in key]
