"""Runs the listeners of one PKI until a signal."""

import asyncio
import logging
import signal
import threading

from pki.issue import Factory
from pki.service.app import WORLDS, Options, est_app, status_app
from pki.service.listener import Listener, listen, tls_context

LOG = logging.getLogger(__name__)


class Service:
    """The addresses of one PKI; they are bound when it is made."""

    def __init__(self, factory: Factory, options: Options) -> None:
        self._listeners = [Listener(status_app(factory, options), listen(options.http), options.limits, None)]
        if options.https:
            clients = b"".join(factory.client_roots(world) for world in WORLDS.values())
            context = tls_context(factory.server_files(options.tls), clients)
            self._listeners.append(Listener(est_app(factory, options), listen(options.https), options.limits, context))

    @property
    def ports(self) -> tuple[int, ...]:
        """Return the real ports, HTTP first."""
        return tuple(listener.port for listener in self._listeners)

    def run(self) -> None:
        """Serve until `stop`, or SIGTERM or SIGINT if this is the main thread."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """Finish what is being answered and end; from any thread, and twice if need be."""
        for listener in self._listeners:
            listener.should_exit = True

    async def _run(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
        async with asyncio.TaskGroup() as group:
            for listener in self._listeners:
                group.create_task(listener.serve())


def serve(factory: Factory, options: Options) -> None:
    """Serve CRLs, OCSP, CA certificates and EST until SIGTERM or SIGINT.

    Raises:
        PkiError: An address can't be listened on.
        ProfileError: A label names no profile, or the server's certificate is missing.
    """
    service = Service(factory, options)
    LOG.info("serving on ports %s", ", ".join(map(str, service.ports)))
    service.run()
