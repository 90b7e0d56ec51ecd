"""Labels that were made lately, as they may be shown: a page shows what a slot waits for before there is a record."""

from collections import OrderedDict
from threading import Lock

MOST = 64
"""Labels that are kept in memory; the oldest go first."""


class LabelShelf:
    """Labels by unit and name, with dots in place of secrets; safe from all threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._made: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = Lock()

    def put(self, unit: str, name: str, shown: bytes) -> None:
        """Keep the ZPL of a label without its secret, in place of an earlier copy."""
        with self._lock:
            self._made[unit, name] = shown
            self._made.move_to_end((unit, name))
            while len(self._made) > MOST:
                self._made.popitem(last=False)

    def find(self, unit: str, name: str) -> bytes | None:
        """Return what was kept of a label."""
        with self._lock:
            return self._made.get((unit, name))
