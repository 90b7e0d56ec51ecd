"""Labels: one living copy, whose fate is never guessed (F-J2, design 7.8)."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from station.records import LabelJob, LabelState, open_records


@pytest.fixture
def job(world) -> LabelJob:
    """Yield a label of a unit in work."""
    run = world.open()
    return LabelJob(world.unit_of(run), "unit", "code", "0" * 64, odometer_before=41, printer="Z1", run=run)


def test_life_of_a_label(world, job: LabelJob) -> None:
    """Intent, sent, printed by the odometer, verified by the scan."""
    records = world.records
    intended = records.intend_label(job)
    life = (records.label_sent(intended), records.label_printed(intended, 42), records.verify_label(intended, "code"))
    assert [row.state for row in (intended, *life)] == list(LabelState)[:4]
    assert records.living_label(job.unit, "unit") == life[-1]
    assert (life[-1].odometer_before, life[-1].odometer_after, life[-1].copy) == (41, 42, 1)


def test_two_living_labels(world, job: LabelJob) -> None:
    """A second copy is refused while the first is not void, however eight threads try."""

    def print_one(_: int) -> bool:
        try:
            return bool(world.records.intend_label(job))
        except RuntimeError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(print_one, range(8))) == 1


def test_void_makes_room_for_the_next_copy(world, job: LabelJob) -> None:
    """A reprint is a new copy, with reason and person of the old one's end (F-J4)."""
    spoilt = world.records.void_label(world.records.intend_label(job), "torn", "op-7")
    assert (spoilt.state, spoilt.reason, spoilt.who) == (LabelState.VOID, "torn", "op-7")
    assert world.records.living_label(job.unit, "unit") is None
    assert world.records.intend_label(job).copy == 2


def test_no_way_back(world, job: LabelJob) -> None:
    """A state only moves forward, and void is the end."""
    label = world.records.verify_label(world.records.intend_label(job), "code")
    with pytest.raises(RuntimeError, match="only moves forward"):
        world.records.label_sent(label)
    world.records.void_label(label, "torn")
    with pytest.raises(RuntimeError, match="stays void"):
        world.records.verify_label(label, "code")


def test_wrong_scan_and_empty_reason(world, job: LabelJob) -> None:
    """A scan of another code verifies nothing; a label is not void for no reason."""
    label = world.records.intend_label(job)
    with pytest.raises(RuntimeError, match="not the code"):
        world.records.verify_label(label, "code of another unit")
    with pytest.raises(RuntimeError, match="for a reason"):
        world.records.void_label(label, " \n")
    assert world.records.living_label(job.unit, "unit").state is LabelState.INTENDED


def test_unknown_fate_after_a_crash(world, job: LabelJob, url: str) -> None:
    """After a restart the label is where the crash left it, with the odometer by which its fate is judged."""
    world.records.label_sent(world.records.intend_label(job))
    with open_records(url, "line1") as fresh:
        label = fresh.living_label(job.unit, "unit")
        assert (label.state, label.odometer_before, label.odometer_after) == (LabelState.SENT, 41, None)
        assert fresh.verify_label(label, "code").state is LabelState.VERIFIED
