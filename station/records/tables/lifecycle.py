"""What happened to units after their release."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from station.records.lifecycle_rows import LifecycleKind
from station.records.tables.base import Base, Numbered


class Lifecycle(Numbered, Base):
    """One thing that happened to one unit."""

    __tablename__ = "lifecycle"
    __table_args__ = (
        CheckConstraint("who <> ''", name="told_by_somebody"),
        Index(None, "unit", "station", "sequence"),
        Index(None, "place"),
        Index(None, "party"),
        Index(None, "reference"),
    )

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"))
    kind: Mapped[LifecycleKind]
    at: Mapped[datetime]
    occurred_at: Mapped[datetime]
    who: Mapped[str]
    place: Mapped[str]
    party: Mapped[str]
    reference: Mapped[str]
    reason: Mapped[str]
    revision: Mapped[int]
