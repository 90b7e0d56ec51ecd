"""Whatever operators, quality, power cuts and imports do in whatever order: no unit reaches a forbidden state.

The records are real, on a real file; PKI and CPMS are two small books that the outbox's messages write, as the real
ones do. After each act the books are compared (design 7, F-L3 to F-L5).
"""

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from station.catalog.gates import Gates
from station.catalog.recipes import RequiredResult
from station.clock import utc_now
from station.errors import ConfigError, Interlocked, UnitError
from station.model import Outcome
from station.person import Person, Role
from station.records import (
    ENDED,
    GOOD,
    WITHDRAWN,
    Disposition,
    DispositionKind,
    GoldenCheck,
    GoldenUnit,
    Hold,
    HoldScope,
    LabelJob,
    LabelState,
    Message,
    OutboxRow,
    Registration,
    Reported,
    Result,
    ResultSource,
    RunFilter,
    RunRef,
    RunRequest,
    SerialBlock,
    StepResult,
    SubjectKind,
    UnitState,
    WorkOrder,
    open_records,
    upgrade,
)

pytestmark = pytest.mark.timeout(400)
PLAN = ("identify", "ship", "label")
REGISTER = "cpms-register"
RELEASED = (UnitState.RELEASED, UnitState.PACKABLE)
ORDER = WorkOrder("WO-1", "ac22", "ac22-eu", 1, "a" * 64, 20, "", SerialBlock("AC22-", 1, 30), "test", "ship")
GATES = Gates(first_article=True, step_attempts=2)
REQUIRED = (RequiredResult("insulation", "MOhm", low=1.0),)
LEAD = Person("lead-1", "Lead", frozenset({Role.LINE_LEAD}))
DAWN = datetime(2026, 1, 1, tzinfo=UTC)
UIDS = st.sampled_from(["a1", "a2", "a3"])
DECISIONS = st.sampled_from([DispositionKind.REWORK, DispositionKind.REWORK, DispositionKind.SCRAP])
SCOPES = {
    HoldScope.ORDER: "WO-1",
    HoldScope.FIRMWARE: "ac22-1.0",
    HoldScope.SLOT: "slot-a1",
    HoldScope.STATION: "line1",
}
REFUSED = (Interlocked, UnitError, ConfigError)


@cache
def empty() -> Path:
    """Return a database at head with one order, for copies of it."""
    folder = tempfile.mkdtemp(prefix="states-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = Path(folder) / "station.db"
    upgrade(f"sqlite:///{file}")
    with open_records(f"sqlite:///{file}", "line1") as records:
        records.create_order(ORDER)
    return file


class Factory(RuleBasedStateMachine):
    """One line of three chargers, with everybody who may act on it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="states-")
        self.file = Path(self.folder.name) / "station.db"
        shutil.copyfile(empty(), self.file)
        self.ledger: set[str] = set()
        """Units with a living ship key."""
        self.cpms: dict[str, int] = {}
        """Units with a record, and its revision."""
        self.scrapped: set[str] = set()
        self.serials: dict[str, str] = {}
        """Hardware UID -> the serial that it was given first."""
        self.signed = False
        self.minute = 0
        self._open()

    def _open(self) -> None:
        self.stack = ExitStack()
        self.records = self.stack.enter_context(open_records(f"sqlite:///{self.file}", "line1"))

    def teardown(self) -> None:
        self.stack.close()
        self.folder.cleanup()

    def live(self, uid: str) -> RunRef | None:
        found = [run.ref for run in self.records.runs(RunFilter(live=True)) if run.hardware_uid == uid]
        return found[0] if found else None

    def serial(self, uid: str) -> str:
        return self.serials.get(uid, "")

    # Operators

    @rule(uid=UIDS)
    def plug(self, uid: str) -> None:
        """Begin a run; what is forbidden must be refused, and what is refused must have a reason."""
        request = RunRequest("WO-1", uid, f"slot-{uid}", PLAN, "1.0", firmware_name="ac22-1.0", gates=GATES)
        forbidden = self._forbidden(uid)
        try:
            run = self.records.open_run(request)
        except REFUSED:
            return
        assert not forbidden, forbidden
        self.serials.setdefault(uid, self.records.run(run).unit)

    def _forbidden(self, uid: str) -> str:
        serial = self.serial(uid)
        unit = self.records.unit(serial) if serial else None
        if self.records.golden_unit(uid) or (unit and unit.state not in (UnitState.RESERVED, UnitState.REWORK)):
            return "golden, released or scrapped"
        for hold in self.records.holds():
            if hold.subject in (serial, "WO-1", "ac22-1.0", f"slot-{uid}", "line1"):
                return hold.sentence
        return "still ending" if self._ending(serial) else ""

    @rule(uid=UIDS, outcome=st.sampled_from([Outcome.PASS, Outcome.PASS, Outcome.PASS, Outcome.FAIL, Outcome.ERROR]))
    def work(self, uid: str, outcome: Outcome) -> None:
        """Do the next step of a run; one that does not pass ends it."""
        run = self.live(uid)
        if run is None:
            return
        done = len(self.records.run_detail(run).steps)
        if done < len(PLAN):
            self._step(run, PLAN[done], outcome)
        elif outcome is Outcome.PASS:
            self._release(run)

    @rule(uid=UIDS)
    def build(self, uid: str) -> None:
        """Do all of it at once, as on a good day."""
        self.deliver()
        self.plug(uid)
        self.measure(uid, 5.0)
        for _ in range(len(PLAN) + 1):
            self.work(uid, Outcome.PASS)

    def _step(self, run: RunRef, name: str, outcome: Outcome) -> None:
        unit = self.records.run(run).unit
        step = self.records.start_step(run, PLAN.index(name), name, 1)
        if name == "ship":
            self.ledger.add(unit)
        if name == "label" and outcome is Outcome.PASS:
            self._label(unit)
        self.records.finish_step(step, StepResult(outcome, fault="flash"))
        if outcome is not Outcome.PASS:
            self.records.close_run(run, outcome, fault="flash")

    def _label(self, unit: str) -> None:
        if self.records.living_label(unit, "unit") is None:
            label = self.records.label_rendered(LabelJob(unit, "unit", f"SN:{unit}", "0" * 64))
            self.records.label_scanned(self.records.label_sent(label, 1, "Z1"), f"SN:{unit}")

    def _release(self, run: RunRef) -> None:
        unit = self.records.run(run).unit
        held = self.records.holds_of(unit)
        document = json.dumps({"serial": unit}).encode()
        messages = [Message(REGISTER, unit, b"{}")]
        try:
            self.records.release(run, document, b"s", "signer", messages, REQUIRED)
        except Interlocked as block:
            self.records.close_run(run, Outcome.ABORTED, reason=block.message)
            return
        assert not held
        assert self.records.missing_results(unit, REQUIRED) == ()

    # The station itself

    @rule()
    def power_cut(self) -> None:
        """Everything in memory is gone; the station starts and closes what was open."""
        self.stack.close()
        self._open()
        self.records.abort_interrupted("power cut")

    @rule(hours=st.sampled_from([-1, 1]))
    def long_weekend(self, hours: int) -> None:
        """Let go of what was left unfinished before a time."""
        self.records.end_unfinished(utc_now() + timedelta(hours=hours))

    @rule()
    def deliver(self) -> None:
        """Deliver the messages that are due, as the outbox worker does."""
        while messages := self.records.due(utc_now() + timedelta(minutes=1), 10):
            for message in messages:
                self._carry_out(message)
                self.records.succeed(message)

    def _carry_out(self, message: OutboxRow) -> None:
        unit = message.unit
        if message.kind == ENDED:
            self.ledger.discard(unit)
        if message.kind == WITHDRAWN:
            self.cpms.pop(unit, None)
        if message.kind == REGISTER and self.records.is_current(unit, message.revision):
            assert unit not in self.cpms
            self.cpms[unit] = message.revision
            self.records.registered(unit, Registration("staging", message.revision, b"{}", b"{}"))

    # Quality, line lead, engineer

    @rule(scope=st.sampled_from(list(HoldScope)), uid=UIDS)
    def hold(self, scope: HoldScope, uid: str) -> None:
        """Forbid work on something."""
        subject = SCOPES.get(scope) or self.serial(uid)
        if subject:
            self.records.hold(Hold(scope, subject, "looks odd", "qa-1"))

    @rule()
    def lift(self) -> None:
        """Allow what was forbidden."""
        for hold in self.records.holds():
            self.records.lift(hold.ref, "qa-1", "looked at")

    @rule(uid=UIDS, kind=DECISIONS, point=st.sampled_from(["", "identify", "ship"]))
    def decide(self, uid: str, kind: DispositionKind, point: str) -> None:
        """Scrap a unit or send it to rework."""
        with suppress(*REFUSED):
            self.records.dispose(Disposition(kind, self.serial(uid) or "AC22-000030", "RC-OTHER", "odd", "qa-1", point))
            self.scrapped |= {self.serial(uid)} if kind is DispositionKind.SCRAP else set()
            self.plug(uid)  # somebody is always too quick

    @rule()
    def sign(self) -> None:
        """Sign for the first article."""
        with suppress(Interlocked):
            self.records.sign_first_article("WO-1", LEAD)
            self.signed = True

    @rule(uid=UIDS, found=st.sampled_from([GOOD, "lock"]))
    @precondition(lambda self: self.minute > 8)
    def golden(self, uid: str, found: str) -> None:
        """Make a unit golden, and check the station with it."""
        if self.live(uid) is None:
            with suppress(ConfigError):
                self.records.reserve_golden(GoldenUnit(uid, "ac22", GOOD, "made for checks", "engineer-1"))
        if self.records.golden_unit(uid):
            self.records.golden_checked(GoldenCheck(uid, "1", found, "seen", "1.0", "operator-1"))

    # Imports

    @rule(uid=UIDS, value=st.sampled_from([0.1, 5.0, 5.0, 5.0]))
    def measure(self, uid: str, value: float) -> None:
        """Import a result of the test bench."""
        self.minute += 1
        if not self.serial(uid):
            return
        result = Result(
            SubjectKind.SERIAL, self.serial(uid), "insulation", DAWN + timedelta(minutes=self.minute), value,
            str(value), "MOhm", 1.0, word="PASS", program="eol", version="1", instrument="7",
            calibration_due=datetime(2099, 1, 1, tzinfo=UTC).date(),
        )  # fmt: skip
        source = ResultSource(f"{self.minute:064x}", "a.csv", "eol r1")
        self.records.add_results(source, (Reported(1, result),), "service:eol")

    # What must never be

    def _ending(self, serial: str) -> set[str]:
        kinds = self.records.waiting_of(serial) if serial else ()
        return {kind for kind in kinds if kind in (ENDED, WITHDRAWN)}

    def _units(self) -> Iterator[tuple[str, UnitState, RunRef | None]]:
        for uid, serial in self.serials.items():
            unit = self.records.unit(serial)
            assert unit.hardware_uid == uid
            yield serial, unit.state, self.live(uid)

    @invariant()
    def no_orphans(self) -> None:
        """A live key or a CPMS record is of a unit that may have it, or its end is on its way."""
        for serial, state, live in self._units():
            last = self.records.runs(RunFilter(unit=serial), 1)[0].outcome
            working = state in (UnitState.RESERVED, UnitState.REWORK) and last is not Outcome.FAIL
            if serial in self.ledger and state not in RELEASED and not (working or live):
                assert ENDED in self._ending(serial), f"{serial} is {state} and has a living key"
            if serial in self.cpms and state not in RELEASED:
                assert WITHDRAWN in self._ending(serial), f"{serial} is {state} and registered"

    @invariant()
    def scrapped_is_for_ever(self) -> None:
        """A scrapped unit is never in work again, and nothing of it lives once the messages are delivered."""
        for serial, state, live in self._units():
            if serial in self.scrapped:
                assert (state, live) == (UnitState.SCRAPPED, None)
                labels = self.records.unit_history(serial).labels
                assert all(label.state is LabelState.VOID for label in labels)
                if not self._ending(serial):
                    assert serial not in self.ledger
                    assert serial not in self.cpms

    @invariant()
    def packable_is_free_of_doubt(self) -> None:
        """What may be packed is registered as it is, not held, not golden, and its last run passed."""
        for serial, state, _ in self._units():
            if state is UnitState.PACKABLE:
                passport = self.records.passport(serial)
                assert self.cpms.get(serial) == passport.revision
                assert self.records.holds_of(serial) == ()
                assert self.records.golden_unit(self.records.unit(serial).hardware_uid) is None
            if state in RELEASED:
                assert self.records.runs(RunFilter(unit=serial), 1)[0].outcome is Outcome.PASS
                assert serial in self.ledger

    @invariant()
    def one_first_article(self) -> None:
        """Until somebody signed there is one unit at most that is not scrapped."""
        states = [state for _, state, _ in self._units()]
        assert self.signed or len([state for state in states if state is not UnitState.SCRAPPED]) <= 1

    @invariant()
    def nothing_begins_while_something_ends(self) -> None:
        """No run of a unit is live whose credentials or record are still being taken back."""
        for serial, _, live in self._units():
            assert live is None or not self._ending(serial)


TestFactory = Factory.TestCase
TestFactory.settings = settings(
    max_examples=8, stateful_step_count=40, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
