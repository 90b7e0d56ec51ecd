"""uvicorn behind an accept loop of its own: bounded connections, bounded time, and the client's certificate in sight.

uvicorn bounds neither how long a TLS handshake or a request may take, nor counts connections that shake hands; it does
not tell the application who the peer is. Each connection serves one request, so one limit of time covers it.
"""

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from pki.errors import PkiError
from pki.issue import ServerFiles

LOG = logging.getLogger(__name__)
MAX_HEADER_BYTES = 16_384
STOP_SECONDS = 3
SHUTDOWN_SECONDS = 2.0
BACKLOG = 128


@dataclass(frozen=True)
class Limits:
    """What one listener allows."""

    connections: int = 256
    """At the same time; more wait in the kernel's queue."""
    per_address: int = 64
    """Of them from one address; more are closed at once."""
    request_seconds: float = 10.0
    """From the connection to the end of the TLS handshake, and from there to the last byte of the request."""
    connection_seconds: float = 300.0
    """From the connection to its end: a long list over a slow line."""


class Protocol(H11Protocol):
    """HTTP/1.1 for one request, with the client's certificate (DER) as `request.state.peer`."""

    def __init__(self, *arguments: Any, request_seconds: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ended = asyncio.Event()
        self._request_seconds = request_seconds
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        """Look who it is, and start the request's time."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        peer = tls.getpeercert(binary_form=True) if tls else None
        self.app_state = {**self.app_state, "peer": peer or b""}
        self._timer = self.loop.call_later(self._request_seconds, self._end_if_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the accept loop that there is room."""
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)
        self.ended.set()

    def _end_if_late(self) -> None:
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self.transport.abort()


class Listener(uvicorn.Server):
    """One address with its application."""

    def __init__(self, app: Starlette, listening: socket.socket, limits: Limits, tls: ssl.SSLContext | None) -> None:
        super().__init__(_settings(app))
        self.servers = []
        self._socket = listening
        self._limits = limits
        self._tls = tls
        self._free = asyncio.Semaphore(limits.connections)
        self._by_address: Counter[str] = Counter()
        self._open: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Return the real port, also where 0 was asked for."""
        return int(self._socket.getsockname()[1])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the service, which has several listeners."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept.

        Raises:
            PkiError: The application does not start.
        """
        del sockets
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise PkiError("the service does not start")
        self._accepting = asyncio.create_task(self._accept())
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, finish what is being answered, and close the rest."""
        if self._accepting:
            self._accepting.cancel()
        self._socket.close()
        await super().shutdown(sockets)
        for task in self._open:
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._free.acquire()
            try:
                accepted, address = await loop.sock_accept(self._socket)
            except OSError as error:  # out of descriptors, or the client left already
                LOG.warning("a connection was not accepted: %s", error)
                self._free.release()
                await asyncio.sleep(0.1)
                continue
            task = asyncio.create_task(self._serve_one(accepted, address[0]))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _serve_one(self, accepted: socket.socket, address: str) -> None:
        self._by_address[address] += 1
        try:
            if self._by_address[address] <= self._limits.per_address:
                await self._connection(accepted)
        finally:
            accepted.close()
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            self._free.release()

    async def _connection(self, accepted: socket.socket) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handshake = {"ssl_handshake_timeout": self._limits.request_seconds, "ssl_shutdown_timeout": SHUTDOWN_SECONDS}
        protocol = None
        try:
            async with asyncio.timeout(self._limits.connection_seconds):
                _, protocol = await asyncio.get_running_loop().connect_accepted_socket(
                    self._protocol, accepted, ssl=self._tls, **(handshake if self._tls else {})
                )
                await protocol.ended.wait()
        except (OSError, TimeoutError) as error:
            LOG.debug("a connection ended: %s", error)
        finally:
            if protocol:
                protocol.transport.abort()

    def _protocol(self) -> Protocol:
        return Protocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            request_seconds=self._limits.request_seconds,
        )


def listen(address: tuple[str, int]) -> socket.socket:
    """Return a socket that listens; port 0 takes any free one.

    Raises:
        PkiError: The address can't be listened on.
    """
    host, port = address
    try:
        listening = socket.create_server(
            address, family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
        )
    except OSError as error:
        why = f"the service can't listen on {host} port {port}: {error.strerror or error}"
        raise PkiError(why, hint="Choose another address.") from error
    listening.setblocking(False)
    return listening


def tls_context(files: ServerFiles, clients: bytes) -> ssl.SSLContext:
    """Return a server's context that asks for client certificates of these CAs (PEM) and can do without.

    Sessions are not resumed: whoever renews a certificate shows in this very connection that it has the key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.load_cert_chain(files.chain, files.key, files.passphrase)
    context.load_verify_locations(cadata=clients.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def _settings(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        headers=[("Connection", "close")],
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )
