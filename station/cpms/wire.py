"""What comes from a CPMS, bounded and checked before anything is believed."""

import re
from typing import Any

from station.cpms.contract import Record
from station.errors import Service, ServiceError
from station.http import MAX_BYTES, read_json

SERIAL = re.compile(r"[A-Z0-9-]{4,25}")
NUMBER = re.compile(r"[0-9A-F]{1,40}")
"""Serial number of a certificate (RFC 5280 section 4.1.2.2: at most 20 octets)."""


def safe_serial(serial: str) -> str:
    """Return a serial that may stand in a path.

    Raises:
        ValueError: It has other characters, or is too short or too long.
    """
    if not SERIAL.fullmatch(serial):
        raise ValueError("the serial number has characters that no serial number has")
    return serial


def safe_number(certificate_serial: str) -> str:
    """Return the serial number of a certificate that may stand in a path.

    Raises:
        ValueError: It is not upper-case hexadecimal, or too long.
    """
    if not NUMBER.fullmatch(certificate_serial):
        raise ValueError("the certificate's serial number is not upper-case hexadecimal")
    return certificate_serial


def parse_json(content: bytes, source: str) -> Any:
    """Return the JSON value of an answer.

    Raises:
        ServiceError: It is too large or not JSON.
    """
    if len(content) > MAX_BYTES:
        raise nonsense(source, f"more than {MAX_BYTES} bytes")
    try:
        return read_json(content)
    except ValueError as error:
        raise nonsense(source, "not JSON") from error


def parse_record(content: bytes, source: str) -> Record:
    """Return the record that an answer holds.

    Raises:
        ServiceError: It is not a record.
    """
    value = parse_json(content, source)
    found = value if isinstance(value, dict) else {}
    serial, revision, fields = found.get("serial"), found.get("revision"), found.get("charger")
    if not isinstance(serial, str) or not SERIAL.fullmatch(serial):
        raise nonsense(source, "a record without a serial number")
    if type(revision) is not int or not isinstance(fields, dict):
        raise nonsense(source, "a record without revision or content")
    return Record(serial, revision, fields)


def parse_revocation(content: bytes, source: str) -> dict[str, Any]:
    """Return reason and environment of a revoked certificate from the record that an answer holds.

    Raises:
        ServiceError: It is not such a record.
    """
    value = parse_json(content, source)
    found = value.get("revocation") if isinstance(value, dict) else None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in ("reason", "environment")):
        raise nonsense(source, "not the record of a revoked certificate")
    return {"reason": found["reason"], "environment": found["environment"]}


def parse_withdrawal(content: bytes, source: str) -> dict[str, Any]:
    """Return why a registration was withdrawn from the record that an answer holds.

    Raises:
        ServiceError: It is not such a record.
    """
    value = parse_json(content, source)
    found = value.get("withdrawal") if isinstance(value, dict) else None
    if not isinstance(found, dict) or not isinstance(found.get("reason"), str):
        raise nonsense(source, "not the record of a withdrawn registration")
    return {"reason": found["reason"]}


def nonsense(source: str, what: str) -> ServiceError:
    """Return the error for an answer that can't be used."""
    return ServiceError(
        Service.CPMS,
        f"{source}: the answer is {what}",
        hint="Ask the CPMS team what answers at this address.",
        stops_line=False,
    )
