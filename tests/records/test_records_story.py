"""The story of a work order: who did what to which unit, when and why (F-I7, F-K3)."""

from datetime import timedelta

from station.clock import utc_now
from station.errors import Defect
from station.model import Outcome
from station.records import Disposition, DispositionKind, Hold, HoldScope, RunRequest
from tests.records.conftest import PLAN, World


def kinds(world: World) -> list[tuple[str, str, str]]:
    return [(row.kind, row.who, row.subject) for row in reversed(world.records.story("WO-1"))]


def test_story_begins_with_the_order_and_tells_runs_under_their_units(world: World) -> None:
    run = world.records.open_run(RunRequest("WO-1", "aa01", "2", PLAN, "3.4.1", operator="operator-1"))
    assert [row.kind for row in world.records.story("WO-1")] == ["run-begun", "order-created"]
    world.records.close_run(run, Outcome.FAIL, fault=Defect.FLASH.value, reason="It is damaged.")
    newest = world.records.story("WO-1")[0]
    assert (newest.kind, newest.who, newest.subject) == ("run", "operator-1", world.unit_of(run))
    assert (newest.body["outcome"], newest.body["slot"], newest.body["reason"]) == ("FAIL", "2", "It is damaged.")


def test_what_is_said_of_a_device_is_told_of_its_unit(world: World) -> None:
    unit = world.unit_of(world.open("aa02"))
    world.records.event("blocked", "aa02", {"slot": "1", "reason": "It rests."}, "operator-1")
    world.records.event("recovered", "aa02", {"firmware": "1.4.0"})
    assert kinds(world)[-2:] == [("blocked", "operator-1", unit), ("recovered", "station", unit)]


def test_decisions_stand_there_with_name_and_reason(world: World) -> None:
    run = world.open("aa03")
    unit = world.unit_of(run)
    world.records.close_run(run, Outcome.ABORTED, reason="Power.")
    world.records.hold(Hold(HoldScope.ORDER, "WO-1", "The labels are wrong.", "qa-1"))
    world.records.dispose(Disposition(DispositionKind.SCRAP, unit, "RC-DAMAGE", "It was dropped.", "lead-1"))
    told = {row.kind: row for row in world.records.story("WO-1")}
    assert (told["hold"].who, told["hold"].body["reason"]) == ("qa-1", "The labels are wrong.")
    assert (told["scrap"].who, told["scrap"].subject, told["scrap"].body["reason"]) == (
        "lead-1",
        unit,
        "It was dropped.",
    )


def test_other_orders_and_what_belongs_to_a_run_are_not_told(world: World) -> None:
    unit = world.unit_of(world.open("aa04"))
    world.records.event("seal-intended", unit, {})
    world.records.event("hold", "WO-2", {"reason": "Elsewhere."}, "qa-1")
    assert [kind for kind, _, _ in kinds(world)] == ["order-created", "run-begun"]


def test_checks_of_the_station_are_told_in_what_is_built_meanwhile(world: World) -> None:
    world.records.event("golden-check", "ffff", {"found": "PASS"}, "operator-1")
    assert kinds(world)[-1] == ("golden-check", "operator-1", "ffff")


def test_failures_are_counted_by_what_ended_the_run(world: World) -> None:
    before = utc_now() - timedelta(seconds=1)
    for uid, fault, outcome in (
        ("b1", "flash", Outcome.FAIL),
        ("b2", "flash", Outcome.FAIL),
        ("b3", "hsm", Outcome.ERROR),
    ):
        world.records.close_run(world.open(uid), outcome, fault=fault)
    counts = [(one.fault, one.outcome, one.count) for one in world.records.failures_since(before)]
    assert counts == [("flash", Outcome.FAIL, 2), ("hsm", Outcome.ERROR, 1)]
    assert world.records.failures_since(utc_now() + timedelta(seconds=1)) == ()
    assert world.records.first_released("WO-1") == ""
