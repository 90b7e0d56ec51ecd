"""Tokens of other programs that read the records over HTTP."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.records.columns import Json
from station.records.tables.base import Base


class ApiToken(Base):
    """A program that may read, under the hash of its token; only its end is added."""

    __tablename__ = "api_token"
    __table_args__ = (CheckConstraint("(revoked_at IS NULL) = (revoked_by = '')", name="revoked_by_somebody"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[tuple[str, ...]] = mapped_column(Json)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    until: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str]
    reason: Mapped[str]
