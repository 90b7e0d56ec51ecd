"""The station as a process: opened in the order in which its parts depend on each other, closed in reverse."""

import fcntl
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pki.environment import Ship, Test
from pki.issue import Factory
from pki.secret import secret
from station.acceptance import AcceptanceServer, Limits, PersonaConfig, ServerConfig
from station.audit.copies import open_copies
from station.audit.key import log_key
from station.audit.publisher import FOLDER, LogOffice, Publisher
from station.bench import Labelling, Services
from station.board import Board
from station.callers import given_secret, identify
from station.changeover import Changeover, CpmsOfOrders, buildable, find_order
from station.config import StationConfig
from station.cpms import Cpms, open_cpms
from station.detect import open_ports
from station.documents.passport_pdf import render_passport
from station.documents.printers import open_printer
from station.drivers.relay import powered
from station.errors import ConfigError
from station.factory import opened_factory
from station.floor import Floor
from station.keeping.accepting import refuse_restored
from station.keeping.keeper import Keeper
from station.labelled import LabelRoom
from station.line import Line
from station.mes import Caller, MesOffice, NoMes, open_mes
from station.mes.orders import StationOrders
from station.model import Environment
from station.orders import Office
from station.orders.inbox import OrderInbox
from station.orders.uploads import Uploads
from station.outbox import open_outbox
from station.people import Attendance, BadgeReader, Sessions
from station.records import Records, open_records
from station.records.figures_rows import RELEASE
from station.reprinting import Desk
from station.results.folder import ResultsFolder
from station.results.intake import Intake
from station.scanner import ScannerWorker, open_scanner
from station.shelf import Shelf
from station.steps import STEPS
from station.trace.desk import ExportDesk
from station.trace.figures import LineFigures
from station.trace.figures_ahead import FiguresAhead
from station.trace.figures_time import Calendar
from station.trace.scheduled import ScheduledExports
from station.trace.seeker import Seeker
from station.trace.unit_page import Dossiers
from station.version import software_version
from station.web import Documents
from station.web.admin import admin_routes
from station.web.api import api_routes
from station.web.app import create_app
from station.web.bundles import bundle_routes
from station.web.documents import document_routes
from station.web.exports import export_routes
from station.web.figures import figure_routes
from station.web.labels import label_routes
from station.web.lead import lead_routes
from station.web.metrics import Watched, metric_routes
from station.web.orders import order_routes
from station.web.outbox import outbox_routes
from station.web.paper import Screen
from station.web.results import result_routes
from station.web.search import search_routes
from station.web.server import RunningServer, serve
from station.web.session import Door
from station.web.units import unit_routes

log = logging.getLogger(__name__)

PASSPORTS = "passports"
"""Where the PDFs of passports lie, below the station directory."""
PATIENCE = 10.0
"""Seconds that each worker beside the line is given to end."""
SCANNER = "scanner"
"""How the records of sign-ins call the scanner that the station reads itself."""


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
        refuse_restored(records, config.directory)
        interrupted = records.abort_interrupted("The station stopped in the middle of this run.")
        order, door = find_order(records, config), _door(config, records)
        buildable(config, records, order)  # what may not be built is told before anything is opened for it
        changeover, mes = stack.enter_context(_changeover(config, records, door.attendance))
        assignment = changeover.prepare(order.id)
        services = assignment.services
        ports = open_ports(config.located(config.station.ports))
        stack.callback(ports.close)
        line = Line(config, assignment, ports, changeover.select)
        passports, products = config.directory / PASSPORTS, config.catalog / "products"
        worker = open_outbox(services, line.board, changeover.cpms_of, passports, products)
        for run in interrupted:
            log.warning("run %s was interrupted and is closed ABORTED", run)
        gc.freeze()  # a collection stops all slots, so it leaves alone what lives as long as the station
        line.start()
        _start(stack, _publisher(config, services, line.board))  # ends last: what others write while they end is signed
        _start(stack, worker)
        _start(stack, mes, line.board)
        _start(stack, Keeper(config, records, line.board))
        stack.enter_context(_scanner(config, door, line))
        office = partial(Office, config, records, lambda: services.factory.development)
        intakes = _intakes(stack, config, records, office, line.board)
        desk = ExportDesk(config)
        stack.callback(desk.stop, PATIENCE)
        _start(stack, ScheduledExports(config, records, desk), line.board)
        room = LabelRoom(config, records, services.labelling.shelf)
        labels = Desk(room, services.printer, config.printer.uri, line.slot_of)
        figures = _figures(stack, config, records, line)
        screens = (*_screens(config, records, line, labels), *figures, *_export_screens(desk, records))
        server = _serve(config, line, door, (*screens, *intakes))
        stack.callback(server.stop)
        yield line, server.url


def _intakes(
    stack: ExitStack, config: StationConfig, records: Records, office: Callable[[], Office], board: Board
) -> tuple[Screen, ...]:
    """Watch the folders for orders and results, and return the pages that take them; results only with the token."""
    inbox, intake = config.directory / config.orders.folder, Intake(config, records)
    _start(stack, ResultsFolder(config, intake, board))
    _start(stack, OrderInbox(office(), inbox, board))
    token = partial(given_secret, config.results.token, config.directory)
    return partial(result_routes, intake, token), partial(order_routes, Uploads(office(), inbox))


def _publisher(config: StationConfig, services: Services, board: Board) -> Publisher:
    """Return what signs the audit log, and gives its checkpoints away."""
    copies = open_copies(config, partial(given_secret, config.audit.token, config.directory))
    key = log_key(services.factory, config.station.id)
    return Publisher(LogOffice(services.records, key, config.directory / FOLDER, copies), board)


def _start(stack: ExitStack, worker: Any, *given: object) -> None:
    """Let a worker begin, and end it with the station."""
    worker.start(*given)
    stack.callback(worker.stop, PATIENCE)


def _serve(config: StationConfig, line: Line, door: Door, screens: tuple[Screen, ...]) -> RunningServer:
    """Serve the page and its screens."""
    page = create_app(
        line, title=config.station.id, door=door, names=config.web.names, language=config.web.language, screens=screens
    )
    return serve(page, config.web.host, config.web.port)


def _screens(config: StationConfig, records: Records, line: Line, labels: Desk) -> tuple[Screen, ...]:
    """Return the pages beside the operator's."""
    office = Office(config, records, lambda: False)  # these pages make no orders, so no drafts
    return (
        partial(lead_routes, Floor(office, line), line.view),
        partial(unit_routes, Dossiers(records), line.view),
        partial(search_routes, Seeker(records)),
        partial(bundle_routes, Shelf(config, records)),
        partial(admin_routes, records),
        partial(outbox_routes, records),
        partial(label_routes, labels),
        partial(document_routes, _documents(config, records)),
    )


def _export_screens(desk: ExportDesk, records: Records) -> tuple[Screen, Screen]:
    """Return what gives exports away: the page, and the interface for other programs."""
    return partial(export_routes, desk), partial(api_routes, Seeker(records), desk)


def _figures(stack: ExitStack, config: StationConfig, records: Records, line: Line) -> tuple[Screen, Screen]:
    """Count ahead, and return the page of figures and what monitoring reads."""
    figures = LineFigures(records, Calendar(config.figures.zone, config.figures.shifts))
    _start(stack, FiguresAhead(figures))
    titles = {name: step.title for name, step in STEPS.items()} | {RELEASE: "Release"}
    watched = Watched(line.view, figures.first_pass, figures.failing)
    return (
        partial(figure_routes, figures.sheet, titles, lambda: tuple(order.id for order in records.orders())),
        partial(metric_routes, records, watched, partial(given_secret, config.figures.token, config.directory)),
    )


def _door(config: StationConfig, records: Records) -> Door:
    """Return who comes and goes at this station."""
    sessions = Sessions(records, timedelta(minutes=config.people.idle_minutes), (*config.people.terminals, SCANNER))
    return Door(sessions, Attendance(records, sessions), config.station.id)


@contextmanager
def _scanner(config: StationConfig, door: Door, line: Line) -> Iterator[None]:
    """Read the station's own scanner, if it has one; whoever signs in with it is at the slots."""
    source = open_scanner(config.scanner.device, config.scanner.baud)
    if source is None:
        yield
        return
    badges = BadgeReader(door.sessions, door.attendance, SCANNER)
    reader = ScannerWorker(source, lambda code: badges.take(code) or line.scan(code), line.board)
    reader.start()
    try:
        yield
    finally:
        reader.stop(10.0)


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
def _changeover(
    config: StationConfig, records: Records, attendance: Attendance
) -> Iterator[tuple[Changeover, MesOffice | NoMes]]:
    """Open what all slots share, whatever order they build."""
    with ExitStack() as stack:
        factory = stack.enter_context(opened_factory(config))
        acceptance = AcceptanceServer(acceptance_config(config, factory))
        acceptance.start()
        stack.callback(acceptance.stop)
        cpms = CpmsOfOrders(config, records, lambda uri: opened_cpms(config, uri, factory))
        stack.callback(cpms.close)
        printer = open_printer(config.located(config.printer.uri))
        given = partial(given_secret, directory=config.directory)
        mes = opened_mes(config, records, factory)
        relays = {slot.name: powered(slot.relay) for slot in config.slot if slot.relay}
        labelling = Labelling(config.labels.dpi, config.labels.cartons)
        services = Services(records, factory, acceptance, cpms, printer, given, attendance, mes, relays, labelling)
        yield Changeover(config, services, cpms), mes


def opened_cpms(config: StationConfig, uri: str, factory: Factory | None) -> Cpms:
    """Open the CPMS of a ship environment, showing a certificate where that is configured (F-K5, F-K9).

    Raises:
        ConfigError: Its address, or the certificate, can't be used.
        ServiceError: The PKI gives the station no identity.
    """
    where, shown = config.directory, identify(config, config.cpms, factory)
    return open_cpms(uri, lambda: secret(config.cpms.token, where), where, shown)


def opened_mes(config: StationConfig, records: Records, factory: Factory | None) -> MesOffice | NoMes:
    """Open the MES that the configuration names, showing a certificate where that is configured (F-K9).

    Raises:
        ConfigError: Its address, or the certificate, can't be used.
        ServiceError: The PKI gives the station no identity, or the records are away.
    """
    orders = StationOrders(config, records, lambda: factory is not None and factory.development)
    return open_mes(config.mes, records, orders, mes_caller(config, factory))


def mes_caller(config: StationConfig, factory: Factory | None) -> Caller:
    """Return how the MES knows this station."""
    token = partial(given_secret, config.mes.token, config.directory)
    return Caller(token, config.directory, identify(config, config.mes, factory))


def acceptance_config(config: StationConfig, factory: Factory) -> ServerConfig:
    """Return how the OCPP server of the bench is set up: each persona with its own certificate and units' roots."""
    personas = []
    for environment, kind, port in (
        (Environment.TEST, Test, config.acceptance.test_port),
        (Environment.SHIP, Ship, config.acceptance.ship_port),
    ):
        files = factory.server_files(kind)
        roots = factory.client_roots(kind)
        personas.append(PersonaConfig(environment, port, files.chain, files.key, files.passphrase, roots))
    return ServerConfig(config.acceptance.host, tuple(personas), Limits())


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
            raise ConfigError(
                f"{directory}: a station runs here already", hint="Use its page, or stop it first."
            ) from error
        yield


def tell_systemd(state: str) -> None:
    """Tell the service manager how far the daemon is (sd_notify protocol); silent when there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(state.encode(), address.replace("@", "\0", 1))
