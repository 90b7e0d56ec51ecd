"""History only grows: the database itself refuses every change of it, also through other statements than ours."""

import pytest
from sqlalchemy import text

from station.model import Measurement
from station.records import Message, Records, Registration
from station.records.guards import ADDED_ONLY, KEPT


@pytest.fixture
def full(world) -> Records:
    """Yield records with at least one row in every table, after a release."""
    records = world.records
    records.event("shift-begins", "line1", {"at": "dawn"})
    run, unit = world.ready()
    world.step(run, "label", attempt=2, measurements=(Measurement("volts", 230.0, "V", 207.0, 253.0),))
    records.certificate_event(run, "ship", "0A", "installed", {})
    records.snapshot(run, "ship", {"url": "wss://csms.ship.example"}, lambda content: b"signature")
    records.release(run, f'{{"serial":"{unit}"}}'.encode(), b"s", "signer", [Message("cpms", unit, b"{}")])
    records.registered(unit, Registration("staging", 1, b"{}"))
    return records


def refused(records: Records, statement: str) -> str:
    """Return why the database refuses a statement."""
    with pytest.raises(RuntimeError, match="the records refuse this") as caught, records.database.write() as session:
        assert session.execute(text(statement)).rowcount != 0
    return str(caught.value)


@pytest.mark.parametrize("table", [*ADDED_ONLY, *KEPT])
def test_no_row_is_removed(full: Records, table: str) -> None:
    """DELETE is refused for every table, at head."""
    assert "never removed" in refused(full, f"DELETE FROM {table}")


@pytest.mark.parametrize("table", ADDED_ONLY)
def test_no_row_of_history_changes(full: Records, table: str) -> None:
    """UPDATE is refused for every row of history, also one that changes nothing."""
    assert "never change" in refused(full, f"UPDATE {table} SET station = station")


@pytest.mark.parametrize("table", ADDED_ONLY)
def test_no_row_of_history_is_replaced(full: Records, table: str) -> None:
    """INSERT OR REPLACE is a DELETE in disguise."""
    assert "never removed" in refused(full, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


def test_every_table_has_a_guard(full: Records) -> None:
    """A table that somebody adds later is not forgotten."""
    query = text("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'")
    with full.database.read() as session:
        assert set(session.scalars(query)) == {*ADDED_ONLY, *KEPT}


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE run SET reason = 'better'", "closed run"),
        ("UPDATE run SET closed_at = NULL, outcome = NULL", "closed run"),
        ("UPDATE unit SET hardware_uid = 'ff'", "never changes"),
        ("UPDATE unit SET serial = 'AC22-000099'", "never changes"),
        ("UPDATE work_order SET serial_next = serial_first", "never given twice"),
        ("UPDATE work_order SET serial_last = 999", "never changes"),
        ("UPDATE label SET state = 'printed'", "only moves forward"),
        ("UPDATE label SET code = 'other'", "never changes"),
        ("UPDATE outbox SET body = 'other'", "never changes"),
    ],
)
def test_what_exists_once_stays(full: Records, statement: str, reason: str) -> None:
    """Closed runs, identities, serials given and labels can't be turned back."""
    assert reason in refused(full, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO unit SELECT 'AC22-000050', hardware_uid, work_order, 'x', state, reserved_at FROM unit",
        "INSERT INTO unit SELECT 'AC22-000050', 'AA01', work_order, 'x', state, reserved_at FROM unit",
        "INSERT INTO unit SELECT 'AC22-000050', 'bb', work_order, ocpp_identity, state, reserved_at FROM unit",
    ],
)
def test_no_identity_exists_twice(full: Records, statement: str) -> None:
    """Hardware UID (in any spelling) and OCPP identity are unique in the database itself (F-B3, F-B4)."""
    assert "constraint failed" in refused(full, statement)
