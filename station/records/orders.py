"""Work orders and the serials they give: a serial is reserved to one hardware UID, and only that one gets it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.errors import ConfigError, Defect, Interlocked, UnitError
from station.model import Outcome
from station.records import tables
from station.records.canonical import canonical
from station.records.database import Database
from station.records.quality_rows import check_reason
from station.records.rows import OrderCounts, UnitRow
from station.records.values import (
    FINAL,
    ONCE_RELEASED,
    OrderState,
    RunRequest,
    SerialBlock,
    UnitState,
    WorkOrder,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ValueT = TypeVar("ValueT", bound="DataclassInstance")
IN_WORK = (UnitState.RESERVED, UnitState.REWORK)
"""States in which a unit may be built."""
UNITS, ORDERS = cast("Table", tables.Unit.__table__), cast("Table", tables.WorkOrder.__table__)
OWNER = select(UNITS.c.serial).where(UNITS.c.serial == bindparam("serial"))
SERIAL_OF = select(UNITS.c.serial).where(UNITS.c.hardware_uid == bindparam("uid"))
NEW_UNIT = insert(UNITS)
TAKEN = update(ORDERS).where(ORDERS.c.id == bindparam("order")).values(serial_next=bindparam("next"))
"""Asked at each start, so they are made once."""


def value(kind: type[ValueT], row: object, **given: Any) -> ValueT:
    """Make a frozen value of a row: fields and columns have the same names."""
    names = {field.name for field in fields(kind)} - given.keys()
    return kind(**{name: getattr(row, name) for name in names}, **given)


@dataclass(frozen=True)
class Edit:
    """Who edits a work order, why, and which version of it they saw."""

    who: str
    reason: str = ""
    version: int | None = None
    """None for who did not look first: a command that means it, whatever was before."""

    def __post_init__(self) -> None:
        """Refuse an edit of a person without a reason."""
        if self.who != BY_ITSELF:
            check_reason(self.reason)


BY_ITSELF = "station"
BY_STATION = Edit(BY_ITSELF)


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
        with self.database.write() as session:
            add_orders(session, [order])

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

    def set_order_state(self, order: str, state: OrderState, edit: Edit = BY_STATION) -> WorkOrder:
        """Open, pause or close a work order; only an open one takes units, and a closed one stays closed.

        Raises:
            ConfigError: There is no such order, it is closed, or somebody else edited it meanwhile.
        """
        with self.database.write() as session:
            row = _edited(session, order, edit)
            if state is not OrderState.CLOSED:
                _check_not_closed(row)
            self._record_edit(session, row, edit, {"state": state.value, "was": row.state.value})
            row.state = state
            return value(WorkOrder, row)

    def replace_scrap(self, order: str, count: int, edit: Edit) -> WorkOrder:
        """Let an order build as many more units, each for one that was scrapped (F-A4); its block grows if it must.

        Raises:
            ConfigError: The order is closed, fewer units were scrapped, the block can't grow, or somebody else edited
                it meanwhile.
        """
        with self.database.write() as session:
            row = _edited(session, order, edit)
            _check_not_closed(row)
            _check_scrapped(session, row, count)
            self._record_edit(session, row, edit, {"replacements": count})
            row.replacements += count
            _grow(session, row)
            return value(WorkOrder, row)

    def counts(self, order: str) -> OrderCounts:
        """Count what became of a work order so far."""
        with self.database.read() as session:
            row = session.get_one(tables.WorkOrder, order)
            unit = select(tables.Unit.state, func.count()).where(tables.Unit.work_order == order)
            states = dict(session.execute(unit.group_by(tables.Unit.state)).all())
            run = select(func.count()).select_from(tables.Run).where(tables.Run.work_order == order)
            failed = session.scalar(run.where(tables.Run.outcome == Outcome.FAIL)) or 0
            released = sum(states.get(state, 0) for state in ONCE_RELEASED)
            return OrderCounts(row.quantity, sum(states.values()), released, states.get(UnitState.PACKABLE, 0), failed)

    def _record_edit(self, session: Session, row: tables.WorkOrder, edit: Edit, change: dict[str, Any]) -> None:
        row.version += 1
        body = canonical(change | {"version": row.version, "reason": edit.reason})
        event = tables.Event(kind="order-edited", subject=row.id, at=utc_now(), body=body, who=edit.who)
        self.database.append(session, event)

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
                check(session, open_order(session, order), serial, hardware_uid)
            except (UnitError, Interlocked) as refusal:
                return refusal.message
            return ""


def reserve(session: Session, order: tables.WorkOrder, request: RunRequest) -> str:
    """Give a hardware UID that has none a serial, and return it; after `check`, in the caller's transaction.

    Raises:
        UnitError: None is left; nothing is changed.
    """
    serial = request.serial or _take_next(session, order)
    unit = {
        "serial": serial,
        "hardware_uid": request.hardware_uid,
        "work_order": order.id,
        "ocpp_identity": serial,
        "state": UnitState.RESERVED,
        "reserved_at": utc_now(),
    }
    session.execute(NEW_UNIT, unit)
    return serial


def check(session: Session, order: tables.WorkOrder, serial: str, hardware_uid: str) -> tables.Unit | None:
    """Check that a hardware UID may be built under a serial (empty: any), and return its unit if it has one.

    Raises:
        UnitError: It may not; the message says why.
    """
    known = _unit_of(session, hardware_uid)
    if known is not None:
        _check_known(known, order.id, serial)
        return known
    if serial:
        _check_scanned(session, order, serial)
    _check_quantity(session, order, scanned=bool(serial))
    return None


def open_order(session: Session, order: str) -> tables.WorkOrder:
    """Return a work order that takes units.

    Raises:
        Interlocked: It takes none now, or there is none.
    """
    row = session.get(tables.WorkOrder, order)
    if row is None or row.state is not OrderState.OPEN:
        state = "unknown" if row is None else row.state.value
        raise Interlocked(f"Work order {order} is {state}.", hint="Ask the line lead for an open order.")
    return row


def _check_known(unit: tables.Unit, order: str, serial: str) -> None:
    if serial and serial != unit.serial:
        message = f"This hardware has serial {unit.serial} already; {serial} can't be given to it."
        raise UnitError(Defect.DUPLICATE_IDENTITY, message, hint=f"Scan {unit.serial}, or put the unit aside.")
    if unit.work_order != order:
        message = f"Unit {unit.serial} belongs to work order {unit.work_order}, not to {order}."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Build it at the station of its order.")
    if unit.state not in IN_WORK:
        message = f"Unit {unit.serial} is {unit.state.value} already."
        hint = "Put it with the scrap." if unit.state in FINAL else "Unplug it, or take it to rework."
        raise UnitError(Defect.WRONG_UNIT, message, hint=hint)


def _check_scanned(session: Session, order: tables.WorkOrder, serial: str) -> None:
    """Check a serial that was printed beforehand."""
    if refusal := order.serials.refuse(serial):
        raise UnitError(Defect.WRONG_UNIT, refusal, hint="Scan the serial number on the traveller.")
    owner = session.get(tables.Unit, serial)
    if owner is not None:
        message = f"Serial {serial} belongs to hardware {owner.hardware_uid}; another device can't have it."
        raise UnitError(Defect.DUPLICATE_IDENTITY, message, hint="Put both units aside and call the line lead.")
    if serial not in order.serials:
        message = f"Serial {serial} is not of work order {order.id}."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Scan a serial number of this order.")
    if _is_burnt(session, order.id, order.serials.number(serial)):
        message = f"Serial {serial} may be another unit's: it was burnt when the records came out of a backup."
        raise UnitError(Defect.DUPLICATE_IDENTITY, message, hint="Take a new serial number of this order.")


def _check_quantity(session: Session, order: tables.WorkOrder, *, scanned: bool) -> None:
    """Count an order's units only if need be: one whose block is no longer than itself has room while one is free."""
    allowed, block = order.quantity + order.replacements, order.serials
    if len(block) <= allowed and (scanned or _is_free(session, block, order.serial_next)):
        return
    given = session.scalar(select(func.count()).select_from(tables.Unit).where(tables.Unit.work_order == order.id))
    if (given or 0) >= allowed:
        message = f"Work order {order.id} is full: all {allowed} units have their serial."
        raise UnitError(Defect.WRONG_UNIT, message, hint="Ask the line lead for the next order.")


def _take_next(session: Session, order: tables.WorkOrder) -> str:
    """Take the next serial of the block that nobody scanned before; the block never wraps.

    Raises:
        UnitError: The block is used up.
    """
    block, number = order.serials, order.serial_next
    while number <= block.last:
        number += 1
        if _is_free(session, block, number - 1):
            session.execute(TAKEN, {"order": order.id, "next": number})
            return block.text(number - 1)
    message = f"Work order {order.id} has no serial left: {block.text(block.last)} was the last."
    raise UnitError(Defect.WRONG_UNIT, message, hint="Ask the line lead for the next order.")


def _is_free(session: Session, block: SerialBlock, number: int) -> bool:
    """Tell whether a number of a block is nobody's."""
    return number <= block.last and session.scalar(OWNER, {"serial": block.text(number)}) is None


def _is_burnt(session: Session, order: str, number: int) -> bool:
    """Tell whether a number of an order's block is given to nobody any more."""
    row = tables.BurntSerials
    query = select(row.sequence).where(row.work_order == order, row.first <= number, row.last >= number).limit(1)
    return session.scalar(query) is not None


def _is_cut(session: Session, order: str) -> bool:
    """Tell whether numbers of an order were burnt."""
    row = tables.BurntSerials
    return session.scalar(select(row.sequence).where(row.work_order == order).limit(1)) is not None


def _unit_of(session: Session, hardware_uid: str) -> tables.Unit | None:
    serial = session.scalar(SERIAL_OF, {"uid": hardware_uid})
    return None if serial is None else session.get_one(tables.Unit, serial)


def add_orders(session: Session, orders: Sequence[WorkOrder]) -> None:
    """Add work orders; part of the caller's transaction.

    Raises:
        ConfigError: One exists, its block is smaller than its quantity, or another order has a part of it.
    """
    blocks = _blocks(session) if orders else {}
    for order in orders:
        if not 1 <= order.quantity <= len(order.serials):
            size = len(order.serials)
            message = f"work order {order.id}: quantity {order.quantity} does not fit its block of {size} serials"
            raise ConfigError(message, hint="Order fewer, or choose a larger block.")
        if order.id in blocks:
            raise ConfigError(f"work order {order.id} exists already", hint="Choose another id.")
        _check_apart(order.id, order.serials, blocks)
        blocks[order.id] = order.serials
        session.add(_order_row(order))
    session.flush()


def _blocks(session: Session) -> dict[str, SerialBlock]:
    return {row.id: row.serials for row in session.scalars(select(tables.WorkOrder))}


def _check_apart(order: str, block: SerialBlock, others: Mapping[str, SerialBlock]) -> None:
    for other, theirs in others.items():
        if other != order and block.overlaps(theirs):
            message = f"work order {order}: a part of its serial block belongs to work order {other}"
            raise ConfigError(message, hint="Choose a block that was never used.")


def _edited(session: Session, order: str, edit: Edit) -> tables.WorkOrder:
    """Return the order that is edited, if it is still as the editor saw it."""
    row = session.get(tables.WorkOrder, order)
    if row is None:
        raise ConfigError(f"there is no work order {order}", hint="See 'station order list'.")
    if edit.version not in (None, row.version):
        message = f"work order {order} was changed meanwhile: it is version {row.version}, not {edit.version}"
        raise ConfigError(message, hint="Look at the order again, then decide.")
    return row


def _check_not_closed(order: tables.WorkOrder) -> None:
    if order.state is OrderState.CLOSED:
        raise ConfigError(f"work order {order.id} is closed", hint="Create another order.")


def _check_scrapped(session: Session, order: tables.WorkOrder, count: int) -> None:
    units = select(func.count()).select_from(tables.Unit).where(tables.Unit.work_order == order.id)
    scrapped = session.scalar(units.where(tables.Unit.state == UnitState.SCRAPPED)) or 0
    left = scrapped - order.replacements
    if not 1 <= count <= left:
        message = f"work order {order.id}: {left} scrapped units have no replacement yet, so {count} can't be replaced"
        raise ConfigError(message, hint="Scrap the unit first, or replace fewer.")


def _grow(session: Session, order: tables.WorkOrder) -> None:
    """Lengthen the block so that it has a serial for every unit that may be built."""
    missing = order.quantity + order.replacements - len(order.serials)
    if missing > 0:
        block = order.serials
        if _is_cut(session, order.id):
            message = f"work order {order.id} was restored: numbers behind its block may have been given since"
            raise ConfigError(message, hint="Create another order, with a block that was never used.")
        _check_apart(order.id, replace(block, last=block.last + missing), _blocks(session))
        order.serial_last += missing


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
        serial_check=block.check,
        created_at=utc_now(),
    )
