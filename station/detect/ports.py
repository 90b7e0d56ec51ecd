"""What every source of serial ports offers, and how a port's name is read."""

import re
from dataclasses import dataclass
from typing import Protocol

from station.model import Port

# The chain of hub ports (`1.1`) looks like an interface (`1.0`): only what follows the chain is one.
_USB = re.compile(r"(?P<path>.*usb(?:v\d)?-\d+:\d+(?:\.\d+)*)(?::(?P<interface>\d+\.\d+))?")
_PLAIN = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Sighting(Port):
    """A port with what tells one plugging from the next, also where path and device file are the same."""

    arrival: str = ""
    """When the system first saw it, in the source's own terms; compared, never read."""


class Ports(Protocol):
    """A source of serial ports; every method may be called from any thread."""

    def list(self) -> tuple[Port, ...]:
        """Return the ports that exist now, ordered by path and interface."""
        ...

    def wait(self, timeout: float) -> bool:
        """Return True as soon as something may have changed, False after `timeout` seconds."""
        ...

    def close(self) -> None:
        """Stop watching; a waiting call returns."""
        ...


def split_path(id_path: str) -> tuple[str, str]:
    """Split an ID_PATH into the place (`…-usb-0:1.1`) and the USB interface (`1.0`, or empty).

    Raises:
        ValueError: The text holds spaces, control characters or nothing.
    """
    if not _PLAIN.fullmatch(id_path):
        raise ValueError("an ID_PATH is 1 to 200 printable characters without spaces")
    match = _USB.fullmatch(id_path)
    return (match["path"], match["interface"] or "") if match else (id_path, "")


def in_order(ports: list[Port]) -> tuple[Port, ...]:
    """Order ports so that equal worlds give equal lists."""
    return tuple(sorted(ports, key=lambda port: (port.path, port.interface, port.node)))
