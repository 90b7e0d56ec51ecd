"""Which ports belong to which slot: pure functions on lists of ports."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from station.config import SlotSection
from station.model import Port


class Presence(StrEnum):
    """How many devices are in a slot, as far as it matters."""

    EMPTY = "empty"
    ONE = "one device"
    SEVERAL = "several devices"


@dataclass(frozen=True)
class Occupancy:
    """Everything that is plugged into one slot."""

    ports: tuple[Port, ...] = ()

    @property
    def devices(self) -> int:
        """Count the devices: serial ports of one device differ in their interface, equal ones are two devices."""
        twins = Counter((port.path, port.interface) for port in self.ports)
        return sum(max(twins[at] for at in twins if at[0] == path) for path in {port.path for port in self.ports})

    @property
    def presence(self) -> Presence:
        """Tell whether no, one or several devices are in the slot."""
        return (Presence.EMPTY, Presence.ONE, Presence.SEVERAL)[min(self.devices, 2)]


def slot_of(slots: Iterable[SlotSection], path: str) -> SlotSection | None:
    """Return the slot a port path belongs to: its own port, or one behind a hub plugged into it; the nearest wins."""
    near = [slot for slot in slots if path == slot.port or path.startswith(slot.port + ".")]
    return max(near, key=lambda slot: len(slot.port), default=None)


def occupancies(slots: Sequence[SlotSection], ports: Iterable[Port]) -> dict[str, Occupancy]:
    """Return what is plugged into each slot, by slot name."""
    held: dict[str, list[Port]] = {slot.name: [] for slot in slots}
    for port in ports:
        if slot := slot_of(slots, port.path):
            held[slot.name].append(port)
    return {name: Occupancy(tuple(found)) for name, found in held.items()}


def unbound(slots: Sequence[SlotSection], ports: Iterable[Port]) -> tuple[Port, ...]:
    """Return the ports that belong to no slot."""
    return tuple(port for port in ports if slot_of(slots, port.path) is None)


def find_node(slots: Sequence[SlotSection], name: str, ports: Iterable[Port]) -> str | None:
    """Return the device file of a slot's only device, at the slot's interface if it names one, else the lowest.

    None while nothing is plugged, the interface is not there, or several devices are: a driver never guesses.
    """
    held = occupancies(slots, ports)[name]
    wanted = next(slot.interface for slot in slots if slot.name == name)
    nodes = [port.node for port in sorted(held.ports, key=_by_interface) if wanted in ("", port.interface)]
    return nodes[0] if nodes and held.presence is Presence.ONE else None


def suggest_stanza(port: Port, name: str = "new") -> str:
    """Return the TOML that binds a slot to a port; the interface is a comment, as few chargers need it."""
    lines = ["[[slot]]", f"name = {json.dumps(name)}", f"port = {json.dumps(port.path)}"]
    if port.interface:
        lines.append(f"# interface = {json.dumps(port.interface)}  # only where a charger shows several serial ports")
    return "\n".join(lines) + "\n"


def _by_interface(port: Port) -> tuple[int, str]:
    return len(port.interface), port.interface
