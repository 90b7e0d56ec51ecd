"""OCPP-J frames and their schemas; the one place that knows the `ocpp` library.

Its schemas are used, its `ChargePoint` and its codec are not: they log payloads with passwords, leave unknown actions
unanswered, lose a response which breaks the schema, where an acceptance server must record it and go on, and know
neither of the message types that OCPP 2.1 added.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

from jsonschema_rs import Validator, validator_for
from ocpp.messages import get_validator

from station.model import OcppVersion

_CALL, _RESULT, _ERROR, _RESULT_ERROR, _SEND = 2, 3, 4, 5, 6
_SCHEMAS = {OcppVersion.V16: "1.6", OcppVersion.V201: "2.0.1", OcppVersion.V21: "2.1"}
SENT = frozenset({"NotifyPeriodicEventStream"})
"""What a station may say with a SEND, and in no other way."""
_LONGEST_ID = 36
_MAX_FINDINGS = 5


class FrameError(Exception):
    """A frame that is no OCPP message; says why without quoting it."""

    def __init__(self, reason: str, answer_to: str = "") -> None:
        super().__init__(reason)
        self.answer_to = answer_to
        """Message id, where it was meant as a request and waits for an answer; else empty."""


@dataclass(frozen=True)
class Request:
    """A CALL, or a SEND (2.1), which wants no answer."""

    unique_id: str
    action: str
    payload: dict[str, object]
    wants_answer: bool = True


@dataclass(frozen=True)
class Reply:
    """A CALLRESULT, or a CALLERROR with its code."""

    unique_id: str
    payload: dict[str, object]
    error: str = ""


@dataclass(frozen=True)
class Objection:
    """A CALLRESULTERROR (2.1): the station cannot use an answer of ours."""

    unique_id: str
    error: str


Message = Request | Reply | Objection


def parse(text: str, version: OcppVersion) -> Message:
    """Read a frame.

    Raises:
        FrameError: It is not JSON, or not one of the version's message types with the right elements.
    """
    try:
        message = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FrameError("not JSON, nested too deep, or with too long a number") from error
    if not isinstance(message, list) or len(message) < 2:
        raise FrameError("not an OCPP message")
    kind, unique_id, *rest = message
    if not isinstance(unique_id, str) or not 0 < len(unique_id) <= _LONGEST_ID:
        raise FrameError(f"message id is not a text of 1 to {_LONGEST_ID} characters")
    readers = _READERS_21 if version is OcppVersion.V21 else _READERS
    if type(kind) is not int or kind not in readers:
        raise FrameError(f"no message type of {version}")
    return readers[kind](unique_id, rest)


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _request(unique_id: str, rest: Sequence[object]) -> Request:
    match rest:
        case [str(action), dict(payload)]:
            return Request(unique_id, action, payload)
    raise FrameError("request without an action and an object", answer_to=unique_id)


def _send(unique_id: str, rest: Sequence[object]) -> Request:
    match rest:
        case [str(action), dict(payload)]:
            return Request(unique_id, action, payload, wants_answer=False)
    raise FrameError("message without an action and an object")


def _reply(unique_id: str, rest: Sequence[object]) -> Reply:
    match rest:
        case [dict(payload)]:
            return Reply(unique_id, payload)
    raise FrameError("answer without an object")


def _error(unique_id: str, rest: Sequence[object]) -> Reply:
    return Reply(unique_id, {}, _code(rest))


def _objection(unique_id: str, rest: Sequence[object]) -> Objection:
    return Objection(unique_id, _code(rest))


def _code(rest: Sequence[object]) -> str:
    match rest:
        case [code, str(), *more] if len(more) <= 1:
            return printable(code) or "CALLERROR"
    raise FrameError("error without a code and a description")


_READERS: Mapping[int, Callable[[str, Sequence[object]], Message]] = {_CALL: _request, _RESULT: _reply, _ERROR: _error}
_READERS_21 = {**_READERS, _RESULT_ERROR: _objection, _SEND: _send}


def request_frame(unique_id: str, action: str, payload: dict[str, object]) -> str:
    """Write a CALL."""
    return _frame(_CALL, unique_id, action, payload)


def reply_frame(unique_id: str, payload: dict[str, object]) -> str:
    """Write a CALLRESULT."""
    return _frame(_RESULT, unique_id, payload)


def error_frame(unique_id: str, code: str, description: str) -> str:
    """Write a CALLERROR."""
    return _frame(_ERROR, unique_id, code, description, {})


def _frame(*elements: object) -> str:
    return json.dumps(elements, separators=(",", ":"))


def violations(version: OcppVersion, action: str, payload: dict[str, object], *, answer: bool) -> tuple[str, ...]:
    """Return where a payload breaks the schema of a known action; names places and rules, never values."""
    kind = _RESULT if answer else _SEND if action in SENT else _CALL
    subject = f"{action}{' answer' if answer else ''}"
    try:
        errors = list(islice(_validator(version, action, kind).iter_errors(payload), _MAX_FINDINGS))
    except ValueError:
        return (f"{subject}: $ is nested too deep, or has a text that is no Unicode",)
    return tuple(f"{subject}: {_place(error.instance_path)} breaks {error.kind.name}" for error in errors)


@cache
def _validator(version: OcppVersion, action: str, kind: int) -> Validator:
    return validator_for(get_validator(kind, action, _SCHEMAS[version]).schema, validate_formats=False)


def _place(path: Sequence[str | int]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{printable(part)}" for part in path)


def printable(value: object, limit: int = 64) -> str:
    """Return foreign text as it may stand in a message: printable ASCII, bounded."""
    text = value if isinstance(value, str) else type(value).__name__
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:limit])
