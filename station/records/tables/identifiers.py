"""Identifiers of units beside the serial, each alive on one unit only, and those that an order brings."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from station.identifiers import Kind
from station.records.tables.base import Base, Numbered

LIVING = text("until IS NULL")


class Identifier(Numbered, Base):
    """An identifier on a unit, from when it was seen until it was taken off; only its end is added."""

    __tablename__ = "identifier"
    __table_args__ = (
        CheckConstraint("value <> '' AND source <> ''", name="said_by_something"),
        CheckConstraint("(until IS NULL) = (ended_by = '')", name="ended_by_somebody"),
        Index("uq_identifier_living", "kind", "value", unique=True, sqlite_where=LIVING, postgresql_where=LIVING),
    )

    kind: Mapped[Kind]
    value: Mapped[str] = mapped_column(index=True)
    written: Mapped[str]
    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), index=True)
    source: Mapped[str]
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    ended_by: Mapped[str]
    reason: Mapped[str]


class ListedIdentifier(Base):
    """An identifier that a work order brings for its units; of one order only, for ever."""

    __tablename__ = "listed_identifier"
    __table_args__ = (Index(None, "work_order", "kind"),)

    kind: Mapped[Kind] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    written: Mapped[str]
    work_order: Mapped[str] = mapped_column(ForeignKey("work_order.id"))


class OrderImport(Base):
    """A file of work orders that was imported, by its SHA-256: the same file again changes nothing."""

    __tablename__ = "order_import"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    rows: Mapped[int]
    who: Mapped[str]
    at: Mapped[datetime]
