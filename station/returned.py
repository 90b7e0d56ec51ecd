"""A unit that was released before and is back in a slot: verified, its label printed again, or sent to rework (F-B7).

Nothing else is offered, and nothing is written to it before somebody with a role for it chose to and said why. One that
is not as it was released is quarantined: it may not be packed until quality has looked.
"""

from station.clock import Deadline
from station.desk import Choice, Offer
from station.errors import Aborted, ServiceError, UnitError
from station.guest import Guest
from station.model import SlotState
from station.people.roles import FLOOR, REPRINTERS
from station.person import Role
from station.records import Hold, HoldKind, HoldScope, LabelState, OrderState, Records, UnitRow, UnitState
from station.records.canonical import sentence
from station.records.quality_rows import LONGEST_REASON
from station.rework import rework
from station.steps.label import TEMPLATE, reprint
from station.steps.reimage import recoverable
from station.steps.verify import verify_released

VERIFY_SECONDS = 20.0
LABEL_SECONDS = 300.0
UNPLUG = "Unplug it and put it with the released units."
NO_LABEL = "Have its label printed again: scan CMD-REPRINT."
OFFERS = (
    Offer("verify", FLOOR, needs_reason=False),
    Offer("reprint", REPRINTERS),
    Offer("rework", frozenset({Role.LINE_LEAD, Role.REWORK})),
)
ELSEWHERE = OFFERS[:1]
"""What is offered for a unit of an order that the line does not build now: its recipe is not at hand."""


def serve_released(guest: Guest, unit: UnitRow) -> bool:
    """Compare a unit that comes back with its record, and do what is chosen; tell whether it is to be built again.

    Raises:
        UnitError: It is not as it was released.
        Aborted: The station stops.
    """
    guest.desk.show(serial=unit.serial)
    _verify(guest, unit)
    offers = _offers(guest, unit)
    while True:
        try:
            choice = guest.desk.choose(offers, guest.gone)
        except Aborted:
            return False
        if choice.action == "rework":
            rework(guest, unit.serial, choice)
            return True
        _do(guest, unit, choice)


def _offers(guest: Guest, unit: UnitRow) -> tuple[Offer, ...]:
    """Return what may be done; a locked unit without a recovery image has no way back, nor one of a closed order."""
    if unit.work_order != guest.order.id:
        return ELSEWHERE
    return OFFERS if recoverable(guest.recipe, guest.identity) and not is_closed(guest, unit) else OFFERS[:2]


def is_closed(guest: Guest, unit: UnitRow) -> bool:
    """Tell whether a unit's order builds nothing any more."""
    order = guest.records.order(unit.work_order)
    return order is not None and order.state is OrderState.CLOSED


def about_released(records: Records, serial: str) -> dict[str, object]:
    """Return what the page says of a released unit: its passport, and which copy of the label it bears."""
    label = records.living_label(serial, TEMPLATE)
    return {"passport": serial, "label_copy": label.copy if label else 0}


def _do(guest: Guest, unit: UnitRow, choice: Choice) -> None:
    """Do what changes nothing on the device; a printer that is away ends it, not the unit's stay in the slot."""
    body = {"slot": guest.slot, "reason": choice.reason}
    try:
        if choice.action == "reprint":
            print_again(guest, unit, choice)
            _show(guest, unit, "Its label was printed again and scanned back.")
        else:
            _verify(guest, unit)
            guest.records.event("verified-again", unit.serial, body, choice.person.id)
    except ServiceError as error:
        guest.desk.show(state=SlotState.ALREADY_RELEASED, sentence=error.message, hint=error.hint)


def _verify(guest: Guest, unit: UnitRow) -> None:
    deadline = Deadline(VERIFY_SECONDS)
    identity = guest.charger.identify(deadline)
    try:
        verify_released(guest.services, guest.recipe, guest.charger, identity, unit.serial, deadline)
    except UnitError as error:
        _quarantine(guest, unit.serial, error)
        raise
    _show(guest, unit, "It was released before, and is as it was released.")


def _quarantine(guest: Guest, serial: str, found: UnitError) -> None:
    """Keep a unit here that is not as it was released; what was decided about meanwhile is no released one any more."""
    unit = guest.records.unit(serial)
    order = guest.records.order(unit.work_order) if unit else None
    released = unit is not None and unit.state in (UnitState.RELEASED, UnitState.PACKABLE)
    if released and order is not None and order.product == guest.order.product:  # another product is judged elsewhere
        reason = sentence(found.message)[:LONGEST_REASON]
        guest.records.hold(Hold(HoldScope.UNIT, serial, reason, "station", HoldKind.QUARANTINE))


def _show(guest: Guest, unit: UnitRow, sentence: str) -> None:
    label = guest.records.living_label(unit.serial, TEMPLATE)
    borne = label is not None and label.state is LabelState.SCANNED
    guest.desk.show(
        state=SlotState.ALREADY_RELEASED,
        sentence=sentence if borne else "It was released before, and has no label that was scanned back.",
        hint=UNPLUG if borne else NO_LABEL,
        **about_released(guest.records, unit.serial),
    )


def print_again(guest: Guest, unit: UnitRow, choice: Choice) -> None:
    """Print the label of the last release again, and record who had it; the copy before is void from here on.

    Raises:
        ServiceError: The printer is not ready, or did not print.
        ConfigError: The key that the label belongs to has ended.
    """
    passport = guest.records.passport(unit.serial)
    if passport is None:
        raise RuntimeError(f"unit {unit.serial} is {unit.state} and has no passport")
    bench = guest.bench(unit.serial, passport.run)
    bench.hardware = guest.identity.hardware
    reprint(bench, choice.reason, Deadline(LABEL_SECONDS))
    body = {"slot": guest.slot, "reason": choice.reason}
    guest.records.event("label-reprinted", unit.serial, body, choice.person.id)
