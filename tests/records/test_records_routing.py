"""Routing: what may begin and what may leave, asked in the transactions that open a run and release a unit."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from station.catalog.gates import Gates
from station.clock import utc_now
from station.errors import ConfigError, Defect, Interlocked, UnitError
from station.model import Outcome
from station.person import Person, Role
from station.records import (
    Disposition,
    DispositionKind,
    GoldenCheck,
    GoldenUnit,
    Hold,
    HoldKind,
    HoldScope,
    OrderState,
    Registration,
    RunRequest,
    SerialBlock,
    UnitState,
)
from tests.records.conftest import ORDER, PLAN

LEAD = Person("lead-1", "Lead", frozenset({Role.LINE_LEAD}))
OPERATOR = Person("operator-1", "Operator", frozenset({Role.OPERATOR}))
QA = Person("qa-1", "Quality", frozenset({Role.QA}))


def request(uid: str = "aa", order: str = "WO-1", slot: str = "1", **more: object) -> RunRequest:
    given = {"firmware_name": "ac22-3.4.1", "software": "1.0", "operator": OPERATOR.id, **more}
    return RunRequest(order, uid, slot, PLAN, "3.4.1", **given)


def begin(world, uid: str = "aa", **more: object):
    """Open a run, and see that who only asks is told the same."""
    wanted = request(uid, **more)
    told, block = world.records.interlock(wanted), None
    try:
        return world.records.open_run(wanted)
    except Interlocked as error:
        block = error
        raise
    finally:
        assert str(told) == str(block)


def released(world, uid: str = "aa", **more: object) -> str:
    """Build and release a unit, and return its serial."""
    run = begin(world, uid, **more)
    for name in PLAN:
        world.step(run, name)
    serial = world.unit_of(run)
    world.label(serial)
    world.records.release(run, json.dumps({"serial": serial}).encode(), b"s", "signer")
    return serial


def failed(world, uid: str = "aa", step: str = "flash", **more: object) -> str:
    """Let a unit fail in a step, and return its serial."""
    run = begin(world, uid, **more)
    world.step(run, step, Outcome.FAIL, fault="flash")
    world.records.close_run(run, Outcome.FAIL, fault="flash", reason="bad flash")
    return world.unit_of(run)


def decided(world, kind: DispositionKind, unit: str, point: str = "") -> None:
    world.records.dispose(Disposition(kind, unit, "RC-REPAIR", "a solder joint was cold", "qa-1", point))


@pytest.mark.parametrize(
    ("scope", "subject"),
    [
        (HoldScope.UNIT, "AC22-000001"),
        (HoldScope.ORDER, "WO-1"),
        (HoldScope.FIRMWARE, "ac22-3.4.1"),
        (HoldScope.SLOT, "1"),
        (HoldScope.STATION, "line1"),
    ],
)
def test_hold_keeps_a_unit_from_beginning_and_from_leaving(world, scope: HoldScope, subject: str) -> None:
    """No start and no release while somebody forbids it; both once it is lifted, and the record says who and why."""
    run = begin(world)
    held = world.records.hold(Hold(scope, subject, "water in the housing", "qa-1"))
    world.records.close_run(run, Outcome.ABORTED)
    with pytest.raises(Interlocked, match="on hold by qa-1: water in the housing"):
        begin(world)
    lifted = world.records.lift(held.ref, "qa-2", "dried and measured")
    assert (lifted.lifted_by, world.records.holds()) == ("qa-2", ())
    assert released(world)
    assert [(row.kind, row.who) for row in world.records.events(subject)] == [("lift", "qa-2"), ("hold", "qa-1")]


def test_hold_during_a_run_keeps_the_unit_here(world) -> None:
    """A hold that comes while a unit is in work stops its release; nothing of the release is done."""
    run = begin(world)
    for name in PLAN:
        world.step(run, name)
    world.label("AC22-000001")
    world.records.hold(Hold(HoldScope.FIRMWARE, "ac22-3.4.1", "it loses its clock", "qa-1"))
    with pytest.raises(Interlocked, match="loses its clock"):
        world.records.release(run, b'{"serial":"AC22-000001"}', b"s", "signer")
    assert (world.records.run(run).outcome, world.records.passport("AC22-000001")) == (None, None)


def test_hold_of_something_else_stops_nothing(world) -> None:
    """A hold is about what it names: the other slot, order and firmware go on."""
    released(world, "bb")
    for scope, subject in ((HoldScope.SLOT, "2"), (HoldScope.FIRMWARE, "other"), (HoldScope.UNIT, "AC22-000001")):
        world.records.hold(Hold(scope, subject, "water in the housing", "qa-1"))
    assert released(world, "aa") == "AC22-000002"


def test_hold_takes_back_what_may_be_packed_and_lifting_gives_it_back(world) -> None:
    """F-C4: what waits in the warehouse is held too; two holds are lifted one by one."""
    serial = released(world)
    world.records.registered(serial, Registration("staging", 1, b"{}", b"{}"))
    assert world.records.unit(serial).state is UnitState.PACKABLE
    order = world.records.hold(Hold(HoldScope.ORDER, "WO-1", "wrong cable", "lead-1"))
    firmware = world.records.hold(Hold(HoldScope.FIRMWARE, "ac22-3.4.1", "it loses its clock", "qa-1"))
    assert world.records.unit(serial).state is UnitState.RELEASED
    assert [hold.ref for hold in world.records.holds_of(serial)] == [order.ref, firmware.ref]
    world.records.lift(order.ref, "qa-1", "cable changed")
    assert world.records.unit(serial).state is UnitState.RELEASED
    world.records.lift(firmware.ref, "qa-1", "it was the server")
    assert world.records.unit(serial).state is UnitState.PACKABLE


@pytest.mark.parametrize("scope", [HoldScope.SLOT, HoldScope.FIRMWARE, HoldScope.STATION])
def test_hold_concerns_every_unit_that_was_built_with_it_last(world, scope: HoldScope) -> None:
    """F-C4: each unit by its own last run, however many there are."""
    serials = [released(world, "aa"), released(world, "bb")]
    for serial in serials:
        world.records.registered(serial, Registration("staging", 1, b"{}", b"{}"))
    subject = {HoldScope.SLOT: "1", HoldScope.FIRMWARE: "ac22-3.4.1", HoldScope.STATION: "line1"}[scope]
    world.records.hold(Hold(scope, subject, "it loses its clock", "qa-1"))
    assert [world.records.unit(serial).state for serial in serials] == [UnitState.RELEASED] * 2


def test_registration_of_a_held_unit_does_not_let_it_be_packed(world) -> None:
    """The CPMS may agree while quality does not."""
    serial = released(world)
    world.records.hold(Hold(HoldScope.UNIT, serial, "scratched", "qa-1", HoldKind.QUARANTINE))
    world.records.registered(serial, Registration("staging", 1, b"{}", b"{}"))
    assert world.records.unit(serial).state is UnitState.RELEASED


def test_same_hold_twice_is_one(world) -> None:
    """The station may find the same duplicate again and again."""
    hold = Hold(HoldScope.ORDER, "WO-1", "a MAC twice", "station", HoldKind.QUARANTINE)
    assert world.records.hold(hold).ref == world.records.hold(hold).ref
    assert len(world.records.holds()) == 1


def test_hold_is_refused_without_reason_or_subject(world) -> None:
    """A mistyped serial would look as if it were on hold."""
    for reason in ("", "no", "x" * 201, "line\nbreak"):
        with pytest.raises(ConfigError, match="3 to 200 printable"):
            Hold(HoldScope.ORDER, "WO-1", reason, "qa-1")
    with pytest.raises(ConfigError, match="no unit 'AC22-000099'"):
        world.records.hold(Hold(HoldScope.UNIT, "AC22-000099", "scratched", "qa-1"))
    held = world.records.hold(Hold(HoldScope.ORDER, "WO-1", "wrong cable", "qa-1"))
    world.records.lift(held.ref, "qa-1", "mended")
    with pytest.raises(ConfigError, match="lifted before"):
        world.records.lift(held.ref, "qa-1", "mended")


def test_identity_conflict_is_the_units_fault_also_under_a_hold(world) -> None:
    """F-B3: a refusal that blames the unit is not hidden by one that blames nobody."""
    released(world)
    world.records.hold(Hold(HoldScope.ORDER, "WO-1", "wrong cable", "qa-1"))
    with pytest.raises(UnitError, match="belongs to hardware") as caught:
        world.records.open_run(request("bb", serial="AC22-000001"))
    assert caught.value.defect is Defect.DUPLICATE_IDENTITY


def test_interlock_burns_no_serial(world) -> None:
    """Nothing is taken for a unit that may not begin."""
    world.records.set_order_state("WO-1", OrderState.PAUSED)
    with pytest.raises(Interlocked, match="WO-1 is paused"):
        begin(world)
    world.records.set_order_state("WO-1", OrderState.OPEN)
    assert released(world) == "AC22-000001"


def test_cool_down(world) -> None:
    """A unit that failed rests; others don't."""
    gates = Gates(cool_down_seconds=3600)
    failed(world)
    with pytest.raises(Interlocked, match=r"rests for another 3[56]\d\d s"):
        begin(world, gates=gates)
    begin(world, "bb", gates=gates, slot="2")
    begin(world, slot="3")


def test_step_that_fails_too_often_goes_to_rework(world) -> None:
    """F-L5: counted per unit and step over all runs; rework begins to count anew."""
    gates = Gates(step_attempts=2)
    failed(world, gates=gates)
    failed(world, gates=gates, step="identify")
    failed(world, gates=gates)
    with pytest.raises(Interlocked, match="Step flash failed 2 times") as caught:
        begin(world, gates=gates)
    assert caught.value.hint == "Take the unit to rework."
    decided(world, DispositionKind.REWORK, "AC22-000001")
    finish(world)
    assert world.records.failed_runs("AC22-000001") == 0
    begin(world, gates=gates)


def finish(world) -> None:
    """Let the outbox deliver everything."""
    for message in world.records.due(utc_now() + timedelta(hours=1), 100):
        world.records.succeed(message, b"done")
    if world.records.depth():
        finish(world)


def test_first_article_goes_ahead_alone(world) -> None:
    """The second unit waits until a second person signed for the first, which was released."""
    gates = Gates(first_article=True)
    begin_first = begin(world, "aa", gates=gates)
    with pytest.raises(Interlocked, match="AC22-000001 is the first of order WO-1"):
        begin(world, "bb", gates=gates, slot="2")
    with pytest.raises(Interlocked, match="No unit of order WO-1 was released"):
        world.records.sign_first_article("WO-1", QA)
    world.records.close_run(begin_first, Outcome.ABORTED)
    released(world, "aa", gates=gates)
    for person, why in ((OPERATOR, "neither line lead nor of quality"), (replace(LEAD, id="operator-1"), "built unit")):
        with pytest.raises(Interlocked, match=why):
            world.records.sign_first_article("WO-1", person)
    signed = world.records.sign_first_article("WO-1", LEAD, "torque and label seen")
    assert (signed.who, signed.body["unit"], signed.roles) == ("lead-1", "AC22-000001", ("line-lead",))
    begin(world, "bb", gates=gates)


def test_first_article_that_is_scrapped_lets_the_next_one_be_first(world) -> None:
    """An order does not stop for ever with a bad first unit."""
    gates = Gates(first_article=True)
    serial = failed(world, "aa", gates=gates)
    decided(world, DispositionKind.SCRAP, serial)
    begin(world, "bb", gates=gates)


def cleared(world, *people: Person, product: str = "dc60") -> None:
    for person in people:
        world.records.sign_clearance(product, person, "labels destroyed")


def built(world, uid: str, **more: object) -> None:
    """Begin a unit and leave the slot empty again."""
    world.records.close_run(begin(world, uid, **more), Outcome.ABORTED)


@pytest.fixture
def other_product(world):
    """Add an order of another product, and return what a run of it asks."""
    block = SerialBlock("DC60-", 1, 99)
    world.records.create_order(replace(ORDER, id="WO-2", product="dc60", serials=block))
    return {"order": "WO-2", "gates": Gates(clearance=True), "slot": "2"}


@pytest.mark.parametrize("alone", [OPERATOR, LEAD])
def test_line_clearance_takes_two_people_one_of_them_answerable(world, other_product, alone: Person) -> None:
    """Nobody clears a line alone, and two operators are not enough."""
    built(world, "aa", gates=Gates(clearance=True))
    cleared(world, alone)
    with pytest.raises(Interlocked, match="built ac22 last and is not cleared for dc60"):
        begin(world, "bb", **other_product)
    with pytest.raises(Interlocked, match="signed this clearance before"):
        cleared(world, alone)
    if alone is OPERATOR:
        with pytest.raises(Interlocked, match="neither line lead nor of quality"):
            cleared(world, replace(OPERATOR, id="operator-2"))
    told = (
        f"The line built ac22 last and is not cleared for dc60. Signed by {alone.id}; the second signature is missing."
    )
    assert world.records.why_not_cleared("dc60") == told
    cleared(world, QA)
    assert world.records.why_not_cleared("dc60") == ""
    built(world, "bb", **other_product)
    built(world, "cc", **other_product)


def test_line_clearance_is_asked_for_at_each_change(world, other_product) -> None:
    """Slots are empty when it is signed, and what was signed before counts for that change alone."""
    live = begin(world, "aa", gates=Gates(clearance=True))
    with pytest.raises(Interlocked, match="AC22-000001 is in work in slot 1"):
        cleared(world, LEAD)
    world.records.close_run(live, Outcome.ABORTED)
    cleared(world, LEAD, QA)
    built(world, "bb", **other_product)
    cleared(world, LEAD, QA, product="ac22")
    built(world, "aa", gates=Gates(clearance=True))
    with pytest.raises(Interlocked, match="is not cleared for dc60"):
        begin(world, "bb", **other_product)


def golden(world, uid: str, expectation: str = "PASS") -> None:
    world.records.reserve_golden(GoldenUnit(uid, "ac22", expectation, "made for checks", "engineer-1"))


def found(world, uid: str, result: str, software: str = "1.0"):
    return world.records.golden_checked(GoldenCheck(uid, "1", result, "seen", software, "operator-1"))


def test_golden_units_are_due(world) -> None:
    """Every golden unit of the product, within the time, by the software that runs now."""
    gates = Gates(golden_hours=8)
    with pytest.raises(Interlocked, match="no golden unit of product ac22"):
        begin(world, gates=gates)
    golden(world, "90"), golden(world, "91", "lock")
    found(world, "90", "PASS")
    with pytest.raises(Interlocked, match="91 was never checked"):
        begin(world, gates=gates)
    found(world, "91", "lock")
    with pytest.raises(Interlocked, match="90 was not checked since the station's software changed"):
        begin(world, gates=gates, software="1.1")
    (status, _) = world.records.golden_status("ac22")
    assert status.problem(8, "1.0", status.last.at + timedelta(hours=7, minutes=59)) == ""
    assert "not checked for 8 h" in status.problem(8, "1.0", status.last.at + timedelta(hours=8))
    begin(world, gates=gates)


def test_station_that_passes_a_known_bad_unit_is_blocked(world) -> None:
    """The hold begins with the check; lifting it does not replace the check."""
    golden(world, "91", "lock")
    assert not found(world, "91", "PASS").as_expected
    (held,) = world.records.holds(HoldScope.STATION)
    assert (held.subject, held.kind, held.who) == ("line1", HoldKind.QUARANTINE, "station")
    with pytest.raises(Interlocked, match="had to be found lock and was found PASS"):
        begin(world)
    world.records.lift(held.ref, "qa-1", "cable of the slot changed")
    with pytest.raises(Interlocked, match="91 had to be found lock"):
        begin(world, gates=Gates(golden_hours=8))
    found(world, "91", "lock")
    begin(world, gates=Gates(golden_hours=8))


def test_golden_unit_is_never_built_nor_packed(world) -> None:
    """Reserved for ever: also a unit that was released to be shipped, also once it is retired."""
    serial = released(world, "90")
    world.records.registered(serial, Registration("staging", 1, b"{}", b"{}"))
    golden(world, "90")
    world.records.registered(serial, Registration("staging", 1, b"{}", b"{}"))
    assert world.records.unit(serial).state is UnitState.RELEASED
    golden(world, "91", "wrong-hardware")
    world.records.retire_golden("91", "engineer-1", "its board broke")
    with pytest.raises(Interlocked, match="golden unit, which checks the station"):
        begin(world, "91")


def test_training(world) -> None:
    """F-K2: what the recipe asks of whoever works must be valid now."""
    from station.records import NewPerson, OneTimeCode

    gates = Gates(training=("esd",))
    code = OneTimeCode("hash", utc_now())
    world.records.add_person(NewPerson("operator-1", "Operator", frozenset({Role.OPERATOR}), "BG-1"), code, "admin-1")
    for valid_for in (None, timedelta(0)):
        if valid_for is not None:
            world.records.train("operator-1", "esd", utc_now() + valid_for, "lead-1")
        with pytest.raises(Interlocked, match="operator-1 has no valid training: esd"):
            begin(world, gates=gates)
    world.records.train("operator-1", "esd", utc_now() + timedelta(hours=8), "lead-1")
    begin(world, gates=gates)


def test_previous_stage(world) -> None:
    """F-B2: no result of the board test, no start."""
    with pytest.raises(Interlocked, match="no result of BOARD-ICT") as caught:
        begin(world, gates=Gates(previous_stage="BOARD-ICT"))
    assert caught.value.hint == "Take the unit back to the stage before."
