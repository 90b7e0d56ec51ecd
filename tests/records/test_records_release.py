"""The release: all of it in one transaction, or nothing of it (design 7.7, 7.10)."""

import json

import pytest

from station.model import Measurement, Outcome
from station.records import LabelJob, Message, RunRef, StepResult, UnitState, open_records

TELL = (Message("cpms", "AC22-000001", b"{}"), Message("pdf", "AC22-000001", b"{}"))


def release(world, run: RunRef, serial: str = "AC22-000001", messages: tuple[Message, ...] = TELL) -> None:
    world.records.release(run, json.dumps({"serial": serial}).encode(), b"signature", "signer", messages)


def untouched(world, run: RunRef) -> bool:
    """Tell whether nothing of a release is in the records."""
    unit = world.unit_of(run)
    live = world.records.run(run).outcome is None
    state = world.records.unit(unit).state
    return live and state is UnitState.RESERVED and world.records.passport(unit) is None and not world.records.depth()


def test_release(world, url: str) -> None:
    """Run, passport, messages and unit change together, and are there after a restart."""
    run, unit = world.ready()
    release(world, run)
    with open_records(url, "line1") as fresh:
        assert fresh.run(run).outcome is Outcome.PASS
        assert (fresh.unit(unit).state, fresh.depth()) == (UnitState.RELEASED, 2)
        kept = fresh.passport(unit)
        assert (kept.revision, kept.run, kept.signature, json.loads(kept.document)) == (
            1,
            run,
            b"signature",
            {"serial": unit},
        )


@pytest.mark.parametrize("missing", ["identify", "flash", "label"])
def test_step_that_was_never_done(world, missing: str) -> None:
    """Every step of the plan must have passed, not only those that were started."""
    run = world.open()
    for name in ("identify", "flash", "label"):
        if name != missing:
            world.step(run, name)
    world.label(world.unit_of(run))
    with pytest.raises(RuntimeError, match=f"step {missing} has not passed"):
        release(world, run)
    assert untouched(world, run)


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR, Outcome.ABORTED, Outcome.SKIPPED, None])
def test_step_whose_last_attempt_did_not_pass(world, outcome: Outcome | None) -> None:
    """An earlier pass does not count once the step was tried again, and a skip needs evidence."""
    run, _ = world.ready()
    step = world.records.start_step(run, 1, "flash", 2)
    if outcome is not None:
        world.records.finish_step(step, StepResult(outcome, fault="flash"))
    with pytest.raises(RuntimeError, match="step flash has not passed"):
        release(world, run)
    assert untouched(world, run)


def test_step_that_stands_on_evidence(world) -> None:
    """A skipped step with the PASS of an earlier run is as good, and what was measured there counts (F-I3)."""
    first = world.open()
    taken = (Measurement("image", "ab", expected="ab", passed=True),)
    passed = world.step(first, "flash", measurements=taken, detail={"checks": [1]})
    world.records.close_run(first, Outcome.ABORTED)
    run = world.open()
    world.step(run, "identify")
    world.step(run, "flash", Outcome.SKIPPED, evidence=passed)
    world.step(run, "label")
    world.label("AC22-000001")
    (_, flashed, _) = world.records.passed_steps(run)
    assert (flashed.outcome, flashed.evidence, flashed.run) == (Outcome.SKIPPED, passed, run)
    assert ([one.value for one in flashed.measurements], dict(flashed.detail)) == (["ab"], {"checks": [1]})
    release(world, run)


def test_label_that_was_not_scanned_back(world) -> None:
    """No label, a printed one, or a void one: the unit stays (F-J2)."""
    run = world.open()
    for name in ("identify", "flash", "label"):
        world.step(run, name)
    with pytest.raises(RuntimeError, match="label was not scanned back"):
        release(world, run)
    label = world.records.label_rendered(LabelJob("AC22-000001", "unit", "code", "0" * 64))
    world.records.label_sent(label, 7, "Z1")
    for unproven in (lambda: world.records.label_printed(label, 8), lambda: world.records.void_label(label, "torn")):
        unproven()
        with pytest.raises(RuntimeError, match="label was not scanned back"):
            release(world, run)
    assert untouched(world, run)


@pytest.mark.parametrize("document", [b'{"serial":"AC22-000002"}', b"[]", b"not json", b'{"unit":{"serial":"X"}}'])
def test_passport_of_another_unit(world, document: bytes) -> None:
    """A passport that does not name the unit releases nothing (F-B6)."""
    run, _ = world.ready()
    with pytest.raises(RuntimeError, match="passport"):
        world.records.release(run, document, b"signature", "signer", TELL)
    assert untouched(world, run)


def test_message_that_exists_rolls_everything_back(world) -> None:
    """If the last row of a release can't be written, none is."""
    first, _ = world.ready("aa")
    release(world, first)
    second, serial = world.ready("bb")
    with pytest.raises(RuntimeError, match="refuse"):
        release(world, second, serial)
    assert world.records.run(second).outcome is None
    assert (world.records.passport(serial), world.records.depth()) == (None, 2)


def test_released_once(world) -> None:
    """A second release of the run is refused."""
    run, _ = world.ready()
    release(world, run)
    with pytest.raises(RuntimeError, match="closed PASS"):
        release(world, run)


def test_snapshot_is_kept_once(world) -> None:
    """The same configuration is signed and kept once per run and environment; another one is refused (F-E7)."""
    run, unit = world.ready()
    signed = []
    sign = lambda content: signed.append(content) or b"signature"  # noqa: E731
    digests = {world.records.snapshot(run, "ship", {"b": "2", "a": "1"}, sign) for _ in range(2)}
    assert (len(digests), signed) == (1, [b'{"a":"1","b":"2"}'])
    with pytest.raises(RuntimeError, match="refuse"):
        world.records.snapshot(run, "ship", {"a": "other"}, sign)
    assert [row.sha256 for row in world.records.unit_history(unit).runs[0].snapshots] == list(digests)
