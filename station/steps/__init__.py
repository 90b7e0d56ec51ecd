"""What a recipe may name: one plain function per step, in the one order that is safe.

Every step converges: it looks at the device first, does only what is missing, then reads back and compares. A step
that belongs to an earlier phase than the device has reached is never run again (design: phases only advance).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from station.bench import Bench
from station.catalog.firmware import Release
from station.catalog.products import Product
from station.clock import Deadline
from station.model import Phase
from station.steps.accept import accept
from station.steps.capture import capture, needed, nothing_to_capture
from station.steps.configure import configure
from station.steps.credentials import credentials
from station.steps.flash import flash
from station.steps.identify import admit, identify
from station.steps.label import label
from station.steps.seal import seal
from station.steps.ship import ship
from station.steps.slots import FlashOptions
from station.steps.update import UpdateOptions, unprovable, update


@dataclass(frozen=True)
class Step:
    """A step as recipes name it and as the operator reads it."""

    function: Callable[[Bench, Deadline], None]
    title: str
    rule: str
    """Why the step stands where it stands, in words for whoever writes recipes."""
    phase: Phase | None = None
    """The phase that the step works in; None for steps that every run repeats."""
    share: float = 1.0
    """Its usual share of a run's time, for the progress bar."""
    options: type[Any] | None = None
    """Frozen dataclass of what `[step.options]` may set, all with defaults; None where there is nothing to set."""
    required: bool = True
    """Whether every recipe must have it."""
    unfit: Callable[[Product, Release], str] | None = None
    """Tells why a product or release can't be put through it; empty if they can."""
    needed: Callable[[Product], str] | None = None
    """Tells why a product can't be built without it, though others can; empty if it can."""


STEPS: dict[str, Step] = {
    "identify": Step(
        identify, "Identify", "'identify' proves what is in the slot: every step needs to know that first"
    ),
    "admit": Step(admit, "Admit", "'admit' decides whether the unit may be built: it comes before whatever writes"),
    "capture": Step(
        capture,
        "Capture parts",
        "'capture' finds out what the unit is made of: a wrong part is found before anything is written for it",
        required=False,
        unfit=nothing_to_capture,
        needed=needed,
    ),
    "flash": Step(
        flash,
        "Flash firmware",
        "'flash' comes before what the firmware has to keep: keys and configuration",
        Phase.TEST,
        8,
        FlashOptions,
    ),
    "update": Step(
        update,
        "Prove update path",
        "'update' tries to break the released firmware: it needs it, and comes before there are keys to lose",
        Phase.TEST,
        2,
        UpdateOptions,
        required=False,
        unfit=unprovable,
    ),
    "credentials": Step(
        credentials, "Test credentials", "'credentials' needs the released firmware, which keeps the keys", Phase.TEST
    ),
    "configure": Step(
        configure, "Configure", "'configure' lets the unit connect, for which it needs its credentials", Phase.TEST
    ),
    "accept": Step(
        accept,
        "Accept over OCPP",
        "'accept' proves what was written: whatever writes for the test comes before",
        Phase.TEST,
        3,
    ),
    "ship": Step(
        ship, "Ship state", "'ship' leaves the test environment: whatever is proven there comes before", Phase.SHIP, 4
    ),
    "seal": Step(seal, "Seal", "'seal' locks the device: nothing may come after it but the label", Phase.SEALED),
    "label": Step(label, "Label", "'label' is for a unit that is finished: nothing may come after it"),
}
"""In the one order that is safe; what can't be undone comes last."""
