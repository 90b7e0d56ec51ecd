"""The ledger's tables, as append-only as SQLite can make them.

The schema is small and versioned by one number instead of by Alembic: a file of another version is refused.
"""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import DDL, Engine, ForeignKey, UniqueConstraint, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

SCHEMA_VERSION = 1
BUSY_SECONDS = 10
CONNECTIONS = 16


class EventKind(StrEnum):
    """What may happen to a key and its certificate, each at most once."""

    KEY_PROVEN = "key-proven"
    KEY_LOST = "key-lost"
    INSTALLED = "certificate-installed"
    PROVEN = "certificate-proven"
    REVOKED = "certificate-revoked"


class Base(DeclarativeBase):
    """The ledger's tables."""


class SchemaRow(Base):
    """The version of the tables in this file."""

    __tablename__ = "ledger_schema"
    version: Mapped[int] = mapped_column(primary_key=True)


class KeyRow(Base):
    """A public key that was made for a unit."""

    __tablename__ = "keys"
    __table_args__ = (UniqueConstraint("unit", "environment", "profile", "version"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    unit: Mapped[str]
    environment: Mapped[str]
    profile: Mapped[str]
    version: Mapped[int]
    origin: Mapped[str]
    spki: Mapped[bytes]
    spki_sha256: Mapped[str] = mapped_column(unique=True)
    evidence: Mapped[str]
    """SHA-256 of the transport key (origin hsm) or of the request (origin device)."""
    at: Mapped[str]
    claim: Mapped["ClaimRow | None"] = relationship(lazy="joined")
    certificate: Mapped["CertificateRow | None"] = relationship(lazy="joined")
    events: Mapped[list["EventRow"]] = relationship(lazy="selectin")


class ClaimRow(Base):
    """What a key's certificate will say, committed before it is signed."""

    __tablename__ = "claims"
    key_id: Mapped[int] = mapped_column(ForeignKey("keys.id"), primary_key=True)
    serial: Mapped[str] = mapped_column(unique=True)
    organization: Mapped[str]
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    tbs_sha256: Mapped[str]
    at: Mapped[str]


class CertificateRow(Base):
    """The signed certificate."""

    __tablename__ = "certificates"
    key_id: Mapped[int] = mapped_column(ForeignKey("claims.key_id"), ForeignKey("keys.id"), primary_key=True)
    der: Mapped[bytes]
    sha256: Mapped[str] = mapped_column(unique=True)
    at: Mapped[str]


class EventRow(Base):
    """Something that happened to a key or its certificate."""

    __tablename__ = "events"
    key_id: Mapped[int] = mapped_column(ForeignKey("keys.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str]
    at: Mapped[str]


TRIGGERS = {
    f"{table.name}_no_{verb.lower()}": (table, verb)
    for table in Base.metadata.sorted_tables
    for verb in ("UPDATE", "DELETE")
}
"""What keeps every table append-only, by trigger name."""

for _name, (_table, _verb) in TRIGGERS.items():
    _statement = f"CREATE TRIGGER {_name} BEFORE {_verb} ON {_table.name} BEGIN SELECT RAISE(ABORT, 'append-only'); END"
    _ddl = DDL(_statement)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves this constructor without types
    event.listen(_table, "after_create", _ddl)


def connect(path: Path) -> Engine:
    """Return an engine that waits for locks, writes through to the disk, and begins writers at once."""
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(f"sqlite:///{path}", connect_args=arguments, pool_size=CONNECTIONS)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    # A writer takes its lock at once: what it reads can't change before it writes.
    write = connection.get_execution_options().get("write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
