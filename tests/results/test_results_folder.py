"""The drop folder: what becomes of each file, also after a cut of power, and the acknowledgement beside it (F-I2)."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from station.board import Board
from station.config import ResultsSection, StationConfig
from station.errors import ServiceError
from station.model import LineView
from station.records import Records
from station.results.folder import ResultsFolder
from station.results.intake import Intake, Upload
from tests.results.results_world import SERIAL, sample

GERMAN = "safety-tester-de"
FILE = "AC22-000001.csv"
Drop = Callable[..., Path]


@pytest.fixture
def board() -> Board:
    return Board(LineView("line1", 1, ()))


@pytest.fixture
def folder(config: StationConfig, records: Records, board: Board) -> ResultsFolder:
    return ResultsFolder(config, Intake(config, records), board)


@pytest.fixture
def drop(config: StationConfig) -> Drop:
    """Put a file in as a tester does that wrote it some seconds ago."""

    def put(name: str = FILE, content: bytes = sample("safety-tester-de.csv"), inside: str = GERMAN) -> Path:
        path = config.directory / "inbox/results" / inside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (time.time() - 5, time.time() - 5))
        return path

    return put


def acknowledged(config: StationConfig, kind: str) -> list[dict[str, object]]:
    found = sorted((config.directory / "inbox/results" / kind).glob("*.ack.json"))
    return [json.loads(path.read_bytes()) for path in found]


def test_file_is_taken_acknowledged_and_moved(
    config: StationConfig, records: Records, folder: ResultsFolder, drop: Drop
) -> None:
    """The folder's name is the format; the tester finds a verdict for every row."""
    path = drop()
    (told,) = folder.look()
    assert told.accepted
    assert not path.exists()
    (ack,) = acknowledged(config, "done")
    assert [row["taken"] for row in ack["rows"]] == ["taken"] * 4
    assert (config.directory / "inbox/results/done" / f"{told.sha256[:16]}-{FILE}").read_bytes()
    assert {row.source for row in records.results(SERIAL)} == {told.sha256}


def test_same_file_twice_adds_nothing(records: Records, folder: ResultsFolder, drop: Drop) -> None:
    drop()
    folder.look()
    drop()
    (again,) = folder.look()
    assert (again.sentence, again.accepted) == ("4 results: 4 known.", True)
    assert len(records.results(SERIAL)) == 4
    assert len(records.events(kind="results-taken")) == 1


def test_file_with_a_refused_row_is_put_aside(
    config: StationConfig, records: Records, folder: ResultsFolder, drop: Drop
) -> None:
    """Its good rows are taken; it lies in `refused` until somebody has looked."""
    drop(content=sample("safety-tester-de.csv") + b"AC22-900000" + sample("safety-tester-de.csv").splitlines()[-1][14:])
    (told,) = folder.look()
    assert told.sentence == "5 results: 4 taken, 1 refused."
    (ack,) = acknowledged(config, "refused")
    assert ack["rows"][4]["sentence"] == "No unit has this serial, and no order's block holds it."
    (event,) = records.events(kind="results-refused")
    assert event.subject == told.sha256


@pytest.mark.parametrize(
    ("name", "inside", "told"),
    [
        ("a.csv", "", "no format is set for the drop folder"),
        ("a.csv", "gernan", "there is no result format 'gernan'"),
        ("a.csv", "openhtf", "the file is not utf-8 text"),
        ("a\n=1+1\udcff.csv", "openhtf", "the file is not utf-8 text"),
    ],
)
def test_file_that_nobody_can_read_is_put_aside(
    folder: ResultsFolder, drop: Drop, name: str, inside: str, told: str
) -> None:
    drop(name, inside=inside)
    (found,) = folder.look()
    assert told in found.refusal
    assert not found.accepted
    assert found.hint


def test_folder_itself_has_the_format_of_the_settings(
    config: StationConfig, records: Records, board: Board, drop: Drop
) -> None:
    drop(inside="")
    set_up = replace(config, results=ResultsSection(format=GERMAN))
    (told,) = ResultsFolder(set_up, Intake(set_up, records), board).look()
    assert (told.accepted, told.format) == (True, f"{GERMAN} r1")


def test_unfinished_and_foreign_files_are_left_alone(folder: ResultsFolder, drop: Drop, tmp_path: Path) -> None:
    """A file counts when it was renamed, or has rested; links lead nowhere."""
    left = [drop("a.csv.tmp"), drop(".hidden.csv"), drop("young.csv")]
    os.utime(left[2])
    secret = tmp_path / "secret"
    secret.write_bytes(sample("safety-tester-de.csv"))
    left[0].with_name("link.csv").symlink_to(secret)
    assert folder.look() == ()
    assert all(path.exists() for path in left)


def test_cut_of_power_before_the_file_was_moved_loses_and_doubles_nothing(
    config: StationConfig, records: Records, folder: ResultsFolder, drop: Drop
) -> None:
    """The rows are durable before the file moves: after the cut it is read again and known."""
    drop()
    Intake(config, records).take(Upload(FILE, sample("safety-tester-de.csv")), GERMAN)
    (told,) = folder.look()
    assert told.sentence == "4 results: 4 known."
    assert len(records.results(SERIAL)) == 4


def test_files_are_taken_the_oldest_first(records: Records, folder: ResultsFolder, drop: Drop) -> None:
    """A measurement that was repeated comes second, so that its time does not run backwards."""
    first, second = sample("safety-tester-de.csv"), sample("safety-tester-de.csv").replace(b"07:14", b"07:44")
    os.utime(drop("z.csv", first), (1, 1))
    drop("a.csv", second)
    assert [told.accepted for told in folder.look()] == [True, True]
    assert len(records.results(SERIAL)) == 8


def test_folder_that_cannot_be_used_is_told_with_the_next_step(config: StationConfig, folder: ResultsFolder) -> None:
    (config.directory / "inbox").write_text("a file")
    with pytest.raises(ServiceError, match="can't be used") as caught:
        folder.look()
    assert not caught.value.stops_line


def test_worker_shows_refused_files_until_they_are_gone(
    config: StationConfig, folder: ResultsFolder, board: Board, drop: Drop
) -> None:
    """An alarm that somebody has to act on stays until they have."""
    drop(inside="")
    folder.start()
    try:
        view = awaited(board, lambda view: bool(view.alarms))
        assert view.alarms[0].startswith("Test results: 1 file was refused. Read why in")
        for path in (config.directory / "inbox/results/refused").iterdir():
            path.unlink()
        assert awaited(board, lambda view: not view.alarms).alarms == ()
    finally:
        folder.stop(5.0)


def awaited(board: Board, wanted: Callable[[LineView], bool]) -> LineView:
    view, ends = board.view(), time.monotonic() + 20
    while not wanted(view):
        assert time.monotonic() < ends, view.alarms
        view = board.wait(view.version, 1.0)
    return view
