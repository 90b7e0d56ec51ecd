"""The figures of a line, as pages and commands show them: of one period, each with what it counts."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Period:
    """A span of time that figures are of."""

    name: str
    """`shift`, `today`, `yesterday`, `week` or `month`."""
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Stretch:
    """What was built in an hour, a day or a shift."""

    since: datetime
    released: int
    failed: int
    """Runs that ended FAIL or ERROR."""
    first: int
    """Units whose first run came to a verdict."""
    at_once: int
    """Those of them that passed in it, no step being tried twice."""

    @property
    def first_pass(self) -> float | None:
        """Return the first-pass yield, 0 to 1; None while there is none."""
        return self.at_once / self.first if self.first else None


@dataclass(frozen=True)
class Bar:
    """What ended runs in failure, as a bar of a Pareto."""

    name: str
    count: int
    share: float
    """Of all failures, 0 to 1."""
    sum: float
    """Its share and those of all above it."""
    runs: int
    """Runs that came to a verdict under the same name; 0 where only failures have one."""


@dataclass(frozen=True)
class Times:
    """How long something takes, in seconds: what half and what nine of ten stay within."""

    count: int
    half: float = 0.0
    most: float = 0.0


@dataclass(frozen=True)
class StepFigures:
    """One step."""

    name: str
    entered: int
    """Units whose first run came to it."""
    passed: int
    """Those of them that passed it at the first try."""
    machine: Times
    person: Times
    """Seconds for which it waited for a person; a step that never does has none."""

    @property
    def first_time(self) -> float | None:
        """Return the share that passed it at the first try; None where none came to it."""
        return self.passed / self.entered if self.entered else None


@dataclass(frozen=True)
class Capability:
    """How well a measured value keeps within its limits."""

    recipe: str
    step: str
    name: str
    unit: str
    low: float | None
    high: float | None
    values: tuple[float, ...]
    """The oldest first."""
    mean: float
    deviation: float | None
    """Standard deviation of the sample; None of a single value."""
    cpk: float | None
    """None where nothing varies."""
    shift: float | None
    """By how many standard deviations of those before the newest values lie off; None where there are too few."""
    drifts: bool
    """Whether that is more than chance."""

    @property
    def title(self) -> str:
        """Return what it is called."""
        return f"{self.step}: {self.name}"


@dataclass(frozen=True)
class FailingSlot:
    """A slot that failed run after run."""

    name: str
    runs: int
    units: int
    since: datetime


@dataclass(frozen=True)
class FigureSheet:
    """All figures of one period."""

    period: Period
    order: str
    """Only of this work order; empty for all."""
    now: datetime
    zone: str
    per: str
    """What a stretch of `course` is: `hour` or `day`."""
    course: tuple[Stretch, ...]
    shifts: tuple[Stretch, ...]
    total: Stretch
    aborted: int
    per_hour: float | None
    """Units released an hour, of the hours in which anything ended."""
    rolled: float | None
    """Rolled yield: the product of what each step passes at the first try."""
    cycle: Times
    waited: Times
    """Of each unit, the time for which its run waited for a person."""
    paretos: tuple[tuple[str, tuple[Bar, ...]], ...]
    """By `step`, `fault`, `slot`, `firmware` and `operator`."""
    steps: tuple[StepFigures, ...]
    capabilities: tuple[Capability, ...]
    """The worst first."""
    failing: tuple[FailingSlot, ...]
    """Slots that fail now, whatever the period."""
    sample: int
    """Of how many units times and capabilities are, at most: the newest."""
