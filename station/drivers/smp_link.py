"""Requests and answers over one open port, with resends: survives lost bytes, flipped bits, stalls and late answers.

A request is sent again, byte for byte, until its answer comes; an answer is believed only if sequence number, group and
command are those of the request. The redacting boundary is here: what leaves this file as an exception carries numbers
and names of fields, never a payload, and no library's exception hangs on to it as cause or context.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import cbor2
from pydantic import ValidationError
from smp.header import OP, Header
from smp.message import ReadResponse, WriteResponse
from smpclient.generics import SMPRequest

from station.clock import Deadline
from station.drivers.smp_errors import Refused
from station.drivers.smp_port import SmpPort
from station.errors import Defect, UnitError

PATIENCE = (1.0, 2.0, 3.0, 5.0, 8.0)
"""Seconds that each attempt waits for its answer, beyond the time on the wire."""
SLOW = (2.0, 3.0, 5.0, 10.0, 20.0)
"""For what may take a device long, and does the same when asked again: erasing flash, unwrapping a key."""
KEY_GENERATION = (10.0, 15.0, 30.0)
"""For what takes long and does something new each time."""
PROBE = (0.5, 1.0, 2.0)
"""For asking something that a bootloader may simply not answer."""
BYTES_PER_SECOND = 8_000
"""Payload rate of the slowest wire, 115200 baud, after framing."""
_RESERVED = frozenset({"header", "version", "sequence", "smp_data"})

Rep = TypeVar("Rep", bound=ReadResponse | WriteResponse)


class Silence(Exception):
    """No attempt was answered in time."""


class Link:
    """One port and the conversation over it."""

    def __init__(self, port: SmpPort) -> None:
        """Talk over an open port, at first in messages that any server can take."""
        self.port = port
        self.largest_message = 128
        """Bytes of the largest request; raised once the server told its buffer size."""
        self.heard = False
        """Whether one valid answer ever came."""
        self._sequence = 0

    def ask(
        self,
        request: SMPRequest[Rep, Any, Any],
        deadline: Deadline,
        *,
        patience: Sequence[float] = PATIENCE,
        once: bool = False,
    ) -> Rep:
        """Make a request until it is answered.

        Args:
            request: what to send.
            deadline: no attempt starts or waits beyond it.
            patience: how long each attempt waits, in seconds.
            once: the device does not do the same when asked again, so an answer to an earlier attempt is not taken.

        Raises:
            Refused: The device answered with an error.
            Silence: No attempt was answered.
            Broken: The port vanished.
            UnitError: The answer makes no sense.
        """
        frame = self._numbered(request.BYTES)
        for number, seconds in enumerate(patience):
            if number and deadline.expired:
                break
            if once and number:
                frame = self._numbered(frame)
            self.port.resync()
            self.port.send(frame)
            answer = self._answer(frame, deadline.at_most(seconds + len(frame) / BYTES_PER_SECOND))
            if answer is not None:
                self.heard = True
                return _parse(request, answer)
        raise Silence

    def _numbered(self, frame: bytes) -> bytes:
        """Return the frame with a sequence number of its own (byte 6 of the header)."""
        self._sequence = (self._sequence + 1) % 256
        return frame[:6] + bytes((self._sequence,)) + frame[7:]

    def _answer(self, frame: bytes, deadline: Deadline) -> bytes | None:
        """Wait for the answer to a frame; late answers to earlier ones are dropped."""
        while True:
            answer = self.port.receive(deadline)
            if answer is None or _answers(answer, frame):
                return answer


def _answers(answer: bytes, frame: bytes) -> bool:
    """Compare operation, group, sequence and command, and the length that the header gives."""
    if len(answer) < Header.SIZE or int.from_bytes(answer[2:4]) != len(answer) - Header.SIZE:
        return False
    expected = OP.READ_RSP if frame[0] & 0b111 == OP.READ else OP.WRITE_RSP
    return answer[0] & 0b111 == expected and answer[4:8] == frame[4:8]


def _parse(request: SMPRequest[Rep, Any, Any], answer: bytes) -> Rep:
    body = _body(answer)
    group = int.from_bytes(answer[4:6])
    if body is None:
        raise UnitError(Defect.PROTOCOL, f"The charger's answer in group {group} is not valid CBOR.")
    _raise_refusal(group, body)
    response = _typed(request, answer, body)
    if isinstance(response, str):
        raise UnitError(Defect.PROTOCOL, f"The charger's answer in group {group} is not valid: '{response}'.")
    return response


def _body(answer: bytes) -> dict[str, Any] | None:
    try:
        body = cbor2.loads(answer[Header.SIZE :]) if len(answer) > Header.SIZE else {}
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError):
        return None
    return body if isinstance(body, dict) and all(isinstance(key, str) for key in body) else None


def _raise_refusal(group: int, body: dict[str, Any]) -> None:
    """Raise the error an answer carries; `rc: 0` is none, it is how old servers and bootloaders say yes."""
    problem, rc = body.get("err"), body.get("rc", 0)
    if isinstance(problem, dict):
        rc = problem.get("rc")
        owner = problem.get("group")
    else:
        owner = None
    if not isinstance(rc, int) or not isinstance(owner, int | None):
        raise UnitError(Defect.PROTOCOL, f"The charger's error in group {group} is not valid.")
    if rc:
        length = body.get("len")
        raise Refused(group, owner, rc, length if isinstance(length, int) else None)


def _typed(request: SMPRequest[Rep, Any, Any], answer: bytes, body: dict[str, Any]) -> Rep | str:
    """Return the typed response, or the name of the field that is wrong."""
    kind = request._Response  # noqa: SLF001 - smpclient's way of pairing request and response
    known = {key: value for key, value in body.items() if key in kind.model_fields and key not in _RESERVED}
    try:
        return kind(header=Header.loads(answer[: Header.SIZE]), smp_data=answer, **known)
    except ValidationError as error:
        return str(error.errors(include_input=False, include_context=False, include_url=False)[0]["loc"][0])
    except ValueError:
        return "header"
