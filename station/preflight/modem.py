"""The SIM of a charger in a slot, as its modem tells it: attached, and how strong the signal is here (F-F4).

Only settings of the device are read. Nothing is sent over the network, so the SIM stays in its factory state, and that
it does is looked at too.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from station.catalog.modem import Modem
from station.clock import Deadline
from station.errors import Service, ServiceError
from station.preflight.report import Probe

Read = Callable[[Sequence[str], Deadline], Mapping[str, bytes | None]]
"""Read settings of the device, as `Charger.read_settings` does."""
LONGEST_SHOWN = 40


def modem_probes(modem: Modem, read: Read, slot: str) -> Iterator[Probe]:
    """Yield what there is to look at with a charger in a slot; nothing where its product has no modem."""
    if not modem.registration:
        return
    before = _Once(partial(_say, read, modem.activation)) if modem.activation else None
    if before is not None:
        yield Probe("SIM state", f"slot {slot}", before.look)
    yield Probe("SIM attached", f"slot {slot}", partial(_attached, modem, read))
    for name, (key, least) in modem.levels.items():
        yield Probe(f"signal {name}", f"slot {slot}", partial(_level, name, key, least, read))
    if before is not None:
        yield Probe("SIM state kept", f"slot {slot}", partial(_kept, before, partial(_say, read, modem.activation)))


class _Once:
    """Something that is looked at first, and compared afterwards."""

    def __init__(self, say: Callable[[Deadline], str]) -> None:
        self._say = say
        self.said = ""

    def look(self, deadline: Deadline) -> str:
        """Look, and remember."""
        self.said = self._say(deadline)
        return self.said


def _say(read: Read, key: str, deadline: Deadline) -> str:
    said = (read((key,), deadline).get(key) or b"").decode(errors="replace")[:LONGEST_SHOWN]
    if not said:
        raise _trouble(f"the modem does not say {key}", "Look whether the SIM is in its holder.")
    return said


def _attached(modem: Modem, read: Read, deadline: Deadline) -> str:
    said = _say(read, modem.registration, deadline)
    if said not in modem.registered:
        told = f"the modem is not registered with a network: it says '{said}'"
        raise _trouble(told, "Look at the antenna, and ask the network's operator for this SIM.")
    return said


def _level(name: str, key: str, least: float, read: Read, deadline: Deadline) -> str:
    said = _say(read, key, deadline)
    try:
        level = float(said)
    except ValueError:
        level = math.nan
    if not least <= level <= 0:
        told = f"{name} is '{said}' dBm, at least {least:g} is wanted"
        raise _trouble(told, "Look at the antenna and at the repeater of the hall.")
    return f"{level:g} dBm"


def _kept(before: _Once, say: Callable[[Deadline], str], deadline: Deadline) -> str:
    now = say(deadline)
    if now != before.said:
        told = f"the SIM was '{before.said}' before the look and is '{now}' now"
        raise _trouble(told, "Tell the network's operator, and keep the unit back.")
    return now


def _trouble(told: str, hint: str) -> ServiceError:
    return ServiceError(Service.NETWORK, told, hint=hint, stops_line=False)
