"""Scrap and rework: one transaction with all that follows, and nothing left over of the unit (F-D11, F-L4)."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from station.clock import utc_now
from station.errors import ConfigError, Interlocked, UnitError
from station.model import Outcome
from station.records import (
    ENDED,
    SCRAP_SAID,
    WITHDRAWN,
    Delivered,
    Disposition,
    DispositionKind,
    LabelState,
    Message,
    Postponed,
    Registration,
    RunRequest,
    StepResult,
    UnitState,
)

PLAN = ("identify", "flash", "accept", "ship", "seal", "label")
REGISTER = "cpms-register"
HOURS = timedelta(hours=1)


def begin(world, uid: str = "aa", serial: str = ""):
    return world.records.open_run(RunRequest("WO-1", uid, "1", PLAN, "3.4.1", serial))


def step(world, run, name: str, outcome: Outcome = Outcome.PASS, **result: object):
    row = world.records.start_step(run, PLAN.index(name), name, 1)
    world.records.finish_step(row, StepResult(outcome, **result))
    return row


def through(world, run, *names: str) -> None:
    for name in names:
        step(world, run, name)


def release(world, run) -> str:
    serial = world.unit_of(run)
    world.label(serial)
    messages = [Message(REGISTER, serial, b"{}")]
    world.records.release(run, json.dumps({"serial": serial}).encode(), b"s", "signer", messages)
    return serial


def released(world, uid: str = "aa") -> str:
    run = begin(world, uid)
    through(world, run, *PLAN)
    return release(world, run)


def decide(world, kind: DispositionKind, unit: str, point: str = "", reason: str = "dropped from a table"):
    return world.records.dispose(Disposition(kind, unit, "RC-DAMAGE", reason, "qa-1", point))


def waiting(world, unit: str) -> list[tuple[str, dict]]:
    """Return what is queued of a unit, in the order in which it is delivered."""
    found = []
    while messages := [row for row in world.records.due(utc_now() + HOURS, 100) if row.unit == unit]:
        for row in messages:
            world.records.succeed(row, b"done")
            found.append((row.kind, json.loads(row.body)))
    return found


def test_scrap_is_one_act(world) -> None:
    """State, label, reason and the messages that end keys and CPMS record stand together, with who decided."""
    serial = released(world)
    row = decide(world, DispositionKind.SCRAP, serial)
    history = world.records.unit_history(serial)
    assert (history.unit.state, [label.state for label in history.labels]) == (UnitState.SCRAPPED, [LabelState.VOID])
    assert (row.code, row.who, history.labels[0].who) == ("RC-DAMAGE", "qa-1", "qa-1")
    ended, withdrawn = {"ship", "test"}, {"serial": serial, "revision": 1, "reason": "scrapped"}
    told = waiting(world, serial)
    assert [kind for kind, _ in told] == [REGISTER, ENDED, SCRAP_SAID, WITHDRAWN]
    assert (set(dict(told)[ENDED]["environments"]), dict(told)[WITHDRAWN]) == (ended, withdrawn)


def test_scrapped_is_for_ever(world) -> None:
    """The serial is burnt: its hardware gets no other, it goes to no other hardware, and no second decision counts."""
    serial = released(world)
    decide(world, DispositionKind.SCRAP, serial)
    for uid, given in (("aa", ""), ("aa", "AC22-000050"), ("bb", serial)):
        with pytest.raises(UnitError):
            begin(world, uid, given)
    for kind in DispositionKind:
        with pytest.raises(ConfigError, match="scrapped before"):
            decide(world, kind, serial)
    with pytest.raises(RuntimeError, match="stays scrapped"), world.records.database.write() as session:
        session.execute(text("UPDATE unit SET state = 'reserved'"))


def test_decision_that_is_refused_changes_nothing(world) -> None:
    """No such unit, one in work, a reason that says nothing, a step that is not on its way."""
    run = begin(world)
    with pytest.raises(Interlocked, match="in work in slot 1"):
        decide(world, DispositionKind.SCRAP, "AC22-000001")
    world.records.close_run(run, Outcome.ABORTED)
    with pytest.raises(ConfigError, match="no unit 'AC22-000099'"):
        decide(world, DispositionKind.SCRAP, "AC22-000099")
    with pytest.raises(ConfigError, match="3 to 200"):
        decide(world, DispositionKind.SCRAP, "AC22-000001", reason="\x07bad")
    with pytest.raises(ConfigError, match="'polish' is no step"):
        decide(world, DispositionKind.REWORK, "AC22-000001", "polish")
    assert (world.records.dispositions(), world.records.depth()) == ((), 0)
    assert world.records.unit("AC22-000001").state is UnitState.RESERVED


def test_released_unit_is_built_again(world) -> None:
    """Next revision of the passport, old label void, CPMS record withdrawn before; it begins at the first step."""
    serial = released(world)
    with pytest.raises(ConfigError, match="returns to the first step"):
        decide(world, DispositionKind.REWORK, serial, "seal")
    decide(world, DispositionKind.REWORK, serial)
    with pytest.raises(Interlocked, match="is being withdrawn"):
        begin(world)
    assert dict(waiting(world, serial))[WITHDRAWN] == {"serial": serial, "revision": 1, "reason": "rework"}
    run = begin(world)
    for name in PLAN[:-1]:
        assert world.records.evidence(run, name) is None
    through(world, run, *PLAN)
    assert release(world, run) == serial
    history = world.records.unit_history(serial)
    assert [passport.revision for passport in history.passports] == [1, 2]
    assert (world.records.is_current(serial, 1), world.records.is_current(serial, 2)) == (False, True)
    assert [label.state for label in history.labels] == [LabelState.VOID, LabelState.SCANNED]
    assert history.unit.state is UnitState.RELEASED


@pytest.mark.parametrize(("point", "again"), [("", PLAN), ("identify", PLAN), ("accept", PLAN[2:]), ("ship", PLAN[3:])])
def test_rework_returns_to_a_named_step(world, point: str, again: tuple[str, ...]) -> None:
    """What passed before the named step still counts; from it on everything is done again."""
    run = begin(world)
    through(world, run, *PLAN[:5])
    world.records.close_run(run, Outcome.FAIL, fault="ocpp")
    serial = world.unit_of(run)
    decide(world, DispositionKind.REWORK, serial, point)
    waiting(world, serial)
    run = begin(world)
    anew = tuple(name for name in PLAN[:5] if world.records.evidence(run, name) is None)
    assert (*anew, "label") == again
    refused = again[0]
    old = world.records.runs()[1].ref
    passed = world.records.run_detail(old).steps[PLAN.index(refused)].ref
    row = world.records.start_step(run, PLAN.index(refused), refused, 1)
    with pytest.raises(RuntimeError, match="no evidence"):
        world.records.finish_step(row, StepResult(Outcome.SKIPPED, evidence=passed))


def test_withdrawal_that_stands_aside_waits_for_a_person(world) -> None:
    """Nothing goes on by itself then, so nobody is told to wait for it."""
    serial = released(world)
    decide(world, DispositionKind.REWORK, serial)
    world.records.keep_deliveries([Delivered(row, b"done") for row in world.records.due(utc_now(), 9)])
    (row,) = world.records.due(utc_now(), 9)
    for dead, hint in ((False, "by itself"), (True, "page 'Messages'")):
        world.records.keep_deliveries([], [Postponed(row, "The CPMS has other content.", utc_now(), dead=dead)])
        with pytest.raises(Interlocked, match="CPMS record of unit") as refused:
            begin(world)
        assert hint in refused.value.hint


def test_later_rework_brings_nothing_of_before_an_earlier_one_back(world) -> None:
    """The device was made blank in between: what it had been given before is gone, wherever it returns to next."""
    serial = ""
    for point, begun in (("", PLAN[:5]), ("ship", PLAN[:1])):
        run = begin(world)
        through(world, run, *begun)
        world.records.close_run(run, Outcome.ABORTED)
        serial = world.unit_of(run)
        decide(world, DispositionKind.REWORK, serial, point)
        waiting(world, serial)
    run = begin(world)
    assert [name for name in PLAN[:5] if world.records.evidence(run, name)] == ["identify"]


@pytest.mark.parametrize(("begun", "ends"), [(PLAN[:3], False), (PLAN[:4], True)])
def test_failure_ends_what_a_unit_could_connect_with(world, begun: tuple[str, ...], ends: bool) -> None:
    """F-L3: from the step `ship` on a unit that fails loses its ship key; before it there is none."""
    run = begin(world)
    through(world, run, *begun[:-1])
    step(world, run, begun[-1], Outcome.FAIL, fault="ship-state")
    world.records.close_run(run, Outcome.FAIL, fault="ship-state")
    if ends:
        with pytest.raises(Interlocked, match="ship key of unit AC22-000001 is being withdrawn"):
            begin(world)
    told = waiting(world, "AC22-000001")
    assert [(kind, body["environments"]) for kind, body in told] == ([(ENDED, ["ship"])] if ends else [])
    begin(world)


def test_each_decision_ends_what_lives_then(world) -> None:
    """A failed run and a decision of the same number are two reasons: the second is carried out too."""
    run = begin(world)
    through(world, run, *PLAN[:3])
    step(world, run, "ship", Outcome.FAIL, fault="ship-state")
    world.records.close_run(run, Outcome.FAIL, fault="ship-state")
    serial = world.unit_of(run)
    assert [kind for kind, _ in waiting(world, serial)] == [ENDED]
    row = decide(world, DispositionKind.SCRAP, serial)
    assert str(row.ref) == str(run)
    assert [kind for kind, _ in waiting(world, serial)] == [ENDED]


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.ABORTED])
def test_fault_of_the_station_costs_no_key_until_it_lasts(world, outcome: Outcome) -> None:
    """F-L3: a jam of the printer is repaired; what nobody goes on with for days ends, once."""
    run = begin(world)
    through(world, run, *PLAN[:4])
    world.records.close_run(run, outcome, reason="no paper")
    now = utc_now()
    assert world.records.end_unfinished(now - HOURS) == ()
    assert world.records.end_unfinished(now + HOURS) == ("AC22-000001",)
    assert world.records.end_unfinished(now + HOURS) == ()
    assert [kind for kind, _ in waiting(world, "AC22-000001")] == [ENDED]


def test_what_goes_on_is_not_left_unfinished(world) -> None:
    """A unit that somebody works on, or that was released, keeps its key; so does one that never got any."""
    run = begin(world)
    through(world, run, *PLAN[:4])
    world.records.close_run(run, Outcome.ABORTED)
    run = begin(world)
    assert world.records.end_unfinished(utc_now() + HOURS) == ()
    through(world, run, *PLAN)
    release(world, run)
    early = begin(world, "bb")
    through(world, early, *PLAN[:3])
    world.records.close_run(early, Outcome.ABORTED)
    assert world.records.end_unfinished(utc_now() + HOURS) == ()


def test_registration_that_comes_late(world) -> None:
    """A message in flight while the unit is scrapped: what the CPMS gave is recorded, and the unit stays scrapped."""
    serial = released(world)
    assert world.records.is_current(serial, 1)
    decide(world, DispositionKind.SCRAP, serial)
    assert not world.records.is_current(serial, 1)
    world.records.registered(serial, Registration("staging", 1, b"{}", b"{}"))
    assert world.records.unit(serial).state is UnitState.SCRAPPED
    assert world.records.registration("staging", serial).read_back == b"{}"
