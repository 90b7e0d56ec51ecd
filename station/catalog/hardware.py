"""The hardware of a product: its outlets, what it carries, and how the station recognises it before any write.

One list of outlets feeds label, device configuration, CPMS payload and documents, so it is judged here once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from station.catalog.parts import ReadNumbers
from station.identifiers import Rules
from station.model import Connector
from station.strict import nearest, shown

LETTER = re.compile(r"[A-Z0-9]{1,4}")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
METER_TYPE = re.compile(r"[ -~]{1,25}")
"""OCPP 1.6 `meterType`: at most 25 characters."""
CURRENTS = range(6, 501)
"""Amperes; IEC 61851-1 knows no charging current below 6 A."""
POWERS = range(1_000, 1_000_001)
"""Watts of one outlet."""
VOLTS_PER_PHASE = 253
"""230 V and 10 % (EN 50160): an outlet can't give more power than its phases, current and voltage."""
VOLTS_DC = 1_000
DC_ROTATION = "NotApplicable"
ROTATIONS = ("RST", "RTS", "SRT", "STR", "TRS", "TSR")
"""OCPP 1.6 `ConnectorPhaseRotation`."""
TYPES = (
    *("cCCS1", "cCCS2", "cG105", "cTesla", "cType1", "cType2", "s309-1P-16A", "s309-1P-32A", "s309-3P-16A"),
    *("s309-3P-32A", "sBS1361", "sCEE-7-7", "sType2", "sType3", "Other1PhMax16A", "Other1PhOver16A", "Other3Ph"),
)
"""OCPP 2.0.1 `ConnectorEnumType`, without those that can't be conducted or are not known."""


@dataclass(frozen=True)
class Hardware:
    """One hardware revision that the product is built on."""

    revision: str
    shows: Mapping[str, str] = field(default_factory=dict)
    """Device settings by which it is recognised, with what they must show: a strap, an EEPROM's text."""


@dataclass(frozen=True)
class Reports:
    """Device settings by which the hardware shows what it is and how it is; empty for what it does not show."""

    connectors: str = ""
    """How many outlets."""
    power: str = ""
    """Watts of one outlet: the power class that jumpers, strap or type of power stage give it."""
    meters: str = ""
    """How many meters answer."""
    sim: str = ""
    """Whether a SIM is there: `present` or `absent`."""
    security_counter: str = ""
    """The bootloader's anti-rollback counter."""
    configuration_schema: str = ""
    """Version of the configuration schema that the running firmware has."""
    boot_result: str = ""
    """How the last start chose its image: `normal`, `swapped`, `reverted` or `refused`."""
    bootloader: str = ""
    """The bootloader's version."""
    update_key: str = ""
    """SHA-256 of the key that the bootloader trusts for updates."""
    flags: str = ""
    """All feature flags with their state; takes changes too."""


VARIANT = {
    "connectors": "number of outlets",
    "power": "power of an outlet in W",
    "meters": "number of meters",
    "sim": "SIM",
}
"""What makes a variant, in the words of operators and records."""
FIRMWARE = {
    "bootloader": "the version of its bootloader",
    "update_key": "which key it trusts for updates",
    "configuration_schema": "which configuration its firmware reads",
    "boot_result": "how it chose its firmware at the last start",
}
"""What proves the firmware beside its digests, in the words of a record."""


@dataclass(frozen=True)
class Identifiers:
    """What each unit carries that bears a number of its own."""

    macs: int = 0
    sim: bool = False
    """A SIM or eSIM, with ICCID, IMEI and EID."""
    meter_public_keys: bool = False
    """Each meter signs its values with a key of its own."""
    seals: int = 0
    """Numbered seals on the housing or the meters."""
    read: ReadNumbers = field(default_factory=ReadNumbers)
    """Where the hardware shows its numbers."""
    mac_blocks: tuple[str, ...] = ()
    """The maker's own address blocks: 6, 7 or 9 hexadecimal digits; empty allows all."""
    iccid_check_digit: str = "present"
    """`omitted` where the network operator's lists leave it out."""

    def __post_init__(self) -> None:
        """Keep the numbers within what a charger can carry."""
        if not 0 <= self.macs <= 16 or not 0 <= self.seals <= 32:
            raise ValueError("macs must be 0 to 16 and seals 0 to 32")
        if self.iccid_check_digit not in ("present", "omitted"):
            raise ValueError(f"iccid_check_digit: 'present' or 'omitted' is expected, not {self.iccid_check_digit!r}")
        if self.read.mac and len(self.read.mac) != self.macs:
            raise ValueError(f"read: mac: {self.macs} settings are expected, one for each address")
        if not self.sim and (self.read.iccid or self.read.imsi or self.read.eid):
            raise ValueError("read: there is no SIM")
        self.rules()

    def rules(self) -> Rules:
        """Return what is declared of the numbers, as their rules need it."""
        return Rules(self.iccid_check_digit == "omitted", self.mac_blocks)


def revision_problems(hardware: tuple[Hardware, ...]) -> Iterator[str]:
    """Tell which hardware revisions have no name of their own that can stand in a firmware manifest."""
    names = [entry.revision for entry in hardware]
    if not names or len(set(names)) != len(names):
        yield f"hardware: one [[hardware]] for each revision is expected, not {shown(names)}"
    for index, name in enumerate(names):
        if not REVISION.fullmatch(name):
            yield f"hardware[{index}]: revision: must be 1 to 32 letters, digits and ._-, not {shown(name)}"


def outlet_problems(outlets: tuple[Connector, ...]) -> Iterator[str]:
    """Tell what label, device, CPMS and documents would read differently in a list of outlets (F-G7, F-A7)."""
    numbers = [outlet.evse for outlet in outlets]
    if not outlets:
        yield "connector: at least one [[connector]] is expected"
    elif numbers != list(range(1, len(numbers) + 1)):
        yield f"connector: evse numbers must be 1 to {len(numbers)} in this order, not {', '.join(map(str, numbers))}"
    letters = [outlet.letter for outlet in outlets]
    if len(set(letters)) != len(letters) or not all(LETTER.fullmatch(letter) for letter in letters):
        yield f"connector: letters must be different and of A-Z and 0-9, not {letters}"
    for index, outlet in enumerate(outlets):
        yield from (f"connector[{index}]: {problem}" for problem in _outlet(outlet))


def _outlet(outlet: Connector) -> Iterator[str]:
    if outlet.connector != 1:
        yield f"connector: must be 1, not {outlet.connector}: each outlet is an EVSE of its own"
    if outlet.type not in TYPES:
        yield f"type: unknown word {shown(outlet.type)}{nearest(outlet.type, list(TYPES))}"
    if not 0 <= outlet.phases <= 3:
        yield f"phases: must be 0 (direct current) to 3, not {outlet.phases}"
    rotations = ROTATIONS if outlet.phases else (DC_ROTATION,)
    if outlet.rotation not in rotations:
        yield f"rotation: unknown word {shown(outlet.rotation)}{nearest(outlet.rotation, list(rotations))}"
    if outlet.meter and not METER_TYPE.fullmatch(outlet.meter):
        yield "meter: must be at most 25 printable ASCII characters"
    yield from _ratings(outlet)


def _ratings(outlet: Connector) -> Iterator[str]:
    if outlet.max_current_a not in CURRENTS:
        yield f"max_current_a: must be {CURRENTS[0]} to {CURRENTS[-1]} A, not {outlet.max_current_a}"
    if outlet.max_power_w not in POWERS:
        yield f"max_power_w: must be {POWERS[0]} to {POWERS[-1]} W, not {outlet.max_power_w}"
    most = outlet.max_current_a * (outlet.phases * VOLTS_PER_PHASE or VOLTS_DC)
    if outlet.max_power_w > most:
        yield f"max_power_w: {outlet.max_current_a} A give {most} W at most, not {outlet.max_power_w} W"


def variant(outlets: tuple[Connector, ...], identifiers: Identifiers) -> dict[str, str]:
    """Return what hardware of this variant shows, by the names of `VARIANT`."""
    return {
        "connectors": str(len(outlets)),
        "power": str(max(outlet.max_power_w for outlet in outlets)),
        "meters": str(sum(bool(outlet.meter) for outlet in outlets)),
        "sim": "present" if identifiers.sim else "absent",
    }
