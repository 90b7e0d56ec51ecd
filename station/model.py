"""The nouns of the station as frozen values: parsed once at the edge, trusted afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class Outcome(StrEnum):
    """How a run or a step ended: FAIL blames the unit, ERROR the station."""

    PASS = "PASS"
    FAIL = "FAIL"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    SKIPPED = "SKIPPED"


class Phase(IntEnum):
    """How far a device has come, derived from the device itself; phases only advance."""

    BLANK = 0
    TEST = 1
    SHIP = 2
    SEALED = 3


class Environment(StrEnum):
    """The two worlds of a run: where the unit is proven, and where it will live."""

    TEST = "test"
    SHIP = "ship"


class KeyOrigin(StrEnum):
    """Where a device's private key is born."""

    HSM = "hsm"
    DEVICE = "device"


class OcppVersion(StrEnum):
    """OCPP versions by their WebSocket subprotocol names."""

    V16 = "ocpp1.6"
    V201 = "ocpp2.0.1"


@dataclass(frozen=True)
class TransportKey:
    """The key under which a key package reaches the device."""

    algorithm: str
    """`rsa-oaep`, `ecdh-p256` or `kek`."""
    key: bytes
    """SubjectPublicKeyInfo (DER); for `kek` the identifier of the batch's key."""


@dataclass(frozen=True)
class DeviceIdentity:
    """What the device says of itself, before anything is believed."""

    uid: bytes
    model: str
    has_key: bool
    has_certificate: bool
    locked: bool
    hardware: str = ""
    firmware: str = ""
    serial: str = ""
    keys: Mapping[str, bytes] | None = None
    """SPKI by key slot, empty bytes for an empty slot; None where the hardware has no key slots."""
    transport: TransportKey | None = None
    abilities: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ImageState:
    """One firmware slot of the device as it reports it."""

    slot: int
    version: str
    digest: bytes
    """SHA-256 of the MCUboot hash TLV; the same for a wrongly signed image, so it proves no signature."""
    active: bool = False
    confirmed: bool = False
    pending: bool = False


@dataclass(frozen=True)
class Proof:
    """A signed statement of the device about a key it holds: a receipt or an answered challenge."""

    spki: bytes
    signature: bytes


@dataclass(frozen=True)
class Connector:
    """One outlet; the single source for label, device configuration, CPMS payload and documents."""

    evse: int
    """OCPP 2.0.1 evseId and OCPP 1.6 connectorId, contiguous from 1."""
    connector: int
    """OCPP 2.0.1 connectorId within the EVSE, from 1."""
    letter: str
    """The letter printed beside the outlet."""
    type: str
    """OCPP 2.0.1 ConnectorEnumType, such as `cType2`."""
    phases: int
    max_current_a: int
    max_power_w: int


@dataclass(frozen=True)
class Measurement:
    """A value with unit, limits and verdict, taken by a step."""

    name: str
    value: str | float | bool
    unit: str = ""
    low: float | None = None
    high: float | None = None
    expected: str | float | bool | None = None
    passed: bool = True


@dataclass(frozen=True)
class Port:
    """A serial port as it is plugged now, named by where it is plugged."""

    path: str
    """ID_PATH without the interface suffix: stable over re-enumeration and replug."""
    node: str
    """The device file now, such as /dev/ttyACM3; changes with every re-enumeration."""
    interface: str = ""
    """USB configuration and interface, such as `1.0`; picks one of several ports of a device."""
    product: str = ""
    """USB vendor and product id and product name; a claim, not an identity."""


class SlotState(StrEnum):
    """What a slot is doing, as the operator sees it."""

    EMPTY = "empty"
    CONNECTING = "connecting"
    UNKNOWN_DEVICE = "unknown device"
    TWO_DEVICES = "two devices"
    WAITING_FOR_SERIAL = "scan serial"
    RUNNING = "running"
    WAITING_FOR_LABEL = "scan label"
    PASS = "PASS"
    FAIL = "FAIL"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    ALREADY_RELEASED = "already released"


@dataclass(frozen=True)
class StepView:
    """One step of a slot's run as the page shows it."""

    name: str
    title: str
    state: str
    """`waiting`, `running`, or an outcome."""
    seconds: float = 0.0
    attempt: int = 1


@dataclass(frozen=True)
class SlotView:
    """One slot at one moment, complete: a page can be drawn from it alone."""

    name: str
    port: str
    state: SlotState
    serial: str = ""
    hardware_uid: str = ""
    sentence: str = ""
    """What happened, in one plain sentence."""
    hint: str = ""
    """What the operator does now, in one imperative sentence."""
    steps: tuple[StepView, ...] = ()
    progress: float = 0.0
    """Share of the run that is done, 0 to 1."""
    started: datetime | None = None
    seconds: float = 0.0
    passport: str = ""
    label_copy: int = 0
    acknowledged: bool = False
    actions: tuple[str, ...] = ()
    """What is offered for a unit that was released before: `verify`, `reprint`, `rework`."""


@dataclass(frozen=True)
class LineView:
    """The whole line at one moment."""

    station: str
    version: int
    """Rises with every change; a listener waits for a higher one."""
    slots: tuple[SlotView, ...]
    order: str = ""
    product: str = ""
    released: int = 0
    failed: int = 0
    waiting_messages: int = 0
    """Depth of the outbox."""
    alarms: tuple[str, ...] = ()
    """Services that are away, each as one sentence."""
    links: tuple[tuple[str, str], ...] = ()
    """Pages beside this one: (text, address)."""


@dataclass(frozen=True)
class ScanReply:
    """What became of a scan, echoed within 100 ms."""

    accepted: bool
    sentence: str
    slot: str = ""


@dataclass(frozen=True)
class UnitRecord:
    """Everything about a unit that leaves the factory in documents, labels and the CPMS: one object renders all."""

    serial: str
    ocpp_identity: str
    vendor: str
    model: str
    product: str
    product_revision: int
    work_order: str
    customer: str
    hardware_uid: str
    hardware: str
    firmware: str
    firmware_sha256: str
    ocpp_version: str
    security_profile: int
    endpoint: str
    """Ship endpoint, without the identity."""
    connectors: tuple[Connector, ...]
    certificate_serial: str
    """Ship certificate serial number, upper-case hexadecimal."""
    certificate_sha256: str
    certificate_subject: str
    certificate_issuer: str
    certificate_not_after: str
    key_origin: str
    recipe: str
    recipe_digest: str
    configuration_sha256: str
    station: str
    run: str
    released_at: str
    ratings: Mapping[str, str] = field(default_factory=dict)
    """What the rating plate says, in its order: `Voltage` -> `400 V 3~`."""
    not_shown_by_hardware: tuple[str, ...] = ()
    """What this hardware cannot prove, each as one sentence."""
