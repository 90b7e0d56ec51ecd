"""One slot and the thread that serves it: from a plugged charger to a verdict that somebody has seen.

The worker never trusts what was there before: a charger that vanishes ends the attempt, and the next one is
identified anew. A unit whose hardware UID is known goes on by itself; a new one waits for its serial to be scanned.
Nothing is done while nobody is signed in, and what routing forbids waits in the slot until it is allowed.
"""

import logging
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial

from station.bench import Assignment, Bench
from station.board import Board
from station.catalog.approvals import refuse_expired
from station.clock import Deadline, utc_now
from station.config import SlotSection
from station.desk import POLL_SECONDS, SlotDesk
from station.detect import Change, ChangeKind, Presence
from station.drivers import Charger, FindNode
from station.drivers.table import DRIVERS
from station.errors import Aborted, Interlocked, LinkError, ServiceError, StationError, UnitError
from station.guest import Guest
from station.intake import FIELD, serve_field
from station.interrupted import settle_interrupted
from station.model import DeviceIdentity, Outcome, SlotState, SlotView, StepView
from station.person import Person
from station.records import Records, RunRef, RunRequest
from station.records.values import IN_WAREHOUSE
from station.reserved import check_golden, is_golden
from station.returned import UNPLUG, about_released, serve_released
from station.rework import bring_back
from station.run import PASSED, Verdict, close, execute, release
from station.steps import STEPS
from station.steps.reimage import write_first
from station.streaks import tell_streak
from station.version import software_version

log = logging.getLogger(__name__)

IDENTIFY_SECONDS = 20.0
RECOVER_SECONDS = 900.0
SETTLE_SECONDS = 1.0
"""How long after a run a re-enumeration of the same charger may still be told; longer than changes take to settle."""
LINE_STOPPED = "Line stopped: "
RUNS_LOW = "Numbers: "
RETRY_SECONDS = 2.0
"""How often it is tried whether a blocked charger may be worked on now; a scan of CMD-ACK tries at once."""


class SlotWorker:
    """Serves one slot on a thread of its own."""

    def __init__(
        self, slot: SlotSection, board: Board, assignment: Callable[[], Assignment], find_node: FindNode
    ) -> None:
        self._stopping = threading.Event()
        self.desk = SlotDesk(SlotView(slot.name, slot.port, SlotState.EMPTY), board, self._stopping)
        self._name = slot.name
        self._board = board
        self._assignment = assignment
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

    @property
    def busy(self) -> bool:
        """Tell whether a charger is, or was a moment ago, in the slot."""
        return self._presence is not Presence.EMPTY or self.desk.view.state is not SlotState.EMPTY

    @property
    def _records(self) -> Records:
        return self._assignment().services.records

    def _gone(self) -> bool:
        return self._presence is Presence.EMPTY

    def _serve(self) -> None:
        with suppress(ServiceError):
            tell_streak(self._records, self._board, self._name)
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

    def _blocked(self, block: Interlocked) -> None:
        """Record and show why nothing may be done now, and wait before it is tried again: a moment, or till asked.

        Raises:
            Aborted: The charger left, or the station stops.
        """
        view, desk = self.desk.view, self.desk
        if view.state is not SlotState.BLOCKED or _but_numbers(view.sentence) != _but_numbers(block.message):
            body = {"slot": self._name, "serial": view.serial, "reason": block.message}
            self._records.event("blocked", view.hardware_uid or self._name, body, desk.who)
        if (view.state, view.sentence) != (SlotState.BLOCKED, block.message):
            desk.block(block.message, block.hint)
        until = Deadline(RETRY_SECONDS)
        self._wait_while(lambda: not desk.acknowledged and not self._gone() and until.remaining > 0)
        desk.seen_block()
        self._refuse_gone()

    def _refuse_gone(self) -> None:
        """End the attempt if there is nothing to go on with.

        Raises:
            Aborted: The charger left, or the station stops.
        """
        if self._stopping.is_set():
            raise Aborted("The station was stopped.")
        if self._gone():
            raise Aborted("The charger was unplugged.")

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
            self._records.event("device-refused", self.desk.view.serial or self._name, body, self.desk.who)
        return _verdict_of(error)

    def _close_left_open(self) -> None:
        """Close the run that this slot could not close when the records were away."""
        if self._left_open is None:
            return
        reason = "The records could not be written in the middle of this run."
        self._records.close_run(self._left_open, Outcome.ABORTED, reason=reason)
        self._left_open = None

    def _conclude(self, verdict: Verdict) -> None:
        """Show the verdict; a run that passed also proves that what stopped the line before is back."""
        if verdict.outcome is Outcome.PASS:
            if verdict == PASSED:
                self._board.clear_alarms(LINE_STOPPED)
            told = about_released(self._records, self.desk.view.serial)
            self.desk.conclude(verdict.outcome, verdict.sentence, verdict.hint or UNPLUG, **told)
        else:
            self.desk.conclude(verdict.outcome, verdict.sentence, verdict.hint)
        if verdict.stops_line:
            self._board.raise_alarm(f"{LINE_STOPPED}{verdict.sentence} {verdict.hint}")
        with suppress(ServiceError):
            tally = self._records.tally(self._assignment().order.id, utc_now())
            self._board.show_totals(released=tally.released, failed=tally.failed_runs)
            self._board.clear_alarms(RUNS_LOW)
            for supply in tally.low:
                self._board.raise_alarm(f"{RUNS_LOW}{supply.sentence} Ask the line lead for the next order.")
            tell_streak(self._records, self._board, self._name)

    def _work(self) -> Verdict | None:
        """Identify the charger, find or ask for its serial, and run the recipe; None when nothing is to be judged."""
        person = self._person()
        assignment = self._assignment()
        charger = DRIVERS[assignment.recipe.product.driver](self._node)
        try:
            identity = self._identify(charger, assignment)
            self.desk.show(hardware_uid=identity.uid.hex())
            guest = Guest(self._name, assignment, charger, identity, person, self.desk, self._stopping, self._gone)
            return self._treat(guest)
        finally:
            charger.close()

    def _treat(self, guest: Guest) -> Verdict | None:
        """Do what this very charger needs."""
        if is_golden(guest):
            return check_golden(guest)
        unit = guest.records.unit_of_hardware(guest.uid)
        if unit is not None and unit.state in FIELD:
            built = serve_field(guest, unit)
        elif unit is not None and unit.state in IN_WAREHOUSE:
            built = serve_released(guest, unit)
        else:
            built = settle_interrupted(guest, unit)
        if not built:
            return None
        bring_back(guest)
        return self._run(guest, unit.serial if unit is not None else self._serial(guest))

    def _person(self) -> Person:
        """Return who is present, and wait for somebody if nobody is.

        Raises:
            Aborted: The charger left, or the station stops.
        """
        attendance = self._assignment().services.attendance
        person = attendance.present()
        while person is None:
            self.desk.show(state=SlotState.WAITING_FOR_PERSON, sentence="Nobody is signed in.", hint="Scan your badge.")
            self._wait_while(lambda: attendance.present() is None and not self._gone())
            self._refuse_gone()
            person = attendance.present()
        if self.desk.view.state is SlotState.WAITING_FOR_PERSON:
            self.desk.show(state=SlotState.CONNECTING, sentence="A charger was plugged in.", hint="")
        self.desk.who = person.id
        return person

    def _node(self) -> str | None:
        """Find the charger for its driver, which may wait long for one that is gone; but not while the station stops.

        Raises:
            Aborted: The station is being stopped.
        """
        if self._stopping.is_set():
            raise Aborted("The station was stopped.")
        return self._find_node()

    def _identify(self, charger: Charger, assignment: Assignment) -> DeviceIdentity:
        deadline = Deadline(IDENTIFY_SECONDS)
        if charger.in_recovery(deadline):
            self._recover(charger, assignment)
        return charger.identify(Deadline(IDENTIFY_SECONDS))

    def _recover(self, charger: Charger, assignment: Assignment) -> None:
        """Give a part without a bootable image the released firmware, so that it can say who it is."""
        rule = assignment.recipe.release.image[0]
        self.desk.show(sentence="A blank charger is given its first firmware.")
        for share in write_first(charger, assignment.recipe, Deadline(RECOVER_SECONDS)):
            self.desk.show(progress=share)
        body = {"firmware": rule.version, "sha256": rule.sha256}
        self._records.event("recovered", self._name, body, self.desk.who)

    def _serial(self, guest: Guest) -> str:
        """Return the serial on the unit's traveller; nothing where the order has the station give it one."""
        if guest.order.allocates:
            return ""
        return self.desk.ask_for(
            SlotState.WAITING_FOR_SERIAL,
            f"A charger for order {guest.order.id}.",
            "Scan the serial number on its traveller.",
            lambda code: guest.records.refuse_serial(guest.order.id, code, guest.uid),
            self._gone,
        )

    def _run(self, guest: Guest, serial: str) -> Verdict:
        refuse_expired(guest.recipe.approval, utc_now())
        self._close_left_open()
        run = self._left_open = self._open_run(guest, serial)
        given = "" if serial else self._given(guest)
        bench = guest.bench(serial or given, run)
        steps = tuple(StepView(plan.use, STEPS[plan.use].title, "waiting") for plan in guest.recipe.file.step)
        self.desk.show(
            state=SlotState.RUNNING,
            serial=bench.unit.serial,
            sentence=f"It was given the serial number {given}." if given else "",
            hint="Write it on its traveller." if given else "",
            steps=steps,
            started=utc_now(),
        )
        verdict = self._until_released(bench)
        self._left_open = None
        return verdict

    def _open_run(self, guest: Guest, serial: str) -> RunRef:
        """Open the run as soon as routing lets it begin, for whoever is present then."""
        while True:
            self._person()
            try:
                self._refuse_other_order(guest)
                return guest.records.open_run(guest.services.mes.permit(self._request(guest, serial)))
            except Interlocked as block:
                self._blocked(block)

    def _refuse_other_order(self, guest: Guest) -> None:
        """Refuse a charger that was plugged in while the line changed to another order.

        Raises:
            Interlocked: What it was welcomed for is not what the line builds now.
        """
        order = self._assignment().order.id
        if order != guest.order.id:
            raise Interlocked(f"The line builds {order} now.", hint="Unplug it, then plug it in again.")

    def _request(self, guest: Guest, serial: str) -> RunRequest:
        recipe = guest.recipe
        return RunRequest(
            order=guest.order.id,
            hardware_uid=guest.uid,
            slot=self._name,
            plan=tuple(plan.use for plan in recipe.file.step),
            firmware=recipe.release.version,
            serial=serial,
            software=software_version(),
            firmware_name=recipe.file.firmware,
            approval=asdict(recipe.approval),
            operator=self.desk.who,
            gates=recipe.file.gates,
        )

    def _given(self, guest: Guest) -> str:
        """Return the serial that the order's block gave to this hardware."""
        unit = guest.records.unit_of_hardware(guest.uid)
        if unit is None:
            raise RuntimeError(f"run {self._left_open} was opened for no unit")
        return unit.serial

    def _until_released(self, bench: Bench) -> Verdict:
        """Run the recipe; a unit that may not leave yet keeps its run open while it waits in the slot."""
        attempt = partial(execute, bench, self.desk.on_step)
        while True:
            try:
                return attempt()
            except Interlocked as block:
                attempt = partial(release, bench)
                try:
                    self._blocked(block)
                except Aborted as left:
                    return close(bench, Verdict(Outcome.ABORTED, left.message, left.hint, "aborted"))

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        while condition() and not self._stopping.wait(POLL_SECONDS):
            pass


def _but_numbers(sentence: str) -> str:
    """Return a sentence without what counts down in it."""
    return re.sub(r"[0-9]+", "", sentence)


def _verdict_of(error: StationError) -> Verdict | None:
    if isinstance(error, UnitError):
        return Verdict(Outcome.FAIL, error.message, error.hint, error.defect.value)
    if isinstance(error, Aborted):
        return None
    return Verdict(Outcome.ERROR, error.message, error.hint, "link" if isinstance(error, LinkError) else "station")
