"""Bundles are kept for good; a restriction stops what was approved: at the start, at the release, at packing."""

from dataclasses import replace

import pytest

from station.catalog.restrictions import Restriction, RestrictionKind
from station.errors import ConfigError, Defect, UnitError
from station.model import Outcome
from station.records import Records, Registration, RunRequest, SerialBlock, UnitState, open_records
from tests.records.conftest import ORDER, PLAN

WITHDRAWN = Restriction(RestrictionKind.BUNDLE, "a" * 64, reason="wrong fuse rating", who="Q. Ality")
FIRMWARE = Restriction(RestrictionKind.FIRMWARE, "ac22-3.4.1", reason="CVE", who="Q. Ality")
MINIMUM = Restriction(RestrictionKind.MINIMUM, "ac22", "3.5.0", reason="update path", who="Q. Ality")


def opened(world, uid: str = "aa01", version: str = "3.4.1", order: str = "WO-1", slot: str = "1"):
    return world.records.open_run(RunRequest(order, uid, slot, PLAN, version, firmware_name=f"ac22-{version}"))


def ready(world):
    run = opened(world)
    for name in PLAN:
        world.step(run, name)
    world.label(world.unit_of(run))
    return run


def release(world, run) -> None:
    world.records.release(run, f'{{"serial":"{world.unit_of(run)}"}}'.encode(), b"signature", "signer")


def test_bundle_is_kept_with_what_lies_beside_it(records: Records, url: str) -> None:
    """F-A3: years later it is read from the record, also when the catalogue lost it."""
    kept = records.keep_bundle("ac22-eu", 3, b"document", {"author.sig": b"one"})
    again = records.keep_bundle("ac22-eu", 3, b"document", {"author.sig": b"one", "approver.sig": b"two"})
    assert (again.digest, again.kept_at) == (kept.digest, kept.kept_at)
    with open_records(url, "line1") as fresh:
        assert fresh.bundle(kept.digest) == fresh.bundle_of("ac22-eu", 3) == fresh.bundles()[0] == again
        assert again.files == {"approver.sig": b"two", "author.sig": b"one"}


def test_revision_has_one_content(records: Records) -> None:
    """F-A2: what was approved as r3 is never something else."""
    first = records.keep_bundle("ac22-eu", 3, b"document", {})
    with pytest.raises(ConfigError, match="ac22-eu r3 is recorded with another content"):
        records.keep_bundle("ac22-eu", 3, b"edited", {})
    assert records.bundles() == (first,)


def test_unknown_bundle(records: Records) -> None:
    assert records.bundle("0" * 64) is None
    assert records.bundle_of("ac22-eu", 1) is None


def test_restriction_is_recorded_once(records: Records, url: str) -> None:
    """Asking twice changes neither time nor reason."""
    first = records.restrict(WITHDRAWN)
    assert records.restrict(replace(WITHDRAWN, reason="another")) == first
    assert first.at is not None
    records.restrict(MINIMUM)
    with open_records(url, "line1") as fresh:
        assert [(one.kind, one.subject, one.value) for one in fresh.restrictions()] == [
            ("bundle", "a" * 64, ""),
            ("minimum", "ac22", "3.5.0"),
        ]


@pytest.mark.parametrize("gap", [{"reason": " "}, {"who": ""}])
def test_restriction_needs_reason_and_name(records: Records, gap: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="needs a reason and a name"):
        records.restrict(replace(WITHDRAWN, **gap))
    assert records.restrictions() == ()


@pytest.mark.parametrize("gap", [{"subject": ""}, {"value": "newest"}, {"value": ""}])
def test_minimum_that_can_not_be_compared(gap: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"restriction|form"):
        replace(MINIMUM, **gap)


@pytest.mark.parametrize("restriction", [WITHDRAWN, FIRMWARE, MINIMUM], ids=lambda one: one.kind.value)
def test_no_run_begins(world, restriction: Restriction) -> None:
    """F-A2: a withdrawal takes effect on running orders; nothing is reserved."""
    world.records.restrict(restriction)
    with pytest.raises(ConfigError, match=f"Work order WO-1 is stopped: .*{restriction.reason}"):
        opened(world)
    assert world.records.unit_of_hardware("aa01") is None


@pytest.mark.parametrize("restriction", [WITHDRAWN, FIRMWARE, MINIMUM], ids=lambda one: one.kind.value)
def test_unit_on_its_way_is_not_released(world, restriction: Restriction) -> None:
    """F-C4: raised after the flash, it still stops the unit, and says which one."""
    run = ready(world)
    world.records.restrict(restriction)
    with pytest.raises(UnitError, match=f"AC22-000001 can't be released: .*{restriction.reason}") as caught:
        release(world, run)
    assert caught.value.defect is Defect.WITHDRAWN
    assert world.records.run(run).outcome is None
    assert world.records.passport("AC22-000001") is None


@pytest.mark.parametrize(
    "other",
    [
        replace(WITHDRAWN, subject="b" * 64),
        replace(FIRMWARE, subject="ac22-3.4.0"),
        replace(MINIMUM, value="3.4.1"),
        replace(MINIMUM, subject="dc60"),
    ],
    ids=["bundle", "firmware", "minimum reached", "product"],
)
def test_restriction_of_something_else_stops_nothing(world, other: Restriction) -> None:
    world.records.restrict(other)
    release(world, ready(world))
    assert world.records.unit("AC22-000001").state is UnitState.RELEASED


def test_withdrawn_after_the_release_is_not_packable(world) -> None:
    """F-C4: also what waits for its registration stays here."""
    release(world, ready(world))
    world.records.restrict(FIRMWARE)
    world.records.registered("AC22-000001", Registration("staging", 1, b"{}", b"{}"))
    assert world.records.unit("AC22-000001").state is UnitState.RELEASED


@pytest.mark.parametrize(
    ("restriction", "state"),
    [(FIRMWARE, UnitState.RELEASED), (replace(FIRMWARE, subject="ac22-3.4.0"), UnitState.PACKABLE)],
    ids=["its firmware", "another"],
)
def test_withdrawal_takes_back_what_may_be_packed(world, restriction: Restriction, state: UnitState) -> None:
    """F-C4: what waits in the warehouse is kept back too, and nothing else."""
    release(world, ready(world))
    world.records.registered("AC22-000001", Registration("staging", 1, b"{}", b"{}"))
    assert world.records.unit("AC22-000001").state is UnitState.PACKABLE
    world.records.restrict(restriction)
    assert world.records.unit("AC22-000001").state is state


def test_versions_are_compared_as_numbers(world) -> None:
    """3.10.0 is newer than 3.5.0, though not as text."""
    world.records.restrict(MINIMUM)
    assert opened(world, version="3.10.0")


def test_affected_units_are_listed(world) -> None:
    """F-C4: in work and shipped, each by what its latest run was built of."""
    release(world, ready(world))
    old = opened(world, "aa02", slot="2")
    world.records.close_run(old, Outcome.ABORTED)
    newer = opened(world, "aa02", version="3.6.0", slot="2")
    world.records.create_order(
        replace(ORDER, id="WO-2", recipe_digest="b" * 64, serials=SerialBlock("AC22-", 200, 299))
    )
    opened(world, "aa03", order="WO-2", slot="3")
    serials = {
        one.kind: [(u.serial, u.state) for u in world.records.affected(one)] for one in (WITHDRAWN, FIRMWARE, MINIMUM)
    }
    shipped, work, other = (
        ("AC22-000001", UnitState.RELEASED),
        ("AC22-000002", UnitState.RESERVED),
        ("AC22-000200", UnitState.RESERVED),
    )
    assert serials == {"bundle": [shipped, work], "firmware": [shipped, other], "minimum": [shipped, other]}
    assert world.records.affected(WITHDRAWN)[1].run == newer


def test_proof_of_a_step(world) -> None:
    """A first article proves for its recipe at this station, and an attempt that failed proves nothing."""
    records = world.records
    assert records.proof_of("a" * 64, "flash") is None
    first = world.open()
    world.step(first, "flash", Outcome.FAIL, fault="flash")
    assert records.proof_of("a" * 64, "flash") is None
    passed = world.step(first, "flash", attempt=2)
    assert records.proof_of("a" * 64, "flash") == passed
    records.close_run(first, Outcome.ABORTED)
    assert records.proof_of("a" * 64, "flash") == passed
    assert records.proof_of("a" * 64, "identify") is None
    assert records.proof_of("b" * 64, "flash") is None


def test_run_says_on_whose_word(world) -> None:
    """F-A3: bundle, approvers and override stand in the run itself."""
    approval = {"bundle": "ac22-eu r3", "author": "a", "approvers": ["b"], "override": None, "development": False}
    run = world.records.open_run(RunRequest("WO-1", "aa", "1", PLAN, "3.4.1", approval=approval))
    assert world.records.run(run).approval == approval


def test_order_names_its_bundle(records: Records) -> None:
    order = replace(ORDER, id="WO-2", bundle="ac22-eu-r3", serials=SerialBlock("AC22-", 200, 299))
    records.create_order(order)
    assert records.order("WO-2") == order
    assert records.order("WO-1").bundle == ""
