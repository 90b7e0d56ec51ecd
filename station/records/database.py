"""The database file: how it is opened, written, migrated and checked, and the one place where its errors become ours.

Every connection is durable (`synchronous=FULL` lost nothing in power-cut tests where NORMAL lost 700 commits) and every
write is one short IMMEDIATE transaction under one lock, so that threads wait for each other instead of failing.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Select, bindparam, create_engine, event, func, inspect, make_url, select
from sqlalchemy.exc import DatabaseError, InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from station.errors import Service, ServiceError
from station.records.log_form import Form, forms
from station.records.log_hook import append_noted, sound_log, watch
from station.records.tables import Numbered

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "trusted_schema=OFF",
    # Without it INSERT OR REPLACE removes rows past the triggers that refuse DELETE.
    "recursive_triggers=ON",
)
FAULTS = (
    ("SQLITE_FULL", "the disk is full", "Free space on the station's disk."),
    ("SQLITE_BUSY", "another program holds it locked", "Close other programs that use the database."),
    ("SQLITE_READONLY", "it can't be written", "Give the station write access to its database."),
    ("SQLITE_CANTOPEN", "it can't be opened", "Check the path and the rights of the database file."),
    ("SQLITE_CORRUPT", "it is damaged", "Stop the station and restore the last backup."),
    ("SQLITE_NOTADB", "the file is no database", "Stop the station and restore the last backup."),
    ("SQLITE_IOERR", "the disk reports an error", "Stop the station and check its disk."),
)
"""What SQLite's result codes mean to the person in front of the station."""
LOOKED_THROUGH = 64 << 20
"""Bytes: a database up to this size is looked through whenever it is opened. A larger one would cost each command
minutes; its damage shows where it is read, and in every backup, which is looked through whole."""
LOST = (OperationalError, InternalError, InterfaceError, PoolTimeout)
"""Errors of the database, as opposed to statements that it rightly refuses."""

RowT = TypeVar("RowT", bound=Numbered)


class Database:
    """One database for all threads of one station."""

    def __init__(
        self, url: str, station: str, *, patience: float = 10.0, after_commit: Callable[[], None] = lambda: None
    ) -> None:
        """Prepare the connections; nothing is opened yet.

        Args:
            url: SQLAlchemy URL.
            station: Name of the station; part of the id of every row that it writes.
            patience: Seconds to wait for a lock that another thread or program holds.
            after_commit: Called after every commit of a write, on the writing thread.
        """
        self.url = url
        self.station = station
        self.engine = _engine(url, patience)
        self._readers = self.engine.execution_options(begin="BEGIN")
        self._patience = patience
        self._after_commit = after_commit
        self._writer = threading.Lock()
        self._forms: dict[str, Form] = {}

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session whose changes are durable, all or none, when the block ends.

        Raises:
            ServiceError: The database can't be written; nothing was.
            RuntimeError: The database refuses what breaks its rules: a bug of ours.
        """
        if not self._writer.acquire(timeout=self._patience):
            raise ServiceError(Service.DATABASE, "The database is busy: another write does not end.")
        try:
            with translated(self.url), Session(self.engine) as session, session.begin():
                yield session
                session.flush()
                self._log(session)
        finally:
            self._writer.release()
        self._after_commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session over one consistent state; never waits for writers.

        Raises:
            ServiceError: The database can't be read.
        """
        with translated(self.url), Session(self._readers) as session, session.begin():
            yield session

    def append(self, session: Session, *rows: RowT) -> RowT:
        """Add rows of one table under the station's next numbers, and return the last."""
        kind: Any = type(rows[0])
        last = session.scalar(_last_number(kind), {"station": self.station}) or 0
        for sequence, row in enumerate(rows, last + 1):
            row.station, row.sequence = self.station, sequence
        session.add_all(rows)
        session.flush()
        return rows[-1]

    def _log(self, session: Session) -> None:
        """Add to the log what the session wrote (F-K3)."""
        if self.engine.dialect.name != "sqlite":
            return
        connection: Any = session.connection().connection.driver_connection
        self._forms = self._forms or forms(connection)
        with sound_log():
            append_noted(connection, self._forms)

    def check(self) -> None:
        """Check that the schema is this version's and the file is sound.

        Raises:
            ServiceError: The database is missing, of another version, or damaged.
        """
        path = make_url(self.url).database
        if path and path != ":memory:" and not Path(path).exists():
            raise _database_error(f"{path}: there is no database", "Create it with 'station init'.")
        with translated(self.url), self._readers.connect() as connection:
            found, head = _revision(connection), _scripts().get_current_head()
            if found != head:
                message = f"{self.url}: the database has schema {found or 'none'}; this version needs {head}"
                raise _database_error(message, "Update it with 'station init', after a backup.")
            _check_soundness(connection, self.url)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


@cache
def _last_number(kind: type[Numbered]) -> Select[Any]:
    """Return the query for a station's last number in a table; made once, as each row that is written asks it."""
    columns = inspect(kind).local_table.c
    return select(func.max(columns.sequence)).where(columns.station == bindparam("station"))


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn the database's errors into ours, without the values of the statement.

    Raises:
        ServiceError: The database is away, full, locked or damaged.
        RuntimeError: It refuses a statement that breaks its rules.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _fault(url, error) from error
    except LOST as error:
        raise _fault(url, getattr(error, "orig", None) or error) from error
    except DatabaseError as error:
        if type(error) is DatabaseError:
            raise _fault(url, error.orig or error) from error
        raise RuntimeError(f"the records refuse this: {error.orig}") from error
    except SQLAlchemyError as error:
        raise RuntimeError(f"the records can't do this: {error}") from error


def upgrade(url: str) -> None:
    """Create the database, or bring it to this version's schema; all or nothing.

    Raises:
        ServiceError: The database can't be written, or is newer than this version.
    """
    with translated(url):
        engine = _engine(url, patience=10.0, foreign_keys=False)
        try:
            with engine.begin() as connection:
                _refuse_newer(connection, url)
                command.upgrade(migration_config(connection), "heads")
        finally:
            engine.dispose()


def newest_schema() -> str:
    """Return the schema that this version of the software needs."""
    return str(_scripts().get_current_head())


def migration_config(connection: Connection) -> Config:
    """Return Alembic's configuration for a connection that is in a transaction, with foreign keys off."""
    config = Config()
    config.set_main_option("script_location", "station.records:migrations")
    config.attributes["connection"] = connection
    return config


def _engine(url: str, patience: float, *, foreign_keys: bool = True) -> Engine:
    engine = create_engine(url, hide_parameters=True, pool_size=8, max_overflow=56, pool_timeout=patience)
    if engine.dialect.name == "sqlite":
        pragmas = (f"busy_timeout={int(patience * 1000)}", *PRAGMAS, f"foreign_keys={'ON' if foreign_keys else 'OFF'}")
        event.listen(engine, "connect", lambda connection, _: _prepare(connection, pragmas))
        event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, pragmas: tuple[str, ...]) -> None:
    """Set a new connection up; transactions are begun by `_begin` and not by the driver."""
    connection.isolation_level = None
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    watch(connection)


def _begin(connection: Connection) -> None:
    """Take the write lock at the start: a transaction that first reads and then writes could find it taken."""
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN IMMEDIATE"))


def _check_soundness(connection: Connection, url: str) -> None:
    if connection.dialect.name != "sqlite":
        return
    pages, size = (connection.exec_driver_sql(f"PRAGMA {what}").scalar_one() for what in ("page_count", "page_size"))
    if pages * size <= LOOKED_THROUGH:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            raise _database_error(f"{url}: the database is damaged ({found})", "Restore the last backup.")
    mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    if mode != "wal":
        message = f"{url}: the file system does not allow a write-ahead log"
        raise _database_error(message, "Put the database on a local disk.")


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", "station.records:migrations")
    return ScriptDirectory.from_config(config)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(connection: Connection, url: str) -> None:
    found = _revision(connection)
    if found is not None and found not in {script.revision for script in _scripts().walk_revisions()}:
        message = f"{url}: the database has schema {found}, which this version does not know"
        raise _database_error(message, "Install the newer version of the station again.")


def _database_error(message: str, hint: str) -> ServiceError:
    return ServiceError(Service.DATABASE, message, hint=hint)


def _fault(url: str, error: BaseException | Any) -> ServiceError:
    """Say what a database's own error means and what to do."""
    name = getattr(error, "sqlite_errorname", "")
    for start, meaning, hint in FAULTS:
        if name.startswith(start):
            return _database_error(f"The database {url} fails: {meaning}.", hint)
    return _database_error(f"The database {make_url(url).render_as_string()} fails: {error}.", "Call engineering.")
