"""Work orders and the serials they give: a serial is reserved to one hardware UID, and only that one gets it back."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.errors import ConfigError, Defect, UnitError
from station.model import Outcome
from station.records import tables
from station.records.database import Database
from station.records.rows import OrderCounts, UnitRow
from station.records.values import SERIAL, OrderState, RunRequest, UnitState, WorkOrder

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ValueT = TypeVar("ValueT", bound="DataclassInstance")
RELEASED = (UnitState.RELEASED, UnitState.PACKABLE)


def value(kind: type[ValueT], row: object, **given: Any) -> ValueT:
    """Make a frozen value of a row: fields and columns have the same names."""
    names = {field.name for field in fields(kind)} - given.keys()
    return kind(**{name: getattr(row, name) for name in names}, **given)


class Section:
    """A part of the records; all parts share one database."""

    def __init__(self, database: Database) -> None:
        self.database = database


class Orders(Section):
    """Work orders, their serial blocks and their units."""

    def create_order(self, order: WorkOrder) -> None:
        """Add a work order.

        Raises:
            ConfigError: The order exists, its block is smaller than its quantity, or another order has a part of it.
        """
        _check_size(order)
        with self.database.write() as session:
            for other in session.scalars(select(tables.WorkOrder)):
                _check_apart(order, value(WorkOrder, other))
            session.add(_order_row(order))

    def order(self, order: str) -> WorkOrder | None:
        """Return a work order."""
        with self.database.read() as session:
            row = session.get(tables.WorkOrder, order)
            return None if row is None else value(WorkOrder, row)

    def orders(self) -> tuple[WorkOrder, ...]:
        """List all work orders by id."""
        with self.database.read() as session:
            rows = session.scalars(select(tables.WorkOrder).order_by(tables.WorkOrder.id))
            return tuple(value(WorkOrder, row) for row in rows)

    def set_order_state(self, order: str, state: OrderState) -> None:
        """Open, hold or close a work order; only an open one takes units."""
        with self.database.write() as session:
            session.get_one(tables.WorkOrder, order).state = state

    def counts(self, order: str) -> OrderCounts:
        """Count what became of a work order so far."""
        with self.database.read() as session:
            row = session.get_one(tables.WorkOrder, order)
            unit = select(tables.Unit.state, func.count()).where(tables.Unit.work_order == order)
            states = dict(session.execute(unit.group_by(tables.Unit.state)).all())
            run = select(func.count()).select_from(tables.Run).where(tables.Run.work_order == order)
            failed = session.scalar(run.where(tables.Run.outcome == Outcome.FAIL)) or 0
            released = sum(states.get(state, 0) for state in RELEASED)
            return OrderCounts(row.quantity, sum(states.values()), released, states.get(UnitState.PACKABLE, 0), failed)

    def unit(self, serial: str) -> UnitRow | None:
        """Return a unit by its serial."""
        with self.database.read() as session:
            row = session.get(tables.Unit, serial)
            return None if row is None else value(UnitRow, row)

    def unit_of_hardware(self, hardware_uid: str) -> UnitRow | None:
        """Return the unit that a hardware UID was given a serial for."""
        with self.database.read() as session:
            row = _unit_of(session, hardware_uid)
            return None if row is None else value(UnitRow, row)

    def refuse_serial(self, order: str, serial: str, hardware_uid: str) -> str:
        """Return why a hardware UID can't get a scanned serial, in one sentence, or nothing; changes nothing."""
        with self.database.read() as session:
            try:
                check(session, order, serial, hardware_uid)
            except UnitError as refusal:
                return refusal.message
            return ""


def reserve(session: Session, request: RunRequest) -> tables.Unit:
    """Return the unit of a run, giving its hardware UID a serial if it has none; part of the caller's transaction.

    Raises:
        UnitError: The serial is another unit's, not of this order or none is left; nothing is changed.
    """
    known = check(session, request.order, request.serial, request.hardware_uid)
    if known is not None:
        return known
    serial = request.serial or _take_next(session, session.get_one(tables.WorkOrder, request.order))
    unit = tables.Unit(
        serial=serial,
        hardware_uid=request.hardware_uid,
        work_order=request.order,
        ocpp_identity=serial,
        state=UnitState.RESERVED,
        reserved_at=utc_now(),
    )
    session.add(unit)
    session.flush()
    return unit


def check(session: Session, order: str, serial: str, hardware_uid: str) -> tables.Unit | None:
    """Check that a hardware UID may be built under a serial (empty: any), and return its unit if it has one.

    Raises:
        UnitError: It may not; the message says why.
    """
    row = session.get(tables.WorkOrder, order)
    if row is None or row.state is not OrderState.OPEN:
        state = "unknown" if row is None else row.state.value
        raise UnitError(
            Defect.WRONG_UNIT, f"Work order {order} is {state}.", hint="Ask the line lead for an open order."
        )
    known = _unit_of(session, hardware_uid)
    if known is not None:
        _check_known(known, order, serial)
        return known
    if serial:
        _check_scanned(session, row, serial)
    _check_quantity(session, row)
    return None


def _check_known(unit: tables.Unit, order: str, serial: str) -> None:
    if serial and serial != unit.serial:
        message = f"This hardware has serial {unit.serial} already; {serial} can't be given to it."
        raise UnitError(Defect.DUPLICATE_IDENTITY, message, hint=f"Scan {unit.serial}, or put the unit aside.")
    if unit.work_order != order:
        message = f"Unit {unit.serial} belongs to work order {unit.work_order}, not to {order}."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Build it at the station of its order.")
    if unit.state is not UnitState.RESERVED:
        message = f"Unit {unit.serial} is {unit.state.value} already."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Unplug it, or take it to rework.")


def _check_scanned(session: Session, order: tables.WorkOrder, serial: str) -> None:
    """Check a serial that was printed beforehand."""
    if not SERIAL.fullmatch(serial):
        raise UnitError(Defect.WRONG_UNIT, "This is no serial number.", hint="Scan the serial number on the traveller.")
    owner = session.get(tables.Unit, serial)
    if owner is not None:
        message = f"Serial {serial} belongs to hardware {owner.hardware_uid}; another device can't have it."
        raise UnitError(Defect.DUPLICATE_IDENTITY, message, hint="Put both units aside and call the line lead.")
    if serial not in order.serials:
        message = f"Serial {serial} is not of work order {order.id}."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Scan a serial number of this order.")


def _check_quantity(session: Session, order: tables.WorkOrder) -> None:
    given = session.scalar(select(func.count()).select_from(tables.Unit).where(tables.Unit.work_order == order.id))
    if (given or 0) >= order.quantity:
        message = f"Work order {order.id} is full: all {order.quantity} units have their serial."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Ask the line lead for the next order.")


def _take_next(session: Session, order: tables.WorkOrder) -> str:
    """Take the next serial of the block that nobody scanned before; the block never wraps.

    Raises:
        UnitError: The block is used up.
    """
    block, number = order.serials, order.serial_next
    while number <= block.last:
        serial = block.text(number)
        number += 1
        if session.get(tables.Unit, serial) is None:
            order.serial_next = number
            return serial
    message = f"Work order {order.id} has no serial left: {block.text(block.last)} was the last."
    raise UnitError(Defect.WRONG_UNIT, message, hint="Ask the line lead for the next order.")


def _unit_of(session: Session, hardware_uid: str) -> tables.Unit | None:
    return session.scalar(select(tables.Unit).where(tables.Unit.hardware_uid == hardware_uid))


def _check_size(order: WorkOrder) -> None:
    block = order.serials
    if not 1 <= order.quantity <= block.last - block.first + 1:
        size = block.last - block.first + 1
        raise ConfigError(f"work order {order.id}: quantity {order.quantity} does not fit its block of {size} serials")


def _check_apart(order: WorkOrder, other: WorkOrder) -> None:
    if order.id == other.id:
        raise ConfigError(f"work order {order.id} exists already", hint="Choose another id.")
    if order.serials.overlaps(other.serials):
        message = f"work order {order.id}: a part of its serial block belongs to work order {other.id}"
        raise ConfigError(message, hint="Choose a block that was never used.")


def _order_row(order: WorkOrder) -> tables.WorkOrder:
    block = order.serials
    values = {field.name: getattr(order, field.name) for field in fields(order) if field.name != "serials"}
    return tables.WorkOrder(
        **values,
        serial_prefix=block.prefix,
        serial_digits=block.digits,
        serial_first=block.first,
        serial_last=block.last,
        serial_next=block.first,
        created_at=utc_now(),
    )
