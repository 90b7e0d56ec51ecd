"""What a unit must prove over OCPP before it ships, as far as products differ: which checks, and against which values.

What every buyer was promised (it connects, boots, reports its status, and obeys) can't be weakened by a product's data.
A check that is left out stands with its reason in every unit's record and passport.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from station.strict import nearest, shown

PROMISED = (
    *("connect", "boot", "inventory", "settings", "accept", "into service", "status", "trigger heartbeat"),
    *("trigger status", "availability", "reset", "status after reset", "settings after reset"),
)
"""Checks that no product can leave out, or let a unit fail (F-H1): remote commands are judged by what they do."""
DECLARED = ("replace anchor", "renewal", "renewed certificate")
"""Checks that have tables of their own in a product: [anchor_replacement] and [renewal]."""
CHOSEN = (
    *("anchors", "clock", "meter values", "unlock", "outlets", "remote start", "security events", "power cycle"),
    *("offline", "conformance"),
)
"""Checks that a product may make optional, or leave out with its reason."""
LONGEST_LIMIT = 600.0
LONGEST_REASON = 200
LONGEST_PAUSE = 120.0
SETTING = re.compile(r"[!-~]{1,120}")
LETTER = "{letter}"
"""Stands in the key of an outlet's own signal for the letter that is printed beside the outlet, in lower case."""
BOOT_REASONS = (
    *("ApplicationReset", "FirmwareUpdate", "LocalReset", "PowerUp", "RemoteReset", "ScheduledReset"),
    *("Triggered", "Unknown", "Watchdog"),
)
"""OCPP 2.0.1 BootReasonEnumType."""


class Need(StrEnum):
    """How strictly a check is taken."""

    MANDATORY = "mandatory"
    OPTIONAL = "optional"
    """A failure is recorded, and the unit goes on."""
    LEFT_OUT = "not performed"


class Unlocking(StrEnum):
    """What a unit answers to UnlockConnector with nothing plugged in."""

    UNLOCKED = "Unlocked"
    FAILED = "UnlockFailed"
    NOT_SUPPORTED = "NotSupported"
    """It has no locks; in OCPP 2.0.1 it refuses the command, or does not know it."""


@dataclass(frozen=True)
class Terms:
    """How one check is taken for a product."""

    need: Need = Need.MANDATORY
    reason: str = ""
    """Why it is not performed; stands in every unit's record and passport."""
    limit: float = 0.0
    """Seconds it may take; 0 leaves the station's own limit."""

    def __post_init__(self) -> None:
        """Refuse a check that is left out without a reason, and times that no line can wait for."""
        if (self.need is Need.LEFT_OUT) != bool(self.reason):
            raise ValueError("reason: must say why it is not performed, and is for nothing else")
        if self.reason and not (len(self.reason) <= LONGEST_REASON and self.reason.isprintable()):
            raise ValueError(f"reason: must be at most {LONGEST_REASON} printable characters")
        if not 0 <= self.limit <= LONGEST_LIMIT:
            raise ValueError(f"limit: must be 0 to {LONGEST_LIMIT:g} s")


@dataclass(frozen=True)
class Acceptance:
    """What a product's units prove over OCPP beyond what all units prove."""

    checks: Mapping[str, Terms] = field(default_factory=dict)
    """By the name of the check."""
    golden: Mapping[str, str] = field(default_factory=dict)
    """OCPP settings that the released firmware has, with their values; what the station writes is no part of them."""
    listed: tuple[str, ...] = ()
    """Further OCPP settings that a complete inventory names, whatever their value."""
    boot_reasons: tuple[str, ...] = ()
    """Reasons that the first BootNotification may give; none lets every reason pass (OCPP 1.6 gives none)."""
    unlock: Unlocking = Unlocking.UNLOCKED
    vehicle: str = ""
    """Key of the device's settings, or of its fixture's, by which a simulated vehicle is plugged into the outlet of a
    letter (`{letter}`): `on` and `off`; empty where there is none."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Unit of each measurand where it is another than OCPP's own."""
    security_events: tuple[str, ...] = ()
    """Security events that every start must bring, such as `StartupOfTheDevice`."""
    offline_seconds: float = 1.0
    """How long the server refuses the unit once."""
    power_off_seconds: float = 10.0
    """How long the power is off before the clock is judged (F-E4)."""
    clock_drift: float = 3.0
    """Seconds that the clock may be wrong by after that."""

    def __post_init__(self) -> None:
        """Refuse what the types can't: all of it at once."""
        problems = (*_check_problems(self.checks), *_value_problems(self))
        if problems:
            raise ValueError(*problems)

    def left_out(self, name: str) -> str:
        """Return why a check is not performed, or nothing."""
        terms = self.checks.get(name, Terms())
        return terms.reason or ("" if name in self.checks else self._lacks.get(name, ""))

    def mandatory(self, name: str) -> bool:
        """Tell whether a unit that fails the check fails."""
        return self.checks.get(name, Terms(_USUALLY.get(name, Need.MANDATORY))).need is not Need.OPTIONAL

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return what is not performed, each as one sentence for the passport."""
        reasons = ((name, self.left_out(name)) for name in CHOSEN)
        told = tuple(f"The acceptance check '{name}' was not performed: {reason}" for name, reason in reasons if reason)
        return (
            told if self.golden or self.listed else (*told, "The OCPP settings were not compared with golden values.")
        )

    @property
    def _lacks(self) -> dict[str, str]:
        """Return why checks can't be performed for which a product declares nothing."""
        fixture = {} if self.vehicle else dict.fromkeys(("outlets", "remote start"), "There is no simulated vehicle.")
        events = {} if self.security_events else {"security events": "The product declares none."}
        return {**fixture, **events, "power cycle": "The bench can't switch the unit's power."}


_USUALLY = {"conformance": Need.OPTIONAL}
"""What stands for checks of which a product says nothing, where that is not `mandatory`."""


def _check_problems(checks: Mapping[str, Terms]) -> Iterator[str]:
    for name, terms in checks.items():
        if name not in (*PROMISED, *CHOSEN, *DECLARED):
            yield f"checks: unknown check {shown(name)}{nearest(name, [*PROMISED, *CHOSEN])}"
        elif name in PROMISED and terms.need is not Need.MANDATORY:
            yield f"checks: '{name}' is promised of every unit: it is mandatory, and can't be '{terms.need}'"
        elif name in DECLARED and terms.need is not Need.MANDATORY:
            yield f"checks: '{name}' is left out by 'performed = false' of its own table only"


def _value_problems(plan: Acceptance) -> Iterator[str]:
    for key in (*plan.golden, *plan.listed, *plan.units, *plan.security_events):
        if not SETTING.fullmatch(key):
            yield f"{shown(key)} must be a name of 1 to 120 printable characters without spaces"
    for reason in plan.boot_reasons:
        if reason not in BOOT_REASONS:
            yield f"boot_reasons: unknown word {shown(reason)}{nearest(reason, list(BOOT_REASONS))}"
    if plan.vehicle and not (SETTING.fullmatch(plan.vehicle) and LETTER in plan.vehicle):
        yield f"vehicle: must be a key with {LETTER} in it: each outlet has a signal of its own"
    for name in ("outlets", "remote start"):
        if name in plan.checks and not plan.vehicle and plan.checks[name].need is not Need.LEFT_OUT:
            yield f"checks: '{name}' needs a simulated vehicle: name its key in 'vehicle', or say why it is left out"
    yield from _pause_problems(plan)


def _pause_problems(plan: Acceptance) -> Iterator[str]:
    for entry in fields(plan):
        value = getattr(plan, entry.name)
        if isinstance(value, float) and not 0 < value <= LONGEST_PAUSE:
            yield f"{entry.name}: must be above 0 and at most {LONGEST_PAUSE:g} s"
