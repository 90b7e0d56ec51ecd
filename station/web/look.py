"""How the line is put into words, signs and order for the page: pure functions of a `LineView`."""

from dataclasses import dataclass, replace
from datetime import datetime

from station.model import LineView, Outcome, SlotState, SlotView, StepView


@dataclass(frozen=True)
class Look:
    """Word, sign and tone of a state: never colour alone."""

    word: str
    icon: str
    """Symbol in icons.svg."""
    tone: str
    """CSS class."""


SLOT_LOOKS = {
    SlotState.EMPTY: Look("Empty", "plug", "idle"),
    SlotState.CONNECTING: Look("Connecting", "link", "busy"),
    SlotState.UNKNOWN_DEVICE: Look("Unknown device", "question", "warn"),
    SlotState.TWO_DEVICES: Look("Two devices", "two", "warn"),
    SlotState.WAITING_FOR_SERIAL: Look("Scan serial", "scan", "ask"),
    SlotState.RUNNING: Look("Running", "run", "busy"),
    SlotState.WAITING_FOR_LABEL: Look("Scan label", "label", "ask"),
    SlotState.PASS: Look("PASS", "pass", "pass"),
    SlotState.FAIL: Look("FAIL", "fail", "fail"),
    SlotState.ERROR: Look("ERROR", "error", "error"),
    SlotState.ABORTED: Look("ABORTED", "aborted", "aborted"),
    SlotState.ALREADY_RELEASED: Look("Already released", "released", "warn"),
}

STEP_LOOKS = {
    "waiting": Look("waiting", "dot", "waiting"),
    "running": Look("running", "run", "busy"),
    Outcome.PASS.value: Look("done", "pass", "pass"),
    Outcome.FAIL.value: Look("failed", "fail", "fail"),
    Outcome.ERROR.value: Look("error", "error", "error"),
    Outcome.ABORTED.value: Look("aborted", "aborted", "aborted"),
    Outcome.SKIPPED.value: Look("skipped", "dot", "waiting"),
}

URGENCY = (SlotState.FAIL, SlotState.ERROR, SlotState.ABORTED, SlotState.PASS)
"""States that fill the verdict band, the most urgent first."""

UNDER_WAY = (SlotState.RUNNING, SlotState.WAITING_FOR_LABEL)
"""States in which a run's time goes on."""

LEAVING = (SlotState.PASS, SlotState.ALREADY_RELEASED, SlotState.FAIL, SlotState.ERROR, SlotState.ABORTED)
"""States in which the station is done with what is plugged."""

ACTIONS = {"verify": "Verify", "reprint": "Reprint", "rework": "Rework"}


@dataclass(frozen=True)
class Prompt:
    """The one thing the operator does next."""

    slot: str
    sentence: str


def verdicts(view: LineView) -> tuple[SlotView, ...]:
    """Return the finished slots that nobody has acknowledged yet, the most urgent first."""
    finished = [slot for slot in view.slots if slot.state in URGENCY and not slot.acknowledged]
    return tuple(sorted(finished, key=lambda slot: URGENCY.index(slot.state)))


def prompt(view: LineView) -> Prompt:
    """Return what the operator does next, by what waits the longest way down the line."""
    states = {state: [slot.name for slot in view.slots if slot.state is state] for state in SlotState}
    if found := states[SlotState.WAITING_FOR_LABEL]:
        return Prompt(found[0], "Scan the printed label.")
    if found := states[SlotState.WAITING_FOR_SERIAL]:
        return Prompt(found[0], "Scan the serial number.")
    if found := [slot.name for slot in verdicts(view) if slot.state is not SlotState.PASS]:
        return Prompt(found[0], "Press Seen, then unplug the unit.")
    if found := [slot.name for slot in view.slots if slot.state in LEAVING]:
        return Prompt(found[0], "Unplug the unit.")
    if states[SlotState.EMPTY]:
        return Prompt("", "Plug in a charger.")
    return Prompt("", "Wait for a slot to finish.")


def summary(view: LineView) -> LineView:
    """Return the line without its slots and version: what the head of the page shows."""
    return replace(view, slots=(), version=0)


def elapsed(slot: SlotView, now: datetime) -> float:
    """Return the seconds a run has taken so far, or took."""
    if slot.state in UNDER_WAY and slot.started is not None:
        return max(slot.seconds, (now - slot.started).total_seconds())
    return slot.seconds


def minutes(seconds: float) -> str:
    """Write a time as `m:ss`."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def current_step(slot: SlotView) -> tuple[int, StepView] | None:
    """Return number (from 1) and view of the step that runs, or of the last one that ended."""
    begun = [(number, step) for number, step in enumerate(slot.steps, 1) if step.state not in ("waiting", "SKIPPED")]
    return begun[-1] if begun else None


def step_look(step: StepView) -> Look:
    """Return word, sign and tone of a step; a state we do not know stands for itself."""
    return STEP_LOOKS.get(step.state, Look(step.state, "dot", "waiting"))


def density(view: LineView) -> str:
    """Return the CSS class that sizes tiles to their number."""
    return next((f"fits-{size}" for size in (1, 4, 8, 16) if len(view.slots) <= size), "fits-more")


def verdict_key(slot: SlotView) -> str:
    """Return what tells one verdict from the next, so that each sounds once."""
    return f"{slot.name}|{slot.state}|{slot.serial}|{slot.started}"


def safe_links(view: LineView) -> tuple[tuple[str, str], ...]:
    """Return the links that lead to a page, and none that would run something."""
    return tuple((text, url) for text, url in view.links if url.startswith(("http://", "https://", "/")))
