"""What the station needs of a manufacturing execution system, and the envelope in which everything travels.

Messages have the names, members and words of IPC-CFX 2.1 (IPC-2591), so that a bridge to its AMQP transport copies and
translates nothing. README.md beside this file is the contract for whoever builds the other side.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import NAMESPACE_DNS, UUID, uuid5

from station.clock import iso

CFX_VERSION = "2.1"
NAMESPACE = uuid5(NAMESPACE_DNS, "mes.charger-station.example")
LONGEST_NAME, LONGEST_ID = 120, 64


class Name(StrEnum):
    """The messages of the contract."""

    ARRIVED = "CFX.Production.UnitsArrived"
    DEPARTED = "CFX.Production.UnitsDeparted"
    WORK_STARTED = "CFX.Production.WorkStarted"
    WORK_COMPLETED = "CFX.Production.WorkCompleted"
    STAGE_STARTED = "CFX.Production.WorkStageStarted"
    STAGE_COMPLETED = "CFX.Production.WorkStageCompleted"
    TESTED = "CFX.Production.TestAndInspection.UnitsTested"
    PERSONALIZED = "CFX.Production.Assembly.UnitsPersonalized"
    INSTALLED = "CFX.Production.Assembly.MaterialsInstalled"
    UNINSTALLED = "CFX.Production.Assembly.MaterialsUninstalled"
    DISQUALIFIED = "CFX.Production.UnitsDisqualified"
    REPAIRED = "CFX.Production.ReworkAndRepair.UnitsRepaired"
    STATE = "CFX.ResourcePerformance.StationStateChanged"
    FAULT = "CFX.ResourcePerformance.FaultOccurred"
    FAULT_CLEARED = "CFX.ResourcePerformance.FaultCleared"
    ORDERS = "CFX.InformationSystem.WorkOrderManagement.WorkOrdersCreated"
    ORDER_STATUS = "CFX.InformationSystem.WorkOrderManagement.WorkOrderStatusUpdated"
    VALIDATE_UNITS = "CFX.InformationSystem.UnitValidation.ValidateUnitsRequest"
    UNITS_VALIDATED = "CFX.InformationSystem.UnitValidation.ValidateUnitsResponse"
    VALIDATE_OPERATOR = "CFX.InformationSystem.OperatorValidation.ValidateOperatorRequest"
    OPERATOR_VALIDATED = "CFX.InformationSystem.OperatorValidation.ValidateOperatorResponse"
    NOT_SUPPORTED = "CFX.NotSupportedResponse"

    @property
    def short(self) -> str:
        """Return the name without its topic."""
        return self.value.rpartition(".")[2]


Body = Mapping[str, Any]
"""A message as it came."""
Members = dict[str, Any]
"""A message, or a part of one, as it is made."""


@dataclass(frozen=True)
class Envelope:
    """One message with what carries it."""

    name: str
    id: str
    """UniqueID: the idempotency key, the same however often the message is sent."""
    source: str
    at: datetime | str
    body: Body
    request: str = ""
    """UniqueID of the message that it answers."""
    number: int = 0
    """Its place in the station's order, by which a folder sorts."""

    def document(self) -> bytes:
        """Write the envelope as CFX JSON."""
        return json.dumps(
            {
                "MessageName": self.name,
                "Version": CFX_VERSION,
                "TimeStamp": self.at if isinstance(self.at, str) else iso(self.at),
                "UniqueID": self.id,
                "Source": self.source,
                "Target": None,
                "RequestID": self.request or None,
                "MessageBody": self.body,
            },
            separators=(",", ":"),
        ).encode()


@dataclass(frozen=True)
class Down:
    """A message from the MES at its place in the feed."""

    position: int
    envelope: Envelope
    file: str = ""
    """Where it lay, of a folder."""


class Delivered(StrEnum):
    """What the MES said of a message."""

    KEPT = "kept"
    KNOWN = "known"
    REFUSED = "refused"
    WAITS = "waits"
    """It lies where the MES will find it, and is not confirmed yet."""


@dataclass(frozen=True)
class Delivery:
    """What became of a message that was sent."""

    outcome: Delivered
    reason: str = ""
    """Why it was refused."""

    def __str__(self) -> str:
        """Say it as the records keep it."""
        return f"{self.outcome}: {self.reason}" if self.reason else self.outcome.value


class Mes(Protocol):
    """A manufacturing execution system; safe to use from several threads."""

    @property
    def name(self) -> str:
        """Return its address, which holds no secret."""
        ...

    @property
    def answers(self) -> bool:
        """Tell whether it can be asked; a folder can't."""
        ...

    def deliver(self, envelope: Envelope) -> Delivery:
        """Give the MES a message; the same again is `KNOWN`.

        Raises:
            ServiceError: It is away, busy, or answers nonsense.
        """
        ...

    def ask(self, envelope: Envelope) -> Envelope:
        """Ask something and return the answer.

        Raises:
            ServiceError: It is away, busy, or answers nonsense.
        """
        ...

    def fetch(self, after: int) -> tuple[Down, ...]:
        """Return the next messages behind a position of the MES's feed, in any order.

        Raises:
            ServiceError: It is away, busy, or answers nonsense.
        """
        ...

    def confirm(self, down: Down, sentence: str, *, accepted: bool) -> None:
        """Tell what became of a message of the feed, where our own messages do not tell it.

        Raises:
            ServiceError: It can't be told.
        """
        ...

    def missing(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Return which of these messages the MES does not have.

        Raises:
            ServiceError: It is away, busy, or answers nonsense.
        """
        ...

    def close(self) -> None:
        """Let go of connections; never raises."""
        ...


def identified(*parts: object) -> str:
    """Return the UUID of something that has a name of its own: the same name gives the same UUID."""
    return str(uuid5(NAMESPACE, "/".join(str(part) for part in parts)))


def parse_envelope(value: object) -> Envelope:
    """Read an envelope of the other side.

    Raises:
        ValueError: Something is missing or of another type.
    """
    found = value if isinstance(value, dict) else {}
    name, body, moment = found.get("MessageName"), found.get("MessageBody"), found.get("TimeStamp")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError("a message without a name")
    if not isinstance(body, dict) or not isinstance(moment, str) or len(moment) > LONGEST_ID:
        raise ValueError(f"{name} without a body or a time")
    source, request = found.get("Source"), found.get("RequestID")
    return Envelope(name, _uuid(found.get("UniqueID"), name), _short(source), moment, body, _short(request))


def _uuid(value: object, name: str) -> str:
    try:
        return str(UUID(value if isinstance(value, str) else ""))
    except ValueError as error:
        raise ValueError(f"{name} without a UniqueID") from error


def _short(value: object) -> str:
    return value[:LONGEST_ID] if isinstance(value, str) and value.isprintable() else ""
