"""Who works here: people, their sign-ins and their training."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.records.columns import Json
from station.records.tables.base import Base, Numbered


class Person(Base):
    """Somebody who works here or did; never removed, because rows of years ago name them."""

    __tablename__ = "person"
    __table_args__ = (UniqueConstraint("badge"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    roles: Mapped[tuple[str, ...]] = mapped_column(Json)
    badge: Mapped[str]
    pin_hash: Mapped[str]
    """Empty until the person chose a PIN with the one-time code."""
    code_hash: Mapped[str]
    """Hash of the one-time code; empty once it was used."""
    code_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    disabled_at: Mapped[datetime | None]


class SignIn(Numbered, Base):
    """One row before a badge and PIN are judged, and one after if they belong together: a failure is a row alone."""

    __tablename__ = "sign_in"
    __table_args__ = (
        UniqueConstraint("station", "tried_sequence"),
        Index(None, "person", "at"),
        Index(None, "address", "at"),
    )

    person: Mapped[str]
    """Empty for a badge that is nobody's: what was typed there may be a PIN."""
    address: Mapped[str]
    at: Mapped[datetime]
    tried_sequence: Mapped[int | None] = mapped_column(BigInteger)
    """The attempt that this row says passed."""


class PersonSession(Base):
    """A page or scanner on which somebody is signed in, under the hash of its token."""

    __tablename__ = "person_session"
    __table_args__ = (Index(None, "station", "seen_at"),)

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    station: Mapped[str]
    address: Mapped[str]
    at_slots: Mapped[bool]
    """Whether it is a page or scanner at the slots of the station, for whose person runs are begun."""
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str]


class Training(Numbered, Base):
    """A training, or a daily check such as ESD, as it was entered; the latest row of a name counts."""

    __tablename__ = "training"
    __table_args__ = (Index(None, "person", "name"),)

    person: Mapped[str] = mapped_column(ForeignKey("person.id"))
    name: Mapped[str]
    valid_until: Mapped[datetime]
    at: Mapped[datetime]
    who: Mapped[str]
