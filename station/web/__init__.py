"""The operator's page: what the line does, as one sees it from three metres, and the way in for scans.

The web layer sees the line only through `LineControl`. Everything it needs is served from here: no other host is
ever asked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from station.model import LineView, ScanReply
from station.person import Person


class LineControl(Protocol):
    """The line, as the page sees it; every method may be called from any thread."""

    def view(self) -> LineView:
        """Return the whole line as it is now."""
        ...

    def wait(self, version: int, timeout: float) -> LineView:
        """Return the line as soon as its version is above `version`, or as it is after `timeout` seconds."""
        ...

    def scan(self, code: str, person: Person | None = None) -> ScanReply:
        """Take a scan: a serial, a label, `SL-<name>`, a badge, a command such as `CMD-ACK`.

        `person` is who is signed in where it was scanned; without one it counts for whoever is present at the station.
        """
        ...

    def acknowledge(self, slot: str, person: Person | None = None) -> ScanReply:
        """Take note that a person has seen the verdict of a slot."""
        ...

    def act(self, slot: str, action: str, person: Person | None = None, reason: str = "") -> ScanReply:
        """Do one of the actions a slot offers, for a reason where it needs one (3 to 200 printable characters)."""
        ...


Find = Callable[[str], bytes | None]
"""Return a document of a unit by its serial, or None where there is none."""


def nothing(serial: str) -> bytes | None:
    """Find no document."""
    del serial
    return None


@dataclass(frozen=True)
class Documents:
    """Where the page gets the documents of a unit."""

    passport_pdf: Find = nothing
    passport_json: Find = nothing
    label: Find = nothing
    """Picture of the label as printed."""
    label_type: str = "image/png"
    """Media type of that picture."""
