"""The ledger's file: its transactions, and the audit entry that a privileged act writes with itself."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785
from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from pki.errors import PkiError
from pki.ledger.tables import TRIGGERS, AuditRow, Base

BUSY_SECONDS = 10
CONNECTIONS = 16
NOTHING = "0" * 64
"""What the first audit entry names as the one before."""
_PREVIOUS = select(AuditRow.sha256).order_by(AuditRow.id.desc()).limit(1)
_ENTER = insert(AuditRow)


@dataclass(frozen=True)
class Act:
    """A privileged act, or a refusal."""

    act: str
    subject: str
    body: Mapping[str, object]


@dataclass(frozen=True)
class AuditEntry:
    """One act as it was recorded."""

    id: int
    entry: bytes
    """RFC 8785 bytes."""
    sha256: str


class Database:
    """An open ledger file; safe from many threads and processes."""

    def __init__(self, engine: Engine, actor: str) -> None:
        self._engine = engine
        self._readers = engine.execution_options(write=False)
        self._actor = actor

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection whose writes are durable when the block ends, or none of them.

        Raises:
            PkiError: The file can't be written.
        """
        with _translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the file.

        Raises:
            PkiError: The file can't be read.
        """
        with _translated(), self._readers.begin() as connection:
            yield connection

    def audit(self, connection: Connection, act: str, subject: str, **body: object) -> None:
        """Enter a privileged act or a refusal, in the same transaction as what it did."""
        self.audit_all(connection, [Act(act, subject, body)])

    def audit_all(self, connection: Connection, acts: Sequence[Act]) -> None:
        """Enter several acts, chained in their order."""
        previous, rows = connection.scalar(_PREVIOUS) or NOTHING, []
        for act in acts:
            entry = vars(act) | {"actor": self._actor, "at": now(), "previous": previous}
            encoded = rfc8785.dumps(entry)
            previous = sha256(encoded).hexdigest()
            rows.append({"entry": encoded, "sha256": previous})
        connection.execute(_ENTER, rows)

    def record(self, act: str, subject: str, **body: object) -> None:
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
    """Return an engine that waits for locks, writes through to the disk, and begins writers at once."""
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(f"sqlite:///{path}", connect_args=arguments, pool_size=CONNECTIONS)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def now() -> str:
    """Return the time as the ledger's text columns keep it: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or type(error).__name__
        raise PkiError(f"the ledger can't be used: {cause}", hint="Check disk and ledger file.") from error


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    # A writer takes its lock at once: what it reads can't change before it writes.
    write = connection.get_execution_options().get("write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
