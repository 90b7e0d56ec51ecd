"""The station as a process: opened in the order in which its parts depend on each other, closed in reverse."""

import fcntl
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from pki.environment import Ship, Test
from pki.errors import PkiError
from pki.issue import Factory, open_factory
from pki.secret import secret
from station.acceptance import AcceptanceServer, Limits, PersonaConfig, ServerConfig
from station.bench import Services
from station.catalog.firmware import load_image
from station.catalog.recipes import Recipe, load_recipe
from station.config import ClientSection, StationConfig
from station.cpms import ClientIdentity, Cpms, open_cpms
from station.detect import open_ports
from station.documents.passport_pdf import render_passport
from station.documents.printers import open_printer
from station.errors import ConfigError, Service, ServiceError
from station.line import Line
from station.model import Environment
from station.outbox import OutboxWorker
from station.records import Records, WorkOrder, open_records
from station.steps import STEPS
from station.steps.credentials import translated
from station.version import software_version
from station.web import Documents
from station.web.app import create_app
from station.web.server import serve

log = logging.getLogger(__name__)

PASSPORTS = "passports"
"""Where the PDFs of passports lie, below the station directory."""


def run_station(config: StationConfig) -> None:
    """Run the station until it is told to stop by SIGTERM or SIGINT.

    Raises:
        StationError: Something the station needs is missing or wrong; nothing was started.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("station %s, software %s", config.station.id, software_version())
    with opened(config) as (line, address):
        log.info("station %s serves %s", config.station.id, address)
        (config.directory / "station.url").write_text(address + "\n")
        tell_systemd("READY=1")
        stop.wait()
        tell_systemd("STOPPING=1")
        stuck = line.stop()
        if stuck:
            log.error("slots that did not end in time: %s", ", ".join(stuck))


@contextmanager
def opened(config: StationConfig) -> Iterator[tuple[Line, str]]:
    """Open everything and yield the line with the address of its page."""
    with ExitStack() as stack:
        stack.enter_context(only_one(config.directory))
        records = stack.enter_context(open_records(config.database_url, config.station.id))
        interrupted = records.abort_interrupted("The station stopped in the middle of this run.")
        order = find_order(records, config)
        recipe = load_recipe(config.catalog, order.recipe, STEPS)
        check_order(order, recipe)
        for rule in recipe.release.image:
            load_image(rule)
        services = stack.enter_context(_services(config, records, recipe))
        ports = open_ports(config.located(config.station.ports))
        stack.callback(ports.close)
        line = Line(config, services, recipe, order, ports)
        worker = OutboxWorker(services, line.board, config.directory / PASSPORTS)
        for run in interrupted:
            log.warning("run %s was interrupted and is closed ABORTED", run)
        gc.freeze()  # a collection stops all slots, so it leaves alone what lives as long as the station
        line.start()
        worker.start()
        stack.callback(worker.stop, 10.0)
        page = create_app(line, title=config.station.id, documents=_documents(config, records), names=config.web.names)
        server = serve(page, config.web.host, config.web.port)
        stack.callback(server.stop)
        yield line, server.url


def _documents(config: StationConfig, records: Records) -> Documents:
    def pdf(serial: str) -> bytes | None:
        path = config.directory / PASSPORTS / f"{serial}.pdf"
        if path.exists():
            return path.read_bytes()
        passport = records.passport(serial)
        return render_passport(passport.document, passport.signature, passport.signer) if passport else None

    def document(serial: str) -> bytes | None:
        passport = records.passport(serial)
        return passport.document if passport else None

    return Documents(passport_pdf=pdf, passport_json=document)


@contextmanager
def _services(config: StationConfig, records: Records, recipe: Recipe) -> Iterator[Services]:
    with ExitStack() as stack:
        factory = stack.enter_context(opened_factory(config))
        acceptance = AcceptanceServer(_acceptance(config, factory, recipe))
        acceptance.start()
        stack.callback(acceptance.stop)
        cpms = opened_cpms(config, factory)
        stack.callback(cpms.close)
        printer = open_printer(config.located(config.printer.uri))
        yield Services(records, factory, acceptance, cpms, printer)


def opened_cpms(config: StationConfig, factory: Factory | None) -> Cpms:
    """Open the CPMS that units are registered with, showing a certificate where that is configured (F-K9).

    Raises:
        ConfigError: Its address, or the certificate, can't be used.
        ServiceError: The PKI gives the station no identity.
    """
    where, identify = config.directory, None
    if config.cpms.identity and factory is not None:
        identify = partial(_station_identity, config.station.id, factory)
    elif config.cpms.client is not None:
        identify = partial(_client_identity, config.cpms.client, where)
    return open_cpms(config.cpms.uri, lambda: secret(config.cpms.token, where), where, identify)


def _station_identity(name: str, factory: Factory) -> ClientIdentity:
    """Return the station's identity of the Plant world, renewed when its time comes; no fault of it blames a unit."""
    try:
        files = factory.station_identity(name)
    except PkiError as error:
        raise ServiceError(Service.PKI, error.message, hint=error.hint, stops_line=False) from error
    return ClientIdentity(files.chain, files.key, lambda: files.passphrase)


def _client_identity(client: ClientSection, directory: Path) -> ClientIdentity:
    passphrase = partial(_secret, client.passphrase, directory)
    return ClientIdentity(directory / client.certificate, directory / client.key, passphrase)


def _secret(name: str, directory: Path) -> str:
    """Return a secret, or nothing where it has no name."""
    try:
        return secret(name, directory) if name else ""
    except PkiError as error:
        raise translated(error) from error


@contextmanager
def opened_factory(config: StationConfig) -> Iterator[Factory]:
    """Open the factory's PKI, with its errors as the station's.

    Raises:
        ServiceError: The HSM is away, or a key does not fit its certificate.
    """
    try:
        factory = open_factory(config.pki_directory, f"station {config.station.id}")
    except PkiError as error:
        raise translated(error) from error
    try:
        yield factory
    finally:
        factory.close()


def _acceptance(config: StationConfig, factory: Factory, recipe: Recipe) -> ServerConfig:
    """Give each persona its own server certificate and the roots of its own units."""
    personas = []
    for environment, kind, port in (
        (Environment.TEST, Test, config.acceptance.test_port),
        (Environment.SHIP, Ship, config.acceptance.ship_port),
    ):
        files = factory.server_files(kind)
        roots = factory.client_roots(kind)
        personas.append(PersonaConfig(environment, port, files.chain, files.key, files.passphrase, roots))
    product = recipe.product.limits
    limits = Limits(clock_seconds=product.clock_offset, ship_watch_seconds=product.ship_watch)
    return ServerConfig(config.acceptance.host, tuple(personas), limits)


def find_order(records: Records, config: StationConfig) -> WorkOrder:
    """Return the work order that the station is set to.

    Raises:
        ConfigError: There is no such order.
    """
    order = records.order(config.line.order)
    if order is None:
        message = f"station.toml: line: order: there is no work order '{config.line.order}'"
        raise ConfigError(message, hint=f"Create it with 'station order create {config.line.order} …'.")
    return order


def check_order(order: WorkOrder, recipe: Recipe) -> None:
    """Refuse a recipe that changed after the order was made for it (F-A1).

    Raises:
        ConfigError: The digests differ.
    """
    if order.recipe_digest != recipe.digest:
        message = f"work order {order.id} was made for another content of recipe {recipe.file.name}"
        raise ConfigError(message, hint="Restore the recipe, or create a new order for it.")


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the station directory's lock, so that two daemons never serve the same slots.

    Raises:
        ConfigError: Another process holds it.
    """
    with (directory / "station.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"{directory}: a station runs here already", hint="Stop it first.") from error
        yield


def tell_systemd(state: str) -> None:
    """Tell the service manager how far the daemon is (sd_notify protocol); silent when there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(state.encode(), address.replace("@", "\0", 1))
