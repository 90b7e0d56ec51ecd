"""OCPP 2.0.1 as the checks need it.

# Ref: OCPP 2.0.1 edition 3, part 2, use cases B02, B05 to B07, B11, F06, G03, M03, M04.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from station.acceptance.contract import Expected
from station.acceptance.dialect import (
    REMOTE_START,
    TOKEN,
    Boot,
    Outlet,
    Reading,
    Status,
    member,
    members,
    number,
    text,
)
from station.acceptance.visit import Answer, Received, Visit
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Connector

CHARGES = ("Charging", "SuspendedEV", "SuspendedEVSE")
NAME = re.compile(
    r"(?P<component>[^.\[@]+)(\[(?P<instance>[^\]]+)\])?(@(?P<evse>[0-9]+)(/(?P<connector>[0-9]+))?)?"
    r"\.(?P<variable>[^\[]+)(\[(?P<part>.+)\])?"
)


class Ocpp201:
    """The OCPP 2.0.1 side of `Dialect`; a setting is named `Component.Variable`."""

    heartbeat = "OCPPCommCtrlr.HeartbeatInterval"
    passwords: tuple[str, ...] = ("SecurityCtrlr.BasicAuthPassword",)
    certificates_required = True
    organization = "SecurityCtrlr.OrganizationName"
    chain_limit = "SecurityCtrlr.MaxCertificateChainSize"
    boots_with_meter = False
    # F06.FR.06 names the first; stations that have no clock-aligned values take those of transactions.
    measurands: tuple[str, ...] = ("AlignedDataCtrlr.Measurands", "SampledDataCtrlr.TxUpdatedMeasurands")
    grants: Mapping[str, dict[str, object]] = {
        "Authorize": {"idTokenInfo": {"status": "Accepted"}},
        "TransactionEvent": {"idTokenInfo": {"status": "Accepted"}},
    }

    def boot(self, payload: Mapping[str, Any]) -> Boot:
        """Read a BootNotification."""
        station = member(payload, "chargingStation")
        vendor, model, serial = (text(station, name) for name in ("vendorName", "model", "serialNumber"))
        modem = member(station, "modem")
        reason, iccid, imsi = text(payload, "reason"), text(modem, "iccid"), text(modem, "imsi")
        return Boot(vendor, model, serial, text(station, "firmwareVersion"), reason, iccid, imsi)

    def statuses(self, action: str, payload: Mapping[str, Any]) -> Sequence[Status]:
        """Read a StatusNotification, or the NotifyEvent that may stand in its place (G01)."""
        if action == "StatusNotification":
            outlet = (number(payload, "evseId"), number(payload, "connectorId"))
            return (Status(outlet, text(payload, "connectorStatus")),)
        events = members(payload, "eventData") if action == "NotifyEvent" else []
        return [_outlet_state(event) for event in events if _is_about_outlet(event)]

    def outlets(self, expected: Expected) -> tuple[Outlet, ...]:
        """Return the connectors of all EVSEs."""
        return tuple((connector.evse, connector.connector) for connector in expected.connectors)

    def meter_setting(self, evse: int) -> str:
        """Return the variable of the outlet's fiscal meter."""
        return f"FiscalMetering@{evse}.SerialNumber"

    def outlet(self, connector: Connector) -> Outlet:
        """Return the connector of its EVSE."""
        return (connector.evse, connector.connector)

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

    def unlock(self, visit: Visit, outlet: Connector, deadline: Deadline) -> str:
        """Unlock a connector."""
        where = {"evseId": outlet.evse, "connectorId": outlet.connector}
        return visit.call("UnlockConnector", where, deadline).status

    def readings(self, payload: Mapping[str, Any]) -> tuple[int, Sequence[Reading]]:
        """Read a MeterValues; what a value does not say is a register's Wh (SampledValueType)."""
        sampled = [value for meter in members(payload, "meterValue") for value in members(meter, "sampledValue")]
        told = [
            Reading(
                text(value, "measurand") or "Energy.Active.Import.Register",
                text(member(value, "unitOfMeasure"), "unit") or "Wh",
                str(value.get("value", "")),
            )
            for value in sampled
        ]
        return number(payload, "evseId"), told

    def remote_start(self, visit: Visit, outlet: Connector, deadline: Deadline) -> Answer:
        """Begin a transaction."""
        token = {"idToken": TOKEN, "type": "Central"}
        data = {"idToken": token, "remoteStartId": REMOTE_START, "evseId": outlet.evse}
        return visit.call("RequestStartTransaction", data, deadline)

    def remote_stop(self, visit: Visit, transaction: str, deadline: Deadline) -> Answer:
        """End a transaction."""
        return visit.call("RequestStopTransaction", {"transactionId": transaction}, deadline)

    def begun(self, messages: Sequence[Received], outlet: Connector) -> str | None:
        """Look for a transaction that our command began at the outlet, and for an event that says that it charges."""
        events = [m.payload for m in messages if m.action == "TransactionEvent"]
        ours = {_transaction(event) for event in events if _is_ours(event, outlet)}
        charging = [event for event in events if _info(event, "chargingState") in CHARGES]
        return next((_transaction(event) for event in charging if _transaction(event) in ours), None)

    def ended(self, messages: Sequence[Received], transaction: str) -> bool:
        """Look for the event that ends it."""
        events = (m.payload for m in messages if m.action == "TransactionEvent")
        return any(text(e, "eventType") == "Ended" and _transaction(e) == transaction for e in events)

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

    def install_root(self, visit: Visit, pem: str, deadline: Deadline) -> Answer:
        """Add a CSMS root."""
        data = {"certificateType": "CSMSRootCertificate", "certificate": pem}
        return visit.call("InstallCertificate", data, deadline)

    def root_hashes(self, visit: Visit, deadline: Deadline) -> list[dict[str, Any]]:
        """List the CSMS roots."""
        answer = visit.call("GetInstalledCertificateIds", {"certificateType": ["CSMSRootCertificate"]}, deadline)
        chains = members(answer.payload, "certificateHashDataChain")
        return [dict(member(chain, "certificateHashData")) for chain in chains]


def _address(name: str) -> dict[str, Any]:
    """Return the component and variable of a setting by the name that `_variables` gives it."""
    found = NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"'{name}' is no name of a component and its variable")
    place = {"id": int(found["evse"])} if found["evse"] else {}
    place |= {"connectorId": int(found["connector"])} if found["connector"] else {}
    component = {"name": found["component"], "instance": found["instance"], "evse": place}
    variable = {"name": found["variable"], "instance": found["part"]}
    return {
        "component": {key: value for key, value in component.items() if value},
        "variable": {key: value for key, value in variable.items() if value},
    }


def _setting_name(item: Mapping[str, Any]) -> str:
    """Return `Component[instance]@evse/connector.Variable[instance]`, without what the item does not have."""
    component, variable = member(item, "component"), member(item, "variable")
    evse, connector = number(member(component, "evse"), "id"), number(member(component, "evse"), "connectorId")
    place = f"@{evse}" if evse > 0 else ""
    place += f"/{connector}" if connector > 0 else ""
    parts = [f"[{text(each, 'instance')}]" if text(each, "instance") else "" for each in (component, variable)]
    return f"{text(component, 'name')}{parts[0]}{place}.{text(variable, 'name')}{parts[1]}"


def _transaction(event: Mapping[str, Any]) -> str:
    return _info(event, "transactionId")


def _info(event: Mapping[str, Any], name: str) -> str:
    return text(member(event, "transactionInfo"), name)


def _is_ours(event: Mapping[str, Any], outlet: Connector) -> bool:
    """Tell whether an event says that our command began its transaction at an outlet."""
    there = number(member(event, "evse"), "id") in {outlet.evse, -1}
    asked = text(event, "triggerReason") == "RemoteStart"
    return there and (asked or member(event, "transactionInfo").get("remoteStartId") == REMOTE_START)


def _is_about_outlet(event: Mapping[str, Any]) -> bool:
    named = (text(member(event, "component"), "name"), text(member(event, "variable"), "name"))
    return named == ("Connector", "AvailabilityState")


def _outlet_state(event: Mapping[str, Any]) -> Status:
    evse = member(member(event, "component"), "evse")
    return Status((number(evse, "id"), number(evse, "connectorId")), text(event, "actualValue"))


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
        attributes = members(item, "variableAttribute")
        actual = [text(a, "value") for a in attributes if a.get("type", "Actual") == "Actual"]
        found.append((_setting_name(item), actual[0] if actual else ""))
    return found
