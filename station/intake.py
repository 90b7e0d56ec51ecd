"""A unit of the field in a slot: compared with its passport, taken back, or its life ended (F-M4, F-B7, P21).

What its owner changed is shown and held against nobody. What says that it is not the unit that left, or not sound, puts
it into quarantine: it is taken back all the same, so that its key ends, and is built again once quality has looked.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from station.clock import Deadline
from station.desk import Choice, Offer
from station.errors import Aborted, ConfigError, Defect, Interlocked, ServiceError, StationError, UnitError
from station.guest import Guest
from station.lifecycle import tell
from station.model import SlotState
from station.person import Role
from station.records import HoldScope, LifecycleEvent, LifecycleKind, UnitRow, UnitState
from station.records.canonical import sentence
from station.returned import OFFERS, about_released, is_closed, print_again
from station.rework import PUT_WITH_SCRAP, compare, is_blank, make_blank, rework
from station.scans import ScanKind, read_scan
from station.steps.reimage import recoverable

LOOK_SECONDS = 2.0
"""How often it is looked whether somebody decided about the unit elsewhere."""
FIELD = (UnitState.SHIPPED, UnitState.COMMISSIONED, UnitState.RETURNED, UnitState.DECOMMISSIONED)
VERIFY, REPRINT, REWORK = OFFERS
TAKE_BACK = Offer("take-back", frozenset({Role.LINE_LEAD, Role.REWORK}))
DECOMMISSION = Offer("decommission", frozenset({Role.LINE_LEAD}))
MOST_SHOWN = 3
"""Differences that the page shows; the record has all of them."""
SHORTEST, LONGEST = 3, 40
"""Characters of the number of a return."""
LEAVE = "CMD-NO"
ELSEWHERE = "It is of another product than the line builds now, so it was not compared."
AGAIN = "Unplug it, then plug it in again."
DESTROY = "Destroy its memory: it can't be wiped here."
NO_NUMBER = f"The number of a return has {SHORTEST} to {LONGEST} characters. Scan {LEAVE} to leave the unit as it is."
STANDS = {
    UnitState.SHIPPED: "It was shipped.",
    UnitState.COMMISSIONED: "It was in service.",
    UnitState.RETURNED: "It was taken back.",
}


def serve_field(guest: Guest, unit: UnitRow) -> bool:
    """Compare a unit of the field with its passport, and do what is chosen; tell whether it is to be built again.

    Raises:
        UnitError: Its life is over.
        LinkError: Contact was lost.
        ServiceError: The HSM or the records are away.
    """
    guest.desk.show(serial=unit.serial)
    if unit.state is UnitState.DECOMMISSIONED:
        hint = PUT_WITH_SCRAP if _wipe(guest, unit.serial) else DESTROY
        message = f"Unit {unit.serial} was decommissioned; its serial number is never used again."
        raise UnitError(Defect.WRONG_UNIT, message, hint=hint)
    _compare(guest, unit.serial)
    while (now := _now(guest, unit.serial)).state in STANDS:
        try:
            choice = _choice(guest, now)
            if choice is None:
                continue
            if choice.action == REWORK.action:
                rework(guest, unit.serial, choice)
                return True
            ACTS[choice.action](guest, now, choice)
            if choice.action == DECOMMISSION.action:
                return False
        except Aborted:
            return False
        except (ServiceError, ConfigError, Interlocked) as refused:
            guest.desk.show(state=SlotState.CAME_BACK, sentence=_said(refused), hint=refused.hint)
    _tell_decided(guest, now)
    return False


def _choice(guest: Guest, unit: UnitRow) -> Choice | None:
    """Wait for what is chosen; None when something else may be done now, as somebody decided elsewhere.

    Raises:
        Aborted: The station stops, or the charger was unplugged.
    """
    offers, look = _offers(guest, unit), Deadline(LOOK_SECONDS)

    def changed() -> bool:
        nonlocal look
        if look.remaining > 0:
            return False
        look = Deadline(LOOK_SECONDS)
        with suppress(ServiceError):
            return _changed(guest, unit, offers)
        return False

    try:
        choice = guest.desk.choose(offers, lambda: guest.gone() or changed())
    except Aborted:
        if guest.gone() or guest.stopping.is_set():
            raise
        return None
    return None if _changed(guest, unit, offers) else choice


def _changed(guest: Guest, unit: UnitRow, offers: tuple[Offer, ...]) -> bool:
    now = _now(guest, unit.serial)
    return now.state is not unit.state or _offers(guest, now) != offers


def _tell_decided(guest: Guest, unit: UnitRow) -> None:
    """Say what somebody decided about a unit while it was in the slot."""
    hint = PUT_WITH_SCRAP if unit.state is UnitState.SCRAPPED else AGAIN
    guest.desk.show(
        state=SlotState.BLOCKED, sentence=f"Unit {unit.serial} was decided about: {unit.state.value}.", hint=hint
    )


def _now(guest: Guest, serial: str) -> UnitRow:
    unit = guest.records.unit(serial)
    if unit is None:
        raise RuntimeError(f"unit {serial} is gone from the records")
    return unit


def _offers(guest: Guest, unit: UnitRow) -> tuple[Offer, ...]:
    """Return what may be done now; a unit is built again at the line of its open order, if nothing holds it."""
    here, verify = unit.work_order == guest.order.id, (VERIFY,) if _is_built_here(guest, unit) else ()
    if unit.state is not UnitState.RETURNED:
        return (*verify, TAKE_BACK, *((REPRINT,) if here else ()), DECOMMISSION)
    held = guest.records.holds(HoldScope.UNIT, unit.serial)
    again = here and not held and not is_closed(guest, unit) and recoverable(guest.recipe, guest.identity)
    return (*verify, *((REWORK,) if again else ()), DECOMMISSION)


def _is_built_here(guest: Guest, unit: UnitRow) -> bool:
    """Tell whether the line builds the unit's product now: else its recipe says nothing of this device."""
    order = guest.records.order(unit.work_order)
    return order is not None and order.product == guest.order.product


def _compare(guest: Guest, serial: str) -> None:
    """Compare the unit with its passport and show what is otherwise; one that was decided about meanwhile is left."""
    unit = _now(guest, serial)
    if unit.state not in STANDS:
        return
    built_here = _is_built_here(guest, unit)
    found = compare(guest, unit) if built_here else ()
    said = [one.sentence for one in found[:MOST_SHOWN]] or ["It is as it left." if built_here else ELSEWHERE]
    if len(found) > MOST_SHOWN:
        said.append(f"And {len(found) - MOST_SHOWN} more.")
    if unit.state is UnitState.RETURNED and is_closed(guest, unit):
        said.append(f"Its order {unit.work_order} is closed, so it can't be built again.")
    guest.desk.show(
        state=SlotState.CAME_BACK,
        sentence=" ".join((STANDS[unit.state], *said)),
        hint="Call quality." if guest.records.holds(HoldScope.UNIT, serial) else "Decide what is done with it.",
        **about_released(guest.records, serial),
    )


def _verify(guest: Guest, unit: UnitRow, choice: Choice) -> None:
    del choice
    _compare(guest, unit.serial)


def _take_back(guest: Guest, unit: UnitRow, choice: Choice) -> None:
    """Record that the unit is back, once the number of its return is known; its key ends with that."""
    number = guest.desk.ask_for(
        SlotState.WAITING_FOR_NUMBER,
        f"Unit {unit.serial} comes back from the field.",
        "Scan or type the number of its return.",
        lambda code: _refusal(unit, code),
        guest.gone,
    )
    if number != LEAVE:
        _tell(guest, LifecycleKind.RETURNED, unit, choice, reference=number)
    _compare(guest, unit.serial)


def _refusal(unit: UnitRow, code: str) -> str:
    """Return why a scan is no number of a return, or nothing; codes that mean something else here are none."""
    other = read_scan(code).kind is not ScanKind.OTHER or unit.serial in code
    fits = SHORTEST <= len(code.strip()) <= LONGEST and not other
    return "" if fits or code == LEAVE else NO_NUMBER


def _decommission(guest: Guest, unit: UnitRow, choice: Choice) -> None:
    """Record that the unit's life is over, then make its device forget it: also after a cut, when it is plugged in."""
    _tell(guest, LifecycleKind.DECOMMISSIONED, unit, choice)
    hint = PUT_WITH_SCRAP if _wipe(guest, unit.serial) else DESTROY
    guest.desk.show(state=SlotState.BLOCKED, sentence=f"Unit {unit.serial} is decommissioned.", hint=hint)


def _tell(guest: Guest, kind: LifecycleKind, unit: UnitRow, choice: Choice, reference: str = "") -> None:
    event = LifecycleEvent(kind, unit.serial, choice.person.id, reference=reference, reason=choice.reason)
    tell(guest.records, guest.services.factory, [event])


def _wipe(guest: Guest, serial: str) -> bool:
    """Make the device of a decommissioned unit blank, once; tell whether it is."""
    ended = [row for row in guest.records.lifecycle(serial) if row.kind is LifecycleKind.DECOMMISSIONED][-1]
    if is_blank(guest.records, serial, ended.at):
        return True
    if not _is_built_here(guest, _now(guest, serial)) or not recoverable(guest.recipe, guest.identity):
        return False
    make_blank(guest, serial, ended.at, decommissioned=str(ended.ref))
    return True


def _reprint(guest: Guest, unit: UnitRow, choice: Choice) -> None:
    print_again(guest, unit, choice)
    _compare(guest, unit.serial)


def _said(refused: StationError) -> str:
    return sentence(refused.message)


ACTS: Mapping[str, Callable[[Guest, UnitRow, Choice], Any]] = {
    VERIFY.action: _verify,
    REPRINT.action: _reprint,
    TAKE_BACK.action: _take_back,
    DECOMMISSION.action: _decommission,
}
