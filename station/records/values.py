"""What goes into the records: ids, states, orders, and what the parts of the station hand over as frozen values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from station.errors import ConfigError, Defect
from station.model import Measurement, Outcome

SERIAL = re.compile(r"[A-Z0-9-]{4,25}")
"""What a serial number may look like; it is also the OCPP identity and the certificate's CN."""


class OrderState(StrEnum):
    """Whether a work order takes further units."""

    OPEN = "open"
    HELD = "held"
    CLOSED = "closed"


class UnitState(StrEnum):
    """How far a unit is in its life at the factory."""

    RESERVED = "reserved"
    RELEASED = "released"
    PACKABLE = "packable"
    SCRAPPED = "scrapped"


class LabelState(StrEnum):
    """How far a print job is; it only moves forward. `intended` and `sent` after a crash mean: fate unknown."""

    INTENDED = "intended"
    SENT = "sent"
    PRINTED = "printed"
    VERIFIED = "verified"
    VOID = "void"


class RegistrationState(StrEnum):
    """What the CPMS said of a unit; only an equal read-back lets it be packed."""

    SENT = "sent"
    DIFFERENT = "different"
    EQUAL = "equal"


@dataclass(frozen=True)
class RowRef:
    """The id of a row: a sequence number of the station that wrote it, so unique across stations."""

    station: str
    sequence: int

    def __str__(self) -> str:
        """Write the id as people read it."""
        return f"{self.station}/{self.sequence}"


class RunRef(RowRef):
    """The id of a run."""

    @classmethod
    def parse(cls, text: str) -> "RunRef":
        """Read `station/17`.

        Raises:
            ValueError: The text is no id of a run.
        """
        station, _, sequence = text.rpartition("/")
        if not station or not sequence.isdecimal():
            raise ValueError(f"'{text}' is not the id of a run, such as 'line1/17'")
        return cls(station, int(sequence))


class StepRef(RowRef):
    """The id of one attempt of a step: that of the row written before it acted."""


@dataclass(frozen=True)
class SerialBlock:
    """Consecutive serial numbers that belong to one work order alone."""

    prefix: str
    first: int
    last: int
    digits: int = 6

    def __post_init__(self) -> None:
        """Refuse a block that is empty, would overflow its digits or gives no valid serial numbers."""
        if not 0 <= self.first <= self.last or len(str(self.last)) > self.digits:
            raise ConfigError(f"serial block {self.first} to {self.last} is not a range of {self.digits} digits")
        if not SERIAL.fullmatch(self.text(self.last)):
            message = f"serial '{self.text(self.last)}' is not 4 to 25 capital letters, digits and hyphens"
            raise ConfigError(message, hint="Choose another prefix for the serial block.")

    def text(self, number: int) -> str:
        """Return the serial of a number, such as `AC22-000017`."""
        return f"{self.prefix}{number:0{self.digits}d}"

    def __contains__(self, serial: object) -> bool:
        """Tell whether a serial is one of the block's."""
        if not isinstance(serial, str) or len(serial) != len(self.text(self.last)):
            return False
        number = serial.removeprefix(self.prefix)
        written = serial.startswith(self.prefix) and re.fullmatch("[0-9]+", number) is not None
        return written and self.first <= int(number) <= self.last

    def overlaps(self, other: "SerialBlock") -> bool:
        """Tell whether two blocks could give the same serial: equal length, and ranges that meet as text."""
        mine, theirs = (self.text(self.first), self.text(self.last)), (other.text(other.first), other.text(other.last))
        return len(mine[0]) == len(theirs[0]) and mine[0] <= theirs[1] and theirs[0] <= mine[1]


@dataclass(frozen=True)
class WorkOrder:
    """What to build: product, recipe, quantity, customer, serial block and the two environments."""

    id: str
    product: str
    recipe: str
    recipe_revision: int
    recipe_digest: str
    quantity: int
    customer: str
    serials: SerialBlock
    test_environment: str
    ship_environment: str
    state: OrderState = OrderState.OPEN


@dataclass(frozen=True)
class RunRequest:
    """What a run is to be opened for."""

    order: str
    hardware_uid: str
    """Lower-case hexadecimal."""
    slot: str
    plan: Sequence[str]
    """The recipe's step names in order; a release needs every one of them passed."""
    firmware: str
    """Version of the firmware release that the recipe names."""
    serial: str = ""
    """The serial scanned for the unit; empty takes the next of the block."""
    software: str = ""
    """Version of the station's own software."""


@dataclass(frozen=True)
class StepResult:
    """How an attempt of a step ended."""

    outcome: Outcome
    fault: str = ""
    reason: str = ""
    hint: str = ""
    seconds: float = 0.0
    measurements: Sequence[Measurement] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Facts as JSON, at most 64 KiB."""
    evidence: StepRef | None = None
    """The attempt of an earlier run that satisfies a SKIPPED step."""

    def __post_init__(self) -> None:
        """Refuse a FAIL without a defect: yield statistics count defects."""
        check_fault(self.outcome, self.fault)


def check_fault(outcome: Outcome, fault: str) -> None:
    """Refuse a FAIL that names no defect.

    Raises:
        ValueError: The fault is not one of `Defect`.
    """
    if outcome is Outcome.FAIL:
        Defect(fault)


@dataclass(frozen=True)
class Message:
    """Something that others must be told once a unit is released."""

    kind: str
    key: str
    body: bytes


@dataclass(frozen=True)
class RevokedCertificate:
    """A certificate that ended before its time, as others are told of it."""

    serial: str
    """Serial number of the unit."""
    certificate_serial: str
    """Upper-case hexadecimal."""
    reason: str
    """CRLReason by its name in RFC 5280 section 5.3.1."""
    environment: str

    @property
    def key(self) -> str:
        """Return what there is one message for."""
        return f"{self.serial}/{self.certificate_serial}"


@dataclass(frozen=True)
class Registration:
    """What a CPMS was told of a unit, and what it gave when it was read back."""

    cpms: str
    revision: int
    sent: bytes
    """The fields that must agree, as canonical JSON."""
    read_back: bytes | None = None
    """The same fields of the CPMS's own record; None until it was read."""

    @property
    def state(self) -> RegistrationState:
        """Return what the read-back proves."""
        if self.read_back is None:
            return RegistrationState.SENT
        return RegistrationState.EQUAL if self.read_back == self.sent else RegistrationState.DIFFERENT


@dataclass(frozen=True)
class LabelJob:
    """A label that is about to be printed."""

    unit: str
    template: str
    code: str
    """What a scan of the label must read."""
    sha256: str
    """Digest of the rendered label."""
    odometer_before: int
    """The printer's count before the job, by which its fate is judged later."""
    printer: str = ""
    run: RunRef | None = None
    """The run that prints; None for a reprint outside of a run."""


@dataclass(frozen=True)
class RunFilter:
    """Which runs to list; what is empty does not restrict."""

    unit: str = ""
    order: str = ""
    slot: str = ""
    outcome: Outcome | None = None
    live: bool = False
