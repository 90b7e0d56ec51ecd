"""The schema: made by migrations alone, equal to the typed tables, guarded at head, and refused when it is another."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect

from station.errors import Service, ServiceError
from station.records import OrderState, Records, open_records, upgrade
from station.records.database import migration_config
from station.records.feed import FEEDS
from station.records.guards import GUARDS
from station.records.tables import Base

REBUILD = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "0012", None, None
def upgrade():
    with op.batch_alter_table("step_event", recreate="always") as batch:
        batch.add_column(sa.Column("remark", sa.Text()))
    {then}
"""


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def triggers(url: str) -> set[str]:
    with sqlite3.connect(file_of(url)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}


TRIGGERS = {guard.trigger for guard in GUARDS} | {feed.trigger for feed in FEEDS}


def rebuild(url: str, versions: Path, then: str = "pass") -> None:
    """Run one more migration that rebuilds a guarded table in Alembic's batch mode."""
    (versions / "9999_rebuild.py").write_text(REBUILD.format(then=then))
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config = migration_config(connection)
            package = Path(str(__import__("station.records.migrations", fromlist=["x"]).__path__[0])) / "versions"
            config.set_main_option("path_separator", "newline")
            config.set_main_option("version_locations", f"{package}\n{versions}")
            command.upgrade(config, "heads")
    finally:
        engine.dispose()


def shape(engine: Engine) -> dict[str, object]:
    """Describe what Alembic's comparison leaves out: checks, partial indexes, keys."""
    found = inspect(engine)
    return {
        table: (
            sorted((check["name"], check["sqltext"]) for check in found.get_check_constraints(table)),
            sorted((u["name"], tuple(u["column_names"])) for u in found.get_unique_constraints(table)),
            sorted((f["name"], tuple(f["referred_columns"])) for f in found.get_foreign_keys(table)),
            [(c["name"], c["nullable"]) for c in found.get_columns(table)],
        )
        for table in found.get_table_names()
        if table != "alembic_version"
    } | {"indexes": indexes(engine)}


def indexes(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        query = "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        return {" ".join(sql.split()) for sql in connection.exec_driver_sql(query).scalars()}


def test_migrations_and_tables_agree(url: str) -> None:
    """What migrations make is what the code believes."""
    migrated = create_engine(url)
    with migrated.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_migrations_and_tables_agree_in_what_alembic_does_not_compare(url: str, tmp_path: Path) -> None:
    """Check constraints and partial indexes are the same too, by name and text."""
    created = create_engine(f"sqlite:///{tmp_path / 'created.db'}")
    Base.metadata.create_all(created)
    assert shape(create_engine(url)) == shape(created)


def test_upgrade_twice_changes_nothing(url: str) -> None:
    """An upgrade at head keeps every object of the schema as it was."""
    before = triggers(url)
    upgrade(url)
    assert triggers(url) == before == TRIGGERS


def test_guards_survive_a_batch_migration(url: str, tmp_path: Path) -> None:
    """Alembic's batch mode drops triggers; they are there again when the migration ends (design 8.5)."""
    rebuild(url, tmp_path)
    with sqlite3.connect(file_of(url)) as connection:
        assert "remark" in {row[1] for row in connection.execute("PRAGMA table_info(step_event)")}
    assert triggers(url) == TRIGGERS


def test_failed_migration_leaves_everything(url: str, tmp_path: Path) -> None:
    """A migration that fails at its end leaves old schema and guards."""
    with pytest.raises(ZeroDivisionError):
        rebuild(url, tmp_path, then="1 / 0")
    assert triggers(url) == TRIGGERS
    with open_records(url, "line1") as records:
        assert records.orders() == ()


def test_every_connection_is_durable(records: Records) -> None:
    """WAL with synchronous FULL, foreign keys, and no trust in the schema of a foreign file."""
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0, "recursive_triggers": 1}
    with records.database.read() as one, records.database.read() as two:
        for session in (one, two):
            found = {name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in wanted}
            assert found == wanted


def test_orders_of_before_stay(tmp_path: Path) -> None:
    """A database of the version before keeps its rows; its orders and runs stand on no bundle (F-A3)."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(migration_config(connection), "0002")
        names = "id product recipe recipe_revision recipe_digest quantity customer serial_prefix serial_digits"
        names += " serial_first serial_last serial_next test_environment ship_environment state created_at"
        values = "'WO-1','ac22','ac22-eu',1,'aa',9,'','AC22-',6,1,9,1,'t','s','held','2026-01-01T00:00:00.000Z'"
        connection.exec_driver_sql(f"INSERT INTO work_order ({', '.join(names.split())}) VALUES ({values})")
    engine.dispose()
    upgrade(url)
    with open_records(url, "line1") as records:
        (order,) = records.orders()
        assert (order.id, order.bundle, order.quantity, order.state) == ("WO-1", "", 9, OrderState.PAUSED)
    assert triggers(url) == TRIGGERS


def test_newer_database_is_refused(url: str) -> None:
    """An older station never touches the database of a newer one."""
    with sqlite3.connect(file_of(url)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ServiceError, match="does not know"):
        upgrade(url)
    with pytest.raises(ServiceError, match="9999"), open_records(url, "line1"):
        pass


def test_missing_database_is_named(tmp_path: Path) -> None:
    """A missing file is not silently made new: its history would be lost without a word."""
    path = tmp_path / "gone.db"
    with pytest.raises(ServiceError, match=r"gone\.db") as caught, open_records(f"sqlite:///{path}", "line1"):
        pass
    assert caught.value.service is Service.DATABASE
    assert not path.exists()
