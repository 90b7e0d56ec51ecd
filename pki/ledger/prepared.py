"""Statements of the way to a certificate: described by SQLAlchemy, compiled once, and run by SQLite's own driver.

A certificate takes some twenty of them, and SQLAlchemy takes ten times as long to hand one on as SQLite to run it.
Values are the file's own: text, whole numbers, bytes; `stored` and `moment` convert times as SQLAlchemy does.
"""

import functools
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ClauseElement, Connection, insert
from sqlalchemy.dialects import sqlite

from pki.ledger.tables import Base

_DIALECT = sqlite.dialect(paramstyle="named")


class Prepared:
    """One statement; its parameters go by the names of its bind parameters."""

    def __init__(self, statement: ClauseElement, names: Sequence[str] | None = None) -> None:
        compiled = statement.compile(dialect=_DIALECT, column_keys=names)
        self._text = str(compiled)
        self._constants = {name: value for name, value in (compiled.params or {}).items() if value is not None}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> sqlite3.Cursor:
        """Run it in the connection's transaction."""
        return driver_of(connection).execute(self._text, {**self._constants, **values} if self._constants else values)

    def run_each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for each row; none for no rows."""
        driver_of(connection).executemany(self._text, rows)


def adding(row: type[Base]) -> Prepared:
    """Return the statement that adds a row; a column `id` is numbered by SQLite."""
    return Prepared(insert(row), [column.name for column in row.__table__.columns if column.name != "id"])


@functools.lru_cache(maxsize=64)
def stored(moment: datetime) -> str:
    """Return a time as the file keeps those of SQLAlchemy's type DateTime: UTC without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def moment(text: str) -> datetime:
    """Return the time that was stored as `text`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Return SQLite's own connection below one of SQLAlchemy's."""
    driver: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
    return driver
