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
    SlotState.WAITING_FOR_PERSON: Look("Sign in", "person", "ask"),
    SlotState.BLOCKED: Look("Blocked", "hold", "warn"),
    SlotState.WAITING_FOR_SERIAL: Look("Scan serial", "scan", "ask"),
    SlotState.WAITING_FOR_SCAN: Look("Scan component", "part", "ask"),
    SlotState.RUNNING: Look("Running", "run", "busy"),
    SlotState.WAITING_FOR_NUMBER: Look("Scan number", "scan", "ask"),
    SlotState.WAITING_FOR_LABEL: Look("Scan label", "label", "ask"),
    SlotState.PASS: Look("PASS", "pass", "pass"),
    SlotState.FAIL: Look("FAIL", "fail", "fail"),
    SlotState.ERROR: Look("ERROR", "error", "error"),
    SlotState.ABORTED: Look("ABORTED", "aborted", "aborted"),
    SlotState.ALREADY_RELEASED: Look("Already released", "released", "warn"),
    SlotState.CAME_BACK: Look("Came back", "released", "warn"),
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

UNDER_WAY = (SlotState.RUNNING, SlotState.WAITING_FOR_SCAN, SlotState.WAITING_FOR_LABEL)
"""States in which a run's time goes on."""

LEAVING = (SlotState.PASS, SlotState.ALREADY_RELEASED, SlotState.FAIL, SlotState.ERROR, SlotState.ABORTED)
"""States in which the station is done with what is plugged."""

ACTIONS = {
    "continue": "Go on",
    "verify": "Verify",
    "reprint": "Reprint",
    "rework": "Rework",
    "take-back": "Take back",
    "decommission": "Decommission",
    "scrap": "Scrap",
}
"""What a slot may offer, as its buttons say it."""

ASKED = (
    (SlotState.WAITING_FOR_PERSON, "Scan your badge."),
    (SlotState.WAITING_FOR_LABEL, "Scan the printed label."),
    (SlotState.WAITING_FOR_SCAN, "Scan the component."),
    (SlotState.WAITING_FOR_SERIAL, "Scan the serial number."),
    (SlotState.WAITING_FOR_NUMBER, "Scan or type the number of its return."),
)
"""What a slot in a state waits for, the longest way down the line first."""


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
    for state, sentence in ASKED:
        if found := states[state]:
            return Prompt(found[0], sentence)
    if found := [slot.name for slot in view.slots if slot.actions and slot.state is not SlotState.ALREADY_RELEASED]:
        return Prompt(found[0], "Decide what is done with the unit.")
    if found := [slot.name for slot in verdicts(view) if slot.state is not SlotState.PASS]:
        return Prompt(found[0], "Press Seen, then unplug the unit.")
    if found := [slot.name for slot in view.slots if slot.state in LEAVING]:
        return Prompt(found[0], "Unplug the unit.")
    if states[SlotState.EMPTY]:
        return Prompt("", "Plug in a charger.")
    return Prompt("", "Wait for a slot to finish.")


def summary(view: LineView) -> LineView:
    """Return the line without its slots, version and scans: what the head of the page shows."""
    return replace(view, slots=(), version=0, echo=None, echoes=0)


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
