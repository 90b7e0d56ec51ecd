"""The bench's fixture as the acceptance uses it: reached over the charger's own cable."""

from dataclasses import dataclass

from station.bench import Bench
from station.catalog.acceptance import LETTER
from station.clock import Deadline
from station.drivers import Clocks, ability
from station.errors import ConfigError, LinkError
from station.model import Connector

ON, OFF = b"on", b"off"
SILENCE_SECONDS = 1.0
"""How long a charger without power is asked for an answer."""


@dataclass(frozen=True)
class CableFixture:
    """A simulated vehicle for each outlet, and whatever else the driver of the product can do."""

    bench: Bench

    def vehicle(self, outlet: Connector, *, plugged: bool, deadline: Deadline) -> None:
        """Plug a simulated vehicle into the outlet that bears this letter, or unplug it.

        Raises:
            LinkError: Contact with the charger was lost.
        """
        key = self.bench.recipe.product.acceptance.vehicle.replace(LETTER, outlet.letter.lower())
        self.bench.charger.write_settings({key: ON if plugged else OFF}, deadline)

    def power_cycle(self, seconds: float, deadline: Deadline) -> None:
        """Take the power away for a while, and return when the same charger answers again.

        Raises:
            ConfigError: The slot has no relay, though the product has the check performed, or one that cuts nothing.
            LinkError: The relay can't be switched, or the charger does not come back.
        """
        bench = self.bench
        bench.relay.switch(on=False)
        try:
            bench.stopping.wait(seconds)
            self._demand_silence(deadline)
        finally:
            bench.relay.switch(on=True)
        bench.charger.close()
        bench.identity = bench.charger.identify(deadline)

    def _demand_silence(self, deadline: Deadline) -> None:
        """Demand that the charger has no power: one that kept it would pass for one that came back.

        Raises:
            ConfigError: It answers.
        """
        try:
            self.bench.charger.identify(deadline.at_most(SILENCE_SECONDS))
        except LinkError:
            return
        hint = "Have the slot's relay and its file in station.toml checked."
        raise ConfigError("The relay of this slot does not cut its power.", hint=hint)

    def clock_offset(self, deadline: Deadline) -> float:
        """Return device time minus station time, in seconds."""
        return ability(self.bench.charger, Clocks).clock_offset(deadline)
