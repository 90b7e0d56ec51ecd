"""Products: what the rating plate says, and how this hardware is spoken to. One directory each, one TOML file in it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from enum import StrEnum
from hashlib import sha256

from station.catalog.acceptance import Acceptance
from station.catalog.conformity import EvidenceRule, PaperRule, paper_problems
from station.catalog.credentials import BY_CERTIFICATE, Credential, PasswordSetting, credential_problems
from station.catalog.hardware import (
    FIRMWARE,
    VARIANT,
    Hardware,
    Identifiers,
    Reports,
    outlet_problems,
    revision_problems,
    variant,
)
from station.catalog.labels import InsideSecret
from station.catalog.modem import Modem
from station.catalog.parts import SEAL, ComponentRule, Metering, part_problems
from station.catalog.settings import Setting
from station.catalog.shipping import EndpointSwitch, Refusals, Residue, shipping_problems
from station.catalog.source import Source
from station.errors import ConfigError
from station.identifiers import Kind
from station.identifiers import parse as parse_identifier
from station.model import Connector, Environment, OcppVersion
from station.strict import parse, shown, toml_table

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
OUR_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
"""A configuration parameter or feature flag, as we call it."""
DEVICE_KEY = re.compile(r"[!-~]{1,128}")
DEVICE_PATH = re.compile(r"/[!-~]{1,126}")
MESSAGE = re.compile(r"[A-Z][A-Za-z0-9]{2,39}")
"""An OCPP action."""
LONGEST_VENDOR = {OcppVersion.V16: 20, OcppVersion.V201: 50, OcppVersion.V21: 50}
LONGEST_MODEL = 20
"""In the BootNotification of every version."""
LONGEST_RATING = 60
LONGEST_TIME = 3600.0
YEARS = range(2024, 2101)
"""Years in which a support period can end."""
NEEDED = ("ocpp_url", "ocpp_identity")
"""Configuration names without which a device can't be brought into service."""


class FlagType(StrEnum):
    """What values a feature flag takes."""

    SWITCH = "switch"
    """`on` or `off`."""


@dataclass(frozen=True)
class Files:
    """Paths on the device for what travels as files."""

    anchors: str
    chain_test: str
    chain_ship: str
    update_anchor: str = ""
    """The manufacturer's root that signs updates; empty where only the bootloader holds it."""
    v2g_anchors: str = ""
    """Roots of vehicles' chains; empty for hardware that does not speak ISO 15118."""
    mo_anchors: str = ""
    """Roots of mobility operators' contracts."""

    def __post_init__(self) -> None:
        """Refuse what is no path on a device, and anchors that a chain would overwrite."""
        paths = {entry.name: getattr(self, entry.name) for entry in fields(self) if getattr(self, entry.name)}
        problems = [f"{name}: must be a path such as /lfs/x.pem" for name in paths if not _is_path(paths[name])]
        problems += [
            f"{name}: is the file of the anchors" for name in paths if name != "anchors" and paths[name] == self.anchors
        ]
        if problems:
            raise ValueError(*problems)

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
class Rehearsal:
    """Whether what a CPMS will do years later is rehearsed on the line (F-D9, P09)."""

    performed: bool = True
    reason: str = ""
    """Why it is not; stands in every unit's record and passport."""

    def __post_init__(self) -> None:
        """Refuse a rehearsal that is left out without a reason."""
        if self.performed == bool(self.reason.strip()):
            raise ValueError("'reason' must say why it is not performed, and is for nothing else")


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

    def __post_init__(self) -> None:
        """Refuse times that no line can wait for."""
        wrong = [entry.name for entry in fields(self) if not 0 < getattr(self, entry.name) <= LONGEST_TIME]
        if wrong:
            raise ValueError(*(f"{name}: must be above 0 and at most {LONGEST_TIME:g} s" for name in wrong))


@dataclass(frozen=True)
class Product:
    """Everything a run needs to know about what is being built."""

    name: str
    revision: int
    vendor: str
    model: str
    driver: str
    hardware: tuple[Hardware, ...]
    ocpp_version: OcppVersion
    security_profile: int
    files: Files
    configuration: Mapping[str, Setting]
    connector: tuple[Connector, ...]
    ratings: Mapping[str, str]
    """What the rating plate says, in its order."""
    support_until: date
    """End of the support period, up to which updates and the anchors they need must work."""
    abilities: Abilities = Abilities()
    renewal: Rehearsal = Rehearsal()
    """Of the unit's certificate."""
    anchor_replacement: Rehearsal = Rehearsal()
    """Of a root that it trusts, over OCPP."""
    endpoint: EndpointSwitch = field(default_factory=EndpointSwitch)
    """How it is told where it will live."""
    refusals: Refusals = field(default_factory=Refusals)
    """What it is proven to refuse by itself."""
    residue: Residue = field(default_factory=Residue)
    modem: Modem = field(default_factory=Modem)
    acceptance: Acceptance = field(default_factory=Acceptance)
    """What its units prove over OCPP, beyond what all units prove."""
    seal: Seal = Seal()
    limits: Limits = Limits()
    reports: Reports = field(default_factory=Reports)
    identifiers: Identifiers = field(default_factory=Identifiers)
    component: tuple[ComponentRule, ...] = ()
    """Parts whose serial number or lot is recorded with the unit (F-I1)."""
    metering: Metering = field(default_factory=Metering)
    """How the meters of the outlets are read and proven (F-I3, F-I4)."""
    credentials: tuple[Credential, ...] = (Credential.CLIENT_CERTIFICATE,)
    password: PasswordSetting = field(default_factory=PasswordSetting)
    inside: InsideSecret = field(default_factory=InsideSecret)
    """Where it keeps the secret that its owner finds on paper inside."""
    required_messages: tuple[str, ...] = ()
    """OCPP messages that the unit must have sent by the end of its acceptance."""
    flags: Mapping[str, FlagType] = field(default_factory=dict)
    """Every feature flag that the firmware has, and no other."""
    configuration_schema: int = 1
    """Version of the configuration's names and values on the device; the firmware says which it knows."""
    gtin: str = ""
    """Its number in trade (GS1), 8, 12, 13 or 14 digits; empty where it has none."""
    paper: tuple[PaperRule, ...] = ()
    """Documents that stand behind each unit: declarations, type-examination certificates."""
    evidence: tuple[EvidenceRule, ...] = ()
    """Which checks of the record speak for which clauses of regulations."""
    digest: str = ""
    """SHA-256 of the file; set when it is read."""

    def __post_init__(self) -> None:
        """Refuse what the types can't: all of it at once."""
        problems = tuple(_problems(self))
        if problems:
            raise ValueError(*problems)

    @property
    def revisions(self) -> tuple[str, ...]:
        """Return the names of the hardware revisions it is built on."""
        return tuple(hardware.revision for hardware in self.hardware)

    @property
    def security_counter(self) -> str:
        """Return the device setting that shows the anti-rollback counter; empty where the hardware shows none."""
        return self.reports.security_counter

    @property
    def variant(self) -> dict[str, str]:
        """Return what its hardware shows of the variant: device setting -> value (F-A5)."""
        keys = {name: getattr(self.reports, name) for name in VARIANT}
        return {keys[name]: value for name, value in variant(self.connector, self.identifiers).items() if keys[name]}

    @property
    def captures(self) -> bool:
        """Tell whether a unit bears numbers or has parts that the record must have."""
        return bool(self.identifiers.read.each or self.metering.keys or any(part.required for part in self.component))

    @property
    def words(self) -> dict[str, str]:
        """Return what operators call those device settings."""
        return {getattr(self.reports, name): words for name, words in VARIANT.items() if getattr(self.reports, name)}

    @property
    def not_shown(self) -> tuple[str, ...]:
        """Return what this hardware cannot prove, each as one sentence."""
        shown = tuple(text for name, text in NOT_SHOWN.items() if not getattr(self.abilities, name))
        if not self.renewal.performed:
            shown = (*shown, f"The renewal of the certificate was not rehearsed: {self.renewal.reason}")
        if not self.anchor_replacement.performed:
            why = self.anchor_replacement.reason
            shown = (*shown, f"The replacement of trust anchors over OCPP was not rehearsed: {why}")
        shown = (*shown, *self.acceptance.sentences)
        shown = (*shown, *self.refusals.not_shown)
        if self.password.key and self.security_profile == BY_CERTIFICATE:
            shown = (*shown, "The OCPP password was written and not proven: the unit logs in with its certificate.")
        if not self.security_counter:
            shown = (*shown, "The hardware does not show its anti-rollback counter.")
        if self.identifiers.macs and not self.identifiers.read.mac:
            shown = (*shown, "The hardware does not show its network addresses.")
        unseen = [words for name, words in (VARIANT | FIRMWARE).items() if not getattr(self.reports, name)]
        return (*shown, f"The hardware does not show: {', '.join(unseen)}.") if unseen else shown


def _problems(product: Product) -> Iterator[str]:
    yield from _name_problems(product)
    yield from outlet_problems(product.connector)
    yield from part_problems(product.component, product.connector)
    yield from _metering_problems(product)
    yield from revision_problems(product.hardware)
    yield from credential_problems(
        product.security_profile, product.credentials, product.password, renewal=product.renewal.performed
    )
    if bool(product.flags) != bool(product.reports.flags):
        yield "flags: [flags] and reports.flags belong together: the complete set, and the setting that shows it"
    yield from _configuration_problems(product)
    yield from shipping_problems(product.endpoint, product.ocpp_version)
    yield from paper_problems(product.paper, product.evidence)
    yield from _gtin_problems(product.gtin)


def _gtin_problems(gtin: str) -> Iterator[str]:
    try:
        if gtin:
            parse_identifier(Kind.GTIN, gtin)
    except ValueError as error:
        yield f"gtin: {error}"


def _metering_problems(product: Product) -> Iterator[str]:
    """Tell what is declared of meters and seals that the station could not prove, or would not ask for."""
    signing = product.identifiers.meter_public_keys
    if signing and not any(outlet.meter for outlet in product.connector):
        yield "identifiers: meter_public_keys: no connector has a meter"
    elif signing and not product.metering.public_key:
        yield "metering: public_key and reading are needed: each meter's key is proven (identifiers.meter_public_keys)"
    if product.metering.keys and not product.metering.serial:
        yield "metering: serial is needed: a reading without the meter's number proves nothing"
    seals = sum(part.kind == SEAL and part.required for part in product.component)
    if seals != product.identifiers.seals:
        yield f"component: {product.identifiers.seals} required ones of kind '{SEAL}' are expected, not {seals}"


def _name_problems(product: Product) -> Iterator[str]:
    if not NAME.fullmatch(product.name):
        yield "name: must be 1 to 40 lower-case letters, digits and hyphens"
    for key in ("revision", "configuration_schema"):
        if not 1 <= getattr(product, key) <= 9999:
            yield f"{key}: must be 1 to 9999, not {getattr(product, key)}"
    if product.support_until.year not in YEARS:
        yield f"support_until: must be a date from {YEARS[0]} to {YEARS[-1]}, not {product.support_until}"
    limits = {"vendor": LONGEST_VENDOR[product.ocpp_version], "model": LONGEST_MODEL}
    for key, longest in limits.items():
        if not _is_text(getattr(product, key), longest):
            yield f"{key}: must be 1 to {longest} printable characters ({product.ocpp_version})"
    yield from _text_problems(product)


def _text_problems(product: Product) -> Iterator[str]:
    for name, value in product.ratings.items():
        if not _is_text(name, LONGEST_RATING) or not _is_text(value, LONGEST_RATING):
            yield f"ratings: {shown(name)}: name and value must be 1 to {LONGEST_RATING} printable characters"
    for message in product.required_messages:
        if not MESSAGE.fullmatch(message):
            yield f"required_messages: {shown(message)} is no OCPP message, such as StatusNotification"


def _configuration_problems(product: Product) -> Iterator[str]:
    for name in NEEDED:
        if name not in product.configuration or not product.configuration[name].key:
            yield f"configuration: '{name}' must have a key: without it the device can't be brought into service"
    for name in (*product.configuration, *product.flags):
        if not OUR_NAME.fullmatch(name):
            yield f"{shown(name)} must be a name of lower-case letters, digits and underscores"
    keys = (product.password.key, product.inside.key, *(setting.key for setting in product.configuration.values()))
    for key, count in Counter(filter(None, keys)).items():
        if count > 1:
            yield f"configuration: {count} names share the device's key '{key}'"


def _is_text(value: str, longest: int) -> bool:
    return 0 < len(value) <= longest and value.isprintable() and value.strip() == value


def _is_path(value: str) -> bool:
    return DEVICE_PATH.fullmatch(value) is not None


def load_product(source: Source, name: str) -> Product:
    """Read `products/<name>/product.toml`.

    Raises:
        ConfigError: The file is wrong; names the key path.
    """
    path = f"products/{name}/product.toml"
    raw = source.read(path)
    product = parse(Product, toml_table(raw, path) | {"digest": sha256(raw).hexdigest()}, path)
    if product.name != name:
        raise ConfigError(f"{path}: name: '{product.name}' differs from the directory's name")
    return product
