"""What comes out of the records: frozen values, never rows that are tied to a database session."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from station.model import Measurement, Outcome
from station.records.values import LabelState, RegistrationState, RowRef, RunRef, StepRef, UnitState, WorkOrder


@dataclass(frozen=True)
class OrderCounts:
    """How far a work order is; counted from the records, exact per unit."""

    quantity: int
    reserved: int
    """Units that have a serial, whatever became of them."""
    released: int
    """Units released, whatever became of them since; those in rework count again once they are done."""
    packable: int
    failed: int
    """Runs that ended FAIL."""


@dataclass(frozen=True)
class UnitRow:
    """One unit: a serial bound for ever to one hardware UID."""

    serial: str
    hardware_uid: str
    work_order: str
    ocpp_identity: str
    state: UnitState
    reserved_at: datetime


@dataclass(frozen=True)
class RunRow:
    """One execution of one recipe on one unit in one slot."""

    ref: RunRef
    unit: str
    hardware_uid: str
    work_order: str
    slot: str
    recipe: str
    recipe_revision: int
    recipe_digest: str
    firmware: str
    software: str
    test_environment: str
    ship_environment: str
    plan: tuple[str, ...]
    started_at: datetime
    closed_at: datetime | None
    outcome: Outcome | None
    """None while the run is live."""
    fault: str
    """The defect or the service that ended the run."""
    reason: str
    hint: str
    firmware_name: str = ""
    """Name of the firmware release."""
    approval: Mapping[str, Any] = field(default_factory=dict)
    """On whose word the unit was built: bundle, author, approvers, override, or that it was a draft."""
    operator: str = ""
    """Who worked at the slot; empty for runs of before people were known."""
    mes: str = ""
    """Whether the MES was asked before it began: empty, `confirmed`, or `deferred` while the MES was away."""


@dataclass(frozen=True)
class StepRow:
    """One attempt of a step; without an outcome it was interrupted, or is still at work."""

    ref: StepRef
    run: RunRef
    position: int
    name: str
    attempt: int
    started_at: datetime
    finished_at: datetime | None = None
    outcome: Outcome | None = None
    fault: str = ""
    reason: str = ""
    hint: str = ""
    seconds: float = 0.0
    detail: Mapping[str, Any] = field(default_factory=dict)
    evidence: StepRef | None = None
    measurements: tuple[Measurement, ...] = ()

    @property
    def satisfied(self) -> bool:
        """Tell whether the attempt passed, or stands on the PASS of an earlier run."""
        return self.outcome is Outcome.PASS or (self.outcome is Outcome.SKIPPED and self.evidence is not None)


@dataclass(frozen=True)
class Attempts:
    """How often a step was tried on a unit, over all its runs."""

    started: int
    failed: int
    """Attempts that ended FAIL."""
    errors: int
    """Attempts that ended ERROR."""


@dataclass(frozen=True)
class EventRow:
    """Something that happened, with the canonical JSON that says it."""

    ref: RowRef
    kind: str
    subject: str
    at: datetime
    body: bytes
    who: str = ""
    """Who did it; empty for events of before people were known, and for what nobody did."""


@dataclass(frozen=True)
class CertificateEventRow:
    """What the station saw of a certificate; the certificate itself is in the PKI's ledger."""

    ref: RowRef
    unit: str
    run: RunRef
    environment: str
    certificate_serial: str
    kind: str
    at: datetime
    body: bytes


@dataclass(frozen=True)
class SnapshotRow:
    """The configuration of a unit in one environment, as it was written; signed."""

    ref: RowRef
    run: RunRef
    environment: str
    content: bytes
    sha256: str
    signature: bytes
    signer: str
    at: datetime


@dataclass(frozen=True)
class PassportRow:
    """What was said of a unit when it was released; signed."""

    ref: RowRef
    unit: str
    run: RunRef
    revision: int
    document: bytes
    sha256: str
    signature: bytes
    signer: str
    at: datetime


@dataclass(frozen=True)
class OutboxRow:
    """A message with what became of it so far."""

    ref: RowRef
    unit: str
    revision: int
    """Revision of the passport that the message belongs to; 0 where the unit has none."""
    kind: str
    key: str
    body: bytes
    created_at: datetime
    attempts: int
    next_at: datetime
    error: str
    done_at: datetime | None
    answer: bytes
    dead_at: datetime | None = None
    """Since when it can't succeed by itself; only a person sends it on."""
    retried_at: datetime | None = None
    """When a person sent it on last."""
    work_order: str = ""
    """Order of the unit, where it was asked for."""

    @property
    def title(self) -> str:
        """Return kind and key, as alarms and lists name it."""
        return f"{self.kind} of {self.key}"


@dataclass(frozen=True)
class RegistrationRow:
    """A registration as it stands in the records."""

    cpms: str
    unit: str
    revision: int
    state: RegistrationState
    sent: bytes
    read_back: bytes | None
    at: datetime


@dataclass(frozen=True)
class LabelRow:
    """One copy of a label and what became of it."""

    unit: str
    template: str
    copy: int
    station: str
    state: LabelState
    code: str
    sha256: str
    printer: str
    """Serial number of the printer that was sent the label; empty before."""
    odometer_before: int | None
    """By which its fate is told: labels that the printer had printed before, or its number of the job; None before."""
    odometer_after: int | None
    intended_at: datetime
    """When it was rendered."""
    changed_at: datetime
    reason: str
    """Why it is void."""
    who: str
    """Who declared it void."""

    @property
    def job_name(self) -> str:
        """Return what a printer is told that the job is called; no two labels have the same."""
        return f"{self.unit} {self.template} {self.copy}"


@dataclass(frozen=True)
class RunDetail:
    """One run with everything that belongs to it."""

    run: RunRow
    steps: tuple[StepRow, ...]
    snapshots: tuple[SnapshotRow, ...]
    certificates: tuple[CertificateEventRow, ...]


@dataclass(frozen=True)
class UnitHistory:
    """Everything that happened to one unit, oldest first."""

    unit: UnitRow
    order: WorkOrder
    runs: tuple[RunDetail, ...]
    labels: tuple[LabelRow, ...]
    passports: tuple[PassportRow, ...]
    registrations: tuple[RegistrationRow, ...]
    events: tuple[EventRow, ...]


@dataclass(frozen=True)
class BundleRow:
    """A release bundle as it was when it was approved, with everything that an auditor needs to check it."""

    digest: str
    name: str
    revision: int
    document: bytes
    kept_at: datetime
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Signatures and overrides by their file names, the latest of each name."""


@dataclass(frozen=True)
class AffectedUnit:
    """A unit that a restriction concerns, by its latest run."""

    serial: str
    state: UnitState
    work_order: str
    product: str
    firmware: str
    """Version of the firmware release."""
    run: RunRef
