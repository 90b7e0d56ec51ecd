"""The triggers that make history unchangeable, also for a program that does not go through this package.

They are taken off before and put on after every migration, in its own transaction: a table that Alembic's batch mode
rebuilds would lose them without a word.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, inspect

RANKS = " ".join(
    f"WHEN '{state}' THEN {rank}"
    for rank, state in enumerate(("rendered", "verified", "sent", "printed", "scanned", "void"))
)
ADDED_ONLY = (
    *("step_event", "event", "measurement", "certificate_event", "passport", "snapshot"),
    *("bundle", "bundle_file", "restriction"),
    *("listed_identifier", "order_import"),
    *("disposition", "golden_check", "sign_off"),
    *("result", "meter", "reopened"),
    *("sign_in", "training"),
    *("mes_received", "mes_word"),
    *("batch", "batch_unit"),
    "delivery_decision",
    *("log_entry", "log_checkpoint"),
    "passport_certificate",
    "burnt_serials",
    "lifecycle",
)
"""Tables whose rows never change."""
KEPT = (
    "run",
    "work_order",
    "unit",
    "label",
    "outbox",
    "registration",
    "identifier",
    "hold",
    "golden_unit",
    "person",
    "person_session",
    "component",
    "mes_message",
    "api_token",
)
"""Tables whose rows change, and are never removed."""
PASSING = ("mes_change", "mes_link", "log_tile", "log_tree")
"""Tables that hold no history: notes until they are told, whether there is an MES now, hashes of the log's entries."""
FIXED = {
    "run": (
        "station sequence unit hardware_uid work_order slot recipe recipe_revision recipe_digest firmware software"
        " test_environment ship_environment plan started_at firmware_name approval operator mes"
    ),
    "work_order": (
        "id product recipe recipe_revision recipe_digest quantity customer serial_prefix serial_digits serial_first"
        " test_environment ship_environment created_at bundle serial_check serials_from due created_by"
    ),
    "unit": "serial hardware_uid work_order ocpp_identity reserved_at",
    "label": "unit template copy station run_sequence code sha256 intended_at",
    "outbox": "station sequence unit revision kind key body created_at",
    "registration": "cpms unit revision",
    "identifier": "station sequence kind value written unit source since",
    "hold": "station sequence scope subject kind reason who at",
    "component": "station sequence unit kind position evse serial lot opens attached_at attached_by run_sequence",
    "mes_message": "station sequence key name subject request at body created_at",
    "golden_unit": "hardware_uid product expectation remark who at",
    "person": "id created_at created_by",
    "person_session": "token_sha256 person station address at_slots opened_at",
    "api_token": "id sha256 scopes created_at created_by until",
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
    Guard("person_session", "ended", "UPDATE", "a session that ended stays ended", "OLD.ended_at IS NOT NULL"),
    Guard("api_token", "revoked", "UPDATE", "a revoked token stays revoked", "OLD.revoked_at IS NOT NULL"),
    Guard("person", "disabled", "UPDATE", "a person who left stays out", "OLD.disabled_at IS NOT NULL"),
    Guard("unit", "scrapped", "UPDATE", "a scrapped unit stays scrapped", "OLD.state = 'scrapped'"),
    Guard("unit", "ended", "UPDATE", "a decommissioned unit stays so", "OLD.state = 'decommissioned'"),
    Guard("hold", "lifted", "UPDATE", "a lifted hold stays lifted", "OLD.lifted_at IS NOT NULL"),
    Guard("golden_unit", "retired", "UPDATE", "a retired golden unit stays retired", "OLD.retired_at IS NOT NULL"),
    Guard("outbox", "done", "UPDATE", "a delivered message never changes", "OLD.done_at IS NOT NULL"),
    Guard("component", "gone", "UPDATE", "a part that was taken out stays so", "OLD.detached_at IS NOT NULL"),
    Guard("identifier", "ended", "UPDATE", "an identifier that was taken off stays so", "OLD.until IS NOT NULL"),
    Guard("label", "void", "UPDATE", "a void label stays void", "OLD.state = 'void'"),
    Guard(
        "label", "forward", "UPDATE", "a label only moves forward",
        f"OLD.state <> 'void' AND CASE NEW.state {RANKS} END < CASE OLD.state {RANKS} END",
    ),
    Guard(
        "label", "sent_once", "UPDATE", "a label is sent once, to one printer",
        "OLD.odometer_before IS NOT NULL"
        " AND (NEW.odometer_before IS NOT OLD.odometer_before OR NEW.printer IS NOT OLD.printer OR NEW.state = 'sent')",
    ),
    Guard("mes_message", "done", "UPDATE", "a delivered message never changes", "OLD.done_at IS NOT NULL"),
    Guard("log_tree", "grows", "UPDATE", "the log only grows", "NEW.size < OLD.size OR NEW.id <> OLD.id"),
    Guard("work_order", "forward", "UPDATE", "serials are never given twice", "NEW.serial_next < OLD.serial_next"),
    Guard(
        "work_order", "grows", "UPDATE", "what an order may build only grows, and each edit has its number",
        "NEW.serial_last < OLD.serial_last OR NEW.replacements < OLD.replacements OR NEW.version < OLD.version",
    ),
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
