"""What units are made of, as values that go into the records and come out of them."""

from dataclasses import dataclass
from datetime import datetime

from station.records.values import RowRef, RunRef


@dataclass(frozen=True)
class Part:
    """A part that is to be attached to a unit; it has a serial number of its own, or the lot it was made in."""

    unit: str
    kind: str
    """What it is, such as `contactor`; serial numbers are unique within a kind."""
    position: str
    """Where it sits, as drawings and operators call it."""
    serial: str = ""
    lot: str = ""
    evse: int = 0
    """The outlet it belongs to; 0 for the whole unit."""
    opens: tuple[str, ...] = ()
    """Tests, steps and kinds of identifiers that a change of it re-opens."""

    def __post_init__(self) -> None:
        """Refuse a part that nobody could tell from another."""
        if bool(self.serial) == bool(self.lot):
            raise ValueError(f"{self.kind} at {self.position}: needs either a serial number or a lot")

    @property
    def title(self) -> str:
        """Return the part as people say it."""
        return f"{self.kind} {self.position}"

    @property
    def number(self) -> str:
        """Return its serial number or its lot."""
        return self.serial or self.lot


@dataclass(frozen=True)
class ComponentRow:
    """A part in a unit, with when and by whom it was attached and taken out."""

    ref: RowRef
    unit: str
    kind: str
    position: str
    evse: int
    serial: str
    lot: str
    opens: tuple[str, ...]
    attached_at: datetime
    attached_by: str
    detached_at: datetime | None
    """None while it is in the unit."""
    detached_by: str
    reason: str
    """Why it was taken out."""

    @property
    def title(self) -> str:
        """Return the part as people say it."""
        return f"{self.kind} {self.position}"

    @property
    def number(self) -> str:
        """Return its serial number or its lot."""
        return self.serial or self.lot


@dataclass(frozen=True)
class MeterFacts:
    """What a run found out about the meter of an outlet."""

    evse: int
    type: str
    serial: str
    mid: str = ""
    """Marking of the Measuring Instruments Directive: year and notified body, such as `M26 0102`."""
    public_key: str = ""
    """SubjectPublicKeyInfo as lower-case hexadecimal; empty for a meter that does not sign."""
    reading: str = ""
    """The signed reading (OCMF) that proved the key."""
    printed: bool = False
    """Whether the key was compared with the one that is printed on the meter."""


@dataclass(frozen=True, kw_only=True)
class MeterRow(MeterFacts):
    """A meter as it stands in the records."""

    ref: RowRef
    unit: str
    run: RunRef
    at: datetime


@dataclass(frozen=True)
class ReopenedRow:
    """A test, step or identity that a change of hardware re-opened; the one with an empty name is the change itself."""

    ref: RowRef
    unit: str
    name: str
    kind: str
    position: str
    at: datetime
    who: str
    reason: str
