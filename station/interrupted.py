"""What to do with a charger in a slot whose last run was interrupted: by itself where that is safe, else by a person.

A power cut is the station's to repair: the same device in the same slot goes on from the first step, and each step
finds out what is already true. Where that may be wrong - another device is in the slot, or the same unit was
interrupted again and again - somebody decides, for a reason, among what is safe in the phase that the device shows.
"""

from station.clock import Deadline
from station.desk import Choice, Offer
from station.guest import Guest
from station.model import Outcome, Phase, SlotState
from station.person import Role
from station.records import RunFilter, RunRow, UnitRow
from station.rework import NO_RUN, rework, scrap
from station.steps.identify import derive_phase
from station.steps.reimage import recoverable

PHASE_SECONDS = 20.0
AUTOMATIC = 2
"""From so many interruptions in a row on a person decides."""
CONTINUE = Offer("continue", frozenset({Role.OPERATOR, Role.LINE_LEAD, Role.REWORK}))
REWORK = Offer("rework", frozenset({Role.LINE_LEAD, Role.REWORK}))
SCRAP = Offer("scrap", frozenset({Role.LINE_LEAD}))
CHANGED = "This is not the charger whose work was interrupted here."
FOUND = {
    Phase.BLANK: "The device is blank.",
    Phase.TEST: "The device is set up for the test environment.",
    Phase.SHIP: "The device is set up to ship.",
    Phase.SEALED: "The device is locked.",
}
SETTLED = "interruption-settled"


def settle_interrupted(guest: Guest, unit: UnitRow | None) -> bool:
    """Let a person decide where an interruption left a doubt; tell whether the charger is to be built now.

    Raises:
        Aborted: The charger left, or the station stops.
    """
    sentence = _changed(guest) or (_again(guest, unit) if unit else "")
    if not sentence:
        return True
    choice = _ask(guest, unit, sentence)
    body = {"slot": guest.slot, "action": choice.action, "reason": choice.reason, "found": sentence}
    guest.records.event(SETTLED, guest.slot, body, choice.person.id)
    return _do(guest, unit, choice)


def _changed(guest: Guest) -> str:
    """Say so if another device is in the slot than the one whose run was interrupted there, and nobody knows yet."""
    last = next(iter(guest.records.runs(RunFilter(slot=guest.slot), 1)), None)
    if last is None or not interrupted(last) or last.hardware_uid == guest.uid:
        return ""
    known = next(iter(guest.records.events(guest.slot, SETTLED, 1)), None)
    if known is not None and last.closed_at is not None and known.at >= last.closed_at:
        return ""
    if guest.records.runs(RunFilter(unit=last.unit), 1)[0].ref != last.ref:  # somebody went on with it elsewhere
        return ""
    return f"{CHANGED} Unit {last.unit} was interrupted{_where(guest, last)}."


def _again(guest: Guest, unit: UnitRow) -> str:
    """Say so if the unit was interrupted more often in a row than the station repairs by itself."""
    guest.desk.show(serial=unit.serial)
    last = guest.records.runs(RunFilter(unit=unit.serial), AUTOMATIC)
    if len(last) < AUTOMATIC or not all(interrupted(run) for run in last):
        return ""
    return f"Unit {unit.serial} was interrupted {len(last)} times in a row, last{_where(guest, last[0])}."


def interrupted(run: RunRow) -> bool:
    """Tell whether a run was cut off by the station's end, not by somebody who unplugged the charger."""
    return run.outcome is Outcome.ABORTED and not run.fault


def _where(guest: Guest, run: RunRow) -> str:
    detail = guest.records.run_detail(run.ref)
    begun = [step.name for step in detail.steps if step.outcome is None] if detail else []
    return f" in step {begun[-1]}" if begun else ""


def _ask(guest: Guest, unit: UnitRow | None, sentence: str) -> Choice:
    """Show what was interrupted and what the device shows, and wait for a decision with a reason."""
    phase = observed_phase(guest)
    offers = safe_choices(unit, phase, recoverable=recoverable(guest.recipe, guest.identity))
    guest.desk.show(
        state=SlotState.BLOCKED,
        sentence=f"{sentence} {FOUND[phase]}",
        hint="Decide what to do with this charger, and scan the reason.",
    )
    choice = guest.desk.choose(offers, guest.gone)
    guest.desk.show(state=SlotState.CONNECTING, sentence="", hint="")
    return choice


def safe_choices(unit: UnitRow | None, phase: Phase, *, recoverable: bool) -> tuple[Offer, ...]:
    """Return what may be done: a charger that is no unit yet can only be begun; a locked one may have no way back."""
    if unit is None:
        return (CONTINUE,)
    back = (REWORK,) if recoverable and phase is not Phase.BLANK else ()
    return (CONTINUE, *back, SCRAP)


def observed_phase(guest: Guest) -> Phase:
    """Return how far the device has come, by what it shows alone.

    Raises:
        UnitError: It points at an endpoint that the recipe does not know.
    """
    return derive_phase(guest.bench("", NO_RUN), Deadline(PHASE_SECONDS))


def _do(guest: Guest, unit: UnitRow | None, choice: Choice) -> bool:
    if unit is not None and choice.action == "rework":
        rework(guest, unit.serial, choice)
    if unit is not None and choice.action == "scrap":
        scrap(guest, unit.serial, choice)
        return False
    return True
