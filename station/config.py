"""The station's own settings: one `station.toml` in the station directory.

Paths in the file are relative to that directory. Secrets are named here, never written here.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import available_timezones

from station.errors import ConfigError
from station.identifiers.cartons import CartonBlock
from station.schedules import ExportsSection
from station.strict import load

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}")
SHIFT = re.compile(r"([01][0-9]|2[0-3]):(00|15|30|45)")


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
    approvers: Path = Path("approvers")
    """Who may make and approve release bundles, with their pinned keys (OpenSSH's allowed signers)."""
    approvals: int = 1
    """How many people beside the author must have approved a bundle."""

    def __post_init__(self) -> None:
        """Refuse an id that could not stand in a record's id."""
        if not NAME.fullmatch(self.id):
            raise ValueError(f"id '{self.id}' is not a name of 1 to 16 letters, digits, - or _")
        if not 1 <= self.approvals <= 9:
            raise ValueError(f"approvals must be 1 to 9, not {self.approvals}: nobody approves their own work alone")


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
    language: str = "en"
    """What pages speak until somebody chooses another language there."""


@dataclass(frozen=True)
class PeopleSection:
    """How people are signed in, and where the slots are."""

    idle_minutes: int = 15
    """After how long without a scan or a click a page and the slots lock."""
    terminals: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses of the pages at the slots: who signs in there is at the station, and runs are begun for them."""

    def __post_init__(self) -> None:
        """Refuse a lock that never comes, or always."""
        if not 1 <= self.idle_minutes <= 120:
            raise ValueError(f"idle_minutes must be 1 to 120, not {self.idle_minutes}")


@dataclass(frozen=True)
class PrinterSection:
    """Which printer makes the labels."""

    uri: str
    """`tcp://host:9100`, `ipp://host/ipp/print`, `ipps:`, `file:DIR` or `discard:`."""


@dataclass(frozen=True)
class LabelsSection:
    """How labels are made here."""

    dpi: int = 203
    """Resolution of the label printer: 203 or 300."""
    cartons: CartonBlock = field(default_factory=CartonBlock)
    """Numbers that cartons get here (SSCC); without a block cartons come numbered, and are scanned."""

    def __post_init__(self) -> None:
        """Refuse a resolution that no printer has."""
        if self.dpi not in (203, 300):
            raise ValueError(f"dpi must be 203 or 300, not {self.dpi}")


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
    """How this station is known to charging management systems; which one it is, the ship environment says."""

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
class MesSection:
    """The manufacturing execution system: where it is, what it is asked, and how long the line goes on without it."""

    uri: str = "none:"
    """`https://host[:port][?ca=FILE]`, `http://` on this computer only, `file:DIR`, or `none:`."""
    token: str = "mes-token"
    """Name of the secret with the access token."""
    identity: bool = False
    """Whether the station shows its identity of the factory's PKI, which renews itself (mutual TLS)."""
    client: ClientSection | None = None
    """Another certificate to show in its place."""
    validate_units: bool = True
    """Whether it is asked before each run whether the unit passed the stage before (interlock)."""
    validate_operators: bool = True
    """Whether it is asked before each run whether the operator may do this work (interlock)."""
    answer_seconds: float = 3.0
    """How long an answer is waited for before the MES counts as away, 0.1 to 30."""
    away_hours: float = 4.0
    """For how long runs begin while it is away, 0 to 72."""
    away_units: int = 50
    """How many runs begin while it is away, 0 to 10000."""

    def __post_init__(self) -> None:
        """Refuse limits that are none, and two certificates for one connection."""
        if self.identity and self.client is not None:
            raise ValueError("identity and client are two ways to show a certificate; choose one")
        if not 0.1 <= self.answer_seconds <= 30:
            raise ValueError(f"answer_seconds must be 0.1 to 30, not {self.answer_seconds}")
        if not 0 <= self.away_hours <= 72:
            raise ValueError(f"away_hours must be 0 to 72, not {self.away_hours}")
        if not 0 <= self.away_units <= 10_000:
            raise ValueError(f"away_units must be 0 to 10000, not {self.away_units}")


@dataclass(frozen=True)
class AuditSection:
    """Where checkpoints of the audit log go besides the station directory."""

    copies: tuple[Path, ...] = ()
    """Folders on other disks or computers; each checkpoint is a file there."""
    hook: str = ""
    """`https://host[:port][?ca=FILE]`, or `http://` on this computer only: each checkpoint is posted there."""
    token: str = "audit-token"
    """Name of the secret with the access token of the hook."""


@dataclass(frozen=True)
class BackupSection:
    """Backups that the station makes by itself."""

    directory: str = ""
    """Folder on another disk, which is there already; empty for none."""
    every_hours: float = 24.0
    """How old the last backup may become before the next, 0.25 to 720; at twice that there is an alarm."""
    keep: int = 14
    """How many stay, the newest."""

    def __post_init__(self) -> None:
        """Refuse times and numbers that are none."""
        if not 0.25 <= self.every_hours <= 720:
            raise ValueError(f"every_hours must be 0.25 to 720, not {self.every_hours}")
        if not 1 <= self.keep <= 10_000:
            raise ValueError(f"keep must be 1 to 10000, not {self.keep}")


@dataclass(frozen=True)
class RetentionSection:
    """For how many days files stay that can be made again; 0 keeps them for good."""

    exports_days: int = 0
    passports_days: int = 0
    """PDFs of passports; the signed passports are in the records for good."""

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        if min(self.exports_days, self.passports_days) < 0:
            raise ValueError("days must be 0 or more")


@dataclass(frozen=True)
class AcceptanceSection:
    """Where the local OCPP server listens; chargers reach it through the bench's name resolution."""

    host: str = "127.0.0.1"
    test_port: int = 8443
    ship_port: int = 8444


@dataclass(frozen=True)
class ResultsSection:
    """Where results of other test benches come from."""

    folder: Path = Path("inbox/results")
    """Drop folder; a file in a sub-folder is read by the format of that name."""
    format: str = ""
    """Format of files that lie in the drop folder itself; empty refuses them."""
    formats: Path = Path("formats")
    """The station's own formats, beside those that come with the software."""
    token: str = ""
    """Name of the secret by which testers may send results over HTTP; empty for none."""


@dataclass(frozen=True)
class OrdersSection:
    """Where files of work orders come from."""

    folder: Path = Path("inbox/orders")
    """Drop folder; files that people upload wait in it, too, until they are imported."""


@dataclass(frozen=True)
class FiguresSection:
    """By which clock the line's figures are counted, and who may read them for monitoring."""

    zone: str = "UTC"
    """Time zone of the factory, as the IANA database calls it, such as `Europe/Berlin`."""
    shifts: tuple[str, ...] = ("06:00", "14:00", "22:00")
    """When shifts begin there, as `HH:MM` on a quarter of an hour."""
    token: str = ""
    """Name of the secret by which `/metrics` is read; while there is none, only programs of this computer read it."""

    def __post_init__(self) -> None:
        """Refuse a clock that there is none of."""
        if self.zone not in available_timezones():
            raise ValueError(f"zone '{self.zone[:40]}' is no time zone such as Europe/Berlin")
        if not self.shifts or list(self.shifts) != sorted(set(self.shifts)):
            raise ValueError("shifts must be the times at which shifts begin, the earliest first")
        for begin in self.shifts:
            if not SHIFT.fullmatch(begin):
                raise ValueError(f"shifts: '{begin[:20]}' is no time such as 06:00 on a quarter of an hour")


@dataclass(frozen=True)
class SlotSection:
    """One physical place for a charger."""

    name: str
    port: str
    """ID_PATH of the USB port, without the interface suffix."""
    interface: str = ""
    """USB interface such as `1.0` where a charger shows several serial ports."""
    relay: str = ""
    """What switches the power of what is plugged in: `file:PATH` of a GPIO line's value, 1 for on; empty for none."""

    def __post_init__(self) -> None:
        """Refuse a name that could not be scanned as `SL-<name>`."""
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name '{self.name}' is not a name of 1 to 16 letters, digits, - or _")


@dataclass(frozen=True)
class ScannerSection:
    """A hand scanner that the station reads itself; without one, pages take what scanners type."""

    device: str = ""
    """`evdev:/dev/input/by-id/…` for one that plays a keyboard, `serial:/dev/…` for one in serial mode."""
    baud: int = 9600
    """Speed of a serial scanner in bits per second."""


@dataclass(frozen=True)
class StationConfig:
    """The whole `station.toml`."""

    station: StationSection
    line: LineSection
    printer: PrinterSection
    slot: tuple[SlotSection, ...]
    cpms: CpmsSection = CpmsSection()
    pki: PkiSection = PkiSection()
    web: WebSection = WebSection()
    people: PeopleSection = PeopleSection()
    orders: OrdersSection = OrdersSection()
    results: ResultsSection = ResultsSection()
    acceptance: AcceptanceSection = AcceptanceSection()
    scanner: ScannerSection = ScannerSection()
    mes: MesSection = MesSection()
    audit: AuditSection = AuditSection()
    exports: ExportsSection = field(default_factory=ExportsSection)
    backup: BackupSection = BackupSection()
    retention: RetentionSection = RetentionSection()
    labels: LabelsSection = LabelsSection()
    figures: FiguresSection = FiguresSection()
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
    def approvers(self) -> Path:
        """Return the file of pinned approvers."""
        return self.directory / self.station.approvers

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
