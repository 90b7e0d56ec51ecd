"""Slots over time: what is plugged counts once it has held still.

A restart of the device at the same place gives a new device file; that is a change of kind `REPLACED`, because only
the hardware UID can tell a restarted device from another one. A run ignores it (its driver finds the port again and
checks the UID); a slot that shows a verdict must not.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from station.config import SlotSection
from station.detect.occupancy import Occupancy, Presence, find_node, occupancies, unbound
from station.detect.ports import Ports
from station.model import Port

_TICK = 1.0


class ChangeKind(StrEnum):
    """What happened in a slot."""

    ARRIVED = "arrived"
    LEFT = "left"
    REPLACED = "replaced"
    """One device before and after, but not the same plugging: restarted, or swapped."""
    CROWDED = "crowded"
    """Several devices are in one slot."""


@dataclass(frozen=True)
class Change:
    """A settled change of one slot."""

    slot: str
    before: Occupancy
    after: Occupancy

    @property
    def kind(self) -> ChangeKind:
        """Say what happened."""
        if self.after.presence is Presence.EMPTY:
            return ChangeKind.LEFT
        if self.after.presence is Presence.SEVERAL:
            return ChangeKind.CROWDED
        return ChangeKind.ARRIVED if self.before.presence is Presence.EMPTY else ChangeKind.REPLACED


@dataclass(frozen=True)
class Settling:
    """One slot on its way from what counts to what is seen."""

    counted: Occupancy = field(default_factory=Occupancy)
    seen: Occupancy = field(default_factory=Occupancy)
    since: float = 0.0
    """When `seen` was first seen, monotonic seconds."""

    @property
    def settled(self) -> bool:
        """Tell whether what is seen already counts."""
        return self.seen == self.counted


def settle(state: Settling, seen: Occupancy, now: float, hold: float) -> Settling:
    """Let what is seen count once it has been the same for `hold` seconds."""
    since = state.since if seen == state.seen else now
    counted = seen if now - since >= hold else state.counted
    return Settling(counted, seen, since)


class SlotWatch:
    """Turns port lists into settled changes; knows no clock of its own."""

    def __init__(self, slots: Sequence[SlotSection], hold: float = 0.3) -> None:
        """Watch these slots; `hold` is the time in seconds something must stay the same to count."""
        self._slots = tuple(slots)
        self._hold = hold
        self._states = {slot.name: Settling() for slot in slots}
        self._unbound: tuple[Port, ...] = ()

    def update(self, ports: Iterable[Port], now: float) -> tuple[Change, ...]:
        """Take in the ports that exist at monotonic time `now` and return what has settled since."""
        listed = tuple(ports)
        self._unbound = unbound(self._slots, listed)
        before = self._states
        seen = occupancies(self._slots, listed)
        self._states = {name: settle(before[name], held, now, self._hold) for name, held in seen.items()}
        changes = (Change(name, before[name].counted, after.counted) for name, after in self._states.items())
        return tuple(change for change in changes if change.before != change.after)

    def occupancy(self, slot: str) -> Occupancy:
        """Return what counts as plugged into a slot."""
        return self._states[slot].counted

    @property
    def unbound(self) -> tuple[Port, ...]:
        """Return the ports last seen that belong to no slot."""
        return self._unbound

    @property
    def settled(self) -> bool:
        """Tell whether every slot holds still."""
        return all(state.settled for state in self._states.values())


class Watch:
    """A source of ports and the slots of the station, watched together by one thread."""

    def __init__(self, ports: Ports, slots: Sequence[SlotSection], hold: float = 0.3) -> None:
        """Start watching; what is plugged already arrives like anything else."""
        self._ports = ports
        self._slots = tuple(slots)
        self._hold = hold
        self._watch = SlotWatch(slots, hold)
        self._watch.update(ports.list(), time.monotonic())

    def poll(self, timeout: float = _TICK) -> tuple[Change, ...]:
        """Wait for a hint, at most `timeout` seconds, then compare and return what has settled."""
        self._ports.wait(timeout if self._watch.settled else min(timeout, self._hold / 2))
        return self._watch.update(self._ports.list(), time.monotonic())

    def occupancy(self, slot: str) -> Occupancy:
        """Return what counts as plugged into a slot."""
        return self._watch.occupancy(slot)

    @property
    def unbound(self) -> tuple[Port, ...]:
        """Return the ports last seen that belong to no slot."""
        return self._watch.unbound

    def find_node(self, slot: str) -> str | None:
        """Return the device file found at a slot's port right now, or None; for drivers, from any thread."""
        return find_node(self._slots, slot, self._ports.list())
