"""What a check wants of a station, in words both OCPP versions share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from station.acceptance.contract import Expected
from station.acceptance.visit import Answer, Received, Visit
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
    iccid: str = ""
    imsi: str = ""
    meter: str = ""
    """Serial number of the main meter; OCPP 2.0.1 tells meters by their outlets, in the inventory."""


@dataclass(frozen=True)
class Status:
    """What a StatusNotification says of an outlet."""

    outlet: Outlet
    state: str
    """`Available`, `Unavailable`, or what else keeps the outlet from service."""


@dataclass(frozen=True)
class Reading:
    """One sampled value of a MeterValues, with OCPP's defaults filled in."""

    measurand: str
    unit: str
    value: str


TOKEN = "FACTORY-TEST"
"""Whom transactions of the acceptance belong to."""
REMOTE_START = 1
"""Number of the command that begins a transaction (OCPP 2.0.1)."""


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
    boots_with_meter: bool
    """Whether a BootNotification tells the serial number of the main meter."""
    measurands: tuple[str, ...]
    """Settings that say what a triggered MeterValues has; the first one that the station has counts."""
    grants: Mapping[str, dict[str, object]]
    """Answers to the station's requests that let a transaction begin."""

    def boot(self, payload: Mapping[str, Any]) -> Boot:
        """Read a BootNotification."""
        ...

    def statuses(self, action: str, payload: Mapping[str, Any]) -> Sequence[Status]:
        """Return what a message of the station says of outlets: nothing, where it is about something else."""
        ...

    def outlets(self, expected: Expected) -> tuple[Outlet, ...]:
        """Return every outlet that must report its status."""
        ...

    def meter_setting(self, evse: int) -> str:
        """Return the setting that shows the serial number of an outlet's meter; empty where the version has none."""
        ...

    def outlet(self, connector: Connector) -> Outlet:
        """Return what messages call a connector."""
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

    def unlock(self, visit: Visit, outlet: Connector, deadline: Deadline) -> str:
        """Unlock a connector and return the station's word for what came of it."""
        ...

    def readings(self, payload: Mapping[str, Any]) -> tuple[int, Sequence[Reading]]:
        """Return the EVSE that a MeterValues is about, and its values."""
        ...

    def remote_start(self, visit: Visit, outlet: Connector, deadline: Deadline) -> Answer:
        """Begin a transaction of `TOKEN`."""
        ...

    def remote_stop(self, visit: Visit, transaction: str, deadline: Deadline) -> Answer:
        """End a transaction."""
        ...

    def begun(self, messages: Sequence[Received], outlet: Connector) -> str | None:
        """Return the name of the transaction that our command began and that charges, or None while there is none."""
        ...

    def ended(self, messages: Sequence[Received], transaction: str) -> bool:
        """Tell whether the messages end a transaction."""
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

    def install_root(self, visit: Visit, pem: str, deadline: Deadline) -> Answer:
        """Let the station trust one more CSMS root."""
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


def card(payload: Mapping[str, Any]) -> str:
    """Return whose card a station's request names, in the words of any version; empty where it names none."""
    return text(payload, "idTag") or text(member(payload, "idToken"), "idToken")


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
