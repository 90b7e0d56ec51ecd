"""One charger in one slot: what is known of it, and all that is needed to work on it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from station.bench import Assignment, Bench, Services, UnitInWork
from station.catalog.recipes import Recipe
from station.desk import SlotDesk
from station.drivers import Charger
from station.drivers.relay import NO_RELAY
from station.model import DeviceIdentity, Phase
from station.person import Person
from station.records import Records, RunRef, WorkOrder


@dataclass(frozen=True)
class Guest:
    """A charger from the moment it said who it is until it leaves the slot."""

    slot: str
    assignment: Assignment
    charger: Charger
    identity: DeviceIdentity
    person: Person
    """Who was present when it was identified."""
    desk: SlotDesk
    stopping: threading.Event
    gone: Callable[[], bool]
    """Tells that it was unplugged."""

    @property
    def uid(self) -> str:
        """Return the hardware UID in lower-case hexadecimal."""
        return self.identity.uid.hex()

    @property
    def order(self) -> WorkOrder:
        """Return the work order that the line builds."""
        return self.assignment.order

    @property
    def recipe(self) -> Recipe:
        """Return the recipe of that order."""
        return self.assignment.recipe

    @property
    def services(self) -> Services:
        """Return what the station's slots share."""
        return self.assignment.services

    @property
    def records(self) -> Records:
        """Return the station's records."""
        return self.assignment.services.records

    def bench(self, serial: str, run: RunRef) -> Bench:
        """Return what the steps of a run work with."""
        self.desk.gone = self.gone
        return Bench(
            services=self.services,
            recipe=self.recipe,
            unit=UnitInWork(serial, self.identity.uid, self.order.id, self.order.customer),
            run=run,
            charger=self.charger,
            operator=self.desk,
            identity=self.identity,
            stopping=self.stopping,
            on_progress=self.desk.on_progress,
            on_doing=self.desk.on_doing,
            relay=self.services.relays.get(self.slot, NO_RELAY),
            phase=Phase.BLANK,
        )
