"""What happens to a unit behind the factory's door, as frozen values (F-M3)."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from station.errors import ConfigError
from station.records.quality_rows import LONGEST_REASON, check_reason
from station.records.values import SERIAL, Message, RowRef


class LifecycleKind(StrEnum):
    """What can happen to a unit that was released."""

    SHIPPED = "shipped"
    """It left the warehouse for a consignee."""
    COMMISSIONED = "commissioned"
    """It was put into service at a place; its warranty begins."""
    MOVED = "moved"
    """It stands somewhere else now."""
    OWNER_CHANGED = "owner-changed"
    OPERATOR_CHANGED = "operator-changed"
    """Another party runs it, by another CPMS; its key stays (F-M8)."""
    RETURNED = "returned"
    """It is back in the factory."""
    REFURBISHED = "refurbished"
    """It was released again after a return; written by that release alone."""
    DECOMMISSIONED = "decommissioned"
    """Its life is over."""


NEEDS = {
    LifecycleKind.SHIPPED: ("party",),
    LifecycleKind.COMMISSIONED: ("place",),
    LifecycleKind.MOVED: ("place",),
    LifecycleKind.OWNER_CHANGED: ("party",),
    LifecycleKind.OPERATOR_CHANGED: ("party",),
    LifecycleKind.RETURNED: ("reference", "reason"),
    LifecycleKind.DECOMMISSIONED: ("reason",),
}
"""What must be told of each; without it nobody could find the unit, or say later why."""
WORDS = ("place", "party", "reference", "reason")


@dataclass(frozen=True)
class LifecycleEvent:
    """Something that happened to a unit after its release."""

    kind: LifecycleKind
    unit: str
    who: str
    """Who recorded it, by their short name."""
    occurred_at: datetime | None = None
    """When it happened; None for now."""
    place: str = ""
    """The site."""
    party: str = ""
    """The consignee, the new owner or the new operator."""
    reference: str = ""
    """Number of the delivery note or of the return (RMA)."""
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse what nobody stands for, says too little, or could not be shown.

        Raises:
            ConfigError: It names what is wrong.
        """
        if not SERIAL.fullmatch(self.unit) or not self.who:
            raise ConfigError(f"'{self.unit[:40]}' is no serial number, or nobody stands for it", hint="Correct it.")
        for name in WORDS:
            _check_words(name, getattr(self, name))
        if self.occurred_at is not None and self.occurred_at.tzinfo is None:
            raise ConfigError("a time has a time zone", hint="Write it as 2026-03-01T12:00:00Z.")
        for name in NEEDS.get(self.kind, ()):
            if not getattr(self, name).strip():
                raise ConfigError(f"a unit that is {self.kind.value} needs its {name}", hint=f"Give the {name}.")
        if self.reason:
            check_reason(self.reason)


@dataclass(frozen=True)
class Revision:
    """A signed passport that says what happened, and who is told of it."""

    number: int
    """The one behind the unit's newest."""
    document: bytes
    signature: bytes
    signer: str
    messages: tuple[Message, ...] = field(default=())


@dataclass(frozen=True)
class LifecycleRow:
    """What happened to a unit, as it stands in the records."""

    ref: RowRef
    unit: str
    kind: LifecycleKind
    at: datetime
    """When it was recorded."""
    occurred_at: datetime
    who: str
    place: str
    party: str
    reference: str
    reason: str
    revision: int
    """That of the unit's newest passport once it was recorded: the one that says it, where one was made of it."""

    @property
    def sentence(self) -> str:
        """Say what happened, where, to whom and why, and who says so."""
        facts = (self.place, self.party, self.reference, self.reason)
        told = "; ".join(fact for fact in facts if fact)
        return f"{self.kind.value}{f': {told}' if told else ''} ({self.who}, passport revision {self.revision})"


def _check_words(name: str, text: str) -> None:
    if len(text) > LONGEST_REASON or not text.isprintable():
        message = f"the {name} of an event has at most {LONGEST_REASON} printable characters"
        raise ConfigError(message, hint=f"Write the {name} in fewer words, on one line.")
