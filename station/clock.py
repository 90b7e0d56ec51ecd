"""Time as the station uses it: UTC for records, a monotonic deadline for every wire call."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time in UTC, cut to milliseconds so that it survives its own text form."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def iso(moment: datetime) -> str:
    """Write a UTC time as RFC 3339 with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Deadline:
    """A point in monotonic time by which a call must have returned."""

    seconds: float
    """Time allowed from creation on, in seconds."""
    _ends: float = field(init=False)

    def __post_init__(self) -> None:
        """Fix the end at creation."""
        object.__setattr__(self, "_ends", time.monotonic() + self.seconds)

    @property
    def remaining(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self._ends - time.monotonic())

    @property
    def expired(self) -> bool:
        """Tell whether no time is left."""
        return self.remaining == 0.0

    def at_most(self, seconds: float) -> "Deadline":
        """Return a deadline that ends after `seconds`, or with this one if that is sooner."""
        return Deadline(min(seconds, self.remaining))
