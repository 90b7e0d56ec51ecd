"""Results of other test benches, as they came and as we judge them."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from station.records.results_rows import SubjectKind, Verdict
from station.records.tables.base import Base, Numbered


class Result(Numbered, Base):
    """One reported value, kept for good; the latest of a test counts."""

    __tablename__ = "result"
    __table_args__ = (
        Index(None, "kind", "subject", "taken_at"),
        Index(None, "kind", "subject", "instrument", "taken_at"),
        Index(None, "source"),
    )

    kind: Mapped[SubjectKind]
    subject: Mapped[str]
    test: Mapped[str] = mapped_column(index=True)
    taken_at: Mapped[datetime]
    value: Mapped[float | None]
    text: Mapped[str]
    unit: Mapped[str]
    low: Mapped[float | None]
    high: Mapped[float | None]
    word: Mapped[str]
    failed_there: Mapped[bool]
    verdict: Mapped[Verdict]
    problem: Mapped[str]
    program: Mapped[str]
    version: Mapped[str]
    instrument: Mapped[str]
    model: Mapped[str]
    calibration_due: Mapped[str]
    bench: Mapped[str]
    operator: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    source: Mapped[str]
    source_name: Mapped[str]
    format: Mapped[str]
    line: Mapped[int]
    imported_at: Mapped[datetime]
    who: Mapped[str]
