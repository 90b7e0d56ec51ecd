"""Databases of every released schema, with rows as they were written then, come to this version with all they had."""

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, text

from station.model import Outcome
from station.records import RunRequest, open_records, upgrade
from station.records.database import Database, migration_config

AT, LOGGED_SINCE = "2026-01-01T00:00:00.000Z", "0014"
PASSPORT = json.dumps(
    {"serial": "AC22-000001", "certificate": {"issuer": "CN=CA", "not_after": "2040-01-01T00:00:00Z"}}
)
RUN, OF_RUN = {"station": "line1", "sequence": 1}, {"station": "line1", "run_sequence": 1}
ROWS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("work_order", {"id": "WO-1", "quantity": 9, "serial_prefix": "AC22-", "serial_digits": 6, "serial_first": 1,
                    "serial_last": 9, "serial_next": 2, "state": "open", "product": "ac22", "recipe_digest": "a" * 64}),
    ("unit", {"serial": "AC22-000001", "hardware_uid": "aa", "work_order": "WO-1", "ocpp_identity": "AC22-000001",
              "state": "released"}),
    ("run", RUN | {"unit": "AC22-000001", "hardware_uid": "aa", "work_order": "WO-1", "plan": '["identify"]',
                   "outcome": "PASS", "closed_at": AT, "slot": "1", "recipe_digest": "a" * 64}),
    ("step_event", OF_RUN | {"sequence": 1, "kind": "started", "name": "identify", "attempt": 1}),
    ("step_event", OF_RUN | {"sequence": 2, "kind": "finished", "name": "identify", "attempt": 1, "outcome": "PASS",
                             "started_sequence": 1, "seconds": 1.5}),
    ("measurement", RUN | {"step_sequence": 1, "name": "volts", "value": "230.1", "passed": 1, "low": 207.0}),
    ("certificate_event", OF_RUN | {"sequence": 1, "unit": "AC22-000001", "certificate_serial": "0A"}),
    ("passport", OF_RUN | {"sequence": 1, "unit": "AC22-000001", "revision": 1, "document": PASSPORT.encode()}),
    ("label", OF_RUN | {"unit": "AC22-000001", "template": "unit", "copy": 1, "state": "printed",
               "odometer_before": 1}),
    ("outbox", RUN | {"unit": "AC22-000001", "revision": 1, "kind": "register", "key": "AC22-000001"}),
)  # fmt: skip
"""What one unit left behind, in the order in which it was written."""
FILLING = {"TEXT": "", "BIGINT": 1, "INTEGER": 1, "BLOB": b"{}", "DOUBLE": 0.0}
TIMES = ("at", "created_at", "reserved_at", "started_at", "next_at", "intended_at", "changed_at")


def revisions() -> tuple[str, ...]:
    """Return every schema that there was, the first one first."""
    config = Config()
    config.set_main_option("script_location", "station.records:migrations")
    found = ScriptDirectory.from_config(config).walk_revisions()
    return tuple(reversed([script.revision for script in found]))


def inserted(connection: sqlite3.Connection, table: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the INSERT of a row by the columns that there are now: what must be there and is not told is filled."""
    row = dict(given)
    for _, name, kind, needed, default, _ in connection.execute("SELECT * FROM pragma_table_info(?)", (table,)):
        if name not in row and needed and default is None:
            row[name] = AT if name in TIMES else FILLING.get(kind.partition("(")[0], "")
    names = ", ".join(f'"{name}"' for name in row)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in row)})", row


def to_revision(url: str, revision: str) -> None:
    """Upgrade as that release did: no further."""
    engine = create_engine(url)
    event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        command.upgrade(migration_config(connection), revision)
    engine.dispose()


def write(url: str, path: Path, rows: list[tuple[str, Mapping[str, Any]]], *, logged: bool) -> None:
    """Write rows as a station of that release did: with an entry of each, once there was a log."""
    with closing(sqlite3.connect(path)) as connection:
        statements = [inserted(connection, table, row) for table, row in rows]
        if not logged:
            for statement, values in statements:
                connection.execute(statement, values)
            connection.commit()
            return
    database = Database(url, "line1")
    with database.write() as session:
        for statement, values in statements:
            session.execute(text(statement), values)
    database.close()


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a database of each schema: the unit of the first release, and an event of each one."""
    folder = tmp_path_factory.mktemp("ladder")
    path, waiting = folder / "now.db", list(ROWS)
    url = f"sqlite:///{path}"
    for number, revision in enumerate(revisions(), 1):
        to_revision(url, revision)
        with closing(sqlite3.connect(path)) as connection:
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        ready = [row for row in waiting if row[0] in there]
        waiting = [row for row in waiting if row[0] not in there]
        told = {"station": "line1", "sequence": number, "kind": "release", "subject": revision, "body": b"{}"}
        write(url, path, [*ready, ("event", told)], logged=revision >= LOGGED_SINCE)
        shutil.copy(path, folder / f"{revision}.db")
    assert waiting == []
    return folder


@pytest.mark.parametrize("revision", revisions())
def test_a_database_of_each_release_comes_along(ladder: Path, tmp_path: Path, revision: str) -> None:
    """All rows are there, the log covers each of them, and the order goes on with its next number."""
    path = Path(shutil.copy(ladder / f"{revision}.db", tmp_path))
    url = f"sqlite:///{path}"
    upgrade(url)
    with open_records(url, "line1") as records:
        assert len(records.events(kind="release")) == revisions().index(revision) + 1
        history = records.unit_history("AC22-000001")
        assert history is not None
        assert [step.outcome for run in history.runs for step in run.steps] == [Outcome.PASS]
        if revision != "0001":
            passport = records.passport("AC22-000001")
            assert passport is not None
            assert passport.document == PASSPORT.encode()
        found = records.look_through(())
        assert (found.deviations, found.entries > len(ROWS) - 5) == ((), True)
        run = records.open_run(RunRequest("WO-1", "bb", "1", ("identify",), "3.4.1"))
        assert records.run(run).unit == "AC22-000002"
