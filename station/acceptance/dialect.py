"""What a check wants of a station, in words both OCPP versions share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from station.acceptance.contract import Expected
from station.acceptance.visit import Answer, Visit
from station.clock import Deadline
from station.model import Connector

Outlet = tuple[int, int]
"""EVSE and connector; OCPP 1.6 has one connector for each EVSE, and (0, 0) is the station as a whole."""


@dataclass(frozen=True)
class Boot:
    """What a BootNotification says of the unit."""

    vendor: str
    model: str
    serial: str
    firmware: str
    reason: str
    """Empty for OCPP 1.6, which gives none."""


@dataclass(frozen=True)
class Status:
    """What a StatusNotification says of an outlet."""

    outlet: Outlet
    state: str
    """`Available`, `Unavailable`, or what else keeps the outlet from service."""


class Dialect(Protocol):
    """One OCPP version, spoken to a station."""

    heartbeat: str
    """Setting that holds the heartbeat interval."""
    passwords: tuple[str, ...]
    """Settings that must not be readable."""
    certificates_required: bool
    """Whether a station of this version must offer certificate management."""
    organization: str
    """Setting that holds the organisation which a certificate request names."""
    chain_limit: str
    """Setting that states the longest certificate chain the station takes."""

    def boot(self, payload: Mapping[str, Any]) -> Boot:
        """Read a BootNotification."""
        ...

    def status(self, payload: Mapping[str, Any]) -> Status:
        """Read a StatusNotification."""
        ...

    def outlets(self, expected: Expected) -> tuple[Outlet, ...]:
        """Return every outlet that must report its status."""
        ...

    def inventory(self, visit: Visit, deadline: Deadline) -> dict[str, str]:
        """Return every setting the station lists, with its value or the empty string."""
        ...

    def read(self, visit: Visit, name: str, deadline: Deadline) -> str | None:
        """Return a setting, or None where the station does not give it."""
        ...

    def write(self, visit: Visit, name: str, value: str, deadline: Deadline) -> str:
        """Write a setting and return the station's word for it."""
        ...

    def trigger(self, visit: Visit, message: str, outlet: Connector | None, deadline: Deadline) -> Answer:
        """Ask the station to send a message."""
        ...

    def change_availability(self, visit: Visit, outlet: Connector | None, state: str, deadline: Deadline) -> Answer:
        """Make an outlet, or the whole station, `Operative` or `Inoperative`."""
        ...

    def reset(self, visit: Visit, deadline: Deadline) -> Answer:
        """Restart the station."""
        ...

    def trigger_signing(self, visit: Visit, deadline: Deadline) -> Answer:
        """Ask the station to request a certificate for a new key."""
        ...

    def certificate_signed(self, visit: Visit, chain: str, deadline: Deadline) -> Answer:
        """Give the station a certificate chain (PEM)."""
        ...

    def clear_local_list(self, visit: Visit, deadline: Deadline) -> int:
        """Empty the local authorization list and return its version afterwards: 0, or -1 where there is none."""
        ...

    def root_hashes(self, visit: Visit, deadline: Deadline) -> list[dict[str, Any]]:
        """Return the hash data of the CSMS roots the station trusts."""
        ...


def text(payload: Mapping[str, Any], name: str) -> str:
    """Return a text member, or the empty string where it is missing or no text."""
    value = payload.get(name)
    return value if isinstance(value, str) else ""


def member(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object member, or an empty one where it is missing or no object."""
    value = payload.get(name)
    return value if isinstance(value, dict) else {}


def members(payload: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects of an array member, or none where it is missing or no array."""
    value = payload.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def number(payload: Mapping[str, Any], name: str) -> int:
    """Return an integer member, or -1 where it is missing or no integer."""
    value = payload.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def moment(payload: Mapping[str, Any]) -> datetime | None:
    """Return the station's own time in a message, or None where there is none; without a zone it is taken as UTC."""
    readings = members(payload, "meterValue")
    stated = (
        text(payload, "timestamp")
        or text(payload, "generatedAt")
        or (text(readings[0], "timestamp") if readings else "")
    )
    try:
        time = datetime.fromisoformat(stated)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
