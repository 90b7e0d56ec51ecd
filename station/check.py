"""Test every promise of a station's configuration, naming what is wrong by its key path in the file.

Each check stands alone: one that fails does not hide the others.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pki.errors import PkiError
from station.catalog.firmware import load_image
from station.catalog.recipes import Recipe, load_recipe
from station.clock import Deadline, utc_now
from station.config import StationConfig, load_station
from station.daemon import check_order, find_order, opened_cpms, opened_factory
from station.detect import open_ports, slot_of
from station.documents.printers import open_printer
from station.errors import ConfigError, Service, ServiceError, StationError
from station.records import open_records
from station.steps import STEPS

PROBE_SECONDS = 5.0
FREE_BYTES = 500_000_000
"""Less free disk than this is refused: records, labels and passports must always find room."""
EARLIEST_YEAR = 2025
"""A clock before this year was never set."""


@dataclass(frozen=True)
class Finding:
    """One promise and whether it holds."""

    what: str
    """Key path in station.toml, or what is checked."""
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
        ("printer.uri", _printer),
        ("cpms.uri", _cpms),
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
        order = find_order(records, config)
    recipe = load_recipe(config.catalog, order.recipe, STEPS)
    check_order(order, recipe)
    return recipe


def _order(config: StationConfig) -> str:
    return f"{config.line.order} builds {_recipe(config).title}"


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


def _printer(config: StationConfig) -> str:
    status = open_printer(config.located(config.printer.uri)).status(Deadline(PROBE_SECONDS))
    if not status.ready:
        raise ServiceError(Service.PRINTER, f"{config.printer.uri}: {status.problem}", hint=status.hint)
    return f"{config.printer.uri} is ready"


def _cpms(config: StationConfig) -> str:
    with opened_factory(config) if config.cpms.identity else nullcontext() as factory:
        cpms = opened_cpms(config, factory)
        try:
            cpms.read("STATION-CHECK")
        finally:
            cpms.close()
    return f"{config.cpms.uri} answers"


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
