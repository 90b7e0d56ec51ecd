"""Messages to and from the manufacturing execution system, what it said of units and people, and when it was heard."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from station.records.mes_rows import WordKind
from station.records.tables.base import Base, Numbered


class MesChange(Base):
    """A row of the records that the MES is to be told of; triggers write it with the row, telling removes it."""

    __tablename__ = "mes_change"

    position: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    station: Mapped[str]
    sequence: Mapped[int] = mapped_column(BigInteger)


class MesMessage(Numbered, Base):
    """A message to the MES, in the order in which things happened; done once the MES said that it has it."""

    __tablename__ = "mes_message"
    __table_args__ = (
        CheckConstraint("(done_at IS NULL) = (answer = '')", name="answered"),
        Index("ix_mes_message_open", "station", "sequence", sqlite_where=text("done_at IS NULL"),
              postgresql_where=text("done_at IS NULL")),
    )  # fmt: skip

    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    request: Mapped[str]
    at: Mapped[datetime]
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(index=True)
    attempts: Mapped[int]
    error: Mapped[str]
    done_at: Mapped[datetime | None]
    answer: Mapped[str]


class MesReceived(Numbered, Base):
    """A message from the MES and what became of it."""

    __tablename__ = "mes_received"

    message: Mapped[str] = mapped_column(unique=True)
    position: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str]
    body: Mapped[bytes]
    accepted: Mapped[bool]
    sentence: Mapped[str]
    at: Mapped[datetime]


class MesWord(Numbered, Base):
    """What the MES said of a unit or a person; the latest counts."""

    __tablename__ = "mes_word"
    __table_args__ = (Index(None, "kind", "subject"),)

    kind: Mapped[WordKind]
    subject: Mapped[str]
    passed: Mapped[bool]
    sentence: Mapped[str]
    at: Mapped[datetime]


class MesLink(Base):
    """When the MES was heard last; there is a row only while a station has an MES."""

    __tablename__ = "mes_link"

    station: Mapped[str] = mapped_column(primary_key=True)
    heard_at: Mapped[datetime]
    away_since: Mapped[datetime | None]
