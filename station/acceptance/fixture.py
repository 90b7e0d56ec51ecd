"""What the bench can do to a unit from outside, beside the network: nothing, unless a fixture is there."""

from typing import NoReturn, Protocol

from station.clock import Deadline
from station.model import Connector


class NotOfferedError(Exception):
    """The unit, or the bench, does not have what a check is about, and need not have it: the check is skipped."""


class Fixture(Protocol):
    """A simulated vehicle for each outlet, and the power."""

    def vehicle(self, outlet: Connector, *, plugged: bool, deadline: Deadline) -> None:
        """Plug a simulated vehicle into the outlet that bears this letter, or unplug it."""
        ...

    def power_cycle(self, seconds: float, deadline: Deadline) -> None:
        """Take the power away for a while, and return when the unit answers over its cable again."""
        ...

    def clock_offset(self, deadline: Deadline) -> float:
        """Return what the unit's clock says over its cable, minus our time, in seconds."""
        ...


class NoFixture:
    """A bench with nothing but the network: each of its abilities says that it is not there."""

    def vehicle(self, *_: object, **__: object) -> NoReturn:
        """Have no vehicle.

        Raises:
            NotOfferedError: Always.
        """
        raise NotOfferedError("The bench has no simulated vehicle.")

    def power_cycle(self, *_: object) -> NoReturn:
        """Have no switch for the power.

        Raises:
            NotOfferedError: Always.
        """
        raise NotOfferedError("The bench can't switch the unit's power.")

    def clock_offset(self, *_: object) -> NoReturn:
        """Have no cable.

        Raises:
            NotOfferedError: Always.
        """
        raise NotOfferedError("The bench can't read the unit's clock.")
