"""Serves the operator page from a thread of the daemon."""

import socket
import threading
import time
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from station.errors import ConfigError, StationError

_START_SECONDS = 15.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class RunningServer:
    """A page that is being served."""

    host: str
    port: int
    """The real port, also where 0 was asked for."""
    _app: FastAPI
    _server: uvicorn.Server
    _thread: threading.Thread

    @property
    def url(self) -> str:
        """Return the address of the page."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    def stop(self) -> None:
        """End all open pages and stop serving; doing it twice is harmless."""
        self._app.state.feed.close()
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)


def serve(app: FastAPI, host: str, port: int) -> RunningServer:
    """Serve a page until it is stopped; port 0 takes any free one.

    Raises:
        ConfigError: The address cannot be listened on.
        StationError: The page does not start.
    """
    listener = _listen(host, port)
    server = uvicorn.Server(_settings(app))
    thread = threading.Thread(target=server.run, args=([listener],), name="web", daemon=True)
    thread.start()
    running = RunningServer(host, listener.getsockname()[1], app, server, thread)
    ends = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > ends:
            raise StationError(f"the operator page at {running.url} did not start")
        time.sleep(0.01)
    return running


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"the operator page cannot listen on {host} port {port}: {error.strerror or error}",
            hint="Choose another 'web.host' or 'web.port'.",
        ) from error
    # Inherited by every connection. asyncio sets it only on sockets that name their protocol, which these do not;
    # without it the reply to a scan waits 40 ms for a delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _settings(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        limit_concurrency=256,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=16_384,
    )
