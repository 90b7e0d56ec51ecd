"""Labels: one living copy, whose fate is never guessed (F-J2, design 7.8)."""

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, text

from station.errors import Interlocked
from station.records import (
    Disposition,
    DispositionKind,
    LabelJob,
    LabelRow,
    LabelState,
    Registration,
    UnitState,
    open_records,
    upgrade,
)
from station.records.database import migration_config
from station.records.packing import is_labelled

OLD_STATES = {"intended": "sent", "sent": "sent", "printed": "printed", "verified": "scanned", "void": "void"}
NAMES = "id product recipe recipe_revision recipe_digest quantity customer serial_prefix serial_digits serial_first"
NAMES += " serial_last serial_next test_environment ship_environment state created_at"
OLD_ORDER = (
    f"({', '.join(NAMES.split())}) VALUES ('WO-1','ac22','ac22-eu',1,'aa',9,'','AC22-',6,1,9,1,'t','s','open','2026')"
)


@pytest.fixture
def job(world) -> LabelJob:
    """Yield a label of a unit in work."""
    run = world.open()
    return LabelJob(world.unit_of(run), "unit", "code", "0" * 64, run)


def test_life_of_a_label(world, job: LabelJob) -> None:
    """Rendered, verified by its picture, sent, printed by the printer's count, scanned back."""
    records = world.records
    row = records.label_rendered(job)
    life = [row, records.label_verified(row), records.label_sent(row, 41, "Z1")]
    life += [records.label_printed(row, 42), records.label_scanned(row, "code")]
    assert [row.state for row in life] == list(LabelState)[:5]
    assert records.living_labels(job.unit) == (life[-1],)
    assert (life[-1].odometer_before, life[-1].odometer_after, life[-1].printer) == (41, 42, "Z1")
    assert records.open_labels() == ()


def test_two_living_labels(world, job: LabelJob) -> None:
    """A second copy is refused while the first is not void, however eight threads try."""

    def print_one(_: int) -> bool:
        try:
            return bool(world.records.label_rendered(job))
        except Interlocked:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(print_one, range(8))) == 1


def test_void_makes_room_for_the_next_copy(world, job: LabelJob) -> None:
    """A reprint is a new copy, with reason and person of the old one's end (F-J4)."""
    spoilt = world.records.void_label(world.records.label_rendered(job), "torn", "op-7")
    assert (spoilt.state, spoilt.reason, spoilt.who) == (LabelState.VOID, "torn", "op-7")
    assert world.records.living_label(job.unit, "unit") is None
    assert world.records.label_rendered(job).copy == 2


def test_no_way_back(world, job: LabelJob) -> None:
    """A state only moves forward, and void is the end."""
    label = world.records.label_scanned(sent(world, job), "code")
    with pytest.raises(RuntimeError, match="only moves forward"):
        world.records.label_verified(label)
    world.records.void_label(label, "torn")
    with pytest.raises(Interlocked, match="is void: somebody else was first"):
        world.records.label_scanned(label, "code")
    with pytest.raises(RuntimeError, match="stays void"), world.records.database.write() as session:
        session.execute(text("UPDATE label SET state = 'scanned'"))


def test_label_is_sent_once_and_to_one_printer(world, job: LabelJob) -> None:
    """Not a second time, also not with the same numbers; nobody makes another printer of it afterwards."""
    label = sent(world, job)
    for printer in ("Z1", "Z2"):
        with pytest.raises(Interlocked, match="sent already: somebody else was first"):
            world.records.label_sent(label, 41, printer)
    with pytest.raises(RuntimeError, match="sent once"), world.records.database.write() as session:
        session.execute(text("UPDATE label SET printer = 'Z2'"))
    with pytest.raises(RuntimeError, match="sent once"), world.records.database.write() as session:
        session.execute(text("UPDATE label SET state = 'sent'"))


def test_label_that_was_never_sent_is_neither_printed_nor_scanned(world, job: LabelJob) -> None:
    """What no printer got cannot be in somebody's hand: such a scan is another label's."""
    label = world.records.label_verified(world.records.label_rendered(job))
    for impossible in (
        lambda: world.records.label_printed(label, 42),
        lambda: world.records.label_scanned(label, "code"),
    ):
        with pytest.raises(RuntimeError, match="sent_counted"):
            impossible()
    assert world.records.open_labels() == (label,)


def test_wrong_scan_and_empty_reason(world, job: LabelJob) -> None:
    """A scan of another code proves nothing; a label is not void for no reason."""
    label = sent(world, job)
    with pytest.raises(RuntimeError, match="not the code"):
        world.records.label_scanned(label, "code of another unit")
    with pytest.raises(RuntimeError, match="for a reason"):
        world.records.void_label(label, " \n")
    assert world.records.living_label(job.unit, "unit").state is LabelState.SENT


def test_unknown_fate_after_a_crash(world, job: LabelJob, url: str) -> None:
    """After a restart the label is where the crash left it, with the number by which its fate is told."""
    sent(world, job)
    with open_records(url, "line1") as fresh:
        (label,) = fresh.open_labels()
        assert (label.state, label.odometer_before, label.odometer_after) == (LabelState.SENT, 41, None)
        assert fresh.label_scanned(label, "code").state is LabelState.SCANNED
        assert [row.state for row in fresh.ended_labels()] == [LabelState.SCANNED]


def test_states_of_before_keep_their_meaning(tmp_path: Path) -> None:
    """`verified` was said of scanned labels, and `intended` of what may have been sent."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(migration_config(connection), "0012")
        connection.exec_driver_sql(f"INSERT INTO work_order {OLD_ORDER}")
        connection.exec_driver_sql("INSERT INTO unit VALUES ('U-1', 'aa', 'WO-1', 'U-1', 'reserved', '2026')")
        for state in OLD_STATES:
            values = f"'U-1','{state}',1,'L1',NULL,'{state}','c','s','',7,NULL,'2026','2026','why',''"
            connection.exec_driver_sql(f"INSERT INTO label VALUES ({values})")
    engine.dispose()
    upgrade(url)
    with sqlite3.connect(tmp_path / "old.db") as connection:
        assert dict(connection.execute("SELECT template, state FROM label")) == OLD_STATES


def sent(world, job: LabelJob) -> LabelRow:
    """Return a label that a printer got."""
    return world.records.label_sent(world.records.label_rendered(job), 41, "Z1")


@pytest.fixture
def reprint(world) -> LabelJob:
    """Yield the next label of a unit that may be packed."""
    run, unit = world.ready()
    world.records.release(run, json.dumps({"serial": unit}).encode(), b"s", "signer")
    world.records.registered(unit, Registration("staging", 1, b"{}", b"{}"))
    return LabelJob(unit, "unit", "next", "0" * 64, run)


def test_released_unit_without_its_label_is_not_packed(world, reprint: LabelJob) -> None:
    """F-J4: from the moment its label is void until the next copy was scanned back, also over a crash in between."""
    states = [world.records.unit(reprint.unit).state]
    world.records.void_label(world.records.living_label(reprint.unit, "unit"), "torn", "lead-1")
    states.append(world.records.unit(reprint.unit).state)
    label = sent(world, reprint)
    world.records.registered(reprint.unit, Registration("staging", 1, b"{}", b"{}"))
    states.append(world.records.unit(reprint.unit).state)
    world.records.label_scanned(label, "next")
    states.append(world.records.unit(reprint.unit).state)
    assert states == [UnitState.PACKABLE, UnitState.RELEASED, UnitState.RELEASED, UnitState.PACKABLE]


@pytest.mark.parametrize("kind", list(DispositionKind))
def test_unit_that_was_decided_about_meanwhile_gets_no_label(world, reprint: LabelJob, kind: DispositionKind) -> None:
    """F-L4: scrapped or sent to rework on the line lead's page while it is in a slot, its labels stay void."""
    world.records.dispose(Disposition(kind, reprint.unit, "RC-DAMAGE", "broken housing", "lead-1"))
    with pytest.raises(Interlocked, match="gets no label"):
        world.records.label_rendered(reprint)
    assert world.records.living_label(reprint.unit, "unit") is None


def test_unit_lacks_its_carton_also_when_its_plate_is_new(world, reprint: LabelJob) -> None:
    """F-J4: both were void, and the plate alone was made again."""
    carton = replace(reprint, template="carton", code="carton")
    world.records.label_scanned(sent(world, carton), "carton")
    for template in ("carton", "unit"):
        world.records.void_label(world.records.living_label(reprint.unit, template), "torn", "lead-1")
    world.records.label_scanned(sent(world, reprint), "next")
    assert world.records.unit(reprint.unit).state is UnitState.RELEASED
    world.records.label_scanned(sent(world, carton), "carton")
    assert world.records.unit(reprint.unit).state is UnitState.PACKABLE


def test_label_of_before_a_rework_is_not_lacking(world, reprint: LabelJob) -> None:
    """F-L3: the recipe of today may have fewer labels than the one before."""
    carton = replace(reprint, template="carton", code="carton")
    world.records.label_scanned(sent(world, carton), "carton")
    world.records.dispose(Disposition(DispositionKind.REWORK, reprint.unit, "RC-DAMAGE", "broken housing", "lead-1"))
    time.sleep(0.005)
    job = replace(reprint, run=None)
    world.records.label_scanned(sent(world, job), "next")
    with world.records.database.read() as session:
        assert is_labelled(session, reprint.unit)
