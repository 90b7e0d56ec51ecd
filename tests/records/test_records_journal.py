"""Runs and steps: a row before and a row after each act, and what an earlier run proves for a later one."""

import math

import pytest

from station.errors import Defect
from station.model import Measurement, Outcome
from station.records import Attempts, RunFilter, RunRef, RunRequest, StepRef, StepResult, open_records

VOLTS = Measurement("volts", 231.5, "V", 207.0, 253.0)
WRONG = Measurement("url", "ws://x", expected="wss://y", passed=False)


def failed(world, run: RunRef) -> None:
    world.records.close_run(run, Outcome.FAIL, fault=Defect.FLASH.value, reason="bad", hint="Rework.")


def test_row_before_the_act(world) -> None:
    """A started step is in the records before it acts, and stays without outcome if nothing follows (F-K4)."""
    run = world.open()
    step = world.records.start_step(run, 0, "identify", 1)
    kept = world.records.run_detail(run).steps
    assert [(row.ref, row.outcome, row.finished_at) for row in kept] == [(step, None, None)]


def test_row_after_the_act(world) -> None:
    """Outcome, reason, measurements and detail come back as they were given."""
    run = world.open()
    given = {"reason": "late", "hint": "Wait.", "seconds": 1.25, "measurements": (VOLTS, WRONG), "detail": {"b": [1]}}
    world.step(run, "identify", Outcome.ERROR, fault="link", **given)
    kept = world.records.run_detail(run).steps[0]
    assert {name: getattr(kept, name) for name in given} == given
    assert (kept.outcome, kept.fault, kept.attempt) == (Outcome.ERROR, "link", 1)


def test_every_attempt_is_kept(world) -> None:
    """A second attempt is another row; the first one's error stays (F-I7)."""
    run = world.open()
    world.step(run, "identify", Outcome.ERROR, fault="link")
    world.step(run, "identify", attempt=2)
    assert [row.outcome for row in world.records.run_detail(run).steps] == [Outcome.ERROR, Outcome.PASS]
    assert world.records.attempts("AC22-000001", "identify") == Attempts(started=2, failed=0, errors=1)


def test_attempt_ends_once(world) -> None:
    """Neither the end of an attempt nor the attempt itself can be written twice."""
    run = world.open()
    step = world.step(run, "identify")
    with pytest.raises(RuntimeError, match="refuse"):
        world.records.finish_step(step, StepResult(Outcome.PASS))
    with pytest.raises(RuntimeError, match="refuse"):
        world.records.start_step(run, 0, "identify", 1)


def test_step_outside_of_the_plan(world) -> None:
    """Only the steps that the recipe planned, at their place."""
    run = world.open()
    for position, name in ((1, "identify"), (3, "identify"), (-1, "label")):
        with pytest.raises(RuntimeError, match="no step"):
            world.records.start_step(run, position, name, 1)


def test_closed_run_takes_nothing(world) -> None:
    """A closed run is immutable: no step, no end of a step, no second close."""
    run = world.open()
    step = world.records.start_step(run, 0, "identify", 1)
    failed(world, run)
    with pytest.raises(RuntimeError, match="closed FAIL"):
        world.records.finish_step(step, StepResult(Outcome.PASS))
    with pytest.raises(RuntimeError, match="closed FAIL"):
        failed(world, run)
    with pytest.raises(RuntimeError, match="closed FAIL"):
        world.records.start_step(run, 0, "identify", 2)


def test_only_a_release_passes_a_run(world) -> None:
    """`close_run` can't pass a run, and a FAIL names its defect."""
    run = world.open()
    with pytest.raises(RuntimeError, match="only a release"):
        world.records.close_run(run, Outcome.PASS)
    with pytest.raises(ValueError, match="link"):
        world.records.close_run(run, Outcome.FAIL, fault="link")
    assert world.records.runs(RunFilter(live=True))[0].ref == run


@pytest.mark.parametrize("detail", [{"big": "x" * 70_000}, {"nan": math.nan}, {"bytes": b"x"}, {"big": 2**60}])
def test_detail_is_bounded_json(world, detail: dict[str, object]) -> None:
    """What is no canonical JSON, or too much of it, is refused whole: no half of a step's end is kept."""
    run = world.open()
    step = world.records.start_step(run, 0, "identify", 1)
    with pytest.raises(ValueError, match=r"."):
        world.records.finish_step(step, StepResult(Outcome.PASS, measurements=(VOLTS,), detail=detail))
    assert world.records.run_detail(run).steps[0].outcome is None


def test_device_text_is_cut_to_one_line(world) -> None:
    """A reason that quotes a device holds no control character and no more than a page can show."""
    run = world.open()
    world.step(run, "identify", Outcome.ERROR, reason="a\x1b[2J\nb" + "x" * 5000)
    world.records.close_run(run, Outcome.ERROR, reason="a\x1b[2J\nb" + "x" * 5000)
    for reason in (world.records.run_detail(run).steps[0].reason, world.records.run(run).reason):
        assert reason.startswith("a [2J b")
        assert len(reason) <= 1000


def test_interrupted_runs_are_aborted(world, url: str) -> None:
    """After a restart nothing is live; closed runs and other stations' runs stay as they were (F-L1)."""
    done, live = world.open("aa", slot="1"), world.open("bb", slot="2")
    failed(world, done)
    with open_records(url, "line2") as other:
        elsewhere = other.open_run(RunRequest("WO-1", "cc", "1", ("identify",), "3.4.1"))
    assert world.records.abort_interrupted("power cut") == (live,)
    rows = {row.ref: (row.outcome, row.reason) for row in world.records.runs()}
    assert rows == {live: (Outcome.ABORTED, "power cut"), done: (Outcome.FAIL, "bad"), elsewhere: (None, "")}


def test_ids_are_unique_across_stations(world, url: str) -> None:
    """Two stations number their rows apart."""
    with open_records(url, "line2") as other:
        assert [str(world.records.event("a", "b", {})), str(other.event("a", "b", {}))] == ["line1/1", "line2/1"]
    assert RunRef.parse("line-1/17") == RunRef("line-1", 17) != StepRef("line-1", 17)


def test_one_slot_one_run(world) -> None:
    """A slot that works on one unit can't open a second run."""
    world.open("aa", slot="1")
    with pytest.raises(RuntimeError, match="refuse"):
        world.open("bb", slot="1")
    assert world.records.unit_of_hardware("bb") is None


def test_evidence_is_the_latest_pass(world) -> None:
    """A step that passed before, with all else equal, is evidence; a failed one is none (design 8.1)."""
    for attempt in range(2):
        run = world.open()
        passed = world.step(run, "identify")
        world.step(run, "flash", Outcome.FAIL, fault="flash", attempt=attempt + 1)
        failed(world, run)
    now = world.open()
    assert world.records.evidence(now, "identify") == passed
    assert world.records.evidence(now, "flash") is None


def test_own_run_is_no_evidence(world) -> None:
    """What passed in the live run proves nothing about an earlier one."""
    run = world.open()
    step = world.step(run, "identify")
    assert world.records.evidence(run, "identify") is None
    with pytest.raises(RuntimeError, match="no evidence"):
        world.step(run, "identify", Outcome.SKIPPED, attempt=2, evidence=step)


@pytest.mark.parametrize(("uid", "slot", "firmware"), [("aa", "1", "3.5.0"), ("bb", "2", "3.4.1")])
def test_other_conditions_are_no_evidence(world, uid: str, slot: str, firmware: str) -> None:
    """Another firmware or another unit makes the step be done again."""
    run = world.open("aa")
    step = world.step(run, "identify")
    failed(world, run)
    now = world.records.open_run(RunRequest("WO-1", uid, slot, ("identify",), firmware))
    assert world.records.evidence(now, "identify") is None
    with pytest.raises(RuntimeError, match="no evidence"):
        world.step(now, "identify", Outcome.SKIPPED, evidence=step)


def test_evidence_always_points_at_the_pass_itself(world) -> None:
    """A step that stood on evidence is not evidence: the third run refers to the first."""
    first = world.open()
    passed = world.step(first, "identify")
    failed(world, first)
    second = world.open()
    world.step(second, "identify", Outcome.SKIPPED, evidence=passed)
    failed(world, second)
    assert world.records.evidence(world.open(), "identify") == passed
    assert world.records.run_detail(second).steps[0].satisfied


def test_aborted_runs_do_not_count_as_failed(world) -> None:
    """Power cuts scrap no unit; FAIL and ERROR count (F-L5)."""
    for outcome in (Outcome.ABORTED, Outcome.ERROR, Outcome.ABORTED, Outcome.FAIL):
        run = world.open()
        world.records.close_run(run, outcome, fault="flash")
    assert world.records.failed_runs("AC22-000001") == 2


def test_event_is_canonical(world) -> None:
    """Events are RFC 8785 bytes: members sorted, no space, so their hash means the same everywhere."""
    world.records.event("seal-intended", "AC22-000001", {"ü": 1.0, "b": [True, None], "a": "€"})
    assert world.records.events()[0].body == '{"a":"€","b":[true,null],"ü":1}'.encode()
