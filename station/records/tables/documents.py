"""What leaves: snapshots, passports, messages, registrations and labels."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from station.records.tables.base import RUN_KEY, Base, Numbered, OfRun, to_run
from station.records.values import LabelState, RegistrationState

WAITING, DEAD = text("done_at IS NULL AND dead_at IS NULL"), text("done_at IS NULL AND dead_at IS NOT NULL")


class Signed(OfRun):
    """A signed document about a run."""

    sha256: Mapped[str]
    signature: Mapped[bytes]
    signer: Mapped[str]
    at: Mapped[datetime]


class Snapshot(Signed, Base):
    """The configuration of a run in one environment."""

    __tablename__ = "snapshot"
    __table_args__ = (to_run(), UniqueConstraint("station", "run_sequence", "environment"))

    environment: Mapped[str]
    content: Mapped[bytes]


class Passport(Signed, Base):
    """What was said of a unit when it was released, or when something happened to it since: then of the same run."""

    __tablename__ = "passport"
    __table_args__ = (
        to_run(),
        Index(None, "station", "run_sequence"),
        UniqueConstraint("unit", "revision"),
    )

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"))
    revision: Mapped[int]
    document: Mapped[bytes]


class PassportCertificate(Base):
    """What a passport says of its unit's certificate, by which units are recalled; written with the passport."""

    __tablename__ = "passport_certificate"
    __table_args__ = (Index(None, "issuer", "unit", "revision"), Index(None, "not_after", "unit", "revision"))

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    issuer: Mapped[str]
    not_after: Mapped[str]
    """As the passport writes it: RFC 3339 in UTC, which sorts as text."""


class Outbox(Numbered, Base):
    """A message to others; done once its effect was seen, dead while only a person can send it on."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("kind", "key", "revision"),
        Index("ix_outbox_open", "unit", "station", "sequence", sqlite_where=text("done_at IS NULL"),
              postgresql_where=text("done_at IS NULL")),
        Index("ix_outbox_waiting", "station", "sequence", sqlite_where=WAITING, postgresql_where=WAITING),
        Index("ix_outbox_dead", "station", "sequence", sqlite_where=DEAD, postgresql_where=DEAD),
    )  # fmt: skip

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"))
    revision: Mapped[int]
    kind: Mapped[str]
    key: Mapped[str]
    body: Mapped[bytes]
    created_at: Mapped[datetime]
    attempts: Mapped[int]
    next_at: Mapped[datetime]
    error: Mapped[str]
    done_at: Mapped[datetime | None]
    answer: Mapped[bytes]
    dead_at: Mapped[datetime | None]
    retried_at: Mapped[datetime | None]


class Registration(Base):
    """What a CPMS was told of a unit and gave when read back."""

    __tablename__ = "registration"

    cpms: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[RegistrationState]
    sent: Mapped[bytes]
    read_back: Mapped[bytes | None]
    at: Mapped[datetime]


class Label(Base):
    """One copy of a label; at most one per unit and template is not void."""

    __tablename__ = "label"
    __table_args__ = (
        ForeignKeyConstraint(("station", "run_sequence"), RUN_KEY),
        Index("uq_label_living", "unit", "template", unique=True, sqlite_where=text("state <> 'void'"),
              postgresql_where=text("state <> 'void'")),
        CheckConstraint("state <> 'void' OR reason <> ''", name="void_has_reason"),
        CheckConstraint(
            "odometer_before IS NOT NULL OR state IN ('rendered', 'verified', 'void')", name="sent_counted"
        ),
    )  # fmt: skip

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), primary_key=True)
    template: Mapped[str] = mapped_column(primary_key=True)
    copy: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    station: Mapped[str]
    run_sequence: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[LabelState]
    code: Mapped[str] = mapped_column(index=True)
    sha256: Mapped[str]
    printer: Mapped[str]
    odometer_before: Mapped[int | None]
    odometer_after: Mapped[int | None]
    intended_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    reason: Mapped[str]
    who: Mapped[str]
