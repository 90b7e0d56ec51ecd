"""OCPP 1.6 with the security extension, as the checks need it.

# Ref: OCPP 1.6 edition 2, sections 5 to 7; "Improved security for OCPP 1.6-J", edition 3.
"""

from collections.abc import Mapping
from typing import Any

from station.acceptance.contract import Expected
from station.acceptance.dialect import Boot, Outlet, Status, members, number, text
from station.acceptance.visit import Answer, Visit
from station.clock import Deadline
from station.model import Connector


class Ocpp16:
    """The OCPP 1.6 side of `Dialect`."""

    heartbeat = "HeartbeatInterval"
    passwords: tuple[str, ...] = ("AuthorizationKey",)
    certificates_required = False
    organization = "CpoName"
    chain_limit = "CertificateSignedMaxChainSize"

    def boot(self, payload: Mapping[str, Any]) -> Boot:
        """Read a BootNotification; the serial number may stand in the older `chargeBoxSerialNumber`."""
        serial = text(payload, "chargePointSerialNumber") or text(payload, "chargeBoxSerialNumber")
        vendor, model = text(payload, "chargePointVendor"), text(payload, "chargePointModel")
        return Boot(vendor, model, serial, text(payload, "firmwareVersion"), "")

    def status(self, payload: Mapping[str, Any]) -> Status:
        """Read a StatusNotification; an error code makes the outlet anything but available."""
        connector, error = number(payload, "connectorId"), text(payload, "errorCode")
        state = text(payload, "status") if error == "NoError" else f"{text(payload, 'status')} ({error})"
        return Status((connector, min(connector, 1)), state)

    def outlets(self, expected: Expected) -> tuple[Outlet, ...]:
        """Return the station itself (connector 0) and its connectors."""
        return ((0, 0), *((connector.evse, 1) for connector in expected.connectors))

    def inventory(self, visit: Visit, deadline: Deadline) -> dict[str, str]:
        """Read every configuration key."""
        answer = visit.call("GetConfiguration", {}, deadline)
        return {text(item, "key"): text(item, "value") for item in members(answer.payload, "configurationKey")}

    def read(self, visit: Visit, name: str, deadline: Deadline) -> str | None:
        """Read one configuration key."""
        answer = visit.call("GetConfiguration", {"key": [name]}, deadline)
        items = members(answer.payload, "configurationKey")
        return next((text(item, "value") for item in items if text(item, "key") == name), None)

    def write(self, visit: Visit, name: str, value: str, deadline: Deadline) -> str:
        """Write one configuration key."""
        return visit.call("ChangeConfiguration", {"key": name, "value": value}, deadline).status

    def trigger(self, visit: Visit, message: str, outlet: Connector | None, deadline: Deadline) -> Answer:
        """Ask for a message."""
        which = {"connectorId": outlet.evse} if outlet else {}
        return visit.call("TriggerMessage", {"requestedMessage": message, **which}, deadline)

    def change_availability(self, visit: Visit, outlet: Connector | None, state: str, deadline: Deadline) -> Answer:
        """Change a connector, or connector 0 for the whole station."""
        return visit.call("ChangeAvailability", {"connectorId": outlet.evse if outlet else 0, "type": state}, deadline)

    def reset(self, visit: Visit, deadline: Deadline) -> Answer:
        """Restart softly."""
        return visit.call("Reset", {"type": "Soft"}, deadline)

    def trigger_signing(self, visit: Visit, deadline: Deadline) -> Answer:
        """Ask for SignCertificate."""
        return visit.call("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}, deadline)

    def certificate_signed(self, visit: Visit, chain: str, deadline: Deadline) -> Answer:
        """Give a chain."""
        return visit.call("CertificateSigned", {"certificateChain": chain}, deadline)

    def clear_local_list(self, visit: Visit, deadline: Deadline) -> int:
        """Replace the list by an empty one, unless it is empty (0) or not supported (-1)."""
        version = number(visit.call("GetLocalListVersion", {}, deadline).payload, "listVersion")
        if version <= 0:
            return version
        visit.call("SendLocalList", {"listVersion": 1, "updateType": "Full", "localAuthorizationList": []}, deadline)
        return number(visit.call("GetLocalListVersion", {}, deadline).payload, "listVersion")

    def root_hashes(self, visit: Visit, deadline: Deadline) -> list[dict[str, Any]]:
        """List the central system roots."""
        answer = visit.call("GetInstalledCertificateIds", {"certificateType": "CentralSystemRootCertificate"}, deadline)
        return [dict(item) for item in members(answer.payload, "certificateHashData")]
