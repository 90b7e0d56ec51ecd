"""What quality decides: holds, dispositions, golden units and their checks, sign-offs."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from station.records.columns import Json
from station.records.quality_rows import DispositionKind, HoldKind, HoldScope, SignOffKind
from station.records.tables.base import Base, Numbered


class Hold(Numbered, Base):
    """Work that is forbidden; only its lifting is ever added."""

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("(lifted_at IS NULL) = (lifted_by = '')", name="lifted_by_somebody"),
        CheckConstraint("reason <> '' AND who <> ''", name="reason"),
        Index("ix_hold_open", "scope", "subject", sqlite_where=text("lifted_at IS NULL"),
              postgresql_where=text("lifted_at IS NULL")),
    )  # fmt: skip

    scope: Mapped[HoldScope]
    subject: Mapped[str]
    kind: Mapped[HoldKind]
    reason: Mapped[str]
    who: Mapped[str]
    at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str]
    lift_reason: Mapped[str]


class Disposition(Numbered, Base):
    """A decision about a unit that is not right."""

    __tablename__ = "disposition"

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), index=True)
    kind: Mapped[DispositionKind]
    code: Mapped[str]
    reason: Mapped[str]
    return_point: Mapped[str]
    who: Mapped[str]
    at: Mapped[datetime]
    after_run: Mapped[int] = mapped_column(BigInteger)
    """Number of the station's latest run when it was decided: what comes later is of the rework."""


class GoldenUnit(Base):
    """A unit that is reserved to check stations, for ever: also once retired it is never shipped."""

    __tablename__ = "golden_unit"
    __table_args__ = (
        CheckConstraint("hardware_uid <> '' AND hardware_uid = lower(hardware_uid)", name="hardware_uid"),
        CheckConstraint("(retired_at IS NULL) = (retired_by = '')", name="retired_by_somebody"),
    )

    hardware_uid: Mapped[str] = mapped_column(primary_key=True)
    product: Mapped[str] = mapped_column(index=True)
    expectation: Mapped[str]
    remark: Mapped[str]
    who: Mapped[str]
    at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    retired_by: Mapped[str]


class GoldenCheck(Numbered, Base):
    """What a station found of a golden unit."""

    __tablename__ = "golden_check"
    __table_args__ = (Index(None, "hardware_uid", "station", "sequence"),)

    hardware_uid: Mapped[str] = mapped_column(ForeignKey("golden_unit.hardware_uid"))
    slot: Mapped[str]
    found: Mapped[str]
    as_expected: Mapped[bool]
    sentence: Mapped[str]
    software: Mapped[str]
    who: Mapped[str]
    at: Mapped[datetime]


class SignOff(Numbered, Base):
    """One signature of one person."""

    __tablename__ = "sign_off"
    __table_args__ = (
        CheckConstraint("who <> ''", name="signed_by_somebody"),
        Index(None, "kind", "subject"),
    )

    kind: Mapped[SignOffKind]
    subject: Mapped[str]
    who: Mapped[str]
    roles: Mapped[tuple[str, ...]] = mapped_column(Json)
    remark: Mapped[str]
    body: Mapped[dict[str, Any]] = mapped_column(Json)
    at: Mapped[datetime]
