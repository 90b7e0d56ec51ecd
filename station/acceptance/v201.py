"""OCPP 2.0.1 as the checks need it.

# Ref: OCPP 2.0.1 edition 3, part 2, use cases B02, B05 to B07, B11, F06, G03, M03, M04.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from station.acceptance.contract import Expected
from station.acceptance.dialect import Boot, Outlet, Status, member, members, number, text
from station.acceptance.visit import Answer, Received, Visit
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Connector


class Ocpp201:
    """The OCPP 2.0.1 side of `Dialect`; a setting is named `Component.Variable`."""

    heartbeat = "OCPPCommCtrlr.HeartbeatInterval"
    passwords: tuple[str, ...] = ("SecurityCtrlr.BasicAuthPassword",)
    certificates_required = True
    organization = "SecurityCtrlr.OrganizationName"
    chain_limit = "SecurityCtrlr.MaxCertificateChainSize"

    def boot(self, payload: Mapping[str, Any]) -> Boot:
        """Read a BootNotification."""
        station = member(payload, "chargingStation")
        vendor, model, serial = (text(station, name) for name in ("vendorName", "model", "serialNumber"))
        return Boot(vendor, model, serial, text(station, "firmwareVersion"), text(payload, "reason"))

    def status(self, payload: Mapping[str, Any]) -> Status:
        """Read a StatusNotification."""
        outlet = (number(payload, "evseId"), number(payload, "connectorId"))
        return Status(outlet, text(payload, "connectorStatus"))

    def outlets(self, expected: Expected) -> tuple[Outlet, ...]:
        """Return the connectors of all EVSEs."""
        return tuple((connector.evse, connector.connector) for connector in expected.connectors)

    def inventory(self, visit: Visit, deadline: Deadline) -> dict[str, str]:
        """Ask for the full inventory and wait for all its parts.

        Raises:
            UnitError: The station refuses, or parts are missing.
        """
        since = visit.position
        request = {"requestId": since + 1, "reportBase": "FullInventory"}
        answer = visit.call("GetBaseReport", request, deadline)
        if answer.status != "Accepted":
            raise UnitError(Defect.OCPP, f"The unit answered GetBaseReport with {answer.status}.")
        parts = visit.until(lambda: _report(visit.messages("NotifyReport", since), since + 1), deadline)
        if parts is None:
            raise UnitError(Defect.OCPP, f"No complete NotifyReport within {deadline.seconds:.3g} s.")
        return {name: value for part in parts for name, value in _variables(part)}

    def read(self, visit: Visit, name: str, deadline: Deadline) -> str | None:
        """Read one variable."""
        answer = visit.call("GetVariables", {"getVariableData": [_address(name)]}, deadline)
        results = members(answer.payload, "getVariableResult")
        accepted = results and text(results[0], "attributeStatus") == "Accepted"
        return text(results[0], "attributeValue") if accepted else None

    def write(self, visit: Visit, name: str, value: str, deadline: Deadline) -> str:
        """Write one variable."""
        data = {"setVariableData": [{**_address(name), "attributeValue": value}]}
        results = members(visit.call("SetVariables", data, deadline).payload, "setVariableResult")
        return text(results[0], "attributeStatus") if results else ""

    def trigger(self, visit: Visit, message: str, outlet: Connector | None, deadline: Deadline) -> Answer:
        """Ask for a message."""
        which = {"evse": {"id": outlet.evse, "connectorId": outlet.connector}} if outlet else {}
        return visit.call("TriggerMessage", {"requestedMessage": message, **which}, deadline)

    def change_availability(self, visit: Visit, outlet: Connector | None, state: str, deadline: Deadline) -> Answer:
        """Change a connector, or the whole station."""
        which = {"evse": {"id": outlet.evse, "connectorId": outlet.connector}} if outlet else {}
        return visit.call("ChangeAvailability", {"operationalStatus": state, **which}, deadline)

    def reset(self, visit: Visit, deadline: Deadline) -> Answer:
        """Restart at once."""
        return visit.call("Reset", {"type": "Immediate"}, deadline)

    def trigger_signing(self, visit: Visit, deadline: Deadline) -> Answer:
        """Ask for SignCertificate."""
        return visit.call("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}, deadline)

    def certificate_signed(self, visit: Visit, chain: str, deadline: Deadline) -> Answer:
        """Give a chain."""
        data = {"certificateChain": chain, "certificateType": "ChargingStationCertificate"}
        return visit.call("CertificateSigned", data, deadline)

    def clear_local_list(self, visit: Visit, deadline: Deadline) -> int:
        """Replace the list by an empty one, unless it is empty already (D01.FR.04: version 0)."""
        version = number(visit.call("GetLocalListVersion", {}, deadline).payload, "versionNumber")
        if version == 0:
            return version
        visit.call("SendLocalList", {"versionNumber": 1, "updateType": "Full"}, deadline)
        return number(visit.call("GetLocalListVersion", {}, deadline).payload, "versionNumber")

    def root_hashes(self, visit: Visit, deadline: Deadline) -> list[dict[str, Any]]:
        """List the CSMS roots."""
        answer = visit.call("GetInstalledCertificateIds", {"certificateType": ["CSMSRootCertificate"]}, deadline)
        chains = members(answer.payload, "certificateHashDataChain")
        return [dict(member(chain, "certificateHashData")) for chain in chains]


def _address(name: str) -> dict[str, Any]:
    """Return the component and variable of a setting named `Component.Variable`."""
    component, _, variable = name.partition(".")
    return {"component": {"name": component}, "variable": {"name": variable}}


def _report(messages: Sequence[Received], request_id: int) -> list[Mapping[str, Any]] | None:
    """Return the parts of a report in order, or None while one is missing (B07: seqNo from 0, tbc false at the end)."""
    parts = {number(m.payload, "seqNo"): m.payload for m in messages if m.payload.get("requestId") == request_id}
    ends = [sequence for sequence, payload in parts.items() if payload.get("tbc") is not True]
    complete = bool(ends) and all(sequence in parts for sequence in range(min(ends) + 1))
    return [parts[sequence] for sequence in range(min(ends) + 1)] if complete else None


def _variables(part: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and actual value of the variables in one part."""
    found = []
    for item in members(part, "reportData"):
        name = f"{text(member(item, 'component'), 'name')}.{text(member(item, 'variable'), 'name')}"
        attributes = members(item, "variableAttribute")
        actual = [text(a, "value") for a in attributes if a.get("type", "Actual") == "Actual"]
        found.append((name, actual[0] if actual else ""))
    return found
