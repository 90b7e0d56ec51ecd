"""Serial numbers that are given to nobody any more."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from station.records.tables.base import Base, Numbered


class BurntSerials(Numbered, Base):
    """Numbers of a work order's block that a unit may bear of which the records do not know."""

    __tablename__ = "burnt_serials"
    __table_args__ = (CheckConstraint("first <= last", name="range"), Index(None, "work_order"))

    work_order: Mapped[str] = mapped_column(ForeignKey("work_order.id"))
    first: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    who: Mapped[str]
    at: Mapped[datetime]
