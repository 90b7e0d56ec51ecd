"""How long the station tries by itself, and what it does not even try again.

A message stands aside as a dead letter when trying again can't help: the CPMS has other content, refuses the form, the
station itself can't read it, or it was tried often and long while the place took others. A place that is away makes no
dead letters, however long it is: that is not the message's fault. What was tried before a restart is not held against
a message.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from station.cpms.contract import Rejected
from station.errors import ConfigError, ServiceError, StationError, UnitError
from station.records import OutboxRow

CALM, EAGER = 1.0, 0.5
"""Bounds of what a pause is multiplied with, so that messages that failed together do not come back together."""


class NotYet(ServiceError):
    """What a message needs is on its way: nothing failed, and it is looked for again soon."""


class Unequal(ServiceError):
    """What the CPMS gave back is not what it was sent: a matter of this message, not of the CPMS as a whole."""


@dataclass(frozen=True)
class Patience:
    """How often and how long."""

    tries: int = 20
    age: timedelta = timedelta(days=1)
    """A message is given up by the station only after so many tries and so much time."""
    bugs: int = 5
    """Tries of a message that the station itself fails with."""
    longest: float = 900.0
    """Seconds between two tries of one message."""
    away: int = 3
    """Failures in a row, of whatever messages, after which a service is away."""
    probe: float = 60.0
    """Seconds between two tries of a service that is away, at most."""

    def pause(self, attempts: int, chance: Random) -> float:
        """Return the seconds to the next try of a message that was tried so often before."""
        return _doubled(attempts, self.longest) * chance.uniform(EAGER, CALM)

    def probe_pause(self, failures: int, chance: Random) -> float:
        """Return the seconds to the next try of a service that failed so often in a row."""
        return _doubled(failures - self.away, self.probe) * chance.uniform(EAGER, CALM)

    def is_hopeless(self, row: OutboxRow, error: Exception, now: datetime, tries: int) -> bool:
        """Tell whether trying this message again can't help; `tries` failed while its place was there."""
        if not isinstance(error, StationError):
            return row.attempts + 1 >= self.bugs
        if isinstance(error, UnitError | Rejected):
            return True
        since = row.retried_at or row.created_at
        # Who sends a message on has its attempts begin anew.
        return min(row.attempts + 1, tries) >= self.tries and now - since >= self.age


def blames_service(error: Exception) -> bool:
    """Tell whether an error is of what the message goes to, so that others would meet it too."""
    return isinstance(error, ServiceError | ConfigError) and not isinstance(error, Rejected | Unequal)


def _doubled(times: int, most: float) -> float:
    return float(min(most, 2.0 ** min(max(times, 0), 30)))
