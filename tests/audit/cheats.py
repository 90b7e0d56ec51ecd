"""Ways to cheat with a station's database, each with plain sqlite3 and all that its owner can do; seeds choose details.

The cheat owns the whole directory, but neither the audit key nor what was copied elsewhere.
"""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from station.records.guards import KEPT
from station.records.log_form import Form, forms, row_digest
from station.records.log_hook import append, extend

Cheat = Callable[[sqlite3.Connection, Random], None]
ROWS = "SELECT rowid FROM {} ORDER BY rowid"
OF_LOG = ("log_entry", "log_tile", "log_tree", "log_checkpoint")


def picked(connection: sqlite3.Connection, chance: Random) -> tuple[Form, int]:
    """Return a table that has rows, and one of its rows."""
    filled = [form for form in forms(connection).values() if numbers(connection, form.table)]
    form = chance.choice(filled)
    return form, chance.choice(numbers(connection, form.table))


def numbers(connection: sqlite3.Connection, table: str) -> list[int]:
    return [number for (number,) in connection.execute(ROWS.format(table))]


def other(value: Any, chance: Random) -> Any:
    """Return a value that is another, of the same type or not, close to what it was or far."""
    if isinstance(value, bytes):
        return chance.choice((value + b"x", value.decode("latin-1") + "x", b"\0"))
    if isinstance(value, str):
        return chance.choice((value + " ", value.upper() + "x", value.encode() + b"\0", value + "\0hidden"))
    if isinstance(value, int | float):
        return chance.choice((value + 1, -value - 1, value + 0.5, f"{value}x"))
    return chance.choice((0, "", b"x"))


def edit(connection: sqlite3.Connection, chance: Random) -> None:
    """Change one value of one row."""
    form, number = picked(connection, chance)
    column = chance.choice([name for name in form.columns if name not in form.key] or list(form.columns))
    before = connection.execute(f'SELECT "{column}" FROM {form.table} WHERE rowid = ?', (number,)).fetchone()[0]
    values = (other(before, chance), number)
    connection.execute(f'UPDATE OR REPLACE {form.table} SET "{column}" = ? WHERE rowid = ?', values)
    after = connection.execute(f'SELECT "{column}" FROM {form.table} WHERE rowid = ?', (number,)).fetchone()[0]
    if (after, type(after)) == (before, type(before)):
        edit(connection, chance)


def remove(connection: sqlite3.Connection, chance: Random) -> None:
    """Remove a row."""
    form, number = picked(connection, chance)
    connection.execute(f"DELETE FROM {form.table} WHERE rowid = ?", (number,))


def cut_off(connection: sqlite3.Connection, chance: Random) -> None:
    """Remove the last rows of a table."""
    form, number = picked(connection, chance)
    connection.execute(f"DELETE FROM {form.table} WHERE rowid >= ?", (number,))


def slip_in(connection: sqlite3.Connection, chance: Random) -> None:
    """Add a row that nobody wrote: a copy of another under a key of its own."""
    form, number = picked(connection, chance)
    connection.execute(f"CREATE TEMP TABLE copied AS SELECT * FROM {form.table} WHERE rowid = ?", (number,))
    for column in form.columns:
        kind = connection.execute(f'SELECT typeof("{column}") FROM copied').fetchone()[0]
        if column in form.key and kind in ("integer", "text"):
            connection.execute(f'UPDATE copied SET "{column}" = "{column}" {"+ 5000" if kind == "integer" else "|| 1"}')
        elif kind == "text":
            connection.execute(f'UPDATE copied SET "{column}" = "{column}" || 1 WHERE "{column}" NOT LIKE "2%Z"')
    connection.execute(f"INSERT OR REPLACE INTO {form.table} SELECT * FROM copied")


def swap(connection: sqlite3.Connection, chance: Random) -> None:
    """Let two rows of history change places in time."""
    table = chance.choice(("event", "step_event"))
    first, second = chance.sample(numbers(connection, table), 2)
    keys = "UPDATE {0} SET sequence = {1} WHERE rowid = {2}"
    one, two = (
        connection.execute(f"SELECT sequence FROM {table} WHERE rowid = {n}").fetchone()[0] for n in (first, second)
    )
    for number, sequence in ((first, -1), (second, one), (first, two)):
        connection.execute(keys.format(table, sequence, number))


def edit_entry(connection: sqlite3.Connection, chance: Random) -> None:
    """Change an entry of the log by one character, or to what is none."""
    number = chance.choice(numbers(connection, "log_entry"))
    leaf = connection.execute("SELECT leaf FROM log_entry WHERE rowid = ?", (number,)).fetchone()[0]
    at = chance.randrange(len(leaf))
    changed = chance.choice(
        (leaf[:at] + bytes([leaf[at] ^ 1]) + leaf[at + 1 :], b"", b"[]", leaf.decode(), b"{" * 5000)
    )
    connection.execute("UPDATE log_entry SET leaf = ? WHERE rowid = ?", (changed, number))


def remove_entry(connection: sqlite3.Connection, chance: Random) -> None:
    """Take an entry out, with or without closing the gap."""
    number = chance.choice(numbers(connection, "log_entry"))
    connection.execute("DELETE FROM log_entry WHERE rowid = ?", (number,))
    if chance.random() < 0.5:
        connection.execute("UPDATE log_entry SET position = -position WHERE position > ?", (number,))
        connection.execute("UPDATE log_entry SET position = -position - 1 WHERE position < 0")


def swap_entries(connection: sqlite3.Connection, chance: Random) -> None:
    """Let two entries change places."""
    first, second = chance.sample(numbers(connection, "log_entry"), 2)
    for number, position in ((first, -1), (second, first), (-1, second)):
        connection.execute("UPDATE log_entry SET position = ? WHERE position = ?", (position, number))


def damage_tree(connection: sqlite3.Connection, chance: Random) -> None:
    """Change what is kept of the tree."""
    what = ("UPDATE log_tree SET size = size - 1", "UPDATE log_tree SET peaks = x'00'", "DELETE FROM log_tree",
            "UPDATE log_tile SET root = zeroblob(32)", "UPDATE log_tile SET hashes = zeroblob(8192)",
            "DELETE FROM log_tile", "UPDATE log_tree SET size = 'many'")  # fmt: skip
    connection.execute(chance.choice(what))


def damage_checkpoint(connection: sqlite3.Connection, chance: Random) -> None:
    """Change a checkpoint that was signed, or put another's in its place."""
    what = ("UPDATE log_checkpoint SET note = CAST(replace(note, '3', '4') AS BLOB)",
            "UPDATE log_checkpoint SET note = x''", "UPDATE log_checkpoint SET size = size + 1",
            "UPDATE log_checkpoint SET note = (SELECT note FROM log_checkpoint ORDER BY size LIMIT 1)")  # fmt: skip
    connection.execute(chance.choice(what))


def rewrite(connection: sqlite3.Connection, chance: Random) -> None:
    """Change a row, and write a log that says so, with a tree that fits; old checkpoints go, or stay."""
    edit(connection, chance)
    for table in OF_LOG[: chance.choice((3, 4))]:
        connection.execute(f"DELETE FROM {table}")
    extend(connection)


def rewrite_entry(connection: sqlite3.Connection, chance: Random) -> None:
    """Change a row and its own entry, and make the tree again over all entries as they are now."""
    form = forms(connection)["event"]
    number = chance.choice(numbers(connection, "event"))
    before = form.entry(connection.execute(f"{form.selected} WHERE rowid = ?", (number,)).fetchone())
    connection.execute("UPDATE event SET who = 'somebody-else' WHERE rowid = ?", (number,))
    after = form.entry(connection.execute(f"{form.selected} WHERE rowid = ?", (number,)).fetchone())
    kept = connection.execute("SELECT leaf, mark FROM log_entry ORDER BY position").fetchall()
    again(connection, [(after if leaf == before else leaf, mark) for leaf, mark in kept])


def set_back(connection: sqlite3.Connection, chance: Random) -> None:
    """Cut off the last events with their entries, and all checkpoints that know of them."""
    kept = connection.execute("SELECT leaf, mark FROM log_entry ORDER BY position").fetchall()
    form, lost = forms(connection)["event"], chance.randrange(1, 5)
    last = [row[0] for row in connection.execute("SELECT rowid FROM event ORDER BY sequence DESC LIMIT ?", (lost,))]
    gone = {form.entry(connection.execute(f"{form.selected} WHERE rowid = {number}").fetchone()) for number in last}
    connection.executemany("DELETE FROM event WHERE rowid = ?", [(number,) for number in last])
    again(connection, [one for one in kept if one[0] not in gone])
    connection.execute("DELETE FROM log_checkpoint WHERE size > ?", (len(kept) - len(gone),))


def again(connection: sqlite3.Connection, entries: list[Any]) -> None:
    """Make the log again of these entries."""
    for table in ("log_entry", "log_tile"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE log_tree SET size = 0, peaks = x''")
    append(connection, entries)


def old_backup(connection: sqlite3.Connection, chance: Random) -> None:
    """Put a backup of before in the database's place."""
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    backup = sqlite3.connect(path.with_name("backup.db"))
    connection.commit()
    backup.backup(connection)
    backup.close()
    shutil.rmtree(path.with_name("audit")) if chance.random() < 0.5 else None


def cover_up(connection: sqlite3.Connection, chance: Random) -> None:
    """Change a row that may change, and have the station change it further: its entry says what it then found."""
    filled = [form for form in forms(connection).values() if form.table in KEPT and numbers(connection, form.table)]
    form = chance.choice(filled)
    number = chance.choice(numbers(connection, form.table))
    column = chance.choice([name for name in form.columns if name not in form.key])
    query = f"{form.selected} WHERE rowid = {number}"
    before = connection.execute(query).fetchone()
    value = other(before[form.columns.index(column)], chance)
    connection.execute(f'UPDATE OR IGNORE {form.table} SET "{column}" = ? WHERE rowid = ?', (value, number))
    edited = connection.execute(query).fetchone()
    if row_digest(edited) == row_digest(before):
        cover_up(connection, chance)
        return
    append(connection, [(form.entry(edited, row_digest(edited).decode()), None)])


def bend_schema(connection: sqlite3.Connection, chance: Random) -> None:
    """Have the database itself do what nobody may: a trigger that forges, a guard that lets through, a table less."""
    what = ("CREATE TRIGGER polish AFTER INSERT ON measurement BEGIN UPDATE measurement SET passed = 1; END",
            "CREATE TRIGGER guard_unit_kept BEFORE DELETE ON unit BEGIN SELECT 1; END",
            "CREATE VIEW shown AS SELECT * FROM unit", "CREATE TABLE other (a)", "DROP INDEX ix_log_entry_mark",
            "ALTER TABLE unit ADD COLUMN remark TEXT")  # fmt: skip
    connection.execute(chance.choice(what))


def hide_trigger(connection: sqlite3.Connection, chance: Random) -> None:
    """Give a trigger that forges a name that SQLite keeps for itself."""
    name = chance.choice(("sqlite_stat1", "sqlite_stat4", "sqlite_sequence"))
    forges = f"CREATE TRIGGER {name} AFTER INSERT ON measurement BEGIN UPDATE measurement SET passed = 1; END"
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("INSERT INTO sqlite_master VALUES ('trigger', ?, 'measurement', 0, ?)", (name, forges))
    connection.execute("PRAGMA writable_schema = OFF")


IN_ROWS: tuple[Cheat, ...] = (edit, remove, cut_off, slip_in, swap, cover_up, bend_schema, hide_trigger)
IN_LOG: tuple[Cheat, ...] = (edit_entry, remove_entry, swap_entries, damage_tree, damage_checkpoint)
"""Cheats that leave rows and log at odds with each other: they show without any checkpoint."""
WHOLE: tuple[Cheat, ...] = (rewrite, rewrite_entry, set_back, old_backup)
"""Cheats that leave a database which agrees with itself: only a checkpoint shows them."""
