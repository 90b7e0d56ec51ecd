"""What quality writes and reads, as frozen values: holds, dispositions, golden units, sign-offs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from station.errors import ConfigError, Defect
from station.model import Environment
from station.records.values import RowRef

SHORTEST_REASON, LONGEST_REASON = 3, 200
GOOD = "PASS"
"""What a golden unit is expected to be if nothing is wrong with it on purpose."""


class HoldScope(StrEnum):
    """What a hold stops."""

    UNIT = "unit"
    """By its serial."""
    ORDER = "order"
    FIRMWARE = "firmware"
    """By the name of the release."""
    LOT = "lot"
    """A lot of components."""
    SLOT = "slot"
    """By its name, at this station."""
    STATION = "station"


class HoldKind(StrEnum):
    """Who began a hold: somebody, or the station itself."""

    HOLD = "hold"
    QUARANTINE = "quarantine"


class DispositionKind(StrEnum):
    """What was decided about a unit that is not right."""

    REWORK = "rework"
    SCRAP = "scrap"


class SignOffKind(StrEnum):
    """What people sign for, two of them each time."""

    FIRST_ARTICLE = "first-article"
    """The first unit of an order; beside its operator, one other person signs. The subject is the order."""
    CLEARANCE = "clearance"
    """The line was cleared for another product; the subject is that product."""
    HANDOVER = "handover"
    """A shift hands over to the next; the subject is the digest of the report."""


@dataclass(frozen=True)
class Hold:
    """Work that is forbidden until somebody lifts it."""

    scope: HoldScope
    subject: str
    reason: str
    who: str
    kind: HoldKind = HoldKind.HOLD

    def __post_init__(self) -> None:
        """Refuse a hold of nothing, or one that nobody stands for."""
        check_reason(self.reason)
        if not self.subject or not self.who:
            raise ConfigError("a hold names what it stops and who stopped it", hint="Say what is on hold.")


@dataclass(frozen=True)
class HoldRow:
    """A hold as it stands in the records."""

    ref: RowRef
    scope: HoldScope
    subject: str
    kind: HoldKind
    reason: str
    who: str
    at: datetime
    lifted_at: datetime | None
    """None while it holds."""
    lifted_by: str
    lift_reason: str

    @property
    def sentence(self) -> str:
        """Say what is on hold, and why."""
        what = f"{self.scope.value.capitalize()} {self.subject}"
        state = "in quarantine" if self.kind is HoldKind.QUARANTINE else f"on hold by {self.who}"
        return f"{what} is {state}: {self.reason.rstrip('.')}."


@dataclass(frozen=True)
class Disposition:
    """A decision about one unit."""

    kind: DispositionKind
    unit: str
    code: str
    """Reason code, for the Pareto."""
    reason: str
    who: str
    return_point: str = ""
    """Step from which on the unit is built anew; for rework only, where empty means from the first step on."""

    def __post_init__(self) -> None:
        """Refuse a decision without a reason."""
        check_reason(self.reason)
        if not self.code or not self.who:
            raise ConfigError("a disposition has a reason code and a name", hint="Say why, by one of the codes.")


@dataclass(frozen=True)
class DispositionRow:
    """A decision as it stands in the records."""

    ref: RowRef
    unit: str
    kind: DispositionKind
    code: str
    reason: str
    return_point: str
    who: str
    at: datetime


@dataclass(frozen=True)
class Ending:
    """The end of what a unit could connect with, as the outbox carries it out."""

    unit: str
    reason: str
    environments: tuple[Environment, ...] = (Environment.SHIP,)
    revoked_as: str = "cessationOfOperation"
    """CRLReason of its certificates, by its name in RFC 5280 section 5.3.1."""


@dataclass(frozen=True)
class Withdrawal:
    """A unit that is no longer what its CPMS record says, as the CPMS is told of it."""

    serial: str
    revision: int
    """That of the registration; a later one may follow."""
    reason: str
    """`scrapped`, `rework`, or what happened to it in the field: `returned`, `operator-changed`, ..."""


@dataclass(frozen=True)
class GoldenUnit:
    """A reserved unit, good or bad on purpose, that checks the station itself."""

    hardware_uid: str
    """Lower-case hexadecimal."""
    product: str
    expectation: str
    """`PASS`, or the defect that the station must find."""
    remark: str
    who: str

    def __post_init__(self) -> None:
        """Refuse an expectation that no check can meet."""
        check_reason(self.remark)
        if self.expectation != GOOD and self.expectation not in set(Defect):
            names = ", ".join((GOOD, *Defect))
            raise ConfigError(
                f"'{self.expectation[:40]}' is nothing that a check can find", hint=f"Use one of: {names}."
            )
        if not self.hardware_uid or self.hardware_uid.strip("0123456789abcdef"):
            raise ConfigError("a golden unit is known by its hardware UID in lower-case hexadecimal")


@dataclass(frozen=True)
class GoldenUnitRow:
    """A golden unit as it stands in the records."""

    hardware_uid: str
    product: str
    expectation: str
    remark: str
    who: str
    at: datetime
    retired_at: datetime | None
    retired_by: str


@dataclass(frozen=True)
class GoldenCheck:
    """What a station found of a golden unit."""

    hardware_uid: str
    slot: str
    found: str
    """`PASS`, or a defect."""
    sentence: str
    software: str
    """Version of the station's software: after a change of it the check is due again."""
    who: str


@dataclass(frozen=True)
class GoldenCheckRow:
    """A check of a golden unit as it stands in the records."""

    ref: RowRef
    hardware_uid: str
    slot: str
    found: str
    as_expected: bool
    sentence: str
    software: str
    who: str
    at: datetime


@dataclass(frozen=True)
class SignOffRow:
    """One signature of one person."""

    ref: RowRef
    kind: SignOffKind
    subject: str
    who: str
    roles: tuple[str, ...]
    """Those that the person had when signing."""
    remark: str
    body: Mapping[str, Any] = field(default_factory=dict)
    """What was signed; for a handover its report."""
    at: datetime | None = None


def check_reason(text: str) -> None:
    """Refuse a reason that says nothing or could not be shown.

    Raises:
        ConfigError: It is not 3 to 200 printable characters.
    """
    if not SHORTEST_REASON <= len(text.strip()) <= LONGEST_REASON or not text.isprintable():
        message = f"a reason has {SHORTEST_REASON} to {LONGEST_REASON} printable characters"
        raise ConfigError(message, hint="Say in a few words why.")
