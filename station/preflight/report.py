"""What a look at the factory's network found: each thing timed, and none of it said of the site (P20)."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from station.clock import Deadline
from station.errors import StationError

LABEL = "factory network, not site validation"
"""Stands with every finding: that it works here says nothing of the network where the charger will be."""
PROBE_SECONDS = 5.0


@dataclass(frozen=True)
class Probe:
    """One thing to look at."""

    what: str
    target: str
    look: Callable[[Deadline], str]
    """Returns what was found, or raises what is wrong."""


@dataclass(frozen=True)
class Finding:
    """What was found of one thing."""

    what: str
    target: str
    ok: bool
    seconds: float
    detail: str
    hint: str = ""
    scope: str = LABEL


def examine(probes: Iterable[Probe], seconds: float = PROBE_SECONDS) -> tuple[Finding, ...]:
    """Look at everything, one after the other; what fails does not hide what comes after."""
    return tuple(_finding(probe, seconds) for probe in probes)


def _finding(probe: Probe, seconds: float) -> Finding:
    started = time.monotonic()
    try:
        ok, detail, hint = True, probe.look(Deadline(seconds)), ""
    except StationError as error:
        ok, detail, hint = False, error.message, error.hint
    return Finding(probe.what, probe.target, ok, round(time.monotonic() - started, 3), detail, hint)
