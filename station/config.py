"""The station's own settings: one `station.toml` in the station directory.

Paths in the file are relative to that directory. Secrets are named here, never written here.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from station.errors import ConfigError
from station.strict import load

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}")


@dataclass(frozen=True)
class StationSection:
    """Who this station is and where it keeps things."""

    id: str
    """Unique in the factory; part of every record's id."""
    catalog: Path = Path("catalog")
    database: str = "station.db"
    """SQLite file, or a SQLAlchemy URL without a password."""
    ports: str = "udev:"
    """Where plugged chargers are seen: `udev:`, or `dir:PATH` for simulated ones."""

    def __post_init__(self) -> None:
        """Refuse an id that could not stand in a record's id."""
        if not NAME.fullmatch(self.id):
            raise ValueError(f"id '{self.id}' is not a name of 1 to 16 letters, digits, - or _")


@dataclass(frozen=True)
class PkiSection:
    """Where the certificate authorities live."""

    directory: Path = Path("pki")


@dataclass(frozen=True)
class LineSection:
    """What is being built now."""

    order: str
    """Work order that newly plugged chargers belong to."""


@dataclass(frozen=True)
class Link:
    """A page to offer beside the operator page."""

    text: str
    url: str


@dataclass(frozen=True)
class WebSection:
    """Where the operator page is served."""

    host: str = "127.0.0.1"
    port: int = 8080
    names: tuple[str, ...] = ()
    """Further host names under which the page may be opened."""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class PrinterSection:
    """Which printer makes the labels."""

    uri: str
    """`tcp://host:9100`, `file:DIR` or `discard:`."""


@dataclass(frozen=True)
class ClientSection:
    """The certificate by which another service knows this station (mutual TLS)."""

    certificate: Path
    """Leaf first, then its issuing CAs (PEM)."""
    key: Path
    passphrase: str = ""
    """Name of the secret with the key's passphrase; empty where the key has none."""


@dataclass(frozen=True)
class CpmsSection:
    """Which charging management system units are registered with."""

    uri: str
    """`staging+https://host`, `file:DIR` or `none:`."""
    token: str = "cpms-token"
    """Name of the secret with the access token."""
    identity: bool = False
    """Whether the station shows its identity of the factory's PKI, which renews itself (mutual TLS)."""
    client: ClientSection | None = None
    """Another certificate to show in its place, such as one that the CPMS team gave."""

    def __post_init__(self) -> None:
        """Refuse two certificates for one connection."""
        if self.identity and self.client is not None:
            raise ValueError("identity and client are two ways to show a certificate; choose one")


@dataclass(frozen=True)
class AcceptanceSection:
    """Where the local OCPP server listens; chargers reach it through the bench's name resolution."""

    host: str = "127.0.0.1"
    test_port: int = 8443
    ship_port: int = 8444


@dataclass(frozen=True)
class SlotSection:
    """One physical place for a charger."""

    name: str
    port: str
    """ID_PATH of the USB port, without the interface suffix."""
    interface: str = ""
    """USB interface such as `1.0` where a charger shows several serial ports."""

    def __post_init__(self) -> None:
        """Refuse a name that could not be scanned as `SL-<name>`."""
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name '{self.name}' is not a name of 1 to 16 letters, digits, - or _")


@dataclass(frozen=True)
class StationConfig:
    """The whole `station.toml`."""

    station: StationSection
    line: LineSection
    printer: PrinterSection
    cpms: CpmsSection
    slot: tuple[SlotSection, ...]
    pki: PkiSection = PkiSection()
    web: WebSection = WebSection()
    acceptance: AcceptanceSection = AcceptanceSection()
    directory: Path = field(default=Path())
    """The station directory; set by `load_station`, not by the file."""

    @property
    def database_url(self) -> str:
        """Return the SQLAlchemy URL of the records."""
        name = self.station.database
        return name if "://" in name else f"sqlite:///{self.directory / name}"

    def located(self, uri: str) -> str:
        """Return a URI with the path of `file:` and `dir:` made absolute, from the station directory."""
        scheme, _, rest = uri.partition(":")
        return f"{scheme}:{(self.directory / rest).resolve()}" if scheme in ("file", "dir") else uri

    @property
    def catalog(self) -> Path:
        """Return the directory of products, firmware, recipes and environments."""
        return self.directory / self.station.catalog

    @property
    def pki_directory(self) -> Path:
        """Return the directory of the certificate authorities."""
        return self.directory / self.pki.directory


def load_station(directory: Path) -> StationConfig:
    """Read `station.toml` of a station directory.

    Raises:
        ConfigError: The file is missing or something in it is wrong; names the file and the key path.
    """
    path = directory / "station.toml"
    if not path.exists():
        raise ConfigError(f"{path} does not exist", hint="Create a station directory with 'station init DIR'.")
    config = load(StationConfig, path)
    _no_twins(path, "name", [slot.name for slot in config.slot])
    _no_twins(path, "port", [slot.port for slot in config.slot])
    return replace(config, directory=directory.resolve())


def _no_twins(path: Path, key: str, values: list[str]) -> None:
    twins = {value for value in values if values.count(value) > 1}
    if twins:
        raise ConfigError(f"{path}: slot: {key} '{twins.pop()}' is used by two slots")
