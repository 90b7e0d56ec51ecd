"""What goes into the records: ids, states, orders, and what the parts of the station hand over as frozen values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from station.catalog.gates import Gates
from station.errors import ConfigError, Defect
from station.identifiers import MOD_37_36, check_serial, serial_with_check
from station.model import Measurement, Outcome

SERIAL = re.compile(r"[A-Z0-9-]{4,25}")
"""What a serial number may look like; it is also the OCPP identity and the certificate's CN."""


class OrderState(StrEnum):
    """Whether a work order takes further units."""

    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class UnitState(StrEnum):
    """How far a unit is in its life."""

    RESERVED = "reserved"
    RELEASED = "released"
    PACKABLE = "packable"
    REWORK = "rework"
    """Was released, or failed too often, and is to be built again."""
    SCRAPPED = "scrapped"
    SHIPPED = "shipped"
    """Left the warehouse."""
    COMMISSIONED = "commissioned"
    """Is in service somewhere."""
    RETURNED = "returned"
    """Is back, and waits for rework, scrap or its end."""
    DECOMMISSIONED = "decommissioned"
    """Was in the field, and its life is over."""


IN_WAREHOUSE = (UnitState.RELEASED, UnitState.PACKABLE)
IN_FIELD = (UnitState.SHIPPED, UnitState.COMMISSIONED)
AS_RELEASED = (*IN_WAREHOUSE, *IN_FIELD)
"""States of a unit that is what its passport says, wherever it is."""
ONCE_RELEASED = (*AS_RELEASED, UnitState.RETURNED, UnitState.DECOMMISSIONED)
"""States of a unit that an order delivered, whatever became of it since; one in rework is to be delivered again."""
FINAL = (UnitState.SCRAPPED, UnitState.DECOMMISSIONED)
"""States that a unit never leaves: its serial is used up."""


class LabelState(StrEnum):
    """How far a print job is; it only moves forward."""

    RENDERED = "rendered"
    """Made, and never sent."""
    VERIFIED = "verified"
    """Its picture was decoded to what it must say; never sent."""
    SENT = "sent"
    """Recorded before the first byte went: after a crash its fate is unknown, and it is not sent again."""
    PRINTED = "printed"
    """Proven by the printer's own count."""
    SCANNED = "scanned"
    """Scanned back: the unit bears it."""
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
    check: str = ""
    """What stands behind the digits: nothing, or a check character (`mod37-36`)."""

    def __post_init__(self) -> None:
        """Refuse a block that is empty, would overflow its digits or gives no valid serial numbers."""
        if not 0 <= self.first <= self.last or len(str(self.last)) > self.digits:
            raise ConfigError(f"serial block {self.first} to {self.last} is not a range of {self.digits} digits")
        if self.check not in ("", MOD_37_36):
            raise ConfigError(f"'{self.check}' is no check character: it is '{MOD_37_36}' or nothing")
        if not SERIAL.fullmatch(self._stem(self.last) + "0" * bool(self.check)):
            message = f"serial '{self._stem(self.last)}' is not 4 to 25 capital letters, digits and hyphens"
            raise ConfigError(message, hint="Choose another prefix for the serial block.")
        self._refuse_confusable()

    def text(self, number: int) -> str:
        """Return the serial of a number, such as `AC22-000017`, with its check character if it has one."""
        stem = self._stem(number)
        return serial_with_check(stem) if self.check else stem

    def number(self, serial: str) -> int:
        """Return the number of a serial of the block."""
        return int(serial[len(self.prefix) :][: self.digits])

    def refuse(self, serial: str) -> str:
        """Return why a text can't be a serial of a block like this, by its form alone, or nothing."""
        if not SERIAL.fullmatch(serial):
            return "This is no serial number."
        return check_serial(serial) if self.check else ""

    def __contains__(self, serial: object) -> bool:
        """Tell whether a serial is one of the block's."""
        if not isinstance(serial, str) or not serial.startswith(self.prefix):
            return False
        number = serial[len(self.prefix) :][: self.digits]
        written = re.fullmatch(f"[0-9]{{{self.digits}}}", number) is not None
        return written and self.first <= int(number) <= self.last and serial == self.text(int(number))

    def __len__(self) -> int:
        """Return how many serials there are."""
        return self.last - self.first + 1

    def overlaps(self, other: "SerialBlock") -> bool:
        """Tell whether two blocks could give the same serial: equal length, and ranges that meet as text."""
        mine, theirs = self.bounds(), other.bounds()
        return len(mine[0]) == len(theirs[0]) and mine[0] <= theirs[1] and theirs[0] <= mine[1]

    def _stem(self, number: int) -> str:
        return f"{self.prefix}{number:0{self.digits}d}"

    def bounds(self) -> tuple[str, str]:
        """Return texts that no serial is before or behind: a check character is any from 0 to Z."""
        low, high = ("0", "Z") if self.check else ("", "")
        return self._stem(self.first) + low, self._stem(self.last) + high

    def _refuse_confusable(self) -> None:
        try:
            self.text(self.last)
        except ValueError as error:
            raise ConfigError(f"serial block: {error}", hint="Choose another prefix for the serial block.") from error


TRAVELLER, STATION = "traveller", "station"
"""Where serials come from: printed beforehand on the paper that travels with a unit, or allocated at the slot."""


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
    bundle: str = ""
    """Name of the release bundle in the catalogue; empty for a draft, which only a development factory builds."""
    serials_from: str = TRAVELLER
    due: str = ""
    """ISO 8601 date, or nothing."""
    created_by: str = ""
    """Who made it, by their short name."""
    replacements: int = 0
    """Units beyond the quantity that a line lead authorised, each for one that was scrapped (F-A4)."""
    version: int = 1
    """Number of its latest edit: who edits another version than they saw is told (see `Orders.edit_order`)."""

    def __post_init__(self) -> None:
        """Refuse words that nobody understands."""
        if self.serials_from not in (TRAVELLER, STATION):
            raise ConfigError(f"serials come from '{TRAVELLER}' or '{STATION}', not from '{self.serials_from}'")

    @property
    def allowed(self) -> int:
        """Return how many units may ever have a serial of it."""
        return self.quantity + self.replacements

    @property
    def allocates(self) -> bool:
        """Tell whether the station allocates serials, instead of having them scanned."""
        return self.serials_from == STATION


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
    firmware_name: str = ""
    """Name of the firmware release that the recipe names."""
    approval: Mapping[str, Any] = field(default_factory=dict)
    """On whose word the unit is built: bundle, author, approvers, override, or that it is a draft."""
    operator: str = ""
    """Who works at the slot, by their short name (F-K2)."""
    mes: str = ""
    """What the MES said of it: empty, `confirmed`, or `deferred` while the MES was away."""
    gates: Gates = field(default_factory=Gates)
    """What the recipe demands before it lets a unit begin."""


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
