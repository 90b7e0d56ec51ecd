"""A station that came out of a backup: what it does not know is seen, answered for by two, and never given again."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pki.log import Checkpoint, sign_checkpoint
from station.audit.kept import notes_in
from station.audit.key import origin_of
from station.audit.verify import verify_log
from station.config import load_station
from station.errors import ConfigError, Interlocked, UnitError
from station.identifiers.cartons import CartonBlock, sscc
from station.keeping.accepting import accept, last_carton_of, refuse_restored
from station.people import NotAllowed
from station.person import Person, Role
from station.records import (
    Acceptance,
    Disposition,
    DispositionKind,
    Edit,
    Records,
    RunRequest,
    SerialBlock,
    open_records,
)
from tests.audit.conftest import ORDER, PLAN, STATION, SoftKey
from tests.keeping.keeping_world import Kept

QA = Person("qa-1", "Quality", frozenset({Role.QA}))
LEAD = Person("lead-1", "Lead", frozenset({Role.LINE_LEAD}))
WHY = "the disk died"


@pytest.fixture
def late(kept: Kept) -> Kept:
    """Return a station that went on after its backup: a unit more is released, another in work, both signed."""
    kept.release(3)
    kept.records.open_run(RunRequest("WO-1", "0004", "1", PLAN, "3.4.1"))
    kept.world.publish()
    return kept


@pytest.fixture
def records(late: Kept) -> Iterator[Records]:
    """Yield the records that came back."""
    restored = late.restore(late.old, "restored", late.copies)
    with open_records(load_station(restored.directory).database_url, STATION) as records:
        yield records


def test_what_is_lost_is_counted(late: Kept) -> None:
    """An old backup is seen by the checkpoints that others kept."""
    restored = late.restore(late.old, "restored", late.copies)
    size = late.records.log_head().size
    assert restored.examined.lost == size - restored.manifest.log.entries > 10
    assert restored.examined.newest is not None
    assert str(late.copies) in restored.examined.newest.where


def test_nothing_is_said_to_be_lost_where_nobody_knows(late: Kept) -> None:
    assert late.restore(late.old).examined.lost is None


def test_an_old_checkpoint_does_not_show_that_nothing_is_lost(kept: Kept) -> None:
    """Only one that is newer than the backup tells anything of what came behind it."""
    backup = kept.backup()
    kept.release(3)
    restored = kept.restore(backup.path, "restored", kept.copies)
    newest = restored.examined.newest
    assert newest is not None
    assert newest.checkpoint.size < backup.entries
    assert restored.examined.lost is None


def test_a_checkpoint_that_the_key_did_not_sign_is_told(late: Kept) -> None:
    foreign = late.copies / "foreign.txt"
    stranger = SoftKey()
    checkpoint = Checkpoint(origin_of(STATION), 999_999, bytes(32))
    foreign.write_bytes(sign_checkpoint(checkpoint, stranger.spki, stranger.sign))
    (late.copies / "shopping.txt").write_text("milk")
    examined = late.restore(late.old, "restored", late.copies).examined
    assert examined.unsigned == (str(foreign),)
    assert examined.lost == late.records.log_head().size - examined.entries


def test_the_audit_shows_an_old_backup(late: Kept, records: Records) -> None:
    """Whoever kept a later checkpoint sees that the log was set back, also after it was accepted."""
    accept(records, (QA, LEAD), WHY, {})
    verdict = verify_log(records, late.audit.spki, origin_of(STATION), notes_in([late.copies]))
    assert not verdict.good
    assert any("cut or set back" in one.sentence or "not those that" in one.sentence for one in verdict.deviations)


def test_it_does_not_run_until_two_answered_for_it(records: Records, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody has answered"):
        refuse_restored(records, tmp_path)
    accept(records, (QA, LEAD), WHY, {})
    refuse_restored(records, tmp_path)
    told = json.loads(records.events(STATION, "restore-accepted")[0].body)
    assert (told["second"], told["reason"]) == ("lead-1", WHY)
    with pytest.raises(ConfigError, match="not restored"):
        accept(records, (QA, LEAD), WHY, {})


ADMIN = Person("admin-1", "Admin", frozenset({Role.ADMIN}))
TWICE = Person("qa-1", "Quality", frozenset({Role.LINE_LEAD}))


@pytest.mark.parametrize(
    ("people", "error"),
    [((LEAD, QA), NotAllowed), ((LEAD, ADMIN), NotAllowed), ((QA, QA), NotAllowed), ((QA, TWICE), ConfigError)],
)
def test_it_takes_quality_and_another(records: Records, people: tuple[Person, Person], error: type[Exception]) -> None:
    with pytest.raises(error):
        accept(records, people, WHY, {})
    assert records.open_restore() is not None


def test_no_serial_number_is_given_twice(late: Kept, records: Records) -> None:
    """Design 7.1: the unit that was built since keeps its number for itself, however the number is asked for."""
    since = {run.unit for run in late.records.runs()} - {run.unit for run in records.runs()}
    accept(records, (QA, LEAD), WHY, {})
    with pytest.raises(UnitError, match="no serial left"):
        records.open_run(RunRequest("WO-1", "00aa", "1", PLAN, "3.4.1"))
    assert len(since) == 2
    for serial in since:
        with pytest.raises(UnitError, match="burnt"):
            records.open_run(RunRequest("WO-1", "00bb", "2", PLAN, "3.4.1", serial))


def test_what_can_no_more_be_numbered_is_counted(records: Records) -> None:
    """A block never grows into numbers that any order may have got since: it takes a new order."""
    (burnt,) = accept(records, (QA, LEAD), WHY, {}).burnt
    order = records.order("WO-1")
    assert order is not None
    assert (burnt.first, burnt.last, burnt.left, burnt.missing) == ("AC22-000001", "AC22-000099", 0, 88)
    assert order.serials.last == 99


def test_a_block_that_was_burnt_never_grows(kept: Kept) -> None:
    """A replacement would get the number behind it, which a replacement of since the backup may have."""
    kept.records.create_order(replace(ORDER, id="WO-2", quantity=1, serials=SerialBlock("AC22-", 200, 200)))
    kept.records.open_run(RunRequest("WO-2", "00dd", "1", PLAN, "3.4.1"))
    kept.records.abort_interrupted("power cut")
    kept.records.dispose(Disposition(DispositionKind.SCRAP, "AC22-000200", "RC-DAMAGE", "broken", "qa-1"))
    with kept.back(kept.backup().path) as records:
        accept(records, (QA, LEAD), WHY, {})
        with pytest.raises(ConfigError, match="WO-2 was restored"):
            records.replace_scrap("WO-2", 1, Edit("lead-1", "one more"))


def test_people_who_know_more_burn_less(records: Records) -> None:
    """Two people may name the last number that can have been given."""
    with pytest.raises(ConfigError, match="no serial number of WO-1"):
        accept(records, (QA, LEAD), WHY, {"WO-1": "AC22-000500"})
    with pytest.raises(ConfigError, match="no order"):
        accept(records, (QA, LEAD), WHY, {"WO-9": "AC22-000005"})
    (burnt,) = accept(records, (QA, LEAD), WHY, {"WO-1": "AC22-000009"}).burnt
    assert burnt.last == "AC22-000009"
    run = records.open_run(RunRequest("WO-1", "00aa", "1", PLAN, "3.4.1", "AC22-000010"))
    assert records.run(run).unit == "AC22-000010"


def test_what_was_in_work_waits_for_somebody(kept: Kept) -> None:
    """It may have been released and shipped since: its charger is looked at before it is worked on."""
    kept.records.open_run(RunRequest("WO-1", "00cc", "1", PLAN, "3.4.1"))
    with kept.back(kept.backup().path) as records:
        (live,) = records.abort_interrupted("restored")
        unit = records.run(live).unit
        assert accept(records, (QA, LEAD), WHY, {}).held == (unit,)
        with pytest.raises(Interlocked, match="hold"):
            records.open_run(RunRequest("WO-1", "00cc", "1", PLAN, "3.4.1"))


def test_nothing_is_accepted_that_was_not_restored(kept: Kept) -> None:
    with pytest.raises(ConfigError, match="not restored"):
        kept.records.accept_restore(Acceptance("qa-1", "lead-1", WHY))


CARTONS = CartonBlock("4012345", 3, 1, 50)


def test_no_carton_number_is_given_twice(records: Records) -> None:
    """Numbers go on behind the last one that the two say can have been given."""
    records.number_carton("AC22-000001", CARTONS, "operator-1")
    carton = last_carton_of(CARTONS, "17")
    assert carton == last_carton_of(CARTONS, carton) == sscc("4012345", 17, 3)
    accept(records, (QA, LEAD), WHY, {}, carton)
    given = [records.number_carton(f"AC22-00000{unit}", CARTONS, "operator-1") for unit in (1, 2, 3)]
    assert given == [sscc("4012345", number, 3) for number in (1, 18, 19)]


def test_carton_numbers_are_answered_for() -> None:
    assert (last_carton_of(CartonBlock(), ""), last_carton_of(CARTONS, "0")) == ("", "")
    for wrong in ("51", "-1", "seventeen", sscc("4012345", 51, 3), sscc("4012346", 17, 3)):
        with pytest.raises(ConfigError, match="no carton number of the station's block"):
            last_carton_of(CARTONS, wrong)
    with pytest.raises(ConfigError, match="none is given twice"):
        last_carton_of(CARTONS, "")
