"""Where entries of the log come from: each row that the station writes, in the transaction that writes it.

Temporary triggers of our own connections note what is written, however it is written; before the commit the noted rows
become entries. Another program's connection has no such triggers: what it changes has no entry, and that is seen. No
writer of today or tomorrow has to remember the log.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby, islice
from typing import Any

from pki.errors import RequestRefused
from pki.log import HASH_BYTES, TILE, Range, fold, leaf_hash
from station.errors import Service, ServiceError
from station.records.log_form import ADDED, LOGGED, SHARED, Form, forms, row_digest
from station.records.log_told import TOLD, migrated_entry, noticed_entry, read_told, schema_digest

NOTED = "CREATE TEMP TABLE IF NOT EXISTS log_noted (source INTEGER, number INTEGER, was TEXT)"
SEEN = "CREATE TEMP TABLE IF NOT EXISTS log_seen (id INTEGER PRIMARY KEY, version INTEGER)"
ALL_NOTED = "SELECT source, number, was FROM temp.log_noted ORDER BY rowid"
IS_THERE = "SELECT count(*) FROM sqlite_master WHERE name = 'log_tree'"
VERSIONS = "SELECT (SELECT schema_version FROM pragma_schema_version), (SELECT version FROM temp.log_seen)"
READ_TREE, WRITE_TREE = (
    "SELECT size, peaks FROM log_tree WHERE id = 1",
    "UPDATE log_tree SET size = ?, peaks = ? WHERE id = 1",
)
ADD_ENTRY = "INSERT INTO log_entry (position, leaf, mark) VALUES (?, ?, ?)"
ADD_TILE = "INSERT INTO log_tile (level, number, hashes, root) VALUES (?, ?, ?, ?)"
LEAVES = "SELECT leaf FROM log_entry WHERE position >= ? AND position < ? ORDER BY position"
ROOTS = "SELECT root FROM log_tile WHERE level = ? AND number >= ? AND number < ? ORDER BY number"
PORTION = 4096
"""Entries that are held in memory at a time."""
DAMAGES = (RequestRefused, sqlite3.IntegrityError, TypeError, ValueError, IndexError)
"""What comes of a tree, tiles or entries that are not as we left them."""
Entry = tuple[bytes, str | None]
"""An entry, and by what it is found: the SHA-256 of the document that its row keeps, or `TOLD`."""
Notes = dict[tuple[int, int], str | None]
"""Rows that were written, by table and number, each with the digest of what it was; None for one that is new."""


@contextmanager
def sound_log() -> Iterator[None]:
    """Turn what a damaged log does to whoever goes on with it into our error.

    Raises:
        ServiceError: The log is damaged.
    """
    try:
        yield
    except DAMAGES as error:
        hint = "Run 'station audit verify' and call quality."
        raise ServiceError(Service.DATABASE, "The audit log is damaged: it can't go on.", hint=hint) from error


def watch(connection: sqlite3.Connection) -> None:
    """Have a connection note the rows that it writes; a migration that rebuilds a table calls this again."""
    if not connection.execute(IS_THERE).fetchone()[0]:
        return
    connection.create_function("log_was", -1, _was, deterministic=True)
    connection.execute(NOTED)
    connection.execute(SEEN)
    for table, form in forms(connection).items():
        old = ", ".join(f'OLD."{name}"' for name in form.columns)
        changed = ("UPDATE", "NULL") if table in ADDED else (f"UPDATE OF {', '.join(form.columns)}", f"log_was({old})")
        for name, (operation, was) in {"added": ("INSERT", "NULL"), "changed": changed}.items():
            note = f"INSERT INTO log_noted VALUES ({LOGGED.index(table)}, NEW.rowid, {was})"  # noqa: S608 - own names
            connection.execute(
                f"CREATE TEMP TRIGGER IF NOT EXISTS log_{name}_{table} AFTER {operation} ON main.{table}"
                f" BEGIN {note}; END"
            )


def _was(*row: Any) -> str:
    return row_digest(row).decode()


def append_noted(connection: sqlite3.Connection, known: Mapping[str, Form]) -> None:
    """Add an entry for each row that was written since the last commit, in their order."""
    noted = _noted(connection)
    if noted:
        notice_schema(connection)
        append(connection, _entries(connection, known, noted))


def _noted(connection: sqlite3.Connection) -> Notes:
    """Return what was noted, and forget it; of a row that was written twice, what it was at first counts."""
    noted: Notes = {}
    for source, number, was in connection.execute(ALL_NOTED):
        noted.setdefault((source, number), was)
    if noted:
        connection.execute("DELETE FROM temp.log_noted")
    return noted


def notice_schema(connection: sqlite3.Connection) -> None:
    """Say in the log that the schema is another than the log says, if so; nothing is looked at that was before."""
    version, seen = connection.execute(VERSIONS).fetchone()
    if version == seen:
        return
    told, found = read_told(connection).schema, schema_digest(connection)
    if told not in (None, found):
        append(connection, [(noticed_entry(found), TOLD)])
    connection.execute("REPLACE INTO temp.log_seen VALUES (1, ?)", (version,))


def append(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    """Add entries to the log, and the tiles that they complete."""
    tree, left = read_tree(connection), iter(entries)
    before = tree.size
    while portion := list(islice(left, PORTION)):
        connection.executemany(ADD_ENTRY, [(tree.size + at, *entry) for at, entry in enumerate(portion)])
        for leaf, _ in portion:
            tree.append(leaf_hash(leaf))
    connection.execute(WRITE_TREE, (tree.size, b"".join(tree.peaks)))
    for number in range(before // TILE, tree.size // TILE):
        _complete(connection, number)


def read_tree(connection: sqlite3.Connection) -> Range:
    """Return the right edge of the tree.

    Raises:
        RequestRefused: It is damaged.
    """
    size, packed = connection.execute(READ_TREE).fetchone()
    return Range(size, (packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)))


def extend(connection: sqlite3.Connection) -> None:
    """After a migration: begin the log over what is there, or go on with the tables and columns that there are now."""
    if not connection.execute(IS_THERE).fetchone()[0]:
        return
    if not connection.execute("SELECT count(*) FROM log_tree").fetchone()[0]:
        connection.execute("INSERT INTO log_tree (id, size, peaks) VALUES (1, 0, x'')")
    known, told, schema = forms(connection), read_told(connection), schema_digest(connection)
    changed = {table: form.columns for table, form in known.items() if told.columns.get(table) != form.columns}
    new = [known[table] for table in changed if table not in told.columns]
    if changed or schema != told.schema or not told.edits:
        rows = {form.table: _count(connection, form) for form in new}
        append(connection, [(migrated_entry(changed, rows, schema), TOLD)])
    connection.execute(NOTED)
    again = [known[table] for table in changed if table in told.columns and table not in ADDED]
    noted, sources = _noted(connection), {LOGGED.index(form.table) for form in again}
    append(connection, _entries(connection, known, {row: noted[row] for row in noted if row[0] not in sources}))
    for form in again:
        append(connection, _again(connection, form, told.columns[form.table], noted))
    for form in new:
        append(connection, _marked(form, connection.execute(f"{form.selected} ORDER BY {', '.join(form.key)}")))


def extending(connection: sqlite3.Connection) -> None:
    """Before a migration: say if the schema that it begins with is another than the last one left."""
    if connection.execute(IS_THERE).fetchone()[0]:
        connection.execute(SEEN)
        notice_schema(connection)


def _count(connection: sqlite3.Connection, form: Form) -> int:
    found: int = connection.execute(f"SELECT count(*) FROM {form.table}").fetchone()[0]  # noqa: S608 - own name
    return found


def _entries(connection: sqlite3.Connection, known: Mapping[str, Form], noted: Notes) -> Iterator[Entry]:
    """Yield the entries of rows that were written; neighbours that share one are read together."""

    def place(numbered: tuple[int, tuple[int, int]]) -> tuple[int, int]:
        at, (source, number) = numbered
        return (source, number - at) if LOGGED[source] in SHARED else (-1, at)

    for _, some in groupby(enumerate(noted), place):
        rows = [row for _, row in some]
        (source, first), (_, last) = rows[0], rows[-1]
        form = known[LOGGED[source]]
        found = connection.execute(f"{form.selected} WHERE rowid BETWEEN ? AND ? ORDER BY rowid", (first, last))
        if (was := noted[rows[0]]) is None:
            yield from _marked(form, found)
        else:
            yield form.entry(found.fetchone(), was), None


def _marked(form: Form, rows: Iterable[Any]) -> Iterator[Entry]:
    if form.document_at is None:
        yield from ((entry, None) for entry in form.entries(rows))
    else:
        yield from ((form.entry(row), form.document(row)) for row in rows)


def _again(connection: sqlite3.Connection, form: Form, before: tuple[str, ...], noted: Notes) -> Iterator[Entry]:
    """Yield an entry for every row of a table whose columns are others now, so that each next one has one before it."""
    source, old = LOGGED.index(form.table), [form.columns.index(name) for name in before if name in form.columns]
    for number, *row in connection.execute(form.selected.replace("SELECT ", "SELECT rowid, ", 1)):
        was = noted[source, number] if (source, number) in noted else _was(*(row[at] for at in old))
        yield form.entry(row, was), None


def _complete(connection: sqlite3.Connection, number: int) -> None:
    """Keep a tile of leaves that became whole, and each tile above that became whole by it."""
    first = number * TILE
    hashes = [leaf_hash(leaf) for (leaf,) in connection.execute(LEAVES, (first, first + TILE))]
    level = 0
    while True:
        connection.execute(ADD_TILE, (level, number, b"".join(hashes), fold(hashes)))
        if (number + 1) % TILE:
            return
        number //= TILE
        hashes = [root for (root,) in connection.execute(ROOTS, (level, number * TILE, (number + 1) * TILE))]
        level += 1
