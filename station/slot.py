"""One slot and the thread that serves it: from a plugged charger to a verdict that somebody has seen.

The worker never trusts what was there before: a charger that vanishes ends the attempt, and the next one is
identified anew. A unit whose hardware UID is known goes on by itself; a new one waits for its serial to be scanned.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from station.bench import Bench, Services, UnitInWork
from station.board import Board
from station.catalog.firmware import load_image
from station.catalog.recipes import Recipe
from station.clock import Deadline, utc_now
from station.config import SlotSection
from station.desk import POLL_SECONDS, SlotDesk
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
SETTLE_SECONDS = 1.0
"""How long after a run a re-enumeration of the same charger may still be told; longer than changes take to settle."""
LINE_STOPPED = "Line stopped: "
UNPLUG = "Unplug it and put it with the released units."


class SlotWorker:
    """Serves one slot on a thread of its own."""

    def __init__(
        self, slot: SlotSection, board: Board, services: Services, recipe: Recipe, order: WorkOrder, find_node: FindNode
    ) -> None:
        self._stopping = threading.Event()
        self.desk = SlotDesk(SlotView(slot.name, slot.port, SlotState.EMPTY), board, self._stopping)
        self._name = slot.name
        self._board = board
        self._services = services
        self._recipe = recipe
        self._order = order
        self._find_node = find_node
        self._presence = Presence.EMPTY
        self._left = threading.Event()
        self._left_open: RunRef | None = None
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

    def _serve(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            if self._presence is Presence.EMPTY:
                continue
            if self._presence is Presence.SEVERAL:
                self._until_alone()
                continue
            self._serve_device()

    def _until_alone(self) -> None:
        self.desk.show(
            state=SlotState.TWO_DEVICES, sentence="Two devices are plugged into this slot.", hint="Unplug one of them."
        )
        self._wait_while(lambda: self._presence is Presence.SEVERAL)
        self.desk.clear()

    def _serve_device(self) -> None:
        """Bring one plugged charger to a verdict, and keep the verdict until it was seen and the slot is empty."""
        self.desk.clear(state=SlotState.CONNECTING, sentence="A charger was plugged in.", started=utc_now())
        try:
            verdict = self._work()
        except StationError as error:
            verdict = self._refused(error)
        except Exception as error:  # the thread's boundary: a bug of ours in one slot must not silence the slot
            log.exception("slot %s", self._name)
            verdict = Verdict(
                Outcome.ERROR, f"The station failed ({type(error).__name__}).", "Call engineering.", "bug"
            )
        if verdict is not None:
            self._conclude(verdict)
        self._until_over(verdict)
        with suppress(ServiceError):
            self._close_left_open()
        self.desk.clear()

    def _until_over(self, verdict: Verdict | None) -> None:
        """Keep what is shown until somebody saw it and the charger is gone; one that left early has no leaving."""
        early = self._presence is Presence.EMPTY
        self._stopping.wait(SETTLE_SECONDS)
        self._left.clear()
        gone = self._presence is Presence.EMPTY
        if verdict is not None and verdict.outcome is not Outcome.PASS:
            self._wait_while(lambda: not self.desk.acknowledged)
        elif verdict is not None and early:
            self._wait_while(lambda: self._presence is Presence.EMPTY and not self.desk.acknowledged)
        if not gone:
            self._wait_while(lambda: not self._left.is_set())

    def _refused(self, error: StationError) -> Verdict | None:
        """Record why a device was not taken through; records that are away must not end the slot's thread."""
        body = {"slot": self._name, "reason": error.message}
        with suppress(ServiceError):
            self._services.records.event("device-refused", self.desk.view.serial or self._name, body)
        return _verdict_of(error)

    def _close_left_open(self) -> None:
        """Close the run that this slot could not close when the records were away."""
        if self._left_open is None:
            return
        reason = "The records could not be written in the middle of this run."
        self._services.records.close_run(self._left_open, Outcome.ABORTED, reason=reason)
        self._left_open = None

    def _conclude(self, verdict: Verdict) -> None:
        """Show the verdict; a PASS also proves that what stopped the line before is back."""
        if verdict.outcome is Outcome.PASS:
            self._board.clear_alarms(LINE_STOPPED)
            self.desk.conclude(verdict.outcome, verdict.sentence, UNPLUG, **self._released(self.desk.view.serial))
        else:
            self.desk.conclude(verdict.outcome, verdict.sentence, verdict.hint)
        if verdict.stops_line:
            self._board.raise_alarm(f"{LINE_STOPPED}{verdict.sentence}")
        with suppress(ServiceError):
            counts = self._services.records.counts(self._order.id)
            self._board.show_totals(released=counts.released, failed=counts.failed)

    def _released(self, serial: str) -> dict[str, object]:
        """Return what the page says of a released unit: its passport, and which copy of the label it bears."""
        label = self._services.records.living_label(serial, TEMPLATE)
        return {"passport": serial, "label_copy": label.copy if label else 0}

    def _work(self) -> Verdict | None:
        """Identify the charger, find or ask for its serial, and run the recipe; None when nothing is to be judged."""
        charger = DRIVERS[self._recipe.product.driver](self._node)
        try:
            identity = self._identify(charger)
            self.desk.show(hardware_uid=identity.uid.hex())
            unit = self._services.records.unit_of_hardware(identity.uid.hex())
            if unit is not None and unit.state in (UnitState.RELEASED, UnitState.PACKABLE):
                self._show_released(charger, identity, unit)
                return None
            serial = unit.serial if unit is not None else self._ask_serial()
            return self._run(charger, identity, serial)
        finally:
            charger.close()

    def _node(self) -> str | None:
        """Find the charger for its driver, which may wait long for one that is gone; but not while the station stops.

        Raises:
            Aborted: The station is being stopped.
        """
        if self._stopping.is_set():
            raise Aborted("The station was stopped.")
        return self._find_node()

    def _identify(self, charger: Charger) -> DeviceIdentity:
        deadline = Deadline(IDENTIFY_SECONDS)
        if charger.in_recovery(deadline):
            self._recover(charger)
        return charger.identify(Deadline(IDENTIFY_SECONDS))

    def _recover(self, charger: Charger) -> None:
        """Give a part without a bootable image the released firmware, so that it can say who it is."""
        rule = self._recipe.release.image[0]
        content, _ = load_image(rule)
        self.desk.show(sentence="A blank charger is given its first firmware.")
        deadline = Deadline(RECOVER_SECONDS)
        for written in charger.write_firmware(content, deadline):
            self.desk.show(progress=written / len(content))
        charger.restart(deadline)
        self._services.records.event("recovered", self._name, {"firmware": rule.version, "sha256": rule.sha256})

    def _show_released(self, charger: Charger, identity: DeviceIdentity, unit: UnitRow) -> None:
        """Compare a unit that comes back with its record, and leave it alone (F-B7)."""
        self.desk.show(serial=unit.serial)
        verify_released(self._services, self._recipe, charger, identity, unit.serial, Deadline(IDENTIFY_SECONDS))
        self.desk.show(
            state=SlotState.ALREADY_RELEASED,
            sentence="It was released before, and is as it was released.",
            hint=UNPLUG,
            **self._released(unit.serial),
        )

    def _ask_serial(self) -> str:
        return self.desk.ask_for(
            SlotState.WAITING_FOR_SERIAL,
            f"A charger for order {self._order.id}.",
            "Scan the serial number on its traveller.",
            lambda code: self._services.records.refuse_serial(self._order.id, code, self.desk.view.hardware_uid),
            lambda: self._presence is Presence.EMPTY,
        )

    def _run(self, charger: Charger, identity: DeviceIdentity, serial: str) -> Verdict:
        request = RunRequest(
            order=self._order.id,
            hardware_uid=identity.uid.hex(),
            slot=self._name,
            plan=tuple(plan.use for plan in self._recipe.file.step),
            firmware=self._recipe.release.version,
            serial=serial,
            software=software_version(),
        )
        self._close_left_open()
        run = self._left_open = self._services.records.open_run(request)
        unit = UnitInWork(serial, identity.uid, self._order.id, self._order.customer)
        waiting = tuple(StepView(name, step.title, "waiting") for name, step in STEPS.items())
        self.desk.show(state=SlotState.RUNNING, serial=serial, sentence="", hint="", steps=waiting, started=utc_now())
        bench = Bench(
            services=self._services,
            recipe=self._recipe,
            unit=unit,
            run=run,
            charger=charger,
            operator=self.desk,
            identity=identity,
            stopping=self._stopping,
            on_progress=self.desk.on_progress,
            phase=Phase.BLANK,
        )
        verdict = execute(bench, self.desk.on_step)
        self._left_open = None
        return verdict

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        while condition() and not self._stopping.wait(POLL_SECONDS):
            pass


def _verdict_of(error: StationError) -> Verdict | None:
    if isinstance(error, UnitError):
        return Verdict(Outcome.FAIL, error.message, error.hint, error.defect.value)
    if isinstance(error, Aborted):
        return None
    return Verdict(Outcome.ERROR, error.message, error.hint, "link" if isinstance(error, LinkError) else "station")
