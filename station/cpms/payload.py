"""The registration of a unit as JSON, and its comparison with what a CPMS gives back.

One object is the source of label, documents and registration (F-G6). It holds no secret: credentials are not
registered, only the digest of the certificate.
"""

from collections.abc import Iterator
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.x509.oid import NameOID

from station.cpms.contract import Body, Record
from station.errors import ConfigError
from station.model import Connector, InstalledMeter, UnitRecord

UNASSIGNED = "unassigned"
OPERATORS: Body = {"site_group": UNASSIGNED, "tariff": UNASSIGNED, "operator_account": UNASSIGNED}
"""What the operator decides later (F-G4): sent with a registration as unassigned, and nobody's difference after."""
LONGEST_VALUE = 500
"""Characters of a remote value that are compared and kept."""
NOTHING = "null"
SHOWN = 60
"""Characters of a value in a message."""


def payload(record: UnitRecord) -> Body:
    """Return the registration of a unit (F-G1).

    Raises:
        ConfigError: The certificate's subject has no common name.
    """
    return {
        "serial": record.serial,
        "ocpp_identity": record.ocpp_identity,
        "vendor": record.vendor,
        "model": record.model,
        "hardware": record.hardware,
        "firmware": record.firmware,
        "firmware_sha256": record.firmware_sha256,
        "ocpp_version": record.ocpp_version,
        "security_profile": record.security_profile,
        "endpoint": record.endpoint,
        "connectors": [_connector(connector) for connector in record.connectors],
        "certificate": {
            "sha256": record.certificate_sha256,
            "common_name": common_name(record.certificate_subject),
            "serial_number": record.certificate_serial,
        },
        "work_order": record.work_order,
        "customer": record.customer,
        **_modules(record),
    }


def _modules(record: UnitRecord) -> Body:
    """Return meters with their keys, and the numbers of modules, where the unit has them (F-G1, F-I4)."""
    meters = [_meter(meter) for meter in record.meters]
    numbers = [{"kind": number.kind, "value": number.value} for number in record.identifiers]
    return ({"meters": meters} if meters else {}) | ({"identifiers": numbers} if numbers else {})


def _meter(meter: InstalledMeter) -> Body:
    return {
        "evse": meter.evse,
        "type": meter.type,
        "serial": meter.serial,
        "approval": meter.approval,
        "public_key": meter.public_key,
    }


def canonical(body: Body) -> bytes:
    """Return the RFC 8785 bytes of a registration."""
    return rfc8785.dumps(body)


def as_kept(sent: Body, remote: Record) -> Body:
    """Return the CPMS's values of the fields that were sent; what it adds of its own is left out."""
    picked: Body = _pick(sent, dict(remote.fields))
    return picked


def differences(record: UnitRecord, remote: Record) -> tuple[str, ...]:
    """Name each field that the CPMS keeps otherwise than we would send it, with both values."""
    sent = payload(record)
    return compare(sent, as_kept(sent, remote))


def compare(sent: Body, kept: Body) -> tuple[str, ...]:
    """Name the fields that differ, with both values."""
    ours, theirs = dict(_flatten("", sent)), dict(_flatten("", kept))
    names = dict.fromkeys([*ours, *theirs])
    return tuple(
        f"{name}: sent {_show(ours.get(name))}, recorded {_show(theirs.get(name))}"
        for name in names
        if ours.get(name) != theirs.get(name)
    )


def contradictions(sent: Body, kept: Body) -> tuple[str, ...]:
    """Name the fields that a CPMS has otherwise, with both values; what it has no value for is no contradiction."""
    ours, theirs = dict(_flatten("", sent)), dict(_flatten("", kept))
    return tuple(
        f"{name}: sent {_show(ours.get(name))}, recorded {_show(theirs[name])}"
        for name in theirs
        if theirs[name] not in (ours.get(name), NOTHING)
    )


def _connector(connector: Connector) -> Body:
    return {
        "id": connector.evse,
        "evse": connector.evse,
        "connector": connector.connector,
        "letter": connector.letter,
        "type": connector.type,
        "phases": connector.phases,
        "max_current_a": connector.max_current_a,
        "max_power_w": connector.max_power_w,
    }


def common_name(subject: str) -> str:
    """Return the common name of a certificate's subject.

    Raises:
        ConfigError: It has none, or is no RFC 4514 name.
    """
    try:
        names = x509.Name.from_rfc4514_string(subject).get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError as error:
        raise ConfigError(f"certificate subject '{subject}' is not an RFC 4514 name") from error
    if len(names) != 1:
        raise ConfigError(f"certificate subject '{subject}' has no common name")
    return str(names[0].value)


def _pick(sent: Any, remote: Any) -> Any:
    """Follow the shape of what was sent through the remote value, which may be anything."""
    if isinstance(sent, dict):
        found = remote if isinstance(remote, dict) else {}
        return {name: _pick(value, found.get(name)) for name, value in sent.items()}
    if isinstance(sent, list):
        items = remote if isinstance(remote, list) else []
        shape = sent[0] if sent else None
        return [_pick(shape, value) for value in items[: 2 * len(sent) + 1]]
    return _scalar(remote)


def _scalar(value: Any) -> str | int | bool | None:
    """Return a value that can be compared, or a mark for one that can't."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, str) and value.isprintable():
        return value[:LONGEST_VALUE]
    return "(not comparable)"


def _flatten(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield leaves as (path, JSON), so that 1 and true differ."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flatten(f"{name}.{key}" if name else key, item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flatten(f"{name}[{index}]", item)
    else:
        yield name, rfc8785.dumps(value).decode()


def _show(text: str | None) -> str:
    return "nothing" if text is None else text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
