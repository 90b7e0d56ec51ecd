"""What is plugged where: a slot is a physical port path, never a /dev name.

Events are hints; enumeration is the truth. A backend lists the serial ports that exist now, and `Watch` compares
lists until they hold still. Opening a port exclusively is the driver's business.

    ports = open_ports("udev:")
    watch = Watch(ports, config.slot)
    for change in watch.poll(1.0): ...
"""

from collections.abc import Callable
from pathlib import Path

from station.detect.folder import FolderPorts
from station.detect.occupancy import Occupancy, Presence, find_node, occupancies, slot_of, suggest_stanza, unbound
from station.detect.ports import Ports, Sighting, split_path
from station.detect.udev import UdevPorts
from station.detect.watch import Change, ChangeKind, SlotWatch, Watch
from station.errors import ConfigError

__all__ = [
    "PORTS",
    "Change",
    "ChangeKind",
    "FolderPorts",
    "Occupancy",
    "Ports",
    "Presence",
    "Sighting",
    "SlotWatch",
    "UdevPorts",
    "Watch",
    "find_node",
    "occupancies",
    "open_ports",
    "slot_of",
    "split_path",
    "suggest_stanza",
    "unbound",
]

PORTS: dict[str, Callable[[str], Ports]] = {
    "udev": lambda _: UdevPorts(),
    "dir": lambda rest: FolderPorts(Path(rest)),
}


def open_ports(uri: str) -> Ports:
    """Open the place where plugged chargers are seen: `udev:`, or `dir:PATH` for simulated ones.

    Raises:
        ConfigError: The scheme is unknown, or the place does not exist.
    """
    scheme, _, rest = uri.partition(":")
    if scheme not in PORTS:
        known = ", ".join(f"'{name}:'" for name in PORTS)
        raise ConfigError(f"ports '{uri}' names no known source", hint=f"Use one of {known}.")
    return PORTS[scheme](rest)
