"""OCPP-J frames and their schemas; the one place that knows the `ocpp` library.

Its codec and schemas are used, its `ChargePoint` is not: that one logs payloads with passwords, leaves unknown actions
unanswered, and loses a response which breaks the schema, where an acceptance server must record it and go on.
"""

import json
from dataclasses import dataclass

from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallError, CallResult, get_validator, unpack

from station.model import OcppVersion

_SCHEMAS = {OcppVersion.V16: "1.6", OcppVersion.V201: "2.0.1"}
_MAX_FINDINGS = 5


class FrameError(Exception):
    """A frame that is no OCPP message; says why without quoting it."""


@dataclass(frozen=True)
class Request:
    """A CALL."""

    unique_id: str
    action: str
    payload: dict[str, object]


@dataclass(frozen=True)
class Reply:
    """A CALLRESULT, or a CALLERROR with its code."""

    unique_id: str
    payload: dict[str, object]
    error: str = ""


def parse(text: str) -> Request | Reply:
    """Read a frame.

    Raises:
        FrameError: It is not JSON, or not one of the three message types with the right elements.
    """
    try:
        message = unpack(text)
    except OCPPError as error:
        raise FrameError(f"not an OCPP message ({error.code})") from error
    except (ValueError, RecursionError) as error:
        raise FrameError("JSON nested too deep or with too long a number") from error
    if not isinstance(message.unique_id, str) or len(message.unique_id) > 36:
        raise FrameError("message id is not a text of at most 36 characters")
    if isinstance(message, CallError):
        return Reply(message.unique_id, {}, printable(message.error_code) or "CALLERROR")
    if not isinstance(message.payload, dict):
        raise FrameError("payload is not an object")
    if isinstance(message, CallResult):
        return Reply(message.unique_id, message.payload)
    if not isinstance(message.action, str):
        raise FrameError("action is not a text")
    return Request(message.unique_id, message.action, message.payload)


def request_frame(unique_id: str, action: str, payload: dict[str, object]) -> str:
    """Write a CALL."""
    return str(Call(unique_id, action, payload).to_json())


def reply_frame(unique_id: str, payload: dict[str, object]) -> str:
    """Write a CALLRESULT."""
    return str(CallResult(unique_id, payload).to_json())


def error_frame(unique_id: str, code: str, description: str) -> str:
    """Write a CALLERROR."""
    return str(CallError(unique_id, code, description, {}).to_json())


def violations(version: OcppVersion, action: str, payload: dict[str, object], *, answer: bool) -> tuple[str, ...]:
    """Return where a payload breaks the schema of a known action; names places and rules, never values."""
    kind = CallResult.message_type_id if answer else Call.message_type_id
    errors = get_validator(kind, action, _SCHEMAS[version]).iter_errors(payload)
    found = [f"{action}{' answer' if answer else ''}: {error.json_path} breaks {error.validator}" for error in errors]
    return tuple(found[:_MAX_FINDINGS])


def printable(value: object, limit: int = 64) -> str:
    """Return foreign text as it may stand in a message: printable ASCII, bounded."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:limit])
