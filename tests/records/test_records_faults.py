"""When the database fails: one clear sentence, nothing half written, nothing lost, and no values in the message."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, text

from station.errors import Service, ServiceError
from station.model import Outcome
from station.records import LabelJob, Records, StepResult, open_records, upgrade
from station.records.database import Database

FILL = "x" * 60_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 6 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(records: Records) -> ServiceError:
    """Write until the database refuses; return its error."""
    try:
        for number in range(1000):
            records.event("fill", str(number), {"fill": FILL})
    except ServiceError as error:
        return error
    pytest.fail("the database never got full")


def test_full_disk(small_disk: Path, world) -> None:
    """A full disk stops the line with a sentence; what was told is kept, and work goes on once there is room."""
    url = f"sqlite:///{small_disk / 'station.db'}"
    upgrade(url)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2_000_000))
    with open_records(url, "line1") as records:
        error = fill(records)
        kept = len(records.events(limit=1000))
        assert (error.service, error.stops_line) == (Service.DATABASE, True)
        assert "disk is full" in error.message
        assert "xxx" not in f"{error.message} {error.__cause__}"
        ballast.unlink()
        assert records.event("again", "line1", {}).sequence == kept + 1
    with open_records(url, "line1") as records:
        assert len(records.events(limit=1000)) == kept + 1


def test_full_database_keeps_the_step_open(records: Records, world) -> None:
    """A step whose end can't be written has no end: it is neither passed nor failed."""
    run = world.open()
    step = records.start_step(run, 0, "identify", 1)
    records.database.engine.dispose()
    limit = lambda connection, _: connection.execute("PRAGMA max_page_count = 1")  # noqa: E731
    event.listen(records.database.engine, "connect", limit)
    assert "disk is full" in fill(records).message
    with pytest.raises(ServiceError, match="disk is full"):
        records.finish_step(step, StepResult(Outcome.PASS, detail={"fill": FILL}))
    assert records.run_detail(run).steps[0].outcome is None


def test_locked_by_another_program(url: str) -> None:
    """A program that holds the database is waited for, then named; afterwards writing goes on."""
    database = Database(url, "line1", patience=0.2)
    records = Records(database)
    with sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceError, match="another program holds it locked"):
            records.event("a", "b", {})
        assert records.events() == ()
        other.execute("ROLLBACK")
        assert records.event("a", "b", {}).sequence == 1
    database.close()


@pytest.mark.parametrize("offset", [0, 4096, 100_000])
def test_damaged_file(url: str, offset: int) -> None:
    """A file that is no database, or a damaged one, is refused at the start."""
    path = Path(url.removeprefix("sqlite:///"))
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(40_000))
    with pytest.raises(ServiceError, match=r"damaged|no database") as caught, open_records(url, "line1"):
        pass
    assert "backup" in caught.value.hint


def test_directory_that_is_not_there(tmp_path: Path) -> None:
    """A database that can't be created names itself and what to check."""
    with pytest.raises(ServiceError, match="can't be opened") as caught:
        upgrade(f"sqlite:///{tmp_path / 'no' / 'station.db'}")
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint.startswith("Check")


def test_readers_never_wait_for_a_writer(records: Records) -> None:
    """Pages are drawn while a write is under way, from the state before it."""
    with records.database.write() as session:
        session.connection().exec_driver_sql("UPDATE work_order SET state = 'paused'")
        assert records.order("WO-1").state == "open"
    assert records.order("WO-1").state == "paused"


def test_broken_write_leaves_nothing(records: Records, world) -> None:
    """An exception between two rows takes the first one back, and the next write goes on."""
    run = world.open()
    with pytest.raises(ZeroDivisionError), records.database.write() as session:
        assert session.connection().exec_driver_sql("UPDATE run SET reason = 'half'").rowcount / 0
    assert records.run(run).reason == ""
    world.step(run, "identify")


def test_refusals_carry_no_values(records: Records, world) -> None:
    """A refused row's content is in no exception of the chain, so in no log."""
    records.label_rendered(LabelJob(world.unit_of(world.open()), "unit", "SN:1", "0" * 64))
    change = text("UPDATE label SET code = :code")
    with pytest.raises(RuntimeError, match="refuse") as caught, records.database.write() as session:
        session.execute(change, {"code": "VALUE-OF-ROW"})
    assert "VALUE-OF-ROW" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
