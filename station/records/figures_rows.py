"""What the figures of a line are computed from, as counts and samples of closed runs."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from station.model import Outcome

RELEASE = "release"
"""Where a run ended whose steps all passed: what was wrong, only the release itself found."""


@dataclass(frozen=True)
class Span:
    """Which closed runs are looked at: those that ended from `since` on and before `until`."""

    since: datetime
    until: datetime
    order: str = ""
    """Only of this work order; empty for all."""


@dataclass(frozen=True)
class RunCount:
    """How many closed runs are alike in when and how they ended."""

    quarter: datetime
    """Quarter of an hour in which they ended, by its beginning: every time zone begins its hours at one (UTC)."""
    outcome: Outcome
    plan: tuple[str, ...]
    first: bool
    """Whether each was its unit's first run that came to a verdict: PASS, FAIL or ERROR."""
    smooth: bool
    """Whether no step of it was tried twice."""
    count: int


class End(NamedTuple):
    """How and where runs ended, in all that failures are told apart by."""

    outcome: Outcome
    step: str
    """Step that ended a run which failed, or `RELEASE`; empty where nothing failed."""
    fault: str
    slot: str
    firmware: str
    operator: str


@dataclass(frozen=True)
class StepCount:
    """How many units came to a step, and how many passed it at once."""

    step: str
    entered: int
    passed: int


@dataclass(frozen=True)
class StepTime:
    """How long one attempt of a step took that passed."""

    run: tuple[str, int]
    step: str
    position: int
    seconds: float
    waited: float
    """Seconds of these in which it waited for a person."""


@dataclass(frozen=True)
class RunTime:
    """When one released unit was in work."""

    run: tuple[str, int]
    started_at: datetime
    closed_at: datetime


@dataclass(frozen=True)
class Sampled:
    """One measured number, with what it is of."""

    recipe: str
    step: str
    name: str
    unit: str
    low: float | None
    high: float | None
    value: float
    at: datetime
    """When the run ended that took it."""
    serial: str


@dataclass(frozen=True)
class Streak:
    """A slot that failed run after run."""

    slot: str
    runs: int
    """How many, one after the other, up to now."""
    units: int
    """How many units they were of."""
    since: datetime


@dataclass(frozen=True)
class Mark:
    """How far a reader has read the records, so that it goes on there."""

    run: int
    """Latest run that it knows."""
    live: frozenset[int]
    """Runs of before that were not closed then."""
    step: int
    """Latest row of a step that it knows."""


@dataclass(frozen=True)
class RunEnd:
    """A run that ended."""

    slot: str
    outcome: Outcome
    fault: str
    seconds: float


@dataclass(frozen=True)
class StepEnd:
    """An attempt of a step that ended."""

    step: str
    outcome: Outcome
    seconds: float


@dataclass(frozen=True)
class News:
    """What ended since a mark, and the mark to go on from."""

    mark: Mark
    runs: tuple[RunEnd, ...]
    steps: tuple[StepEnd, ...]
