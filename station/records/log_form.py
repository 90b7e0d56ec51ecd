"""How rows become entries of the log: which tables, which columns, and the one form in which they are hashed.

An entry says which row was written and the SHA-256 of what it said, so that the log can be given to anybody: it holds
ids and hashes, no names and no values. A row is hashed as a JSON array of its columns in the order of their names. The
entry of a row that was changed says what it was before, so that an edit by somebody else shows at the next change.
Measurements, of which there are most, share an entry: all that were written one after another.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any

from station.records.guards import ADDED_ONLY, KEPT
from station.records.tables import Base

OWN = ("log_entry", "log_tile", "log_tree", "log_checkpoint")
"""Tables of the log itself."""
ADDED = frozenset(ADDED_ONLY)
LOGGED = tuple(sorted({*ADDED_ONLY, *KEPT} - {*OWN}))
"""Every table that keeps history: one that is added later is logged, too."""
PASSING_COLUMNS: Mapping[str, frozenset[str]] = {
    "outbox": frozenset(("attempts", "next_at", "error")),
    "mes_message": frozenset(("attempts", "error")),
    "person_session": frozenset(("seen_at",)),
}
"""Columns that change by the minute and say nothing of what was decided or done."""
DOCUMENTS = {"passport": "sha256", "batch": "sha256"}
"""Columns with the SHA-256 of what leaves us: it stands in the entry, so that whoever has the document can prove it."""
SHARED = frozenset(("measurement",))
"""Numbered tables whose rows share entries, and the most that share one."""
MOST_SHARED = 256
BEFORE_ROW, BEFORE_ROWS, BEFORE_TABLE, BEFORE_WAS = b',"row":"', b',"rows":"', b'","table":"', b',"was":"'
DIGITS, SHORT = 64, 8
"""Characters of a SHA-256, and of how one begins that is only to tell rows of one entry apart."""


@dataclass(frozen=True)
class Form:
    """How the rows of one table are read and hashed."""

    table: str
    columns: tuple[str, ...]
    """What is hashed, in this order."""
    key: tuple[str, ...]

    @cached_property
    def selected(self) -> str:
        """Return the SELECT of all rows; a WHERE may follow."""
        return f"SELECT {', '.join(_quoted(self.columns))} FROM {_quoted([self.table])[0]}"  # noqa: S608 - own names

    @cached_property
    def key_at(self) -> tuple[int, ...]:
        """Return where the columns of the key are among the columns."""
        return tuple(self.columns.index(name) for name in self.key)

    @cached_property
    def tail(self) -> bytes:
        """Return how entries of this table end."""
        return BEFORE_TABLE + self.table.encode() + b'"}'

    @cached_property
    def document_at(self) -> int | None:
        """Return where the hash of a document is among the columns."""
        return self.columns.index(DOCUMENTS[self.table]) if self.table in DOCUMENTS else None

    def document(self, row: Sequence[Any]) -> str | None:
        """Return the SHA-256 of the document that a row keeps."""
        return None if self.document_at is None else row[self.document_at]

    def head(self, row: Sequence[Any]) -> bytes:
        """Return how the entry of a row begins: whatever names it."""
        first, *others = self.key_at
        if self.document_at is None and len(others) == 1 and type(number := row[others[0]]) is int:
            return b'{"key":[%b,%d]' % (_name(row[first]), number)
        key = plain([row[at] for at in self.key_at])
        document = b"" if self.document_at is None else b'"document":' + plain(row[self.document_at]) + b","
        return b"{" + document + b'"key":' + key

    def entry(self, row: Sequence[Any], was: str | None = None) -> bytes:
        """Return the entry of a row, canonical JSON (RFC 8785); with the digest of what it was if it was changed."""
        entry = self.head(row) + BEFORE_ROW + row_digest(row) + self.tail
        return entry if was is None else entry[:-1] + BEFORE_WAS + was.encode() + b'"}'

    def shared_entry(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return the entry of rows whose numbers follow each other: the first one's key, and digests of all."""
        return self.head(rows[0]) + BEFORE_ROWS + shared_digest([plain(row) for row in rows]) + self.tail

    def entries(self, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """Yield the entries of rows that were added, in their order."""
        if self.table not in SHARED:
            yield from map(self.entry, rows)
            return
        for some in self._following(rows):
            yield self.entry(some[0]) if len(some) == 1 else self.shared_entry(some)

    def _following(self, rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
        """Yield rows in lists of those whose numbers follow each other."""
        station, number = self.key_at
        some: list[Sequence[Any]] = []
        for row in rows:
            last = some[-1] if some else row
            follows = last[station] == row[station] and last[number] + len(some[-1:]) == row[number]
            if not follows or len(some) == MOST_SHARED:
                yield some
                some = []
            some.append(row)
        if some:
            yield some


def forms(connection: sqlite3.Connection) -> dict[str, Form]:
    """Return the forms of the logged tables that there are now."""
    found = {}
    for table in LOGGED:
        passing = PASSING_COLUMNS.get(table, frozenset())
        columns = sorted({row[1] for row in connection.execute("SELECT * FROM pragma_table_info(?)", (table,))})
        if columns:
            key = tuple(column.name for column in Base.metadata.tables[table].primary_key.columns)
            found[table] = Form(table, tuple(name for name in columns if name not in passing), key)
    return found


@lru_cache(maxsize=64)
def _name(name: str) -> bytes:
    """Return the name of a station as JSON: there are few, and each has many rows."""
    return plain(name)


def row_digest(row: Sequence[Any]) -> bytes:
    """Return the SHA-256 of what a row says, as hexadecimal digits."""
    # As `plain` does it: millions of rows are worth a call less.
    return sha256("".join(_encode(row, 0)).encode("utf-8", "surrogateescape")).hexdigest().encode()


def shared_digest(rows: Sequence[bytes]) -> bytes:
    """Return the SHA-256 over those of rows, and behind it how each of them begins."""
    digests = [sha256(row).digest() for row in rows]
    short = b"".join(digest[: SHORT // 2] for digest in digests)
    return sha256(b"".join(digests)).hexdigest().encode() + short.hex().encode()


def plain(value: Any) -> bytes:
    """Return JSON in one way only: as RFC 8785, but that a REAL keeps its point, and bytes stand as their SHA-256."""
    return "".join(_encode(value, 0)).encode("utf-8", "surrogateescape")


def _bytes(value: object) -> Any:
    if isinstance(value, bytes):
        return {"sha256": sha256(value).hexdigest()}
    raise TypeError(f"a database holds no {type(value).__name__}")


def _encoder() -> Callable[[Any, int], Iterable[str]]:
    """Return json's encoder as it is inside `JSONEncoder`, which makes a new one for each value."""
    module: Any = json.encoder
    made: Callable[[Any, int], Iterable[str]] = module.c_make_encoder(
        None, _bytes, module.encode_basestring, None, ":", ",", False, False, True
    )
    return made


_encode = _encoder()


def _quoted(names: Sequence[str]) -> list[str]:
    return ['"' + name.replace('"', '""') + '"' for name in names]
