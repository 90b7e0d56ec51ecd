"""How a product is brought to its ship endpoint, what it must refuse by itself, and where its tests leave traces.

A check that is left out says why, and the reason stands in every unit's record and passport: no gap goes unseen.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from station.model import OcppVersion

OCPP_KEY = re.compile(r"[!-~]{1,50}")
"""Key of OCPP 1.6 ChangeConfiguration (CiString50Type)."""
INTERFACES = frozenset(f"{kind}{number}" for kind in ("Wired", "Wireless") for number in range(4))
"""OCPP 2.0.1 OCPPInterfaceEnumType."""
LOG = re.compile(r"/[!-~]{1,126}")


class Method(StrEnum):
    """How a unit is told its ship endpoint."""

    SETTINGS = "settings"
    """Over the cable, as one of the device's settings."""
    OCPP_KEY = "ocpp-key"
    """By a vendor's key of OCPP 1.6."""
    SET_NETWORK_PROFILE = "set-network-profile"
    """By OCPP 2.x SetNetworkProfile and NetworkConfigurationPriority."""


VERSIONS: Mapping[Method, frozenset[OcppVersion]] = {
    Method.SETTINGS: frozenset(OcppVersion),
    Method.OCPP_KEY: frozenset({OcppVersion.V16}),
    Method.SET_NETWORK_PROFILE: frozenset(OcppVersion) - {OcppVersion.V16},
}


@dataclass(frozen=True)
class EndpointSwitch:
    """How a product changes from its test endpoint to its ship endpoint."""

    method: Method = Method.SETTINGS
    key: str = ""
    """The vendor's key, such as `CentralSystemAddress`; with `ocpp-key` only."""
    slot: int = 2
    """Configuration slot of the ship endpoint; with `set-network-profile` only."""
    test_slot: int = 1
    """Configuration slot that the test endpoint is in: it is written over with the ship endpoint."""
    interface: str = "Wired0"
    """Network interface of the ship endpoint, in the words of OCPP 2.0.1."""

    def __post_init__(self) -> None:
        """Refuse a key that is missing or for nothing, and slots that are none."""
        problems = tuple(self._problems())
        if problems:
            raise ValueError(*problems)

    def _problems(self) -> Iterator[str]:
        if (self.method is Method.OCPP_KEY) != bool(self.key):
            yield "key: it names the vendor's key of method 'ocpp-key', and is for nothing else"
        if self.key and not OCPP_KEY.fullmatch(self.key):
            yield "key: must be 1 to 50 printable characters"
        if self.slot == self.test_slot or not all(0 <= slot <= 99 for slot in (self.slot, self.test_slot)):
            yield "slot: slot and test_slot are two different numbers from 0 to 99"
        if self.interface not in INTERFACES:
            yield f"interface: must be one of {', '.join(sorted(INTERFACES))}"


class Extent(StrEnum):
    """Of which units something is demanded."""

    ALWAYS = "always"
    SAMPLE = "sample"
    NEVER = "not performed"


@dataclass(frozen=True)
class Refusal:
    """Whether it is proven that a unit refuses something, and of which units (F-H2)."""

    performed: Extent = Extent.ALWAYS
    every: int = 10
    """One unit of so many is in the sample."""
    reason: str = ""
    """Why it is not performed; stands in every unit's record and passport."""

    def __post_init__(self) -> None:
        """Refuse a check that is left out without a reason, and a sample that is none."""
        if (self.performed is Extent.NEVER) != bool(self.reason.strip()):
            raise ValueError("'reason' must say why it is not performed, and is for nothing else")
        if not 2 <= self.every <= 10_000:
            raise ValueError("every: must be 2 to 10000")

    def includes(self, serial: str) -> bool:
        """Tell whether a unit is examined: asked again, the answer is the same."""
        if self.performed is Extent.SAMPLE:
            return int.from_bytes(sha256(serial.encode()).digest()[:8], "big") % self.every == 0
        return self.performed is Extent.ALWAYS


@dataclass(frozen=True)
class Refusals:
    """What a unit must refuse by itself."""

    untrusted_server: Refusal = field(default_factory=Refusal)
    """A server whose root it does not trust."""
    plain_endpoint: Refusal = field(default_factory=Refusal)
    """An endpoint without TLS."""

    @property
    def not_shown(self) -> tuple[str, ...]:
        """Return what is left out, each as one sentence."""
        told = {
            "That it refuses an untrusted server was not proven": self.untrusted_server,
            "That it refuses an endpoint without TLS was not proven": self.plain_endpoint,
        }
        return tuple(f"{what}: {refusal.reason}" for what, refusal in told.items() if refusal.reason)


@dataclass(frozen=True)
class Residue:
    """Where tests leave traces in a unit, and how it is made to forget them (F-H7)."""

    logs: tuple[str, ...] = ()
    """Files on the device that are emptied, and in which nothing of the test environment may stand afterwards."""
    clear: Mapping[str, str] = field(default_factory=dict)
    """Device settings whose writing makes it forget, with the value to write."""
    expects: Mapping[str, str] = field(default_factory=dict)
    """Device settings that count what is left, with what they must say."""

    def __post_init__(self) -> None:
        """Refuse what is no file on a device."""
        wrong = [path for path in self.logs if not LOG.fullmatch(path)]
        if wrong:
            raise ValueError(f"logs: '{wrong[0][:40]}' is no path such as /lfs/log.txt")


def shipping_problems(switch: EndpointSwitch, version: OcppVersion) -> Iterator[str]:
    """Tell what of a product's way to its ship endpoint does not fit its OCPP version."""
    if version not in VERSIONS[switch.method]:
        yield f"endpoint: method '{switch.method}' is not one of {version}"
