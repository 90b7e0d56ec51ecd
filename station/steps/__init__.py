"""What a recipe may name: one plain function per step, in the one order that is safe.

Every step converges: it looks at the device first, does only what is missing, then reads back and compares. A step
that belongs to an earlier phase than the device has reached is never run again (design: phases only advance).
"""

from collections.abc import Callable
from dataclasses import dataclass

from station.bench import Bench
from station.clock import Deadline
from station.model import Phase
from station.steps.accept import accept
from station.steps.configure import configure
from station.steps.credentials import credentials
from station.steps.flash import flash
from station.steps.identify import admit, identify
from station.steps.label import label
from station.steps.seal import seal
from station.steps.ship import ship


@dataclass(frozen=True)
class Step:
    """A step as recipes name it and as the operator reads it."""

    function: Callable[[Bench, Deadline], None]
    title: str
    phase: Phase | None = None
    """The phase that the step works in; None for steps that every run repeats."""
    share: float = 1.0
    """Its usual share of a run's time, for the progress bar."""


STEPS: dict[str, Step] = {
    "identify": Step(identify, "Identify"),
    "admit": Step(admit, "Admit"),
    "flash": Step(flash, "Flash firmware", Phase.TEST, 8),
    "credentials": Step(credentials, "Test credentials", Phase.TEST),
    "configure": Step(configure, "Configure", Phase.TEST),
    "accept": Step(accept, "Accept over OCPP", Phase.TEST, 3),
    "ship": Step(ship, "Ship state", Phase.SHIP, 4),
    "seal": Step(seal, "Seal", Phase.SEALED),
    "label": Step(label, "Label"),
}
