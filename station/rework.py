"""Rework and scrap decided at a slot: the decision first, with all that follows from it, then the device.

The decision is one transaction of the records. What it means for the device is done afterwards, and again after a cut
of power, until the device shows it: a unit in rework is blank before it is built anew.
"""

import json
from datetime import datetime

from station.clock import Deadline
from station.desk import Choice
from station.guest import Guest
from station.model import SlotState
from station.passwords import told
from station.records import (
    Disposition,
    DispositionKind,
    EventRow,
    Hold,
    HoldKind,
    HoldScope,
    LifecycleKind,
    Records,
    RunRef,
    UnitRow,
    UnitState,
)
from station.records.canonical import sentence
from station.records.quality_rows import LONGEST_REASON
from station.records.values import FINAL
from station.scans import reason_code
from station.steps.credentials import NONCE_BYTES
from station.steps.field import COMPARED, Difference, differences, owners_settings
from station.steps.reimage import reimage
from station.steps.residue import prove_forgotten

COMPARE_SECONDS = 30.0
REIMAGE_SECONDS = 900.0
REIMAGED = "reimaged"
NO_RUN = RunRef("", 0)
"""What is done to a device outside of any run."""
PUT_WITH_SCRAP = "Unplug it and put it with the scrap."


def rework(guest: Guest, serial: str, choice: Choice) -> None:
    """Record that a unit is built again from the first step on; `bring_back` makes its device blank.

    Raises:
        Interlocked: It can't be decided now.
    """
    _dispose(guest, serial, choice, DispositionKind.REWORK)


def scrap(guest: Guest, serial: str, choice: Choice) -> None:
    """Record that a unit is scrapped, and say where it goes.

    Raises:
        Interlocked: It can't be decided now.
    """
    _dispose(guest, serial, choice, DispositionKind.SCRAP)
    guest.desk.show(state=SlotState.BLOCKED, sentence=f"Unit {serial} is scrapped.", hint=PUT_WITH_SCRAP)


def _dispose(guest: Guest, serial: str, choice: Choice, kind: DispositionKind) -> None:
    code = reason_code(choice.reason)
    guest.records.dispose(Disposition(kind, serial, code, choice.reason, choice.person.id))


def bring_back(guest: Guest) -> None:
    """Make the device of a unit in rework blank, once for each time it was sent there from the first step on.

    Raises:
        UnitError: It has no way back.
        LinkError: Contact was lost; it is tried again when the unit is plugged in again.
    """
    unit = guest.records.unit_of_hardware(guest.uid)
    if unit is None or unit.state is not UnitState.REWORK:
        return
    sent = next(iter(guest.records.dispositions(unit.serial, limit=1)), None)
    if sent is not None and not sent.return_point:
        make_blank(guest, unit.serial, sent.at, disposition=str(sent.ref))


def make_blank(guest: Guest, serial: str, decided: datetime, **cause: str) -> None:
    """Make a unit's device blank, once for a decision, and read back that nothing of its owner's is left (F-M4).

    Raises:
        UnitError: It has no way back, or something is left.
        LinkError: Contact was lost; it is tried again when the unit is plugged in again.
    """
    if is_blank(guest.records, serial, decided):
        return
    guest.desk.show(state=SlotState.RUNNING, serial=serial, sentence=f"Unit {serial} is made blank again.", hint="")
    before = _before(guest, serial)
    bench, deadline = guest.bench(serial, NO_RUN), Deadline(REIMAGE_SECONDS)
    reimage(bench, deadline)
    if guest.records.lifecycle(serial):
        prove_forgotten(bench, before, deadline)
    measured = [[taken.name, taken.value] for taken in bench.measurements]
    body = {"slot": guest.slot, "measured": measured, **cause, **bench.detail}
    guest.records.event(REIMAGED, serial, json.loads(json.dumps(body, default=str)), guest.desk.who)


def is_blank(records: Records, serial: str, decided: datetime) -> bool:
    """Tell whether a unit's device was made blank since a decision."""
    return _newest(records, serial, REIMAGED, decided) is not None


def compare(guest: Guest, unit: UnitRow) -> tuple[Difference, ...]:
    """Compare a unit of the field with its passport, keep what is otherwise, and quarantine it for what is grave.

    Raises:
        LinkError: Contact was lost.
        ServiceError: The HSM or the records are away.
    """
    passport = guest.records.passport(unit.serial)
    if passport is None:
        raise RuntimeError(f"unit {unit.serial} is {unit.state} and has no passport")
    bench = guest.bench(unit.serial, NO_RUN)
    with told():
        nonce = guest.services.factory.random(NONCE_BYTES)
    found = differences(bench, json.loads(passport.document), nonce, Deadline(COMPARE_SECONDS))
    body = {"slot": guest.slot, "passport": passport.revision, "found": [vars(one) for one in found]}
    guest.records.event(COMPARED, unit.serial, body, guest.desk.who)
    if unit.state not in FINAL:
        quarantine(guest.records, unit.serial, found)
    return found


def quarantine(records: Records, serial: str, found: tuple[Difference, ...]) -> None:
    """Keep a unit here for what speaks against it; what quality lifted since its last report is not held again."""
    reason = sentence(" ".join(one.sentence for one in found if one.grave))[:LONGEST_REASON]
    life, holds = records.lifecycle(serial), records.holds(HoldScope.UNIT, serial, lifted=True)
    lifted = (hold.lifted_at for hold in holds if hold.reason == reason and hold.lifted_at)
    seen = any(not life or at >= life[-1].at for at in lifted)
    if reason and not seen:
        records.hold(Hold(HoldScope.UNIT, serial, reason, "station", HoldKind.QUARANTINE))


def _before(guest: Guest, serial: str) -> dict[str, str]:
    """Return what a unit was set to in the field; one that was never compared since it came back is compared first."""
    records, life = guest.records, guest.records.lifecycle(serial)
    if not life or life[-1].kind is LifecycleKind.REFURBISHED:
        return {}
    since, unit = life[-1].at, records.unit(serial)
    if unit is not None and not _newest(records, serial, COMPARED, since) and not is_blank(records, serial, since):
        compare(guest, unit)
    known = _newest(records, serial, COMPARED, since)
    return owners_settings(known.body) if known else {}


def _newest(records: Records, serial: str, kind: str, since: datetime) -> EventRow | None:
    """Return the newest event of a kind, unless it was before a time."""
    found = next(iter(records.events(serial, kind, 1)), None)
    return found if found is not None and found.at >= since else None
