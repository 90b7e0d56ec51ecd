"""What is in a slot and what is found out about it: identity, images, keys, measurements, ports."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    V21 = "ocpp2.1"


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
    """Within its image: 0 is what runs, 1 takes updates."""
    version: str
    digest: bytes
    """SHA-256 of the MCUboot hash TLV; the same for a wrongly signed image, so it proves no signature."""
    active: bool = False
    confirmed: bool = False
    pending: bool = False
    image: int = 0
    """Number of the image on the device: 0 is the application, others are controllers beside it."""


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
    """Alternating-current phases: 1 to 3, or 0 for a direct-current outlet (OCPP 2.0.1 `SupplyPhases`)."""
    max_current_a: int
    max_power_w: int
    rotation: str = "RST"
    """Order of the phases as wired, in the words of OCPP 1.6 `ConnectorPhaseRotation`; `NotApplicable` for DC."""
    meter: str = ""
    """Type of the outlet's own meter; empty where it has none."""


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
