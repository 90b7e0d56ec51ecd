"""Batches: the released units of an order as an archive needs them, and what archives were made.

What goes into an archive is read from what was stored at release, in one look at the records; a unit that something
keeps back is not in it.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, insert, not_, select
from sqlalchemy.orm import Session, aliased

from station.clock import utc_now
from station.model import Environment
from station.records import tables
from station.records.ending import taken_back
from station.records.holds import concerned, note
from station.records.orders import Section, value
from station.records.values import AS_RELEASED, IN_FIELD, RowRef, UnitState

PORTION = 200
"""Units that are read at a time."""
LAST = "~"
"""Behind every serial number."""


@dataclass(frozen=True)
class BatchFilter:
    """Which released units of an order are wanted."""

    order: str
    first: str = ""
    """Serial numbers from this one on."""
    last: str = ""
    """Serial numbers up to this one; empty for all."""
    packable: bool = False
    """Only units whose record the CPMS gave back equal: those that may be packed, and those that left since."""


@dataclass(frozen=True)
class ReleasedUnit:
    """A released unit with what was stored when it was released."""

    serial: str
    revision: int
    passport: bytes
    passport_sha256: str
    signature: bytes
    configuration: bytes
    """Its ship configuration as it was kept, canonical JSON; empty where none was."""
    rendered: str
    """Name and SHA-256 of the passport's PDF, as the outbox told; empty until it is drawn."""


@dataclass(frozen=True)
class NewBatch:
    """An archive that was made."""

    name: str
    work_order: str
    sha256: str
    manifest_sha256: str
    signature: bytes
    """Of the manifest."""
    sealed_for: str
    """SHA-256 of the certificate that secrets are sealed for; empty where there are none."""
    made_at: datetime
    who: str


@dataclass(frozen=True)
class BatchRow(NewBatch):
    """An archive as it stands in the records."""

    ref: RowRef
    units: int
    at: datetime


class Batches(Section):
    """Units for archives, and archives."""

    def count_released(self, wanted: BatchFilter) -> int:
        """Count the units that `released_units` gives."""
        with self.database.read() as session:
            query = select(func.count()).select_from(tables.Unit).where(*_wanted(session, wanted))
            return session.scalar(query) or 0

    def released_units(self, wanted: BatchFilter) -> Generator[ReleasedUnit, None, None]:
        """Yield the released units of an order by serial number, as they are at one moment.

        Units on hold, golden units, and units that were scrapped, came back or are in rework are left out.
        """
        with self.database.read() as session:
            rows = session.execute(_documents(_wanted(session, wanted)).execution_options(yield_per=PORTION))
            for serial, revision, document, digest, signature, configuration, rendered in rows:
                kept = configuration or b"", (rendered or b"").decode()
                yield ReleasedUnit(serial, revision, document, digest, signature, *kept)

    def kept_back(self, wanted: BatchFilter) -> tuple[str, ...]:
        """Return the serials of wanted units that are released, and that a hold or their use as golden unit keeps."""
        unit = tables.Unit
        query = select(unit.serial).where(*_released(wanted)).order_by(unit.serial)
        with self.database.read() as session:
            kept = not_(and_(*_free(session)))
            return tuple(session.scalars(query.where(kept)))

    def batch_made(self, new: NewBatch, units: Sequence[tuple[str, int]]) -> BatchRow:
        """Record an archive with its units, each with the revision of its passport."""
        with self.database.write() as session:
            row = tables.Batch(**vars(new), units=len(units), at=utc_now())
            self.database.append(session, row)
            rows = [
                {"station": row.station, "sequence": row.sequence, "unit": unit, "revision": revision}
                for unit, revision in units
            ]
            session.execute(insert(tables.BatchUnit), rows)
            body = {"batch": new.name, "units": len(units), "sha256": new.sha256}
            note(self.database, session, "batch-made", new.work_order, new.who, body)
            return value(BatchRow, row)

    def batches(self, order: str = "", name: str = "", unit: str = "") -> tuple[BatchRow, ...]:
        """List archives, the oldest first: of an order, by their name, or with a unit."""
        batch, of_unit = tables.Batch, tables.BatchUnit
        query = select(batch).order_by(batch.at, batch.sequence)
        query = query.where(batch.work_order == order) if order else query
        query = query.where(batch.name == name) if name else query
        if unit:
            same = (of_unit.station == batch.station) & (of_unit.sequence == batch.sequence)
            query = query.join(of_unit, same).where(of_unit.unit == unit)
        with self.database.read() as session:
            return tuple(value(BatchRow, row) for row in session.scalars(query))


def _released(wanted: BatchFilter) -> list[ColumnElement[bool]]:
    unit = tables.Unit
    states = (UnitState.PACKABLE, *IN_FIELD) if wanted.packable else AS_RELEASED
    return [
        unit.work_order == wanted.order,
        unit.state.in_(states),
        unit.serial.between(wanted.first, wanted.last or LAST),
    ]


def _wanted(session: Session, wanted: BatchFilter) -> list[ColumnElement[bool]]:
    return [*_released(wanted), *_free(session)]


def _free(session: Session) -> list[ColumnElement[bool]]:
    """Return that no hold concerns a unit, that it is no golden unit, and that its CPMS is to keep its record."""
    hold, golden = tables.Hold, tables.GoldenUnit
    standing = session.execute(select(hold.scope, hold.subject).where(hold.lifted_at.is_(None)).distinct())
    free = [not_(concerned(scope, subject)) for scope, subject in standing]
    return [*free, tables.Unit.hardware_uid.not_in(select(golden.hardware_uid)), ~taken_back()]


def _documents(conditions: list[ColumnElement[bool]]) -> Select[str, int, bytes, str, bytes, bytes, bytes]:
    unit, passport, later = tables.Unit, tables.Passport, aliased(tables.Passport)
    latest = select(func.max(later.revision)).where(later.unit == unit.serial).scalar_subquery()
    return (
        select(
            unit.serial, passport.revision, passport.document, passport.sha256, passport.signature,
            _configuration().label("configuration"), _rendered().label("rendered"),
        )
        .join(passport, passport.unit == unit.serial)
        .where(*conditions, passport.revision == latest)
        .order_by(unit.serial)
    )  # fmt: skip


def _configuration() -> ColumnElement[bytes]:
    """Return the unit's newest snapshot of its ship configuration."""
    kept, run = tables.Snapshot, tables.Run
    of_run = (run.station == kept.station) & (run.sequence == kept.run_sequence)
    query = (
        select(kept.content)
        .join(run, of_run)
        .where(run.unit == tables.Unit.serial, kept.environment == Environment.SHIP)
    )
    return query.order_by(kept.at.desc(), kept.sequence.desc()).limit(1).correlate(tables.Unit).scalar_subquery()


def _rendered() -> ColumnElement[bytes]:
    """Return what the outbox answered when it drew the passport's PDF."""
    message, unit, passport = tables.Outbox, tables.Unit, tables.Passport
    told = select(message.answer).where(
        message.kind == "passport-pdf", message.key == unit.serial, message.revision == passport.revision
    )
    return told.where(message.done_at.is_not(None)).correlate(unit, passport).scalar_subquery()
