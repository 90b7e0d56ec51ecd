"""Test every promise of a station's configuration, naming what is wrong by its key path in the file.

Each check stands alone: one that fails does not hide the others.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pki.ceremony.purpose import root_sha256
from pki.errors import PkiError
from station.callers import given_secret
from station.catalog.firmware import load_image
from station.catalog.recipes import Recipe
from station.changeover import find_order
from station.clock import Deadline, utc_now
from station.config import StationConfig, load_station
from station.daemon import mes_caller, opened_cpms
from station.detect import open_ports, slot_of
from station.documents.printers import open_printer
from station.errors import ConfigError, Service, ServiceError, StationError
from station.factory import opened_factory
from station.keeping.backup import backups, demand_folder
from station.mes import NO_MES, connect
from station.records import open_records
from station.releases import ordered, refuse_draft
from station.results.formats import load_format, load_formats
from station.steps.trust import check_issuers

PROBE_SECONDS = 5.0
FREE_BYTES = 500_000_000
"""Less free disk than this is refused: records, labels and passports must always find room."""
EARLIEST_YEAR = 2025
"""A clock before this year was never set."""

SHORTEST_TOKEN = 20
"""A token of test equipment that could be guessed is none."""


@dataclass(frozen=True)
class Finding:
    """One promise and whether it holds."""

    what: str
    """Key path in station.toml or in the ship environment, or what is checked."""
    ok: bool
    detail: str
    hint: str = ""
    exit_code: int = 0


def check_station(directory: Path) -> tuple[Finding, ...]:
    """Check the whole station directory.

    Raises:
        ConfigError: station.toml itself can't be read; nothing else can be checked then.
    """
    config = load_station(directory)
    checks: tuple[tuple[str, Callable[[StationConfig], str]], ...] = (
        ("station.database", _database),
        ("line.order", _order),
        ("station.catalog", _images),
        ("pki.directory", _hsm),
        ("environment.ca", _issuers),
        ("printer.uri", _printer),
        ("environment.cpms", _cpms),
        *((("mes.uri", _mes),) if config.mes.uri != NO_MES else ()),
        ("results", _results),
        *((("backup.directory", _backup),) if config.backup.directory else ()),
        ("station.ports", _ports),
        ("clock", _clock),
        ("disk", _disk),
    )
    return tuple(_finding(config, what, check) for what, check in checks)


def _finding(config: StationConfig, what: str, check: Callable[[StationConfig], str]) -> Finding:
    try:
        return Finding(what, ok=True, detail=check(config))
    except StationError as error:
        code = 3 if isinstance(error, ServiceError) else 2
        return Finding(what, ok=False, detail=error.message, hint=error.hint, exit_code=code)
    except PkiError as error:
        return Finding(what, ok=False, detail=str(error), hint=error.hint, exit_code=2)


def _database(config: StationConfig) -> str:
    with open_records(config.database_url, config.station.id):
        return f"{config.station.database} is sound and of this version"


def _recipe(config: StationConfig) -> Recipe:
    with open_records(config.database_url, config.station.id) as records:
        return ordered(config, records, find_order(records, config))


def _order(config: StationConfig) -> str:
    recipe = _recipe(config)
    if recipe.approval.development:
        with opened_factory(config) as factory:
            refuse_draft(recipe, development=factory.development)
    return f"{config.line.order} builds {recipe.approval.bundle}{_signed_by(recipe)}"


def _signed_by(recipe: Recipe) -> str:
    """Return on whose word a recipe is built, for people who check the station."""
    word = recipe.approval
    if word.override:
        return f" by override of {word.override.line} and {word.override.quality} until {word.override.until}"
    return f" by {word.author}, approved by {', '.join(word.approvers)}" if word.approvers else ""


def _images(config: StationConfig) -> str:
    recipe = _recipe(config)
    for rule in recipe.release.image:
        load_image(rule)
    return f"{len(recipe.release.image)} image(s) of {recipe.file.firmware} are as released"


def _hsm(config: StationConfig) -> str:
    with opened_factory(config) as factory:
        problems = factory.check()
    if problems:
        raise ServiceError(Service.HSM, "; ".join(problems), hint="Call the PKI officer.")
    return "every key fits its certificate, a signature and a key wrap were proven"


def _issuers(config: StationConfig) -> str:
    recipe = _recipe(config)
    # The certificates are enough for it: with a wrong PIN, each log-in would be one more of few tries.
    check_issuers(partial(root_sha256, config.pki_directory), recipe)
    return f"this factory issues for {recipe.test.name} and {recipe.ship.name}"


def _printer(config: StationConfig) -> str:
    status = open_printer(config.located(config.printer.uri)).status(Deadline(PROBE_SECONDS))
    if not status.ready:
        raise ServiceError(Service.PRINTER, f"{config.printer.uri}: {status.problem}", hint=status.hint)
    return f"{config.printer.uri} is ready"


def _cpms(config: StationConfig) -> str:
    uri = _recipe(config).ship.cpms
    with opened_factory(config) if config.cpms.identity else nullcontext() as factory:
        cpms = opened_cpms(config, uri, factory)
        try:
            cpms.read("STATION-CHECK")
        finally:
            cpms.close()
    return f"{uri} answers"


def _mes(config: StationConfig) -> str:
    with opened_factory(config) if config.mes.identity else nullcontext() as factory:
        mes = connect(config.mes, config.station.id, mes_caller(config, factory))
        try:
            mes.fetch(0)
        finally:
            mes.close()
    return f"{mes.name} answers"


def _ports(config: StationConfig) -> str:
    ports = open_ports(config.located(config.station.ports))
    try:
        found = ports.list()
    finally:
        ports.close()
    unbound = [port.path for port in found if slot_of(config.slot, port.path) is None]
    if unbound:
        message = f"port {unbound[0]} belongs to no slot"
        raise ConfigError(message, hint="Bind it: 'station slots' prints the stanza.")
    return f"{len(config.slot)} slots, {len(found)} plugged"


def _results(config: StationConfig) -> str:
    """Read every format of test equipment, and the token by which it may send results."""
    names = [one.name for one in load_formats(config)]
    if config.results.format:
        load_format(config, config.results.format)
    if config.results.token:
        token = given_secret(config.results.token, config.directory)
        if len(token) < SHORTEST_TOKEN:
            message = f"results.token: the token is shorter than {SHORTEST_TOKEN} characters"
            raise ConfigError(message, hint="Make one by chance: openssl rand -hex 24.")
    return f"formats {', '.join(names)}; HTTP {'by token' if config.results.token else 'closed'}"


def _backup(config: StationConfig) -> str:
    folder = demand_folder(config, Path(config.backup.directory))
    return f"{folder} is there, {len(backups(folder, config.station.id))} backups lie in it"


def _clock(config: StationConfig) -> str:
    del config
    now = utc_now()
    if now.year < EARLIEST_YEAR:
        raise ConfigError(f"the clock says {now:%Y-%m-%d}", hint="Set the clock, and let NTP keep it.")
    return f"{now:%Y-%m-%d %H:%M:%S} UTC"


def _disk(config: StationConfig) -> str:
    free = shutil.disk_usage(config.directory).free
    if free < FREE_BYTES:
        raise ServiceError(Service.DATABASE, f"{free // 1_000_000} MB are free", hint="Free space on the disk.")
    return f"{free // 1_000_000_000} GB are free"


def worst(findings: Iterator[Finding] | tuple[Finding, ...]) -> int:
    """Return the exit code of the whole check."""
    return max((finding.exit_code for finding in findings), default=0)
