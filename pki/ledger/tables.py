"""The ledger's tables, as append-only as SQLite can make them.

The schema is versioned by one number instead of by Alembic: a file of another version is refused.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import DDL, ForeignKey, UniqueConstraint, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_VERSION = 2
NO_ROWID = {"sqlite_with_rowid": False}
"""Rows stand in their primary key itself: a page less to write for each."""


class EventKind(StrEnum):
    """What may happen to a key and its certificate, each at most once."""

    KEY_PROVEN = "key-proven"
    KEY_LOST = "key-lost"
    SUPERSEDED = "key-superseded"
    INSTALLED = "certificate-installed"
    PROVEN = "certificate-proven"


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
    work_order: Mapped[str]
    """The work order it counts for; empty for a renewal."""
    reason: Mapped[str]
    """Why there is this version after another; empty for the first."""
    spki: Mapped[bytes]
    spki_sha256: Mapped[str] = mapped_column(unique=True)
    evidence: Mapped[str]
    """SHA-256 of the recipient (origin hsm) or of the request (origin device)."""
    at: Mapped[str]


class ClaimRow(Base):
    """What a key's certificate will say, committed before it is signed."""

    __tablename__ = "claims"
    key_id: Mapped[int] = mapped_column(ForeignKey("keys.id"), primary_key=True)
    serial: Mapped[str] = mapped_column(unique=True)
    authority: Mapped[str]
    """Name of the CA that signs it, as `test-issuing`."""
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
    __table_args__ = NO_ROWID
    key_id: Mapped[int] = mapped_column(ForeignKey("keys.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str]
    at: Mapped[str]


class RevocationRow(Base):
    """A certificate that ended before its time: a unit's, or a CA's."""

    __tablename__ = "revocations"
    __table_args__ = (UniqueConstraint("authority", "serial"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    authority: Mapped[str]
    """Name of the CA that issued it, as `test-issuing`."""
    serial: Mapped[str]
    reason: Mapped[str]
    """CRLReason by its name in RFC 5280 section 5.3.1."""
    detail: Mapped[str]
    expires: Mapped[datetime]
    """The certificate's notAfter: until then it stays on the list."""
    at: Mapped[datetime]


class CrlRow(Base):
    """A certificate revocation list that was signed."""

    __tablename__ = "crls"
    authority: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    this_update: Mapped[datetime]
    next_update: Mapped[datetime]
    last_revocation: Mapped[int]
    """Highest id of `revocations` that was looked at."""
    entries: Mapped[int]
    tbs_sha256: Mapped[str]
    at: Mapped[str]


class QuotaRow(Base):
    """How many certificates a work order may have; the newest row counts."""

    __tablename__ = "quotas"
    id: Mapped[int] = mapped_column(primary_key=True)
    work_order: Mapped[str] = mapped_column(index=True)
    environment: Mapped[str]
    profile: Mapped[str]
    units: Mapped[int]
    rework: Mapped[int]
    at: Mapped[str]


class QuotaUseRow(Base):
    """One claim that counts for a work order, numbered from 1: counting is reading the highest number."""

    __tablename__ = "quota_uses"
    __table_args__ = NO_ROWID
    work_order: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    profile: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    key_id: Mapped[int] = mapped_column(ForeignKey("claims.key_id"), unique=True)


class PasswordRow(Base):
    """A unit's password: what recognises it, and what only its recipient can open."""

    __tablename__ = "passwords"
    __table_args__ = (UniqueConstraint("unit", "environment", "kind", "version"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    unit: Mapped[str]
    environment: Mapped[str]
    kind: Mapped[str]
    version: Mapped[int]
    encoding: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    """Keyed hash of what must be unique: the password, or serial number and PIN."""
    sealed: Mapped[bytes]
    """CMS AuthEnvelopedData (DER) for the recipient."""
    recipient: Mapped[str]
    """SHA-256 of the recipient's certificate."""
    at: Mapped[str]


class EnrolmentRow(Base):
    """A code with which one unit may ask once for a certificate over EST."""

    __tablename__ = "enrolments"
    id: Mapped[int] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(index=True)
    environment: Mapped[str]
    profile: Mapped[str]
    work_order: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    expires: Mapped[datetime]
    at: Mapped[str]


class EnrolmentTryRow(Base):
    """A use of an enrolment code, or a wrong try."""

    __tablename__ = "enrolment_tries"
    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"), index=True)
    key_id: Mapped[int | None] = mapped_column(ForeignKey("keys.id"))
    """The key that was entered; none for a wrong try."""
    at: Mapped[str]


class AuditRow(Base):
    """One privileged act or refusal, chained to the one before."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    entry: Mapped[bytes]
    """RFC 8785 bytes of {act, actor, at, body, previous, subject}."""
    sha256: Mapped[str]
    """Of the entry; the next one names it. No index: the chain is read in its order, and each entry differs."""


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
