"""How many requests a CPMS gets at once, and how fast they follow each other; who asks keeps to it by itself."""

import threading
import time
from types import TracebackType

from station.cpms.contract import Limits


class Gate:
    """A place for each request under way; safe to use from several threads."""

    def __init__(self, limits: Limits) -> None:
        self._places = threading.BoundedSemaphore(limits.at_once)
        self._apart = 1.0 / limits.per_second if limits.per_second else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    def __enter__(self) -> None:
        """Wait for a place, and for the moment from which the next request may begin."""
        self._places.acquire()
        if self._apart:
            time.sleep(self._until_next())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place to the next."""
        self._places.release()

    def _until_next(self) -> float:
        """Take the next moment, and return the seconds until it comes."""
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._next)
            self._next = begin + self._apart
            return begin - now
