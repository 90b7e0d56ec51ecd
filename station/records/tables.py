"""The tables, as SQLAlchemy types that SQLite and PostgreSQL understand alike.

Rows that say what happened are numbered per station and only ever added; `guards` has the triggers that hold this.
Columns hold the values of `values`; the classes here never leave the package.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from station.model import Measurement, Outcome
from station.records.columns import Json, UtcTime, choice
from station.records.values import (
    LabelState,
    OrderState,
    RegistrationState,
    RowRef,
    RunRef,
    SerialBlock,
    StepRef,
    UnitState,
)

RUN_KEY = ("run.station", "run.sequence")
STEP_KEY = ("step_event.station", "step_event.sequence")


class Base(DeclarativeBase):
    """All tables, with one naming convention so that migrations can name every constraint."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: UtcTime,
        bytes: LargeBinary,
        Outcome: choice(Outcome),
        OrderState: choice(OrderState),
        UnitState: choice(UnitState),
        LabelState: choice(LabelState),
        RegistrationState: choice(RegistrationState),
    }


class Numbered:
    """A row with an id of (station, sequence)."""

    station: Mapped[str] = mapped_column(primary_key=True, sort_order=-3)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, sort_order=-2)

    @property
    def ref(self) -> RowRef:
        """Return the row's id."""
        return RowRef(self.station, self.sequence)


class OfRun(Numbered):
    """A numbered row that belongs to a run of the same station."""

    run_sequence: Mapped[int] = mapped_column(BigInteger, sort_order=-1)

    @property
    def run(self) -> RunRef:
        """Return the run's id."""
        return RunRef(self.station, self.run_sequence)


def _to_run() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(("station", "run_sequence"), RUN_KEY)


class WorkOrder(Base):
    """What to build; only its state and the next number of its block change."""

    __tablename__ = "work_order"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("serial_first <= serial_next AND serial_next <= serial_last + 1", name="serial_block"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    product: Mapped[str]
    recipe: Mapped[str]
    recipe_revision: Mapped[int]
    recipe_digest: Mapped[str]
    quantity: Mapped[int]
    customer: Mapped[str]
    serial_prefix: Mapped[str]
    serial_digits: Mapped[int]
    serial_first: Mapped[int] = mapped_column(BigInteger)
    serial_last: Mapped[int] = mapped_column(BigInteger)
    serial_next: Mapped[int] = mapped_column(BigInteger)
    test_environment: Mapped[str]
    ship_environment: Mapped[str]
    state: Mapped[OrderState]
    created_at: Mapped[datetime]

    @property
    def serials(self) -> SerialBlock:
        """Return the order's block."""
        return SerialBlock(self.serial_prefix, self.serial_first, self.serial_last, self.serial_digits)


class Unit(Base):
    """A serial bound to a hardware UID; only its state changes, and it is never removed, so no serial comes back."""

    __tablename__ = "unit"
    # An upper-case twin of a UID would be another text, so another unit.
    __table_args__ = (
        CheckConstraint("hardware_uid <> '' AND hardware_uid = lower(hardware_uid)", name="hardware_uid"),
    )

    serial: Mapped[str] = mapped_column(primary_key=True)
    hardware_uid: Mapped[str] = mapped_column(unique=True)
    work_order: Mapped[str] = mapped_column(ForeignKey("work_order.id"), index=True)
    ocpp_identity: Mapped[str] = mapped_column(unique=True)
    state: Mapped[UnitState]
    reserved_at: Mapped[datetime]


def _one_live(*columns: str) -> Index:
    live = text("closed_at IS NULL")
    return Index(f"uq_run_live_{columns[-1]}", *columns, unique=True, sqlite_where=live, postgresql_where=live)


class Run(Numbered, Base):
    """A run; live until it is closed, unchangeable from then on."""

    __tablename__ = "run"
    __table_args__ = (
        CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed"),
        CheckConstraint("outcome IS NULL OR outcome <> 'FAIL' OR fault <> ''", name="fail_names_defect"),
        _one_live("unit"),
        _one_live("hardware_uid"),
        _one_live("station", "slot"),
    )

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), index=True)
    hardware_uid: Mapped[str]
    work_order: Mapped[str] = mapped_column(ForeignKey("work_order.id"), index=True)
    slot: Mapped[str]
    recipe: Mapped[str]
    recipe_revision: Mapped[int]
    recipe_digest: Mapped[str]
    firmware: Mapped[str]
    software: Mapped[str]
    test_environment: Mapped[str]
    ship_environment: Mapped[str]
    plan: Mapped[tuple[str, ...]] = mapped_column(Json)
    started_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]
    fault: Mapped[str]
    reason: Mapped[str]
    hint: Mapped[str]

    @property
    def ref(self) -> RunRef:
        """Return the run's id."""
        return RunRef(self.station, self.sequence)


class StepEvent(OfRun, Base):
    """One row before an attempt (no outcome) and one after it (with `started_sequence` and outcome)."""

    __tablename__ = "step_event"
    __table_args__ = (
        _to_run(),
        ForeignKeyConstraint(("station", "started_sequence"), STEP_KEY),
        ForeignKeyConstraint(("evidence_station", "evidence_sequence"), STEP_KEY),
        UniqueConstraint("station", "run_sequence", "position", "attempt", "kind"),
        UniqueConstraint("station", "started_sequence"),
        CheckConstraint("kind IN ('started', 'finished')", name="kind"),
        CheckConstraint("(kind = 'finished') = (outcome IS NOT NULL)", name="finished_has_outcome"),
        CheckConstraint("(kind = 'finished') = (started_sequence IS NOT NULL)", name="finished_has_start"),
    )

    position: Mapped[int]
    name: Mapped[str]
    attempt: Mapped[int]
    kind: Mapped[str]
    started_sequence: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime]
    outcome: Mapped[Outcome | None]
    fault: Mapped[str]
    reason: Mapped[str]
    hint: Mapped[str]
    seconds: Mapped[float]
    detail: Mapped[dict[str, Any] | None] = mapped_column(Json)
    evidence_station: Mapped[str | None]
    evidence_sequence: Mapped[int | None] = mapped_column(BigInteger)

    @property
    def evidence(self) -> StepRef | None:
        """Return the attempt that this one stands on."""
        if self.evidence_station is None or self.evidence_sequence is None:
            return None
        return StepRef(self.evidence_station, self.evidence_sequence)


class MeasurementRow(Numbered, Base):
    """A value with limits and verdict, taken by an attempt of a step."""

    __tablename__ = "measurement"
    __table_args__ = (
        ForeignKeyConstraint(("station", "step_sequence"), STEP_KEY),
        Index(None, "station", "step_sequence"),
    )

    step_sequence: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str]
    value: Mapped[Any] = mapped_column(Json)
    unit: Mapped[str]
    low: Mapped[float | None]
    high: Mapped[float | None]
    expected: Mapped[Any | None] = mapped_column(Json)
    passed: Mapped[bool]

    @property
    def measurement(self) -> Measurement:
        """Return the value as the step gave it."""
        return Measurement(self.name, self.value, self.unit, self.low, self.high, self.expected, self.passed)


class Event(Numbered, Base):
    """Something that happened, as RFC 8785 bytes."""

    __tablename__ = "event"

    kind: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime]
    body: Mapped[bytes]


class CertificateEvent(OfRun, Base):
    """What the station saw of a certificate in the PKI's ledger."""

    __tablename__ = "certificate_event"
    __table_args__ = (_to_run(),)

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), index=True)
    environment: Mapped[str]
    certificate_serial: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    body: Mapped[bytes]


class Signed(OfRun):
    """A signed document about a run."""

    sha256: Mapped[str]
    signature: Mapped[bytes]
    signer: Mapped[str]
    at: Mapped[datetime]


class Snapshot(Signed, Base):
    """The configuration of a run in one environment."""

    __tablename__ = "snapshot"
    __table_args__ = (_to_run(), UniqueConstraint("station", "run_sequence", "environment"))

    environment: Mapped[str]
    content: Mapped[bytes]


class Passport(Signed, Base):
    """What was said of a unit when it was released."""

    __tablename__ = "passport"
    __table_args__ = (
        _to_run(),
        UniqueConstraint("station", "run_sequence"),
        UniqueConstraint("unit", "revision"),
    )

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"))
    revision: Mapped[int]
    document: Mapped[bytes]


class Outbox(Numbered, Base):
    """A message to others; done once its effect was seen."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("kind", "key", "revision"),
        Index("ix_outbox_open", "unit", "sequence", sqlite_where=text("done_at IS NULL"),
              postgresql_where=text("done_at IS NULL")),
    )  # fmt: skip

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"))
    revision: Mapped[int]
    kind: Mapped[str]
    key: Mapped[str]
    body: Mapped[bytes]
    created_at: Mapped[datetime]
    attempts: Mapped[int]
    next_at: Mapped[datetime]
    error: Mapped[str]
    done_at: Mapped[datetime | None]
    answer: Mapped[bytes]


class Registration(Base):
    """What a CPMS was told of a unit and gave when read back."""

    __tablename__ = "registration"

    cpms: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[RegistrationState]
    sent: Mapped[bytes]
    read_back: Mapped[bytes | None]
    at: Mapped[datetime]


class Label(Base):
    """One copy of a label; at most one per unit and template is not void."""

    __tablename__ = "label"
    __table_args__ = (
        ForeignKeyConstraint(("station", "run_sequence"), RUN_KEY),
        Index("uq_label_living", "unit", "template", unique=True, sqlite_where=text("state <> 'void'"),
              postgresql_where=text("state <> 'void'")),
        CheckConstraint("state <> 'void' OR reason <> ''", name="void_has_reason"),
    )  # fmt: skip

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), primary_key=True)
    template: Mapped[str] = mapped_column(primary_key=True)
    copy: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    station: Mapped[str]
    run_sequence: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[LabelState]
    code: Mapped[str]
    sha256: Mapped[str]
    printer: Mapped[str]
    odometer_before: Mapped[int]
    odometer_after: Mapped[int | None]
    intended_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    reason: Mapped[str]
    who: Mapped[str]
