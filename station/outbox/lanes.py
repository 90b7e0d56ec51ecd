"""One lane for each place that messages go to: a few at a time, and a single probe while the place is away.

Lanes do not wait for each other. Only the worker's own thread gives messages to a lane and judges what came of them;
the threads of a lane do nothing but deliver.
"""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from station.errors import StationError
from station.outbox.patience import Patience
from station.records import Closed, OutboxRow, Registration, RowRef

log = logging.getLogger(__name__)

AT_HAND = 8
"""Messages that a lane holds for each that it delivers at once, so that it never waits for the records."""
SOON = 0.001
"""Seconds for which a place that is away is left alone, at least."""


@dataclass(frozen=True)
class Effect:
    """What was seen of a message that arrived."""

    answer: bytes
    registration: Registration | None = None
    reached: bool = True
    """Whether the place was asked at all; False says nothing of whether it is away."""


Deliver = Callable[[OutboxRow], Effect]


@dataclass(frozen=True)
class Route:
    """Where a message goes."""

    place: str
    """What may be away as a whole, such as one CPMS."""
    kinds: tuple[str, ...]
    """What else goes there."""
    at_once: int
    deliver: Deliver
    of_order: bool = False
    """Whether only messages of the same work order are known to go there."""


@dataclass(frozen=True)
class Attempt:
    """A message that came back from a lane; neither delivered nor failed if the lane was away before its turn."""

    row: OutboxRow
    lane: "Lane"
    effect: Effect | None = None
    error: Exception | None = None


class Lane:
    """The messages under way to one place."""

    def __init__(
        self, route: Route, finished: "queue.SimpleQueue[Attempt]", patience: Patience, chance: Random
    ) -> None:
        self.place = route.place
        self.in_hand = 0
        self.drained = 0.0
        """Until when, by the monotonic clock, nothing more is expected for it."""
        self._route, self._finished, self._patience, self._chance = route, finished, patience, chance
        self._orders: set[str] = set()
        self._failures, self._again, self._stopped = 0, 0.0, False
        self._tries: Counter[RowRef] = Counter()
        self._probe: OutboxRow | None = None
        self._jobs: queue.SimpleQueue[OutboxRow | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"outbox {route.place}", daemon=True) for _ in range(route.at_once)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def away(self) -> bool:
        """Tell whether the place failed so often that only one message at a time tries it."""
        return self._failures >= self._patience.away

    @property
    def room(self) -> int:
        """Return how many more messages it takes now."""
        if self.away:
            return int(self.in_hand == 0 and time.monotonic() >= self._again)
        return AT_HAND * len(self._threads) - self.in_hand

    @property
    def hungry(self) -> bool:
        """Tell whether it is time to look for more messages."""
        return self.room > (0 if self.away else AT_HAND * len(self._threads) // 2)

    @property
    def closed(self) -> Closed:
        """Return which messages go here."""
        return Closed(self._route.kinds, tuple(sorted(self._orders)))

    def take(self, row: OutboxRow) -> bool:
        """Have a message delivered as soon as a thread is free; False if there is no room for it now."""
        if self._route.of_order:
            self._orders.add(row.work_order)
        if self.room <= 0:
            return False
        self._probe = row if self.away else None
        self.in_hand += 1
        self._jobs.put(row)
        return True

    def tries(self, row: OutboxRow) -> int:
        """Return how often a message failed while the place was there, as far as this process saw.

        Since a few failures in a row are enough to be away, many tries mean that others got through between them.
        """
        return self._tries[row.ref]

    def arrived(self, row: OutboxRow, effect: Effect) -> None:
        """Take note of a message that arrived: the place is there, if it was asked."""
        self._tries.pop(row.ref, None)
        if effect.reached:
            self._failures = 0

    def failed(self, row: OutboxRow, *, blamed: bool) -> float:
        """Take note of a message that failed; return how many seconds the place is left alone, 0 if it is not away.

        Messages that were under way when the place went away say nothing new, so only probes make it wait longer.

        Args:
            row: The message.
            blamed: Whether the place is at fault, so that others would meet it too.
        """
        if not (blamed and self.away):
            self._tries[row.ref] += 1
        if not blamed:
            return 0.0
        if not self.away or row is self._probe:
            self._failures += 1
            pause = self._patience.probe_pause(self._failures, self._chance)
            self._again = time.monotonic() + pause
        return max(self._again - time.monotonic(), SOON) if self.away else 0.0

    def stop(self) -> None:
        """Let each thread end after the message that it delivers; what waits comes back."""
        self._stopped = True
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (row := self._jobs.get()) is not None:
            self._finished.put(self._tried(row))

    def _tried(self, row: OutboxRow) -> Attempt:
        if self._stopped or (self.away and row is not self._probe):
            return Attempt(row, self)
        try:
            return Attempt(row, self, self._route.deliver(row))
        except StationError as error:
            return Attempt(row, self, error=error)
        except Exception as error:  # the thread's boundary: a bug with one message holds up no other
            log.exception("message %s", row.ref)
            return Attempt(row, self, error=error)
