"""Ours against theirs, field by field: what a CPMS keeps of the units that were released here (F-G3, P11).

It changes nothing on either side. Units are read one after the other and told as they are found, so ten thousand take
no more memory than ten.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from station.cpms import Cpms
from station.cpms.contract import Listing, Record, Rejected
from station.errors import ConfigError
from station.model import UnitRecord
from station.outbox.carriers import CpmsOf, read_body
from station.records import OutboxRow, Records, UnitRow, WorkOrder
from station.records.values import AS_RELEASED
from station.run import REGISTER

PAGE = 200
"""Units that are read from the records at a time."""


class DifferenceKind(StrEnum):
    """How ours and theirs differ."""

    MISSING = "missing"
    """Released here, and the CPMS does not have it."""
    DIFFERING = "differing"
    """The CPMS keeps something else than the passport says."""
    THEIRS_ONLY = "theirs-only"
    """The CPMS has a serial of ours that is not released here."""
    UNREADABLE = "unreadable"
    """What was to be sent can't be read any more, or is nothing that this CPMS could keep."""


@dataclass(frozen=True)
class Difference:
    """One unit of which the two sides say different things."""

    kind: DifferenceKind
    serial: str
    order: str
    cpms: str
    details: tuple[str, ...]
    """Each field that differs with both values, or what is known of a record that only one side has."""


@dataclass
class Tally:
    """How far a comparison is."""

    total: int = 0
    """Units released here that are compared."""
    compared: int = 0
    equal: int = 0
    foreign: int = 0
    """Serials at the CPMS that no order of this station can give."""
    unlisted: tuple[str, ...] = ()
    """CPMSs that can't list what they have: what only they have is not known."""


Progress = Callable[[Tally], None]


class Reconciliation:
    """Compares the released units of orders with their CPMSs."""

    def __init__(self, records: Records, cpms_of: CpmsOf, progress: Progress = lambda _: None) -> None:
        self._records, self._cpms_of, self._progress = records, cpms_of, progress
        self.tally = Tally()

    def differences(self, orders: Iterable[WorkOrder]) -> Iterator[Difference]:
        """Yield what differs, unit by unit, first of what is released here, then of what only the CPMSs have.

        Raises:
            ConfigError: A CPMS can't be opened.
            ServiceError: The records or a CPMS are away; what was yielded before stands.
        """
        # Tenants of one host have the same name, so each CPMS is told by itself.
        known: dict[int, tuple[Cpms, list[WorkOrder]]] = {}
        for order in orders:
            cpms = self._cpms_of(order.id)
            known.setdefault(id(cpms), (cpms, []))[1].append(order)
        self.tally.total = self._records.count_messages(REGISTER, [o.id for _, of in known.values() for o in of])
        for cpms, its_orders in known.values():
            yield from self._of_ours(cpms, its_orders)
        for cpms, its_orders in known.values():
            yield from self._of_theirs(cpms, its_orders)

    def _of_ours(self, cpms: Cpms, orders: list[WorkOrder]) -> Iterator[Difference]:
        after, names = "", [order.id for order in orders]
        while rows := self._records.latest_messages(REGISTER, names, after, PAGE):
            for row in rows:
                found = _compared(cpms, row)
                self.tally.compared += 1
                self.tally.equal += found is None
                self._progress(self.tally)
                if found is not None:
                    yield found
            after = rows[-1].unit

    def _of_theirs(self, cpms: Cpms, orders: list[WorkOrder]) -> Iterator[Difference]:
        if not isinstance(cpms, Listing):
            self.tally.unlisted = (*self.tally.unlisted, cpms.name)
            return
        for serial in cpms.serials():
            order = next((order for order in orders if serial in order.serials), None)
            if order is None:
                self.tally.foreign += 1
                continue
            unit = self._records.unit(serial)
            if unit is None or self._records.is_taken_back(serial):
                yield Difference(DifferenceKind.THEIRS_ONLY, serial, order.id, cpms.name, (_why_none(unit),))


def _why_none(unit: UnitRow | None) -> str:
    """Return why a CPMS of ours is to have no record of a unit."""
    if unit is None:
        return "this station never made it"
    return "its record was taken back" if unit.state in AS_RELEASED else f"here it is {unit.state.value}"


def _compared(cpms: Cpms, row: OutboxRow) -> Difference | None:
    """Return how one unit differs, or None where both say the same."""
    remote = cpms.read(row.unit)
    if remote is None:
        return Difference(DifferenceKind.MISSING, row.unit, row.work_order, cpms.name, (_fate(row),))
    try:
        details = (*_revision(row, remote), *cpms.differences(read_body(UnitRecord, row), remote))
    except (Rejected, ConfigError) as error:
        return Difference(DifferenceKind.UNREADABLE, row.unit, row.work_order, cpms.name, (error.message,))
    return Difference(DifferenceKind.DIFFERING, row.unit, row.work_order, cpms.name, details) if details else None


def _revision(row: OutboxRow, remote: Record) -> tuple[str, ...]:
    """Compare revisions, where the CPMS knows any."""
    if remote.revision in (0, row.revision):
        return ()
    return (f"revision: sent {row.revision}, recorded {remote.revision}",)


def _fate(row: OutboxRow) -> str:
    if row.done_at is None:
        return "its registration waits for a person" if row.dead_at else "its registration waits in the outbox"
    return row.answer.decode(errors="replace") if row.answer.startswith(b"given up") else "it was registered once"
