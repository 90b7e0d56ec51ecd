"""The operator's side of one slot: what it shows, what it asks for, and whether its verdict was seen.

What is shown is one value, replaced as a whole; a scan is judged on the thread that brings it, so that its echo never
waits for the slot's work.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from station.board import Board
from station.clock import utc_now
from station.errors import Aborted
from station.model import Outcome, SlotState, SlotView, StepView
from station.person import Person, Role
from station.steps import STEPS

POLL_SECONDS = 0.1
NO_REASON = "This needs a reason. Scan one from the command sheet."
REASON_LENGTH = (3, 200)
T = TypeVar("T")
VERDICTS = {
    Outcome.PASS: SlotState.PASS,
    Outcome.FAIL: SlotState.FAIL,
    Outcome.ERROR: SlotState.ERROR,
    Outcome.ABORTED: SlotState.ABORTED,
}


@dataclass(frozen=True)
class Question:
    """What a slot waits for, and who judges whether a scan answers it."""

    judge: Callable[[str], str]
    """Returns why a scan is refused, or nothing."""
    answers: "queue.Queue[str]"


@dataclass(frozen=True)
class Offer:
    """One action that a slot offers now."""

    action: str
    roles: frozenset[Role]
    """Who may choose it: whoever has one of these."""
    needs_reason: bool = True


@dataclass(frozen=True)
class Choice:
    """An action that somebody chose."""

    action: str
    person: Person
    reason: str


def is_reason(text: str) -> bool:
    """Tell whether a text can stand in the record as a reason: 3 to 200 printable characters."""
    return REASON_LENGTH[0] <= len(text.strip()) <= REASON_LENGTH[1] and text.isprintable()


def never() -> bool:
    """Tell that nobody left."""
    return False


class SlotDesk:
    """Shows and asks for one slot; safe from the slot's own thread and from those that bring scans."""

    def __init__(self, view: SlotView, board: Board, stopping: threading.Event) -> None:
        self.view = view
        self._board = board
        self._stopping = stopping
        self.who = ""
        """Id of the person who answered here last, or for whom the run was begun."""
        self.undecided = ""
        """Action that was chosen by a scan and waits for its reason."""
        self.gone: Callable[[], bool] = never
        """Whether the charger of the run was unplugged; a label is scanned without it."""
        self._acknowledged = threading.Event()
        self._question: Question | None = None
        self._offers: tuple[Offer, ...] = ()
        self._choices: queue.Queue[Choice] = queue.Queue()
        self._step_started = 0.0
        self._answering = threading.Lock()
        self._showing = threading.Lock()

    @property
    def waiting(self) -> bool:
        """Tell whether the slot waits for a scan."""
        return self._question is not None

    @property
    def acknowledged(self) -> bool:
        """Tell whether the verdict was seen."""
        return self._acknowledged.is_set()

    def answer(self, code: str, who: str) -> str:
        """Offer somebody's scan to the question that is open; return why it is refused, or nothing."""
        with self._answering:
            question = self._question
            if question is None:
                return f"Slot {self.view.name} does not wait for a scan."
            refusal = question.judge(code)
            if refusal:
                self.show(sentence=refusal)
                return refusal
            self._question = None
            self.who = who
            question.answers.put(code)
            return ""

    def take(self, choice: Choice) -> str:
        """Take one of the actions that are offered; return why it is refused, or nothing."""
        with self._answering:
            offer = next((offer for offer in self._offers if offer.action == choice.action), None)
            refusal = self._judge(offer, choice)
            if not refusal:
                self._offers, self.undecided, self.who = (), "", choice.person.id
                self._choices.put(choice)
        return refusal

    def _judge(self, offer: Offer | None, choice: Choice) -> str:
        if offer is None:
            return f"Slot {self.view.name} does not offer '{choice.action}' now."
        if not choice.person.has(*offer.roles):
            return f"{choice.person.name} may not {choice.action}. Call one of: {', '.join(sorted(offer.roles))}."
        if offer.needs_reason and not is_reason(choice.reason):
            self.undecided = choice.action
            return NO_REASON
        return ""

    def choose(self, offers: tuple[Offer, ...], gone: Callable[[], bool]) -> Choice:
        """Show what may be done with the charger, and wait until somebody chooses.

        Raises:
            Aborted: The station stops, or `gone` tells that the charger was unplugged.
        """
        self._choices = queue.Queue()
        with self._answering:
            self._offers, self.undecided = offers, ""
        self.show(actions=tuple(offer.action for offer in offers))
        try:
            return self._next(self._choices, gone)
        finally:
            with self._answering:
                self._offers, self.undecided = (), ""
            self.show(actions=())

    def acknowledge(self) -> bool:
        """Take note that the verdict was seen, or that a blocked charger is to be tried again; tell whether it was."""
        if self.view.state not in (*VERDICTS.values(), SlotState.BLOCKED):
            return False
        self._acknowledged.set()
        self.show(acknowledged=True)
        return True

    def ask(
        self, sentence: str, hint: str, judge: Callable[[str], str], state: SlotState = SlotState.WAITING_FOR_LABEL
    ) -> str:
        """Show what to scan and wait for it, while the station runs; a part is scanned on a charger that is there."""
        gone = self.gone if state is SlotState.WAITING_FOR_SCAN else never
        return self.ask_for(state, sentence, hint, judge, gone)

    def ask_for(
        self,
        state: SlotState,
        sentence: str,
        hint: str,
        judge: Callable[[str], str],
        gone: Callable[[], bool] = never,
    ) -> str:
        """Show a state that waits for a scan, and wait until one is accepted.

        Raises:
            Aborted: The station stops, or `gone` tells that the charger was unplugged.
        """
        question = Question(judge, queue.Queue())
        before = self.view.state
        with self._answering:
            self._question = question
        self.show(state=state, sentence=sentence, hint=hint)
        try:
            code = self._next(question.answers, gone)
        finally:
            with self._answering:
                self._question = None
        self.show(state=before, sentence="", hint="")
        return code

    def seen_block(self) -> None:
        """Forget that somebody asked to try again: it is tried."""
        self._acknowledged.clear()

    def block(self, sentence: str, hint: str) -> None:
        """Show why the charger may not be worked on, until somebody has it tried again."""
        self._acknowledged.clear()
        self.show(state=SlotState.BLOCKED, sentence=sentence, hint=hint, acknowledged=False)

    def _next(self, answers: "queue.Queue[T]", gone: Callable[[], bool]) -> T:
        while not self._stopping.is_set() and not gone():
            try:
                return answers.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
        raise Aborted("The station was stopped." if self._stopping.is_set() else "The charger was unplugged.")

    def conclude(self, outcome: Outcome, sentence: str, hint: str, **told: object) -> None:
        """Show a verdict that nobody has seen yet."""
        self._acknowledged.clear()
        self.show(state=VERDICTS[outcome], sentence=sentence, hint=hint, acknowledged=False, progress=1.0, **told)

    def on_step(self, name: str, state: str, attempt: int) -> None:
        """Show one step's new state with the seconds it took."""
        now = time.monotonic()
        if state == "running":
            self._step_started = now
        seconds = 0.0 if state == "running" else round(now - self._step_started, 1)
        steps = tuple(
            replace(step, state=state, attempt=attempt, seconds=seconds, doing="") if step.name == name else step
            for step in self.view.steps
        )
        self.show(steps=steps, progress=_share(steps, 0.0))

    def on_progress(self, share: float) -> None:
        """Show how much of the running step is done."""
        self.show(progress=_share(self.view.steps, share))

    def on_doing(self, doing: str) -> None:
        """Show what the running step does now."""
        running = (replace(step, doing=doing) if step.state == "running" else step for step in self.view.steps)
        self.show(steps=tuple(running))

    def clear(self, **values: object) -> None:
        """Show an empty slot, or begin anew with the given values."""
        self._acknowledged.clear()
        self.who = ""
        with self._showing:
            self.view = SlotView(self.view.name, self.view.port, SlotState.EMPTY)
        self.show(**values)

    def show(self, **values: object) -> None:
        """Replace some values of what is shown."""
        with self._showing:
            started, seconds = self.view.started, self.view.seconds
            if started and self.view.state not in VERDICTS.values():
                seconds = round((utc_now() - started).total_seconds(), 1)
            self.view = replace(self.view, seconds=seconds, **values)  # type: ignore[arg-type]
            self._board.show_slot(self.view)


def _share(steps: tuple[StepView, ...], share: float) -> float:
    """Return how much of a run is done, weighing each step by its usual share of the time."""
    total = sum(STEPS[step.name].share for step in steps)
    done = sum(STEPS[step.name].share for step in steps if step.state in (Outcome.PASS.value, Outcome.SKIPPED.value))
    running = sum(STEPS[step.name].share * share for step in steps if step.state == "running")
    return (done + running) / total if total else 0.0
