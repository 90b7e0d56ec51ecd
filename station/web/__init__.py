"""The operator's page: what the line does, as one sees it from three metres, and the way in for scans.

The web layer sees the line only through `LineControl`. Everything it needs is served from here: no other host is
ever asked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from station.model import LineView, ScanReply


class LineControl(Protocol):
    """The line, as the page sees it; every method may be called from any thread."""

    def view(self) -> LineView:
        """Return the whole line as it is now."""
        ...

    def wait(self, version: int, timeout: float) -> LineView:
        """Return the line as soon as its version is above `version`, or as it is after `timeout` seconds."""
        ...

    def scan(self, code: str) -> ScanReply:
        """Take a scan: a serial, a label, `SL-<name>` or a command such as `CMD-ACK`."""
        ...

    def acknowledge(self, slot: str) -> ScanReply:
        """Take note that a person has seen the verdict of a slot."""
        ...

    def act(self, slot: str, action: str) -> ScanReply:
        """Do one of the actions a slot offers."""
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
