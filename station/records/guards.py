"""The triggers that make history unchangeable, also for a program that does not go through this package.

They are taken off before and put on after every migration, in its own transaction: a table that Alembic's batch mode
rebuilds would lose them without a word.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, inspect

RANKS = " ".join(
    f"WHEN '{state}' THEN {rank}" for rank, state in enumerate(("intended", "sent", "printed", "verified", "void"))
)
ADDED_ONLY = ("step_event", "event", "measurement", "certificate_event", "passport", "snapshot")
"""Tables whose rows never change."""
KEPT = ("run", "work_order", "unit", "label", "outbox", "registration")
"""Tables whose rows change, and are never removed."""
FIXED = {
    "run": (
        "station sequence unit hardware_uid work_order slot recipe recipe_revision recipe_digest firmware software"
        " test_environment ship_environment plan started_at"
    ),
    "work_order": (
        "id product recipe recipe_revision recipe_digest quantity customer serial_prefix serial_digits serial_first"
        " serial_last test_environment ship_environment created_at"
    ),
    "unit": "serial hardware_uid work_order ocpp_identity reserved_at",
    "label": "unit template copy station run_sequence code sha256 printer odometer_before intended_at",
    "outbox": "station sequence unit revision kind key body created_at",
    "registration": "cpms unit revision",
}
"""Columns of changing rows that never change."""


@dataclass(frozen=True)
class Guard:
    """One refusal: an operation on a table, under a condition over OLD and NEW."""

    table: str
    name: str
    operation: str
    message: str
    condition: str = "1 = 1"

    @property
    def trigger(self) -> str:
        """Return the trigger's name."""
        return f"guard_{self.table}_{self.name}"

    def statement(self) -> str:
        """Return the CREATE TRIGGER of SQLite."""
        return (
            f"CREATE TRIGGER {self.trigger} BEFORE {self.operation} ON {self.table} FOR EACH ROW"
            f" WHEN {self.condition} BEGIN SELECT RAISE(ABORT, '{self.message}'); END"
        )


def _kept(table: str) -> Guard:
    return Guard(table, "kept", "DELETE", f"rows of {table} are never removed")


def _unchanged(table: str) -> Guard:
    return Guard(table, "unchanged", "UPDATE", f"rows of {table} never change")


def _fixed(table: str, columns: str) -> Guard:
    changed = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in columns.split())
    return Guard(table, "fixed", "UPDATE", f"this part of a row of {table} never changes", changed)


GUARDS = (
    *(_kept(table) for table in ADDED_ONLY + KEPT),
    *(_unchanged(table) for table in ADDED_ONLY),
    *(_fixed(table, columns) for table, columns in FIXED.items()),
    Guard("run", "closed", "UPDATE", "a closed run never changes", "OLD.closed_at IS NOT NULL"),
    Guard("outbox", "done", "UPDATE", "a delivered message never changes", "OLD.done_at IS NOT NULL"),
    Guard("label", "void", "UPDATE", "a void label stays void", "OLD.state = 'void'"),
    Guard(
        "label", "forward", "UPDATE", "a label only moves forward",
        f"OLD.state <> 'void' AND CASE NEW.state {RANKS} END < CASE OLD.state {RANKS} END",
    ),
    Guard("work_order", "forward", "UPDATE", "serials are never given twice", "NEW.serial_next < OLD.serial_next"),
)  # fmt: skip


def remove_guards(connection: Connection) -> None:
    """Take all triggers off, for a migration; also those that an older version had under other names."""
    names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard_%'")
    for name in names.scalars().all():
        connection.exec_driver_sql(f"DROP TRIGGER {name}")


def install_guards(connection: Connection) -> None:
    """Put the triggers on all tables that there are."""
    tables = set(inspect(connection).get_table_names())
    for guard in GUARDS:
        if guard.table in tables:
            connection.exec_driver_sql(guard.statement())
