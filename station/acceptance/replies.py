"""What the server answers to each request a station may send, as data.

Every station-initiated action of a version is answered: some stations stop for good at a NotImplemented. Nothing is
granted in a factory: no authorization, no transaction, no certificate.
"""

from collections.abc import Callable, Mapping

from station.clock import iso, utc_now
from station.model import OcppVersion

Payload = dict[str, object]
Answer = Callable[[Payload], Payload]


def _now(_: Payload) -> Payload:
    return {"currentTime": iso(utc_now())}


def _empty(_: Payload) -> Payload:
    return {}


def _always(payload: Payload) -> Answer:
    return lambda _: dict(payload)


def _vat_number(request: Payload) -> Payload:
    return {"vatNumber": str(request.get("vatNumber", ""))[:20], "status": "Rejected"}


def _chain_status(request: Payload) -> Payload:
    """Know of no certificate whether it was revoked; a factory asks nobody."""
    asked = request.get("certificateStatusRequests")
    known = [item for item in asked if isinstance(item, dict)][:4] if isinstance(asked, list) else []
    names = ("certificateHashData", "source")
    unknown = {"status": "Failed", "nextUpdate": iso(utc_now())}
    return {"certificateStatus": [{name: item.get(name) for name in names} | unknown for item in known]}


_REJECTED = _always({"status": "Rejected"})
_UNKNOWN_VENDOR = _always({"status": "UnknownVendorId"})

_V16: Mapping[str, Answer] = {
    "Authorize": _always({"idTagInfo": {"status": "Invalid"}}),
    "DataTransfer": _UNKNOWN_VENDOR,
    "DiagnosticsStatusNotification": _empty,
    "FirmwareStatusNotification": _empty,
    "Heartbeat": _now,
    "LogStatusNotification": _empty,
    "MeterValues": _empty,
    "SecurityEventNotification": _empty,
    "SignCertificate": _REJECTED,
    "SignedFirmwareStatusNotification": _empty,
    "StartTransaction": _always({"transactionId": 0, "idTagInfo": {"status": "Invalid"}}),
    "StatusNotification": _empty,
    "StopTransaction": _empty,
}

_V201: Mapping[str, Answer] = {
    "Authorize": _always({"idTokenInfo": {"status": "Invalid"}}),
    "ClearedChargingLimit": _empty,
    "DataTransfer": _UNKNOWN_VENDOR,
    "FirmwareStatusNotification": _empty,
    "Get15118EVCertificate": _always({"status": "Failed", "exiResponse": ""}),
    "GetCertificateStatus": _always({"status": "Failed"}),
    "Heartbeat": _now,
    "LogStatusNotification": _empty,
    "MeterValues": _empty,
    "NotifyChargingLimit": _empty,
    "NotifyCustomerInformation": _empty,
    "NotifyDisplayMessages": _empty,
    "NotifyEVChargingNeeds": _REJECTED,
    "NotifyEVChargingSchedule": _REJECTED,
    "NotifyEvent": _empty,
    "NotifyMonitoringReport": _empty,
    "NotifyReport": _empty,
    "PublishFirmwareStatusNotification": _empty,
    "ReportChargingProfiles": _empty,
    "ReservationStatusUpdate": _empty,
    "SecurityEventNotification": _empty,
    "SignCertificate": _REJECTED,
    "StatusNotification": _empty,
    "TransactionEvent": _empty,
}

_V21: Mapping[str, Answer] = {
    **_V201,
    "BatterySwap": _empty,
    "ClosePeriodicEventStream": _empty,
    "GetCertificateChainStatus": _chain_status,
    "NotifyDERAlarm": _empty,
    "NotifyDERStartStop": _empty,
    "NotifyPriorityCharging": _empty,
    "NotifySettlement": _empty,
    "OpenPeriodicEventStream": _REJECTED,
    "PullDynamicScheduleUpdate": _REJECTED,
    "ReportDERControl": _empty,
    "VatNumberValidation": _vat_number,
}

REPLIES: Mapping[OcppVersion, Mapping[str, Answer]] = {
    OcppVersion.V16: _V16,
    OcppVersion.V201: _V201,
    OcppVersion.V21: _V21,
}
"""By version and action; BootNotification is not here because its answer depends on the visit."""


def boot_reply(registration: str, interval: int) -> Payload:
    """Answer a BootNotification with `Pending` or `Accepted` and an interval in seconds."""
    return {"status": registration, "interval": interval, **_now({})}
