"""What comes from a CPMS, bounded and checked before anything is believed."""

import json
import re
from typing import Any, NoReturn

from station.cpms.contract import Record
from station.errors import Service, ServiceError

MAX_BYTES = 256 * 1024
"""Largest answer that is read."""
SERIAL = re.compile(r"[A-Z0-9-]{4,25}")


def safe_serial(serial: str) -> str:
    """Return a serial that may stand in a path.

    Raises:
        ValueError: It has other characters, or is too short or too long.
    """
    if not SERIAL.fullmatch(serial):
        raise ValueError("the serial number has characters that no serial number has")
    return serial


def parse_json(content: bytes, source: str) -> Any:
    """Return the JSON value of an answer.

    Raises:
        ServiceError: It is too large or not JSON.
    """
    if len(content) > MAX_BYTES:
        raise nonsense(source, f"more than {MAX_BYTES} bytes")
    try:
        return json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
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


def nonsense(source: str, what: str) -> ServiceError:
    """Return the error for an answer that can't be used."""
    return ServiceError(
        Service.CPMS,
        f"{source}: the answer is {what}",
        hint="Ask the CPMS team what answers at this address.",
        stops_line=False,
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
