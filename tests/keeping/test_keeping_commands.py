"""The drill from the command line, with a real token: back up, lose the station, restore, answer for it, go on."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.batches import add_order
from fixtures.people import pin_file
from pki.issue import open_factory
from station.board import Board
from station.clock import utc_now
from station.config import load_station
from station.keeping.keeper import Keeper
from station.model import LineView
from station.records import Records, open_records
from station.web.language import Languages
from tests.people.staff import Staff
from tests.station.cli_world import eventually
from tests.station.founded import founded, run_as

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    """Yield a station with a token, people and an order, and a disk for its backups."""
    with founded(tmp_path_factory.mktemp("drill")) as staff:
        with staff.records() as records:
            add_order(records, 10)
        (staff.directory / "disk").mkdir()
        yield staff


def run(staff: Staff, *words: str | Path, who: str = "admin-1", directory: Path | None = None) -> tuple[int, str]:
    return run_as(staff, who, *words, directory=directory)


def refused(directory: Path) -> list[tuple[str, str]]:
    """Return who was refused what, the newest first, as the log has it."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        return [(row.who, row.subject.split()[-1]) for row in records.events(kind="act-refused")]


def test_who_may_not_delete_stands_in_the_log(staff: Staff) -> None:
    assert run(staff, "retention", "--delete", who="operator-1")[0] == 2
    assert refused(staff.station)[0] == ("operator-1", "retention")


def test_the_drill(staff: Staff, tmp_path: Path) -> None:
    """What QA does when the disk died; the token and its PIN were kept apart."""
    disk, new = staff.directory / "disk", tmp_path / "line"
    anchor = shutil.copy(staff.station / "pki/certificates/records.pem", tmp_path)
    code, said = run(staff, "backup", "--to", disk)
    assert (code, "every file, row and entry came back" in said) == (0, True), said
    assert run(staff, "backup", "--to", disk, who="operator-1")[0] == 2
    (backup,) = disk.iterdir()
    code, said = run(staff, "restore", backup, "--to", new, "--anchor", anchor)
    assert (code, "pki/secrets/hsm-pin" in said, "not known" in said) == (0, True, True), said
    assert "nobody has answered" in run(staff, "run", directory=new)[1]
    second = ("--with", "lead-1", "--with-pin-file", pin_file(staff.people, "lead-1"), "--reason", "the disk died")
    assert run(staff, "restore", "--accept", *second, who="operator-1", directory=new)[0] == 2
    assert refused(new)[0] == ("operator-1", "restore")
    code, said = run(staff, "restore", "--accept", *second, who="qa-1", directory=new)
    assert (code, "WO-1001: AC22-000001 to AC22-000010 are burnt" in said) == (0, True), said
    for name in ("softhsm2.conf", "tokens", "secrets"):
        copy = shutil.copytree if (staff.station / "pki" / name).is_dir() else shutil.copy
        copy(staff.station / "pki" / name, new / "pki" / name)
    factory = open_factory(new / "pki", "drill")
    try:
        assert factory.sign(b"restored")
    finally:
        factory.close()
    assert run(staff, "audit", "checkpoint", directory=new)[0] == 0
    assert run(staff, "audit", "verify", directory=new)[0] == 0


@pytest.fixture
def keeping(staff: Staff) -> Iterator[Callable[[Path], AbstractContextManager[tuple[Records, Board]]]]:
    """Give what lets a station back itself up into a folder, a year after its last backup."""
    file = staff.station / "station.toml"
    settings = file.read_text()

    @contextmanager
    def kept(folder: Path) -> Iterator[tuple[Records, Board]]:
        file.write_text(settings.replace('directory = ""', f'directory = "{folder}"'))
        config, board = load_station(staff.station), Board(LineView("ST1", 0, ()))
        with open_records(config.database_url, config.station.id) as records:
            keeper = Keeper(config, records, board, now=lambda: utc_now() + timedelta(days=365))
            keeper.start()
            try:
                yield records, board
            finally:
                keeper.stop(60)

    yield kept
    file.write_text(settings)


def test_a_backup_that_fails_is_an_alarm(keeping: Any, staff: Staff, tmp_path: Path) -> None:
    """A folder that is not mounted is said at once, with the age of the last backup that there is."""
    config = load_station(staff.station)
    with open_records(config.database_url, config.station.id) as records:
        records.backup_made("station", {})
    with keeping(tmp_path / "gone") as (_, board):
        told = eventually(lambda: " ".join(board.view().alarms), lambda told: "is not there" in told, 120)
        assert "Backup: " in told
        assert "hours old" in told
        german = Languages("de").chosen({}).say(board.view().alarms[0])
        assert german.startswith(f"Sicherung: {tmp_path}/gone ist nicht da. Die Platte")


def test_a_backup_by_hand_ends_the_alarm(keeping: Any, tmp_path: Path) -> None:
    """What is wrong with the last one stands in the records, so it is told whoever made it."""
    gone = tmp_path / "gone"

    def alarms(board: Board, until: Callable[[str], bool]) -> str:
        return str(eventually(lambda: " ".join(board.view().alarms), until, 120))

    with keeping(gone) as (records, board):
        alarms(board, lambda told: "is not there" in told)
        records.backup_made("admin-1", {"problems": 1, "ahead": 1, "folder": "/mnt/b"})
        told = alarms(board, lambda told: "is not there" not in told)
        assert "The audit log that was copied is not good" in told
        assert "Backups in /mnt/b bear a time to come" in told
        german = " ".join(Languages("de").chosen({}).say(alarm) for alarm in board.view().alarms)
        assert german.count("Sicherung: ") == 3
        assert "Eine Uhr ging falsch" in german
        assert "Das gesicherte Protokoll" in german
        records.backup_made("admin-1", {"problems": 0})
        alarms(board, lambda told: "not good" not in told)


def test_a_station_backs_itself_up(keeping: Any, tmp_path: Path) -> None:
    with keeping(tmp_path) as (records, _):
        before = records.last_backup()
        eventually(records.last_backup, lambda row: row != before, 120)
        (made,) = tmp_path.iterdir()
        assert made.name.encode() in records.last_backup().body


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("backup",), 2, "nothing says where backups go"),
        (("backup", "--to", "{none}"), 2, "is not there"),
        (("restore",), 2, "restore what"),
        (("restore", "{none}", "--to", "{new}", "--anchor", "{none}"), 2, "No such file"),
        (("restore", "--accept"), 2, "it takes two people"),
        (("restore", "--accept", "--with", "qa-1", "--given", "WO-1"), 2, "ORDER=SERIAL"),
        (("retention", "--delete"), 2, "no file may go"),
        (("retention",), 0, "work_order"),
        (("archive", "make", "WO-1001", "--to", "/tmp"), 2, "is open"),
    ],
)
def test_what_is_wrong_is_said(staff: Staff, tmp_path: Path, words: tuple[str, ...], code: int, why: str) -> None:
    given = [word.format(none=tmp_path / "none", new=tmp_path / "new") for word in words]
    found, said = run(staff, *given)
    assert (found, why in said) == (code, True), said
