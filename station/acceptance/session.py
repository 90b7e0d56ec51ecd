"""One WebSocket of one station, served in the loop thread: receives, answers, carries commands to it."""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import datetime

from websockets.exceptions import ConnectionClosed

from station.acceptance.admission import Presented
from station.acceptance.connection import BoundedConnection
from station.acceptance.contract import Limits
from station.acceptance.dialect import TOKEN, card
from station.acceptance.messages import (
    SENT,
    FrameError,
    Objection,
    Reply,
    Request,
    error_frame,
    parse,
    printable,
    reply_frame,
    request_frame,
    violations,
)
from station.acceptance.replies import REPLIES, boot_reply
from station.acceptance.visit import Answer, CallRefused, ConnectionGone, Received, Visit
from station.clock import utc_now
from station.errors import Defect, UnitError
from station.model import OcppVersion

_TOO_BIG = 1009
"""WebSocket close code for a message over the limit (RFC 6455, 7.4.1)."""
_MALFORMED: Mapping[OcppVersion, str] = {
    OcppVersion.V16: "FormationViolation",
    OcppVersion.V201: "RpcFrameworkError",
    OcppVersion.V21: "RpcFrameworkError",
}
"""The CALLERROR code for a request that is none."""


class Session:
    """Serves a connection until it closes; at most one command is under way (OCPP-J 4.1.1)."""

    def __init__(self, socket: BoundedConnection, visit: Visit) -> None:
        self._socket = socket
        socket.frames_left = visit.limits.messages
        self._visit = visit
        self._number = 0
        self._version = visit.expected.version
        self._limits: Limits = visit.limits
        self._sending = asyncio.Lock()
        self._waiting: dict[str, tuple[str, asyncio.Future[tuple[Reply, int]]]] = {}
        self._used_ids: set[str] = set()

    async def run(self, presented: Presented) -> None:
        """Serve until either side closes, and let nobody wait for an answer that cannot come."""
        self._number, former = self._visit.joined(self, presented, str(self._socket.subprotocol))
        if former is not None:
            former.drop()
        why = "closed by the server"
        try:
            while not self._visit.failed:
                await self._receive(await self._socket.recv())
        except ConnectionClosed as closed:
            why = self._explain(closed)
        finally:
            self._visit.left(self, self._number, why)
            for action, future in self._waiting.values():
                if not future.done():
                    future.set_exception(
                        ConnectionGone(Defect.OCPP, f"The unit closed the connection before it answered {action}.")
                    )

    async def call(self, action: str, payload: dict[str, object]) -> Answer:
        """Send a command and return its answer.

        Raises:
            CallRefused: The unit answered with an error.
            ConnectionGone: The connection ended before the answer.
        """
        async with self._sending:
            unique_id = str(uuid.uuid4())
            future: asyncio.Future[tuple[Reply, int]] = asyncio.get_running_loop().create_future()
            self._waiting[unique_id] = (action, future)
            try:
                await self._send(request_frame(unique_id, action, payload))
                reply, position = await future
            except ConnectionClosed as closed:
                if not future.cancel():
                    future.exception()  # nobody waits for it any more; unread, asyncio would log it as lost
                raise ConnectionGone(
                    Defect.OCPP, f"The unit closed the connection before {action} was sent."
                ) from closed
            finally:
                del self._waiting[unique_id]
        if reply.error:
            raise CallRefused(action, reply.error)
        self._check_schema(action, reply.payload, answer=True)
        return Answer(reply.payload, position)

    async def close(self) -> None:
        """Close the connection politely."""
        await self._socket.close()

    def drop(self) -> None:
        """Cut the connection: the unit has opened a newer one."""
        self._socket.transport.abort()

    async def _send(self, frame: str) -> None:
        self._visit.frame("out", self._number, frame, utc_now())
        await self._socket.send(frame)

    async def _receive(self, data: str | bytes) -> None:
        at = utc_now()
        text = data if isinstance(data, str) else data.decode(errors="backslashreplace")
        self._visit.took(len(data))
        self._visit.frame("in", self._number, text, at)
        try:
            message = parse(text, self._version)
        except FrameError as error:
            await self._refuse(error)
            return
        if isinstance(message, Request):
            await self._answer(message, at)
        elif isinstance(message, Objection):
            self._visit.found(f"the unit cannot use an answer: {message.error}")
        else:
            self._deliver(message)

    async def _refuse(self, error: FrameError) -> None:
        """Leave no request without an answer, however broken it is."""
        self._visit.found(f"frame refused: {error}")
        if error.answer_to:
            await self._send(error_frame(error.answer_to, _MALFORMED[self._version], "not a request"))

    async def _answer(self, request: Request, at: datetime) -> None:
        """Answer a request and only then tell the slot thread, so that no command overtakes the answer."""
        if request.unique_id in self._used_ids:
            self._visit.found(f"message id of {printable(request.action)} was used before")
        self._used_ids.add(request.unique_id)
        if not self._knows(request):
            self._visit.found(f"unknown action {printable(request.action)}")
            if request.wants_answer:
                await self._send(error_frame(request.unique_id, "NotImplemented", "unknown action"))
            return
        self._check_schema(request.action, request.payload, answer=False)
        accepted = self._visit.accepting
        if request.wants_answer:
            await self._send(reply_frame(request.unique_id, self._reply(request, accepted=accepted)))
        self._visit.received(Received(self._number, at, request.action, request.payload, accepted))

    def _knows(self, request: Request) -> bool:
        if not request.wants_answer:
            return request.action in SENT
        return request.action == "BootNotification" or request.action in REPLIES[self._version]

    def _reply(self, request: Request, *, accepted: bool) -> dict[str, object]:
        if request.action == "BootNotification":
            return self._boot_reply(accepted=accepted)
        granted = self._visit.granted.get(request.action) if card(request.payload) in {"", TOKEN} else None
        return granted or REPLIES[self._version][request.action](request.payload)

    def _boot_reply(self, *, accepted: bool) -> dict[str, object]:
        if accepted:
            return boot_reply("Accepted", self._limits.heartbeat_seconds)
        return boot_reply("Pending", self._limits.pending_seconds)

    def _deliver(self, reply: Reply) -> None:
        _, future = self._waiting.get(reply.unique_id, ("", None))
        if future is None or future.done():
            self._visit.found("answer to nothing that was asked")
            return
        future.set_result((reply, self._visit.position))

    def _check_schema(self, action: str, payload: dict[str, object], *, answer: bool) -> None:
        for finding in violations(self._version, action, payload, answer=answer):
            self._visit.found(finding)

    def _explain(self, closed: ConnectionClosed) -> str:
        if self._socket.flooded:
            self._visit.fail(
                UnitError(Defect.OCPP, "The unit sent WebSocket frames without end: it floods the server.")
            )
        if closed.sent is not None and closed.sent.code == _TOO_BIG:
            limit = self._limits.message_bytes
            self._visit.fail(UnitError(Defect.OCPP, f"The unit sent a message larger than {limit} bytes."))
        code = closed.rcvd.code if closed.rcvd is not None else None
        return f"closed by the unit with code {code}" if code is not None else "connection lost"
