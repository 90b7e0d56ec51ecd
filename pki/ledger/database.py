"""The ledger's file: its transactions, and the audit entry that a privileged act writes with itself."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from pki.errors import PkiError
from pki.ledger.prepared import Prepared, adding, driver_of
from pki.ledger.tables import TRIGGERS, AuditRow, Base

BUSY_SECONDS = 10
NOTHING = "0" * 64
"""What the first audit entry names as the one before."""
_PREVIOUS = Prepared(select(AuditRow.sha256).order_by(AuditRow.id.desc()).limit(1))
_ENTER = adding(AuditRow)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


Fact = str | int | None
"""What stands in audit entries: no fractions."""


@dataclass(frozen=True)
class Act:
    """A privileged act, or a refusal."""

    act: str
    subject: str
    body: Mapping[str, Fact]


@dataclass(frozen=True)
class AuditEntry:
    """One act as it was recorded."""

    id: int
    entry: bytes
    """RFC 8785 bytes."""
    sha256: str


@dataclass
class _Line:
    """A connection that stays open: it takes SQLAlchemy longer to lend one anew than SQLite to write a row."""

    connection: Connection
    driver: sqlite3.Connection
    waits: bool = True
    """Whether its transactions wait for the disk."""

    def begin(self, *, durable: bool) -> None:
        """Begin to write, with the lock taken at once: what is read can't change before it is written."""
        if self.waits != durable:
            self.driver.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self.waits = durable
        self.driver.execute("BEGIN IMMEDIATE")


class Database:
    """An open ledger file; safe from many threads and processes."""

    def __init__(self, engine: Engine, actor: str) -> None:
        self._engine = engine
        self._actor = actor
        self._idle: list[_Line] = []

    def close(self) -> None:
        """Close every connection."""
        while self._idle:
            self._idle.pop().connection.close()
        self._engine.dispose()

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Connection]:
        """Yield a connection whose writes are durable when the block ends, or none of them.

        Without `durable` nobody waits for the disk: they outlive a crash of this program, but a power cut only when a
        later transaction was durable.

        Raises:
            PkiError: The file can't be written.
        """
        with self._lent() as line:
            line.begin(durable=durable)
            yield line.connection
            line.driver.commit()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the file.

        Raises:
            PkiError: The file can't be read.
        """
        with self._lent() as line:
            line.driver.execute("BEGIN")
            yield line.connection

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Yield a connection for statements each of which may see another state of the file.

        Raises:
            PkiError: The file can't be read.
        """
        with self._lent() as line:
            yield line.connection

    @contextmanager
    def _lent(self) -> Iterator[_Line]:
        try:
            line = self._taken()
            try:
                yield line
            finally:
                self._put_back(line)
        except (SQLAlchemyError, sqlite3.Error) as error:
            cause = getattr(error, "orig", None) or error
            raise PkiError(f"the ledger can't be used: {cause}", hint="Check disk and ledger file.") from error

    def _taken(self) -> _Line:
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._engine.connect()
            return _Line(connection, driver_of(connection))

    def _put_back(self, line: _Line) -> None:
        line.driver.rollback()
        line.connection.rollback()  # of nothing: SQLAlchemy forgets the transaction that it thinks it began
        self._idle.append(line)

    def audit(self, connection: Connection, act: str, subject: str, **body: Fact) -> None:
        """Enter a privileged act or a refusal, in the same transaction as what it did."""
        self.audit_all(connection, [Act(act, subject, body)])

    def audit_all(self, connection: Connection, acts: Sequence[Act]) -> None:
        """Enter several acts, chained in their order."""
        (previous,) = _PREVIOUS.run(connection, {}).fetchone() or (NOTHING,)
        rows, same = [], {"actor": self._actor, "at": now()}
        for act in acts:
            entry = {**vars(act), **same, "previous": previous}
            encoded = canonical(entry)
            previous = sha256(encoded).hexdigest()
            rows.append({"entry": encoded, "sha256": previous})
        _ENTER.run_each(connection, rows)

    def record(self, act: str, subject: str, **body: Fact) -> None:
        """Enter an act that changes nothing else in this file."""
        with self.writing() as connection:
            self.audit(connection, act, subject, **body)

    def audit_entries(self) -> list[AuditEntry]:
        """Return every audit entry, oldest first."""
        with self.reading() as connection:
            rows = connection.execute(select(AuditRow.id, AuditRow.entry, AuditRow.sha256).order_by(AuditRow.id))
            return [AuditEntry(*row) for row in rows]

    def check(self) -> list[str]:
        """Return what is missing or damaged in the file, one sentence each; losing a trigger counts."""
        with self.reading() as connection:
            found = set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type IN ('table', 'trigger')")))
            faults = [fault for fault in connection.scalars(text("PRAGMA quick_check")) if fault != "ok"]
        missing = [name for name in (*Base.metadata.tables, *TRIGGERS) if name not in found]
        return [f"the ledger lacks {name}" for name in missing] + [
            f"the ledger is damaged: {fault}" for fault in faults
        ]


def connect(path: Path) -> Engine:
    """Return an engine whose connections wait for locks and write through to the disk."""
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(f"sqlite:///{path}", connect_args=arguments, poolclass=NullPool)
    event.listen(engine, "connect", _configure)
    return engine


def canonical(entry: Mapping[str, object]) -> bytes:
    """Return the RFC 8785 bytes of texts, whole numbers below 2**53 and objects with ASCII names.

    For these they are what `json` writes, in a tenth of the time of a library for all of the standard.
    """
    return _CANONICAL.encode(entry).encode()


def now() -> str:
    """Return the time as the ledger's text columns keep it: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
