"""One slot and the thread that serves it: from a plugged charger to a verdict that somebody has seen.

The worker never trusts what was there before: a charger that vanishes ends the attempt, and the next one is
identified anew. A unit whose hardware UID is known goes on by itself; a new one waits for its serial to be scanned.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from station.bench import Bench, Services, UnitInWork
from station.board import Board
from station.catalog.firmware import load_image
from station.catalog.recipes import Recipe
from station.clock import Deadline, utc_now
from station.config import SlotSection
from station.detect import Change, ChangeKind, Presence
from station.drivers import Charger, FindNode
from station.drivers.table import DRIVERS
from station.errors import Aborted, LinkError, ServiceError, StationError, UnitError
from station.model import DeviceIdentity, Outcome, Phase, SlotState, SlotView, StepView
from station.records import RunRef, RunRequest, UnitRow, UnitState, WorkOrder
from station.run import Verdict, execute
from station.steps import STEPS
from station.steps.label import TEMPLATE
from station.steps.verify import verify_released
from station.version import software_version

log = logging.getLogger(__name__)

IDENTIFY_SECONDS = 20.0
RECOVER_SECONDS = 900.0
POLL_SECONDS = 0.1
SETTLE_SECONDS = 1.0
"""How long after a run a re-enumeration of the same charger may still be told; longer than changes take to settle."""
VERDICTS = {
    Outcome.PASS: SlotState.PASS,
    Outcome.FAIL: SlotState.FAIL,
    Outcome.ERROR: SlotState.ERROR,
    Outcome.ABORTED: SlotState.ABORTED,
}
UNPLUG = "Unplug it and put it with the released units."


@dataclass(frozen=True)
class Question:
    """What a slot waits for, and who judges whether a scan answers it."""

    judge: Callable[[str], str]
    """Returns why a scan is refused, or nothing."""
    answers: "queue.Queue[str]"


class SlotWorker:
    """Serves one slot on a thread of its own."""

    def __init__(
        self, slot: SlotSection, board: Board, services: Services, recipe: Recipe, order: WorkOrder, find_node: FindNode
    ) -> None:
        self.view = SlotView(slot.name, slot.port, SlotState.EMPTY)
        self._board = board
        self._services = services
        self._recipe = recipe
        self._order = order
        self._find_node = find_node
        self._stopping = threading.Event()
        self._acknowledged = threading.Event()
        self._presence = Presence.EMPTY
        self._left = threading.Event()
        self._question: Question | None = None
        self._left_open: RunRef | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name=f"slot-{slot.name}", daemon=True)

    def start(self) -> None:
        """Begin to serve the slot."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the worker to end; a run in work is closed ABORTED."""
        self._stopping.set()

    def join(self, timeout: float) -> bool:
        """Wait for the worker and tell whether it ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def see(self, change: Change) -> None:
        """Take note of what is plugged now; only a slot that is done with its device cares when it left."""
        self._presence = change.after.presence
        if change.kind in (ChangeKind.REPLACED, ChangeKind.LEFT):
            self._left.set()

    @property
    def waiting(self) -> bool:
        """Tell whether the slot waits for a scan."""
        return self._question is not None

    def answer(self, code: str) -> str:
        """Offer a scan to the question that is open; return why it is refused, or nothing."""
        with self._lock:
            question = self._question
            if question is None:
                return f"Slot {self.view.name} does not wait for a scan."
            refusal = question.judge(code)
            if refusal:
                self._show(sentence=refusal)
                return refusal
            self._question = None
            question.answers.put(code)
            return ""

    def acknowledge(self) -> bool:
        """Take note that the verdict was seen; tell whether there was one."""
        if self.view.state not in (SlotState.FAIL, SlotState.ERROR, SlotState.ABORTED, SlotState.PASS):
            return False
        self._acknowledged.set()
        self._show(acknowledged=True)
        return True

    def ask(self, sentence: str, hint: str, judge: Callable[[str], str]) -> str:
        """Show what to scan and wait for it, while the station runs."""
        return self._ask(SlotState.WAITING_FOR_LABEL, sentence, hint, judge, lambda: False)

    def _ask(
        self, state: SlotState, sentence: str, hint: str, judge: Callable[[str], str], gone: Callable[[], bool]
    ) -> str:
        question = Question(judge, queue.Queue())
        before = self.view.state
        with self._lock:
            self._question = question
        self._show(state=state, sentence=sentence, hint=hint)
        try:
            code = self._next_answer(question, gone)
        finally:
            with self._lock:
                self._question = None
        self._show(state=before, sentence="", hint="")
        return code

    def _next_answer(self, question: Question, gone: Callable[[], bool]) -> str:
        while not self._stopping.is_set() and not gone():
            try:
                return question.answers.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
        raise Aborted("The station was stopped." if self._stopping.is_set() else "The charger was unplugged.")

    def _serve(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            if self._presence is Presence.EMPTY:
                continue
            if self._presence is Presence.SEVERAL:
                self._until_alone()
                continue
            self._serve_device()

    def _until_alone(self) -> None:
        self._show(
            state=SlotState.TWO_DEVICES, sentence="Two devices are plugged into this slot.", hint="Unplug one of them."
        )
        self._wait_while(lambda: self._presence is Presence.SEVERAL)
        self._clear()

    def _serve_device(self) -> None:
        """Bring one plugged charger to a verdict, and keep the verdict until it was seen and the slot is empty."""
        self._clear(state=SlotState.CONNECTING, sentence="A charger was plugged in.", started=utc_now())
        try:
            verdict = self._work()
        except StationError as error:
            verdict = self._refused(error)
        except Exception as error:  # the thread's boundary: a bug of ours in one slot must not silence the slot
            log.exception("slot %s", self.view.name)
            verdict = Verdict(
                Outcome.ERROR, f"The station failed ({type(error).__name__}).", "Call engineering.", "bug"
            )
        if verdict is not None:
            self._conclude(verdict)
        self._until_over(verdict)
        with suppress(ServiceError):
            self._close_left_open()
        self._clear()

    def _until_over(self, verdict: Verdict | None) -> None:
        """Keep what is shown until somebody saw it and the charger is gone; one that left early has no leaving."""
        early = self._presence is Presence.EMPTY
        self._stopping.wait(SETTLE_SECONDS)
        self._left.clear()
        gone = self._presence is Presence.EMPTY
        if verdict is not None and verdict.outcome is not Outcome.PASS:
            self._wait_while(lambda: not self._acknowledged.is_set())
        elif verdict is not None and early:
            self._wait_while(lambda: self._presence is Presence.EMPTY and not self._acknowledged.is_set())
        if not gone:
            self._wait_while(lambda: not self._left.is_set())

    def _refused(self, error: StationError) -> Verdict | None:
        """Record why a device was not taken through; records that are away must not end the slot's thread."""
        body = {"slot": self.view.name, "reason": error.message}
        with suppress(ServiceError):
            self._services.records.event("device-refused", self.view.serial or self.view.name, body)
        return _verdict_of(error)

    def _close_left_open(self) -> None:
        """Close the run that this slot could not close when the records were away."""
        if self._left_open is None:
            return
        reason = "The records could not be written in the middle of this run."
        self._services.records.close_run(self._left_open, Outcome.ABORTED, reason=reason)
        self._left_open = None

    def _conclude(self, verdict: Verdict) -> None:
        self._acknowledged.clear()
        if verdict.stops_line:
            self._board.raise_alarm(verdict.sentence)
        told = self._released(self.view.serial) if verdict.outcome is Outcome.PASS else {"hint": verdict.hint}
        self._show(
            state=VERDICTS[verdict.outcome], sentence=verdict.sentence, acknowledged=False, progress=1.0, **told
        )
        with suppress(ServiceError):
            counts = self._services.records.counts(self._order.id)
            self._board.show_totals(released=counts.released, failed=counts.failed)

    def _released(self, serial: str) -> dict[str, object]:
        """Return what the page says of a released unit: its passport, which copy of the label it bears, what to do."""
        label = self._services.records.living_label(serial, TEMPLATE)
        return {"passport": serial, "label_copy": label.copy if label else 0, "hint": UNPLUG}

    def _work(self) -> Verdict | None:
        """Identify the charger, find or ask for its serial, and run the recipe; None when nothing is to be judged."""
        charger = DRIVERS[self._recipe.product.driver](self._find_node)
        try:
            identity = self._identify(charger)
            self._show(hardware_uid=identity.uid.hex())
            unit = self._services.records.unit_of_hardware(identity.uid.hex())
            if unit is not None and unit.state in (UnitState.RELEASED, UnitState.PACKABLE):
                self._show_released(charger, identity, unit)
                return None
            serial = unit.serial if unit is not None else self._ask_serial()
            return self._run(charger, identity, serial)
        finally:
            charger.close()

    def _identify(self, charger: Charger) -> DeviceIdentity:
        deadline = Deadline(IDENTIFY_SECONDS)
        if charger.in_recovery(deadline):
            self._recover(charger)
        return charger.identify(Deadline(IDENTIFY_SECONDS))

    def _recover(self, charger: Charger) -> None:
        """Give a part without a bootable image the released firmware, so that it can say who it is."""
        rule = self._recipe.release.image[0]
        content, _ = load_image(rule)
        self._show(sentence="A blank charger is given its first firmware.")
        deadline = Deadline(RECOVER_SECONDS)
        for written in charger.write_firmware(content, deadline):
            self._show(progress=written / len(content))
        charger.restart(deadline)
        self._services.records.event("recovered", self.view.name, {"firmware": rule.version, "sha256": rule.sha256})

    def _show_released(self, charger: Charger, identity: DeviceIdentity, unit: UnitRow) -> None:
        """Compare a unit that comes back with its record, and leave it alone (F-B7)."""
        self._show(serial=unit.serial)
        verify_released(self._services, self._recipe, charger, identity, unit.serial, Deadline(IDENTIFY_SECONDS))
        self._show(
            state=SlotState.ALREADY_RELEASED,
            sentence="It was released before, and is as it was released.",
            **self._released(unit.serial),
        )

    def _ask_serial(self) -> str:
        return self._ask(
            SlotState.WAITING_FOR_SERIAL,
            f"A charger for order {self._order.id}.",
            "Scan the serial number on its traveller.",
            lambda code: self._services.records.refuse_serial(self._order.id, code, self.view.hardware_uid),
            lambda: self._presence is Presence.EMPTY,
        )

    def _run(self, charger: Charger, identity: DeviceIdentity, serial: str) -> Verdict:
        request = RunRequest(
            order=self._order.id,
            hardware_uid=identity.uid.hex(),
            slot=self.view.name,
            plan=tuple(plan.use for plan in self._recipe.file.step),
            firmware=self._recipe.release.version,
            serial=serial,
            software=software_version(),
        )
        self._close_left_open()
        run = self._left_open = self._services.records.open_run(request)
        unit = UnitInWork(serial, identity.uid, self._order.id, self._order.customer)
        waiting = tuple(StepView(name, step.title, "waiting") for name, step in STEPS.items())
        self._show(state=SlotState.RUNNING, serial=serial, sentence="", hint="", steps=waiting, started=utc_now())
        bench = Bench(
            services=self._services,
            recipe=self._recipe,
            unit=unit,
            run=run,
            charger=charger,
            operator=self,
            identity=identity,
            stopping=self._stopping,
            on_progress=self._on_progress,
            phase=Phase.BLANK,
        )
        verdict = execute(bench, self._on_step)
        self._left_open = None
        return verdict

    def _on_step(self, name: str, state: str, attempt: int) -> None:
        """Show one step's new state with the seconds it took."""
        now = time.monotonic()
        if state == "running":
            self._step_started = now
        seconds = 0.0 if state == "running" else round(now - self._step_started, 1)
        steps = tuple(
            replace(step, state=state, attempt=attempt, seconds=seconds) if step.name == name else step
            for step in self.view.steps
        )
        self._show(steps=steps, progress=_share(steps, 0.0))

    def _on_progress(self, share: float) -> None:
        self._show(progress=_share(self.view.steps, share))

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        while condition() and not self._stopping.wait(POLL_SECONDS):
            pass

    def _clear(self, **values: object) -> None:
        self._acknowledged.clear()
        self.view = SlotView(self.view.name, self.view.port, SlotState.EMPTY)
        self._show(**values)

    def _show(self, **values: object) -> None:
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


def _verdict_of(error: StationError) -> Verdict | None:
    if isinstance(error, UnitError):
        return Verdict(Outcome.FAIL, error.message, error.hint, error.defect.value)
    if isinstance(error, Aborted):
        return None
    return Verdict(Outcome.ERROR, error.message, error.hint, "link" if isinstance(error, LinkError) else "station")
