"""Create a station directory that a factory can keep; what is there already is never touched."""

from dataclasses import asdict, dataclass
from pathlib import Path

import jinja2

from station.config import load_station
from station.people import Welcome, first_admin
from station.records import open_records, upgrade

TEMPLATE = Path(__file__).parent.parent / "templates" / "station"
CATALOG = ("products", "profiles", "environments", "recipes", "firmware", "bundles")
PORT = "pci-0000:00:14.0-usb-0:1.{}"
"""ID_PATH of the n-th port of a hub in the first USB port, as a start; `station slots` tells the real ones."""


@dataclass(frozen=True)
class InitOptions:
    """What a new station.toml starts with."""

    identity: str = "ST1"
    slots: int = 4
    ports: str = "udev:"
    printer: str = "file:labels"
    order: str = "WO-1"
    host: str = "127.0.0.1"
    web_port: int = 8080
    test_port: int = 8443
    ship_port: int = 8444


def init_station(directory: Path, options: InitOptions) -> tuple[Path, ...]:
    """Create what is missing and return its paths.

    Raises:
        ConfigError: An existing station.toml is wrong.
        ServiceError: The database can't be created.
    """
    written = [path for path in _folders(directory) if _made(path)]
    settings = directory / "station.toml"
    if not settings.exists():
        settings.write_text(_settings(options))
        written.append(settings)
    approvers = directory / "approvers"
    if not approvers.exists():
        approvers.write_text((TEMPLATE / "approvers").read_text())
        written.append(approvers)
    config = load_station(directory)
    upgrade(config.database_url)
    return tuple(written)


def welcome_admin(directory: Path, person: str) -> Welcome | None:
    """Add the first admin, who adds all others; None where there are people already.

    Raises:
        ConfigError: The id is none.
        ServiceError: The database can't be written.
    """
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        return None if records.people() else first_admin(records, person)


def _folders(directory: Path) -> tuple[Path, ...]:
    catalog = tuple(directory / "catalog" / name for name in CATALOG)
    return (directory, directory / "pki", *catalog, directory / "secrets")


def _made(path: Path) -> bool:
    if path.exists():
        return False
    path.mkdir(parents=True, mode=0o700 if path.name == "secrets" else 0o755)
    return True


def _settings(options: InitOptions) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - TOML, and every value comes from the command line of its reader
    )
    slots = [{"name": str(number), "port": PORT.format(number)} for number in range(1, options.slots + 1)]
    values = asdict(options) | {"slots": slots, "id": options.identity}
    return environment.get_template("station.toml").render(values)
