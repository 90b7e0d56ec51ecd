"""The triggers that note what the MES is to be told of, in the transaction in which it happens.

Triggers and not calls, so that no writer of today or tomorrow has to remember the MES; and one list of positions and
not a look through each table, so that what happened is told in its order, also rows that were changed and not added.
Nothing is noted while a station has no MES.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, inspect

from station.records.mes_rows import Source

NOTE = "INSERT INTO mes_change (source, station, sequence) VALUES"
RELEASED_BY_IT = (
    "NOT EXISTS (SELECT 1 FROM passport AS before WHERE before.unit = NEW.unit AND before.station = NEW.station"
    " AND before.run_sequence = NEW.run_sequence AND before.revision < NEW.revision)"
)
"""The first passport of a run is its release; what happens to the unit later is no news of the line."""
HAS_MES = "EXISTS (SELECT 1 FROM mes_link WHERE station = NEW.station)"


@dataclass(frozen=True)
class Feed:
    """One note: an operation on a table, under a condition over OLD and NEW."""

    source: Source
    table: str
    operation: str = "INSERT"
    condition: str = "1 = 1"

    @property
    def trigger(self) -> str:
        """Return the trigger's name."""
        return f"feed_{self.source.replace('-', '_')}"

    def statement(self) -> str:
        """Return the CREATE TRIGGER of SQLite."""
        return (
            f"CREATE TRIGGER {self.trigger} AFTER {self.operation} ON {self.table} FOR EACH ROW"
            f" WHEN {self.condition} AND {HAS_MES}"
            f" BEGIN {NOTE} ('{self.source}', NEW.station, NEW.sequence); END"
        )


def _ended(source: Source, table: str, column: str) -> Feed:
    return Feed(source, table, "UPDATE", f"OLD.{column} IS NULL AND NEW.{column} IS NOT NULL")


FEEDS = (
    Feed(Source.RUN_OPENED, "run"),
    _ended(Source.RUN_CLOSED, "run", "closed_at"),
    Feed(Source.STEP, "step_event"),
    Feed(Source.PASSPORT, "passport", condition=RELEASED_BY_IT),
    Feed(Source.HOLD_PLACED, "hold"),
    _ended(Source.HOLD_LIFTED, "hold", "lifted_at"),
    Feed(Source.DISPOSITION, "disposition"),
    Feed(Source.COMPONENT_ATTACHED, "component"),
    _ended(Source.COMPONENT_DETACHED, "component", "detached_at"),
    Feed(Source.RESULT, "result"),
)


def remove_feeds(connection: Connection) -> None:
    """Take all triggers off, for a migration; also those that an older version had under other names."""
    names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'feed_%'")
    for name in names.scalars().all():
        connection.exec_driver_sql(f"DROP TRIGGER {name}")


def install_feeds(connection: Connection) -> None:
    """Put the triggers on all tables that there are, once there is a place for their notes."""
    tables = set(inspect(connection).get_table_names())
    if "mes_change" not in tables:
        return
    for feed in FEEDS:
        if feed.table in tables:
            connection.exec_driver_sql(feed.statement())
