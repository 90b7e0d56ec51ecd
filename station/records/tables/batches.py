"""Batches: which signed archives were made of which units."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.records.tables.base import Base, Numbered


class Batch(Numbered, Base):
    """A signed archive of an order's released units; the same units give the same name again."""

    __tablename__ = "batch"

    name: Mapped[str] = mapped_column(index=True)
    work_order: Mapped[str] = mapped_column(ForeignKey("work_order.id"), index=True)
    units: Mapped[int]
    sha256: Mapped[str]
    manifest_sha256: Mapped[str]
    signature: Mapped[bytes]
    sealed_for: Mapped[str]
    made_at: Mapped[datetime]
    who: Mapped[str]
    at: Mapped[datetime]


class BatchUnit(Base):
    """A unit that is in a batch, by the revision of its passport there."""

    __tablename__ = "batch_unit"
    __table_args__ = (ForeignKeyConstraint(("station", "sequence"), ("batch.station", "batch.sequence")),)

    station: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), primary_key=True, index=True)
    revision: Mapped[int]
