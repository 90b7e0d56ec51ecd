"""Edits that somebody hopes the station will cover up: rows that change, rows that share an entry, triggers (F-K3)."""

import json
import shutil
import sqlite3
import tracemalloc
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from station.audit.verify import LogVerdict
from station.records import OrderState, open_records, upgrade
from station.records.log_form import forms
from station.records.log_hook import extend
from tests.audit.cheats import again, numbers
from tests.audit.conftest import ORDER, STATION, World, unguarded

FORGED = (
    "CREATE TRIGGER polish AFTER INSERT ON measurement WHEN NEW.passed = 0"
    " BEGIN UPDATE measurement SET passed = 1 WHERE rowid = NEW.rowid; END"
)


def run(world: World, statement: str) -> None:
    with closing(sqlite3.connect(world.database)) as connection, connection:
        connection.execute(statement)


def found(verdict: LogVerdict) -> list[tuple[str, str]]:
    return [(one.kind, one.subject) for one in verdict.deviations]


def test_the_stations_next_change_covers_no_edit(world: World) -> None:
    """The entry of a change says what the row was: what the station changes further was not what it had written."""
    world.cut("UPDATE work_order SET customer = 'Somebody Else'")
    world.records.set_order_state("WO-1", OrderState.PAUSED)
    assert found(world.verify()) == [("changed", "work_order WO-1")]
    assert "between entries" in world.verify().deviations[0].sentence


def test_a_row_that_was_slipped_in_stays_one(world: World) -> None:
    """Also when the station changed it since."""
    world.cut(
        "CREATE TABLE copied AS SELECT * FROM work_order",
        "UPDATE copied SET id = 'WO-2'",
        "INSERT INTO work_order SELECT * FROM copied",
        "DROP TABLE copied",
    )
    world.records.set_order_state("WO-2", OrderState.PAUSED)
    assert found(world.verify()) == [("added", "work_order WO-2")]


def test_a_row_that_was_removed_is_not_made_again_unseen(world: World) -> None:
    """A second entry that does not say what the row was would be that of a new one."""
    world.cut("DELETE FROM work_order")
    world.records.create_order(ORDER)
    assert found(world.verify()) == [("changed", "work_order WO-1")]


def test_changes_are_chained(world: World) -> None:
    """Each entry of a row says as `was` what the one before said as `row`, across commits."""
    for state in (OrderState.PAUSED, OrderState.OPEN):
        world.records.set_order_state("WO-1", state)
    size = world.records.log_head().size
    entries = [json.loads(leaf) for leaf in world.records.log_entries(0, size) if b'"work_order"' in leaf]
    about = [entry for entry in entries if entry.get("key") == ["WO-1"]]
    assert [entry.get("was") for entry in about] == [None, *(entry["row"] for entry in about[:-1])]


def test_measurements_of_a_step_share_an_entry_and_are_named(world: World) -> None:
    """One entry for three rows; the one that was changed is named, and one that is gone too."""
    size = world.records.log_head().size
    shared = [leaf for leaf in world.records.log_entries(0, size) if b'"rows":"' in leaf and b'"measurement"' in leaf]
    assert len(shared) == len(numbers(sqlite3.connect(world.database), "measurement")) // 3
    world.cut("UPDATE measurement SET value = '999' WHERE sequence = 5", "DELETE FROM measurement WHERE sequence = 7")
    assert found(world.verify()) == [("changed", "measurement line1 5"), ("removed", "measurement line1 7")]


def test_a_foreign_trigger_is_named_and_remembered(world: World) -> None:
    """It could write in the station's name: it shows while it is there, and for good once the station wrote with it."""
    run(world, FORGED)
    assert ("schema", "trigger polish") in found(world.verify())
    world.release(4)
    run(world, "DROP TRIGGER polish")
    world.release(5)
    verdict = world.verify()
    assert {kind for kind, _ in found(verdict)} == {"schema"}
    assert sum("was changed past the station" in one.sentence for one in verdict.deviations) == 2


def test_a_trigger_does_not_outlast_a_migration(world: World) -> None:
    """`station init` takes no schema for its own that it did not leave."""
    run(world, FORGED)
    upgrade(world.records.database.url)
    run(world, "DROP TRIGGER polish")
    upgrade(world.records.database.url)
    assert {kind for kind, _ in found(world.verify())} == {"schema"}


def test_a_guard_that_is_gone_or_weaker_shows(world: World) -> None:
    """Every trigger, table and index is compared with what the station makes of nothing."""
    with closing(sqlite3.connect(world.database)) as connection, connection:
        (weak,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'guard_event_kept'").fetchone()
        connection.execute("DROP TRIGGER guard_event_kept")
        connection.execute("DROP TRIGGER guard_unit_kept")
        connection.execute(weak.replace("1 = 1", "1 = 2"))
    subjects = [subject for kind, subject in found(world.verify()) if kind == "schema"]
    assert subjects == ["schema", "trigger guard_event_kept", "trigger guard_unit_kept"]


def test_what_the_database_keeps_for_itself_is_no_change(world: World) -> None:
    """Statistics and a vacuum are not of the station's schema, and leave no entry."""
    with closing(sqlite3.connect(world.database, isolation_level=None)) as connection:
        connection.execute("ANALYZE")
        connection.execute("VACUUM")
    world.release(4)
    assert world.verify().good


def old_entries(connection: sqlite3.Connection, leaf: bytes) -> list[bytes]:
    """Return an entry as the version before wrote it: one for each row, and nothing of what it was or of the schema."""
    entry = json.loads(leaf)
    if "table" in entry and "rows" in entry:
        form, (station, first) = forms(connection)[entry["table"]], entry["key"]
        last = first + (len(entry["rows"]) - 64) // 8 - 1
        rows = f"{form.selected} WHERE station = ? AND sequence BETWEEN ? AND ? ORDER BY sequence"
        return [form.entry(row) for row in connection.execute(rows, (station, first, last))]
    kept = {name: said for name, said in entry.items() if name not in ("was", "edits", "schema")}
    return [json.dumps(kept, separators=(",", ":")).encode()]


def test_a_log_of_the_version_before_goes_on(world: World) -> None:
    """Its entries stay as they are and are believed; from the update on, edits show as in a new one."""
    with closing(sqlite3.connect(world.database)) as connection, connection, unguarded(connection):
        kept = connection.execute("SELECT leaf, mark FROM log_entry ORDER BY position").fetchall()
        again(connection, [(old, mark) for leaf, mark in kept for old in old_entries(connection, leaf)])
        connection.execute("DELETE FROM log_checkpoint")
    shutil.rmtree(world.folder / "audit")
    world.publish()
    before = world.records.log_head().size
    upgrade(world.records.database.url)
    assert [json.loads(leaf)["edits"] for leaf in world.records.log_entries(before, before + 1)] == ["was"]
    world.release(4)
    assert found(world.verify()) == []
    world.cut("UPDATE work_order SET customer = 'Somebody Else'")
    world.records.set_order_state("WO-1", OrderState.PAUSED)
    assert found(world.verify()) == [("changed", "work_order WO-1")]


def test_new_columns_break_no_chain(world: World) -> None:
    """After a migration that adds a column each row has an entry that says what it was without it."""
    world.cut("UPDATE label SET code = code || 'x' WHERE unit = 'AC22-000001'")
    with closing(sqlite3.connect(world.database)) as connection, connection:
        connection.execute("ALTER TABLE label ADD COLUMN shade TEXT")
        connection.execute("ALTER TABLE event ADD COLUMN shade TEXT")
        extend(connection)
    world.records.database.close()
    with open_records(world.records.database.url, STATION) as records:
        later = replace(world, records=records)
        later.release(4)
        kinds = [one for one in found(later.verify()) if one[0] != "schema"]
    assert kinds == [("changed", "label AC22-000001 unit 1")]


def test_a_long_history_is_begun_in_little_memory(tmp_path: Path) -> None:
    """Begun over 18,000 rows, the log holds no more of them at a time than over 6,000."""
    peaks = []
    for count in (6_000, 18_000):
        url = f"sqlite:///{tmp_path / str(count)}"
        upgrade(url)
        with closing(sqlite3.connect(tmp_path / str(count))) as connection, connection, unguarded(connection):
            rows = (
                (STATION, number, "shift", f"s{number}", "2026-01-01T00:00:00.000Z", b"{}", "")
                for number in range(count)
            )
            connection.executemany(
                "INSERT INTO event (station, sequence, kind, subject, at, body, who) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
            )
            for table in ("log_entry", "log_tile", "log_tree"):
                connection.execute(f"DELETE FROM {table}")
            tracemalloc.start()
            extend(connection)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
