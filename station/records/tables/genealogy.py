"""What units are made of: parts, meters with the key they sign with, and what a change of them re-opened."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from station.records.columns import Json
from station.records.tables.base import Base, Numbered, OfRun, to_run

LIVING = "detached_at IS NULL"


def _living(name: str, *columns: str, also: str = "") -> Index:
    """Allow one living row for each value of the columns."""
    where = text(LIVING + also)
    return Index(f"uq_component_living_{name}", *columns, unique=True, sqlite_where=where, postgresql_where=where)


class Component(Numbered, Base):
    """One part in one unit, from when it was attached until it was taken out; only its end is added."""

    __tablename__ = "component"
    __table_args__ = (
        CheckConstraint("(serial = '') <> (lot = '')", name="serial_or_lot"),
        _living("position", "unit", "kind", "position"),
        _living("serial", "kind", "serial", also=" AND serial <> ''"),
        Index(None, "serial"),
        Index(None, "lot"),
    )

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), index=True)
    kind: Mapped[str]
    position: Mapped[str]
    evse: Mapped[int]
    serial: Mapped[str]
    lot: Mapped[str]
    opens: Mapped[tuple[str, ...]] = mapped_column(Json)
    attached_at: Mapped[datetime]
    attached_by: Mapped[str]
    run_sequence: Mapped[int | None] = mapped_column(BigInteger)
    detached_at: Mapped[datetime | None]
    detached_by: Mapped[str]
    reason: Mapped[str]


class Meter(OfRun, Base):
    """What the station saw of one outlet's meter in a run; the latest row of an outlet counts."""

    __tablename__ = "meter"
    __table_args__ = (to_run(),)

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), index=True)
    evse: Mapped[int]
    type: Mapped[str]
    serial: Mapped[str] = mapped_column(index=True)
    mid: Mapped[str]
    public_key: Mapped[str] = mapped_column(index=True)
    reading: Mapped[str]
    printed: Mapped[bool]
    at: Mapped[datetime]


class Reopened(Numbered, Base):
    """A change of a unit's hardware, once with an empty name, and once for each test, step or identity it re-opened."""

    __tablename__ = "reopened"

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), index=True)
    name: Mapped[str]
    kind: Mapped[str]
    position: Mapped[str]
    at: Mapped[datetime]
    who: Mapped[str]
    reason: Mapped[str]
