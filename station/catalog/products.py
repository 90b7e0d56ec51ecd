"""Products: what the rating plate says, and how this hardware is spoken to. One directory of TOML files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from station.errors import ConfigError
from station.model import Connector, Environment
from station.strict import parse, read_toml

SECURITY_PROFILE = 3
"""TLS with client certificates; recipes set no passwords, which profile 2 would need."""
LETTER = re.compile(r"[A-Z0-9]{1,4}")


class SettingType(StrEnum):
    """How a configuration value is laid down in the device's settings."""

    TEXT = "text"
    INTEGER = "integer"
    """Four bytes, little-endian, as Zephyr's settings hold an int."""
    BOOLEAN = "boolean"
    """One byte, 0 or 1."""


@dataclass(frozen=True)
class Setting:
    """Where one of our configuration names lives on the device."""

    key: str
    type: SettingType = SettingType.TEXT
    secret: bool = False
    """Never read back and never recorded."""
    longest: int = 512
    """Longest value in bytes that the device takes."""


@dataclass(frozen=True)
class Files:
    """Paths on the device for what travels as files."""

    anchors: str
    chain_test: str
    chain_ship: str

    def chain(self, environment: Environment) -> str:
        """Return the path of the certificate chain of an environment."""
        return self.chain_test if environment is Environment.TEST else self.chain_ship


@dataclass(frozen=True)
class Abilities:
    """What this hardware can prove; what it cannot stands in every unit's record."""

    key_slots: bool = True
    """Separate keys for the test and the ship environment."""
    receipts: bool = True
    """The device signs that it holds the key it was given, and answers challenges."""
    certificate_readback: bool = True
    serial: bool = True
    """The device keeps its serial number."""
    clock: bool = True
    erases_test_key: bool = True
    """Locking removes what is left of the test environment's key."""


NOT_SHOWN = {
    "key_slots": "One key slot only: the ship key overwrote the test key.",
    "receipts": "Possession of the key was proven by its certificate request and by TLS only.",
    "certificate_readback": "The installed certificate could not be read back; it was seen in the TLS handshake.",
    "serial": "The device does not keep its serial number; it stands in its certificate and configuration.",
    "clock": "The device clock could not be read over the cable.",
    "erases_test_key": "The hardware does not show that the test key was erased.",
}


@dataclass(frozen=True)
class RenewalPlan:
    """Whether the renewal of the certificate is rehearsed on the line (F-D9)."""

    performed: bool = True
    reason: str = ""
    """Why it is not; stands in every unit's record and passport."""

    def __post_init__(self) -> None:
        """Refuse a rehearsal that is left out without a reason."""
        if self.performed == bool(self.reason.strip()):
            raise ValueError("renewal: 'reason' must say why it is not performed, and is for nothing else")


@dataclass(frozen=True)
class Seal:
    """What a locked device must show: settings and their values."""

    expects: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """How long this hardware may take, in seconds."""

    restart: float = 60.0
    flash: float = 600.0
    connect: float = 120.0
    """From a restart to the first OCPP message."""
    clock_offset: float = 10.0
    """Largest difference between the device's clock and ours."""
    ship_watch: float = 2.0
    """How long the test endpoint is watched for attempts after the unit was seen at the ship endpoint."""


@dataclass(frozen=True)
class Product:
    """Everything a run needs to know about what is being built."""

    name: str
    revision: int
    vendor: str
    model: str
    driver: str
    hardware: tuple[str, ...]
    ocpp_version: str
    security_profile: int
    files: Files
    configuration: Mapping[str, Setting]
    connector: tuple[Connector, ...]
    ratings: Mapping[str, str]
    abilities: Abilities = Abilities()
    renewal: RenewalPlan = RenewalPlan()
    seal: Seal = Seal()
    limits: Limits = Limits()
    security_counter: str = ""
    """Device setting that shows the bootloader's anti-rollback counter; empty where the hardware shows none."""
    digest: str = ""
    """SHA-256 of the file; set when it is read."""

    def __post_init__(self) -> None:
        """Refuse connector lists that label, device and CPMS would read differently (F-G7)."""
        numbers = [connector.evse for connector in self.connector]
        if numbers != list(range(1, len(numbers) + 1)):
            raise ValueError(f"connector: evse numbers must be 1, 2, 3 …, not {numbers}")
        letters = [connector.letter for connector in self.connector]
        if len(set(letters)) != len(letters) or not all(LETTER.fullmatch(letter) for letter in letters):
            raise ValueError(f"connector: letters must be different and of A-Z and 0-9, not {letters}")
        if self.security_profile != SECURITY_PROFILE:
            raise ValueError(f"security_profile must be {SECURITY_PROFILE}, not {self.security_profile}")

    @property
    def not_shown(self) -> tuple[str, ...]:
        """Return what this hardware cannot prove, each as one sentence."""
        shown = tuple(text for name, text in NOT_SHOWN.items() if not getattr(self.abilities, name))
        if not self.renewal.performed:
            shown = (*shown, f"The renewal of the certificate was not rehearsed: {self.renewal.reason}")
        return shown if self.security_counter else (*shown, "The hardware does not show its anti-rollback counter.")


def load_product(directory: Path, name: str) -> Product:
    """Read `products/<name>.toml`.

    Raises:
        ConfigError: The file is wrong; names the key path.
    """
    path = directory / "products" / f"{name}.toml"
    table, digest = read_toml(path)
    product = parse(Product, table | {"digest": digest}, str(path))
    if product.name != name:
        raise ConfigError(f"{path}: name: '{product.name}' differs from the file's name")
    return product


def encode(setting: Setting, value: str) -> bytes:
    """Lay a configuration value down as the device wants it.

    Raises:
        ValueError: The value does not fit the setting's type or length.
    """
    if setting.type is SettingType.INTEGER:
        return int(value).to_bytes(4, "little", signed=True)
    if setting.type is SettingType.BOOLEAN:
        return {"true": b"\x01", "false": b"\x00"}[value]
    raw = value.encode()
    if len(raw) > setting.longest or any(byte < 0x20 for byte in raw):
        raise ValueError(f"longer than {setting.longest} bytes or with control characters")
    return raw
