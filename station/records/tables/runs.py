"""What is built and what happened: work orders, units, runs, attempts of steps, measurements, events."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from station.model import Measurement, Outcome
from station.records.columns import Json
from station.records.tables.base import STEP_KEY, Base, Numbered, OfRun, to_run
from station.records.values import OrderState, RunRef, SerialBlock, StepRef, UnitState


class WorkOrder(Base):
    """What to build; only its state, the next number of its block and what replaces scrap change, by numbered edits."""

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
    bundle: Mapped[str] = mapped_column(server_default="")
    serial_check: Mapped[str] = mapped_column(server_default="")
    serials_from: Mapped[str] = mapped_column(server_default="traveller")
    due: Mapped[str] = mapped_column(server_default="")
    created_by: Mapped[str] = mapped_column(server_default="")
    replacements: Mapped[int] = mapped_column(server_default="0")
    version: Mapped[int] = mapped_column(server_default="1")

    @property
    def serials(self) -> SerialBlock:
        """Return the order's block."""
        numbers = (self.serial_first, self.serial_last, self.serial_digits)
        return SerialBlock(self.serial_prefix, *numbers, check=self.serial_check)


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


SEARCHED = (
    ("recipe_digest",),
    ("recipe", "recipe_revision"),
    ("firmware",),
    ("operator",),
    ("station", "slot"),
    ("started_at",),
)
"""By what the runs of units are searched."""
BODY_SHA256 = "substr(CAST(body AS TEXT), instr(CAST(body AS TEXT), '\"sha256\":') + 10, 64)"
"""Fingerprint in the body of a certificate's event; asked for in other words, its index is not seen.

JSON functions would say it better, but are refused in an index while no schema is trusted.
"""


class Run(Numbered, Base):
    """A run; live until it is closed, unchangeable from then on."""

    __tablename__ = "run"
    __table_args__ = (
        CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed"),
        CheckConstraint("outcome IS NULL OR outcome <> 'FAIL' OR fault <> ''", name="fail_names_defect"),
        _one_live("unit"),
        _one_live("hardware_uid"),
        _one_live("station", "slot"),
        *(Index(None, *columns, "unit") for columns in SEARCHED),
        Index(None, "closed_at"),
        Index(None, "unit", "station", "sequence"),
    )

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"))
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
    firmware_name: Mapped[str] = mapped_column(server_default="")
    approval: Mapped[dict[str, Any]] = mapped_column(Json, server_default="{}")
    operator: Mapped[str] = mapped_column(server_default="")
    mes: Mapped[str] = mapped_column(server_default="")

    @property
    def ref(self) -> RunRef:
        """Return the run's id."""
        return RunRef(self.station, self.sequence)


class StepEvent(OfRun, Base):
    """One row before an attempt (no outcome) and one after it (with `started_sequence` and outcome)."""

    __tablename__ = "step_event"
    __table_args__ = (
        to_run(),
        ForeignKeyConstraint(("station", "started_sequence"), STEP_KEY),
        ForeignKeyConstraint(("evidence_station", "evidence_sequence"), STEP_KEY),
        UniqueConstraint("station", "run_sequence", "position", "attempt", "kind"),
        UniqueConstraint("station", "started_sequence"),
        CheckConstraint("kind IN ('started', 'finished')", name="kind"),
        CheckConstraint("(kind = 'finished') = (outcome IS NOT NULL)", name="finished_has_outcome"),
        CheckConstraint("(kind = 'finished') = (started_sequence IS NOT NULL)", name="finished_has_start"),
        # Rows of repeated attempts are few: the index costs others nothing, and tells at once which runs went smoothly.
        Index("ix_step_event_repeated", "station", "run_sequence", sqlite_where=text("attempt > 1"),
              postgresql_where=text("attempt > 1")),
    )  # fmt: skip

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
    __table_args__ = (Index("ix_event_newest", "kind", "station", "sequence"),)

    kind: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime]
    body: Mapped[bytes]
    who: Mapped[str] = mapped_column(server_default="")


class CertificateEvent(OfRun, Base):
    """What the station saw of a certificate in the PKI's ledger."""

    __tablename__ = "certificate_event"
    __table_args__ = (to_run(), Index("ix_certificate_event_sha256", text(BODY_SHA256)))

    unit: Mapped[str] = mapped_column(ForeignKey("unit.serial"), index=True)
    environment: Mapped[str]
    certificate_serial: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    body: Mapped[bytes]
