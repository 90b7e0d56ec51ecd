"""What the records say of identifiers and of how far a work order is, as frozen values."""

from dataclasses import dataclass
from datetime import datetime

from station.identifiers import Kind
from station.records.values import RowRef

LOW_SHARE = 5
"""One in so many numbers left is few."""


@dataclass(frozen=True)
class IdentifierRow:
    """An identifier on a unit; alive until something ended it."""

    ref: RowRef
    kind: Kind
    value: str
    """As it is compared."""
    written: str
    """As it is printed and sent: of an ICCID the form with its check digit."""
    unit: str
    source: str
    """Where it was read, such as `modem`, or that it was scanned."""
    since: datetime
    until: datetime | None
    ended_by: str
    reason: str


@dataclass(frozen=True)
class Supply:
    """Numbers that a work order has, and how many of them are left."""

    name: str
    """`serial`, or the kind of its lists."""
    total: int
    left: int

    @property
    def low(self) -> bool:
        """Tell whether at most a fifth is left, or nothing."""
        return self.left * LOW_SHARE <= self.total

    @property
    def sentence(self) -> str:
        """Return what to say of it, or nothing while there is enough."""
        if not self.low:
            return ""
        return f"{self.left or 'No'} of {self.total} {self.name} numbers {'is' if self.left == 1 else 'are'} left."


@dataclass(frozen=True)
class KnownIdentifier:
    """Where an identifier stands already."""

    order: str = ""
    """The order whose lists have it."""
    unit: str = ""
    """The unit on which it is alive."""


@dataclass(frozen=True)
class ImportRow:
    """A file of work orders that was imported."""

    sha256: str
    name: str
    rows: int
    who: str
    at: datetime


@dataclass(frozen=True)
class OrderTally:
    """What became of a work order's units, counted in the records."""

    quantity: int
    replacements: int
    reserved: int
    """Units that have a serial, whatever became of them."""
    released: int
    """Units released, whatever became of them since; those in rework count again once they are done."""
    packable: int
    scrapped: int
    rework: int
    failed_runs: int
    judged: int
    """Units of which a run came to a verdict."""
    first_pass: int
    """Units of them that passed at once, in the sense of `records.first_pass`."""
    released_since: int
    """Units released since the time that was asked for."""
    began_since: datetime | None
    """When the first run since then was opened."""
    supplies: tuple[Supply, ...]

    @property
    def low(self) -> tuple[Supply, ...]:
        """Return the numbers of which a fifth is left, or less, while units are still to begin."""
        ahead = self.reserved < self.quantity + self.replacements
        return tuple(supply for supply in self.supplies if supply.low and ahead)
