"""The log that can be proven: its entries, the tree over them, and the checkpoints that were signed."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from station.records.tables.base import Base

MARKED = text("mark IS NOT NULL")


class LogEntry(Base):
    """One entry: canonical JSON that says which row was written, and the hash of what it said."""

    __tablename__ = "log_entry"
    __table_args__ = (Index("ix_log_entry_mark", "mark", sqlite_where=MARKED, postgresql_where=MARKED),)

    # INTEGER, so that in SQLite it is the row's own number and costs no second index.
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    leaf: Mapped[bytes]
    mark: Mapped[str | None]
    """By what an entry is found: the SHA-256 of the document that its row keeps, or that it tells of columns."""


class LogTile(Base):
    """256 hashes of one level of the tree, once they are whole, and the root over them."""

    __tablename__ = "log_tile"

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes]
    root: Mapped[bytes]


class LogTree(Base):
    """The right edge of the tree, in one row."""

    __tablename__ = "log_tree"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    peaks: Mapped[bytes]


class LogCheckpoint(Base):
    """What the audit key signed of the tree."""

    __tablename__ = "log_checkpoint"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[bytes]
    at: Mapped[datetime]
