"""What may be built: release bundles and restrictions."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from station.catalog.restrictions import RestrictionKind
from station.records.tables.base import Base, Numbered


class Bundle(Base):
    """A release bundle that was usable at this station once; one content for a name and revision, for ever."""

    __tablename__ = "bundle"
    __table_args__ = (UniqueConstraint("name", "revision"),)

    digest: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    revision: Mapped[int]
    document: Mapped[bytes]
    kept_at: Mapped[datetime]


class BundleFile(Base):
    """What lies beside a bundle: a signature, or an override with its signatures."""

    __tablename__ = "bundle_file"

    digest: Mapped[str] = mapped_column(ForeignKey("bundle.digest"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes]
    kept_at: Mapped[datetime]


class Restriction(Numbered, Base):
    """A withdrawal or a minimum version, as it was decided."""

    __tablename__ = "restriction"

    kind: Mapped[RestrictionKind]
    subject: Mapped[str] = mapped_column(index=True)
    value: Mapped[str]
    reason: Mapped[str]
    who: Mapped[str]
    at: Mapped[datetime]
