"""The local OCPP server that every unit must reach before it ships: one class, two personas (design 8.6).

asyncio lives in one thread of its own; everything public here blocks and may be called from every slot thread.
"""

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import InvalidHeader
from websockets.headers import build_www_authenticate_basic, parse_authorization_basic
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from station.acceptance.admission import Presented, Verdict, judge
from station.acceptance.attempts import AttemptLog
from station.acceptance.connection import WIRE_LOG, BoundedConnection
from station.acceptance.contract import Expected, Limits, PersonaConfig, ServerConfig
from station.acceptance.session import Session
from station.acceptance.tls import SIGHTING, WatchedTls, listen, server_context
from station.acceptance.visit import Visit
from station.errors import Aborted
from station.model import Environment

_LOG = logging.getLogger(__name__)
_STOP_SECONDS = 5.0
_ADMITTED: ContextVar[tuple[Visit, Presented]] = ContextVar("admitted")
Result = TypeVar("Result")


class AcceptanceServer:
    """Accepts the units that somebody expects, and nobody else."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.attempts = AttemptLog(patience_seconds=2 * config.limits.handshake_seconds)
        """Every connection attempt, on all personas."""
        self._lock = threading.Lock()
        self._visits: list[Visit] = []
        self._servers: dict[Environment, Server] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="acceptance", daemon=True)

    def start(self) -> None:
        """Listen on the ports of all personas.

        Raises:
            ConfigError: A certificate, key or root cannot be used.
            ServiceError: A port cannot be listened on.
        """
        self._thread.start()
        try:
            self._run(self._start())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Close every connection, end every visit as aborted, and stop the thread."""
        with self._lock:
            visits = tuple(self._visits)
        for visit in visits:
            visit.fail(Aborted("The acceptance server was stopped."))
        if self._thread.is_alive():
            self._run(self._stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_SECONDS)
        if not self._loop.is_running():
            self._loop.close()

    def adopt(self, limits: Limits) -> None:
        """Judge units by the limits of another product from now on; visits that are open keep theirs."""
        self.config = replace(self.config, limits=limits)

    def port(self, environment: Environment) -> int:
        """Return the TCP port of a persona."""
        return int(self._servers[environment].sockets[0].getsockname()[1])

    @contextmanager
    def expect(self, expected: Expected) -> Iterator[Visit]:
        """Let a unit connect while the block runs; its certificate or password is what it is known by.

        Raises:
            RuntimeError: The same unit is expected already in this environment: a bug of the caller.
        """
        visit = Visit(expected, self.config.limits, self.attempts, self._loop)
        with self._lock:
            if any(
                other.expected.environment is expected.environment and other.names & visit.names
                for other in self._visits
            ):
                raise RuntimeError(f"{expected.identity} is already expected in {expected.environment}")
            self._visits.append(visit)
        try:
            yield visit
        finally:
            with self._lock:
                self._visits.remove(visit)
            link = visit.link
            if link is not None and self._loop.is_running():
                asyncio.run_coroutine_threadsafe(link.close(), self._loop)

    def forget(self, identity: str) -> None:
        """Count attempts of a unit from now on only: what its old configuration tried does not matter."""
        with self._lock:
            for visit in self._visits:
                if identity in visit.names:
                    visit.watched_since = self.attempts.mark()

    def _run(self, work: Coroutine[object, object, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self) -> None:
        for persona in self.config.personas:
            self._servers[persona.persona] = await self._serve(persona)

    async def _serve(self, persona: PersonaConfig) -> Server:
        limits = self.config.limits
        roots = [other.client_roots_pem for other in self.config.personas]
        context = server_context(persona, roots)
        return await serve(
            _handle,
            sock=listen(self.config.host, persona, self.attempts, limits.half_open),
            ssl=context,
            process_request=partial(self._admit, persona.persona),
            select_subprotocol=_select_subprotocol,
            compression=None,
            open_timeout=limits.handshake_seconds,
            ping_interval=limits.ping_seconds,
            ping_timeout=limits.ping_seconds,
            close_timeout=2.0,
            max_size=limits.message_bytes,
            server_header=None,
            logger=WIRE_LOG,
            create_connection=BoundedConnection,
        )

    async def _stop(self) -> None:
        for server in self._servers.values():
            server.close()
        for server in self._servers.values():
            await server.wait_closed()

    def _admit(self, environment: Environment, connection: ServerConnection, request: Request) -> Response | None:
        """Decide on a connection; a bug in here must not look like a unit that does not connect."""
        try:
            return self._decide(environment, connection, request)
        except Exception as bug:  # noqa: BLE001 - boundary of the loop thread
            for visit in self._waiting(environment):
                visit.suspect(bug)
            _LOG.exception("admission failed")
            return connection.respond(HTTPStatus.INTERNAL_SERVER_ERROR, "")

    def _decide(self, environment: Environment, connection: ServerConnection, request: Request) -> Response | None:
        presented = _presented(environment, connection, request)
        visits = self._waiting(environment)
        verdict = judge(presented, [visit.expected for visit in visits])
        proven = verdict.expected.serial if verdict.expected else ""
        owner = presented.certificate.common_name if presented.certificate else proven
        SIGHTING.get().learned(verdict.reason, owner=owner, claimed=presented.claimed, settled=True)
        for visit in visits:
            if verdict.admitted and visit.expected is verdict.expected:
                if visit.away:
                    return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "")
                _ADMITTED.set((visit, replace(presented, basic=None)))
                return None
            if visit.expected in (verdict.expected, verdict.claimed):
                visit.refused(verdict)
        return _refuse(connection, verdict)

    def _waiting(self, environment: Environment) -> list[Visit]:
        """Return the visits that still want their unit; one that has failed lets nobody in again."""
        with self._lock:
            visits = tuple(self._visits)
        return [visit for visit in visits if visit.expected.environment is environment and not visit.failed]


async def _handle(connection: ServerConnection) -> None:
    visit, presented = _ADMITTED.get()
    assert isinstance(connection, BoundedConnection)  # noqa: S101 - `_serve` makes no others
    try:
        await Session(connection, visit).run(presented)
    except Exception as bug:  # noqa: BLE001 - the slot thread raises it: a bug of ours is never the unit's FAIL
        visit.fail(bug)


def _select_subprotocol(_connection: ServerConnection, _offered: Sequence[Subprotocol]) -> Subprotocol:
    """Name the ordered version: admission has seen that the station offers it."""
    visit, _ = _ADMITTED.get()
    return Subprotocol(visit.expected.version.value)


def _refuse(connection: ServerConnection, verdict: Verdict) -> Response:
    response = connection.respond(verdict.status, "")
    if verdict.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = build_www_authenticate_basic("ocpp")
    return response


def _presented(environment: Environment, connection: ServerConnection, request: Request) -> Presented:
    tls: WatchedTls = connection.transport.get_extra_info("ssl_object")
    cipher = tls.cipher()
    headers = request.headers.get_all("Authorization")
    if headers:
        del request.headers["Authorization"]  # the connection keeps its request, and nobody needs the password again
    return Presented(
        environment=environment,
        address=str((connection.remote_address or ("gone",))[0]),  # None once the peer has hung up
        path=request.path,
        subprotocols=_offered(request),
        authorization=bool(headers),
        basic=_basic(headers),
        certificate=tls.peer,
        tls_version=tls.version() or "",
        cipher=cipher[0] if cipher else "",
    )


def _offered(request: Request) -> tuple[str, ...]:
    lines = request.headers.get_all("Sec-WebSocket-Protocol")
    return tuple(name.strip() for line in lines for name in line.split(","))


def _basic(headers: list[str]) -> tuple[str, str] | None:
    """Return name and password, or None where there is not exactly one well-formed Basic header."""
    if len(headers) != 1:
        return None
    try:
        return parse_authorization_basic(headers[0])
    except InvalidHeader:
        return None
