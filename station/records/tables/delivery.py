"""What people decided of messages that could not be delivered."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from station.records.delivery_rows import DecisionKind
from station.records.tables.base import Base, Numbered
from station.records.values import RowRef


class DeliveryDecision(Numbered, Base):
    """A message was sent on, or given up, by somebody and for a reason; `error` and `attempts` are of before."""

    __tablename__ = "delivery_decision"
    __table_args__ = (
        ForeignKeyConstraint(("message_station", "message_sequence"), ("outbox.station", "outbox.sequence")),
        CheckConstraint("reason <> '' AND who <> ''", name="reason"),
        Index(None, "message_station", "message_sequence"),
    )

    message_station: Mapped[str]
    message_sequence: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[DecisionKind]
    who: Mapped[str]
    reason: Mapped[str]
    attempts: Mapped[int]
    error: Mapped[str]
    at: Mapped[datetime]

    @property
    def message(self) -> RowRef:
        """Return the id of the message."""
        return RowRef(self.message_station, self.message_sequence)
