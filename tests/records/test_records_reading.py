"""What pages and commands are told: whole, in order, and as values that no session can change."""

import dataclasses
import json

import pytest

from station.model import Outcome
from station.records import OrderCounts, RunFilter


def release(world, uid: str, slot: str) -> str:
    run, unit = world.ready(uid, slot)
    world.records.certificate_event(run, "ship", "0A1B", "installed", {"sha256": "ff"})
    world.records.release(run, json.dumps({"serial": unit}).encode(), b"s", "signer")
    return unit


def test_history_of_a_unit(world) -> None:
    """A unit's whole life by its serial: failed attempt, refusal, label, certificate, passport."""
    world.records.close_run(world.open("aa"), Outcome.FAIL, fault="flash", reason="bad flash")
    unit = release(world, "aa", "2")
    world.records.event("reprint", unit, {"why": "torn"})
    history = world.records.unit_history(unit)
    assert [(found.run.outcome, len(found.steps)) for found in history.runs] == [(Outcome.FAIL, 0), (Outcome.PASS, 3)]
    assert [row.certificate_serial for row in history.runs[1].certificates] == ["0A1B"]
    assert [len(rows) for rows in (history.labels, history.passports, history.events)] == [1, 1, 1]
    assert history.order.serials == world.records.order("WO-1").serials


def test_unknown_is_none(world) -> None:
    """What is not there is None, not an error."""
    run = dataclasses.replace(world.open(), sequence=99)
    assert world.records.unit_history("AC22-999999") is None
    assert (world.records.run(run), world.records.run_detail(run), world.records.order("x")) == (None, None, None)


@pytest.mark.parametrize(
    ("wanted", "slots"),
    [
        (RunFilter(), ["3", "2", "1"]),
        (RunFilter(unit="AC22-000002"), ["2"]),
        (RunFilter(slot="3"), ["3"]),
        (RunFilter(live=True), ["3"]),
        (RunFilter(outcome=Outcome.FAIL), ["1"]),
        (RunFilter(order="WO-2"), []),
    ],
)
def test_filtered_runs(world, wanted: RunFilter, slots: list[str]) -> None:
    """Runs newest first, by what was asked."""
    world.records.close_run(world.open("aa", slot="1"), Outcome.FAIL, fault="flash")
    world.records.close_run(world.open("bb", slot="2"), Outcome.ERROR, fault="hsm")
    world.open("cc", slot="3")
    assert [row.slot for row in world.records.runs(wanted)] == slots
    assert len(world.records.runs(wanted, limit=1)) == min(1, len(slots))


def test_counts(world) -> None:
    """The page's counters come from the rows."""
    world.records.close_run(world.open("aa"), Outcome.FAIL, fault="flash")
    release(world, "bb", "2")
    assert world.records.counts("WO-1") == OrderCounts(quantity=12, reserved=2, released=1, packable=0, failed=1)


def test_values_are_frozen(world) -> None:
    """Nobody changes the past by assigning to it."""
    row = world.records.run(world.open())
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.reason = "better"  # type: ignore[misc]


def test_run_says_what_it_was_made_for(world) -> None:
    """Order, recipe digest, environments, plan and firmware stand in the run itself (F-A3)."""
    row = world.records.run(world.open())
    assert (row.work_order, row.recipe, row.recipe_revision, row.recipe_digest) == ("WO-1", "ac22-eu", 7, "a" * 64)
    assert (row.test_environment, row.ship_environment, row.firmware) == ("staging", "production", "3.4.1")
    assert row.plan == ("identify", "flash", "label")
