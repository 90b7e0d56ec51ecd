"""What became of messages to others, and what people decided of those that could not be delivered, as frozen values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from station.errors import ConfigError
from station.records.quality_rows import check_reason
from station.records.rows import OutboxRow
from station.records.values import Registration, RowRef

LONGEST_REF = 80


class DecisionKind(StrEnum):
    """What a person decides of a message that could not be delivered."""

    RETRY = "retry"
    DROP = "drop"


@dataclass(frozen=True)
class Closed:
    """Messages that are not to be sent now, because what they go to is away."""

    kinds: tuple[str, ...]
    orders: tuple[str, ...] = ()
    """Only those about units of these work orders; of all where none is named."""


@dataclass(frozen=True)
class Delivered:
    """A message whose effect was seen."""

    message: OutboxRow
    answer: bytes = b""
    registration: Registration | None = None
    """What the CPMS gave, where the message registered a unit."""


@dataclass(frozen=True)
class Postponed:
    """A message that could not be delivered."""

    message: OutboxRow
    error: str
    next_at: datetime
    dead: bool = False
    """Whether it can't succeed by itself: from now on only a person sends it on."""


@dataclass(frozen=True)
class Decision:
    """What somebody decides of a message, and why."""

    kind: DecisionKind
    message: RowRef
    who: str
    reason: str

    def __post_init__(self) -> None:
        """Refuse a decision that nobody stands for, or without a reason."""
        check_reason(self.reason)
        if not self.who:
            raise ConfigError("a decision names who made it", hint="Say who you are.")


@dataclass(frozen=True)
class DecisionRow:
    """A decision as it stands in the records."""

    ref: RowRef
    kind: DecisionKind
    message: RowRef
    unit: str
    title: str
    """Kind and key of the message."""
    who: str
    reason: str
    attempts: int
    """How often the message was tried until then."""
    error: str
    """Why it could not be delivered."""
    at: datetime


@dataclass(frozen=True)
class Queue:
    """How much waits to be told to others."""

    waiting: int
    """All messages that are not delivered, dead letters among them."""
    dead: int
    oldest: datetime | None
    """When the message that waits longest was made; None where none waits."""


def message_ref(text: str) -> RowRef:
    """Read the id of a message, such as `line1/17`.

    Raises:
        ConfigError: It is none.
    """
    station, _, number = text.strip().rpartition("/")
    if not station or not number.isdecimal() or len(text) > LONGEST_REF:
        raise ConfigError(
            f"'{text[:40]}' is not the id of a message", hint="Ids look like line1/17, as lists show them."
        )
    return RowRef(station, int(number))
