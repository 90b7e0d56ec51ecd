"""Days of the figures, counted once beside the line when the station starts: nobody waits for a month on the page."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from station.clock import utc_now
from station.trace.figures import LineFigures

log = logging.getLogger(__name__)


class FiguresAhead:
    """Counts the days of the longest period, on one thread that ends with them."""

    def __init__(self, figures: LineFigures, now: Callable[[], datetime] = utc_now) -> None:
        """Prepare; nothing is counted yet."""
        self._figures, self._now = figures, now
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="figures", daemon=True)

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the day that is being counted."""
        self._stopping.set()
        self._thread.join(timeout)

    def _work(self) -> None:
        try:
            for _ in self._figures.count_days(self._now()):
                if self._stopping.is_set():
                    return
        except Exception:  # the thread's boundary: the page counts what is not counted here
            log.exception("figures")
