"""OCPP 1.6 with the security extension, as the checks need it.

# Ref: OCPP 1.6 edition 2, sections 5 to 7; "Improved security for OCPP 1.6-J", edition 3.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from station.acceptance.contract import Expected
from station.acceptance.dialect import TOKEN, Boot, Outlet, Reading, Status, members, number, text
from station.acceptance.visit import Answer, Received, Visit
from station.clock import Deadline
from station.model import Connector

TRANSACTION = 1
"""Number that every transaction of the acceptance gets: there is one at a time."""
USUAL = "Energy.Active.Import.Register"
CHARGES = ("Charging", "SuspendedEV", "SuspendedEVSE")


class Ocpp16:
    """The OCPP 1.6 side of `Dialect`."""

    heartbeat = "HeartbeatInterval"
    passwords: tuple[str, ...] = ("AuthorizationKey",)
    certificates_required = False
    organization = "CpoName"
    chain_limit = "CertificateSignedMaxChainSize"
    boots_with_meter = True
    measurands: tuple[str, ...] = ("MeterValuesSampledData",)
    grants: Mapping[str, dict[str, object]] = {
        "Authorize": {"idTagInfo": {"status": "Accepted"}},
        "StartTransaction": {"transactionId": TRANSACTION, "idTagInfo": {"status": "Accepted"}},
        "StopTransaction": {"idTagInfo": {"status": "Accepted"}},
    }

    def boot(self, payload: Mapping[str, Any]) -> Boot:
        """Read a BootNotification; the serial number may stand in the older `chargeBoxSerialNumber`."""
        serial = text(payload, "chargePointSerialNumber") or text(payload, "chargeBoxSerialNumber")
        vendor, model = text(payload, "chargePointVendor"), text(payload, "chargePointModel")
        more = (text(payload, name) for name in ("iccid", "imsi", "meterSerialNumber"))
        return Boot(vendor, model, serial, text(payload, "firmwareVersion"), "", *more)

    def statuses(self, action: str, payload: Mapping[str, Any]) -> Sequence[Status]:
        """Read a StatusNotification; an error code makes the outlet anything but available."""
        if action != "StatusNotification":
            return ()
        connector, error = number(payload, "connectorId"), text(payload, "errorCode")
        state = text(payload, "status") if error == "NoError" else f"{text(payload, 'status')} ({error})"
        return (Status((connector, min(connector, 1)), state),)

    def outlets(self, expected: Expected) -> tuple[Outlet, ...]:
        """Return the station itself (connector 0) and its connectors."""
        return ((0, 0), *((connector.evse, 1) for connector in expected.connectors))

    def meter_setting(self, _evse: int) -> str:
        """Return nothing: the BootNotification tells the meter."""
        return ""

    def outlet(self, connector: Connector) -> Outlet:
        """Return the connector by its number alone."""
        return (connector.evse, 1)

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

    def unlock(self, visit: Visit, outlet: Connector, deadline: Deadline) -> str:
        """Unlock a connector."""
        return visit.call("UnlockConnector", {"connectorId": outlet.evse}, deadline).status

    def readings(self, payload: Mapping[str, Any]) -> tuple[int, Sequence[Reading]]:
        """Read a MeterValues; what a value does not say is a register's Wh (section 7.43)."""
        sampled = [value for meter in members(payload, "meterValue") for value in members(meter, "sampledValue")]
        told = [
            Reading(text(value, "measurand") or USUAL, text(value, "unit") or "Wh", text(value, "value"))
            for value in sampled
            # A signed reading is a text for the transparency software; the plain one stands beside it.
            if text(value, "format") != "SignedData"
        ]
        return number(payload, "connectorId"), told

    def remote_start(self, visit: Visit, outlet: Connector, deadline: Deadline) -> Answer:
        """Begin a transaction."""
        return visit.call("RemoteStartTransaction", {"connectorId": outlet.evse, "idTag": TOKEN}, deadline)

    def remote_stop(self, visit: Visit, transaction: str, deadline: Deadline) -> Answer:
        """End a transaction."""
        return visit.call("RemoteStopTransaction", {"transactionId": int(transaction)}, deadline)

    def begun(self, messages: Sequence[Received], outlet: Connector) -> str | None:
        """Look for StartTransaction of our card, and for a status that says that it charges."""
        told = [m.payload for m in messages if m.payload.get("connectorId") == outlet.evse]
        started = any(payload.get("idTag") == TOKEN and "meterStart" in payload for payload in told)
        return str(TRANSACTION) if started and any(payload.get("status") in CHARGES for payload in told) else None

    def ended(self, messages: Sequence[Received], transaction: str) -> bool:
        """Look for StopTransaction."""
        stops = (m.payload for m in messages if m.action == "StopTransaction")
        return any(str(payload.get("transactionId")) == transaction for payload in stops)

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

    def install_root(self, visit: Visit, pem: str, deadline: Deadline) -> Answer:
        """Add a central system root."""
        data = {"certificateType": "CentralSystemRootCertificate", "certificate": pem}
        return visit.call("InstallCertificate", data, deadline)

    def root_hashes(self, visit: Visit, deadline: Deadline) -> list[dict[str, Any]]:
        """List the central system roots."""
        answer = visit.call("GetInstalledCertificateIds", {"certificateType": "CentralSystemRootCertificate"}, deadline)
        return [dict(item) for item in members(answer.payload, "certificateHashData")]
