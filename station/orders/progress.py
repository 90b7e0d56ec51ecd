"""How far a work order is: counts, yield, pace of today, and when it is done at this pace."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from station.records import OrderTally, Records

SHORTEST_HOURS = 0.25
"""Before a quarter of an hour, a pace is chance."""


@dataclass(frozen=True)
class OrderProgress:
    """How far a work order is."""

    tally: OrderTally
    per_hour: float
    """Units released an hour, today since the first began; 0 while that is not known."""
    ends: datetime | None
    """When the last unit is released at this pace, if the line goes on without a break; None while unknown, or done."""

    @property
    def left(self) -> int:
        """Return how many units are still to be released."""
        done = self.tally.released + self.tally.scrapped
        return max(0, self.tally.quantity + self.tally.replacements - done)

    @property
    def first_pass(self) -> float | None:
        """Return the first-pass yield, 0 to 1; None while no unit was judged."""
        return self.tally.first_pass / self.tally.judged if self.tally.judged else None


def progress(records: Records, order: str, now: datetime) -> OrderProgress:
    """Return how far a work order is; today begins at midnight where the station stands."""
    midnight = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    tally = records.tally(order, midnight)
    hours = (now - tally.began_since).total_seconds() / 3600 if tally.began_since else 0.0
    per_hour = tally.released_since / hours if hours >= SHORTEST_HOURS else 0.0
    found = OrderProgress(tally, per_hour, None)
    if not per_hour or not found.left:
        return found
    return OrderProgress(tally, per_hour, now + timedelta(hours=found.left / per_hour))
