"""`station export` with a token and people: who may, what is told, exit codes, and a check that needs no station."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from fixtures.batches import ORDER, add_order
from station.board import Board
from station.clock import utc_now
from station.config import StationConfig, load_station
from station.model import LineView, Outcome
from station.records import ExportFilter, ExportSet, UnitState, open_records, tables
from station.records.export import EXPORTED
from station.schedules import EXPORTED as SCHEDULED
from station.schedules import ExportsSection, ScheduledExport
from station.trace.desk import ExportDesk
from station.trace.export import DOCUMENTS, FORMATS, Wanted
from station.trace.export.naming import file_name
from station.trace.export.partial import growing, sweep
from station.trace.scheduled import ScheduledExports
from station.web.app import create_app
from station.web.exports import Asked, export_routes
from station.web.server import serve
from tests.people.staff import Staff, door_of
from tests.station.cli_world import eventually
from tests.station.founded import founded, run_as
from tests.web.conftest import SmallLine, come_in


class Station:
    """A station directory with a token, people and units."""

    def __init__(self, staff: Staff) -> None:
        self.staff, self.directory = staff, staff.station
        config = load_station(self.directory)
        with open_records(config.database_url, config.station.id) as records:
            add_order(records, 10)
            rows = [
                {"serial": f"AC22-00000{n}", "hardware_uid": f"aa{n}", "work_order": ORDER, "state": UnitState.RESERVED,
                 "ocpp_identity": f"AC22-00000{n}", "reserved_at": utc_now()} for n in (1, 2, 3)
            ]  # fmt: skip
            with records.database.write() as session:
                session.execute(insert(tables.Unit), rows)

    def run(self, *words: str | Path, who: str = "qa-1") -> tuple[int, str]:
        return run_as(self.staff, who, "export", *words)

    def exported(self, begin: str) -> list[str]:
        """Return the files that were made, as the records have them, whose names begin so."""
        with self.staff.records() as records:
            query = select(tables.Event.subject).where(tables.Event.kind == EXPORTED).order_by(tables.Event.sequence)
            with records.database.read() as session:
                return [file for file in session.scalars(query) if file.startswith(begin)]

    @property
    def anchor(self) -> Path:
        return self.directory / "pki" / "certificates" / "records.pem"


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """Yield a station with a token, people and units."""
    with founded(tmp_path_factory.mktemp("station")) as staff:
        yield Station(staff)


@pytest.mark.parametrize("form", ["csv", "parquet", "epcis", "hbom"])
def test_exported_and_verified_with_a_published_certificate(station: Station, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"units.{form}"
    code, said = station.run(form, "--order", ORDER, "--out", file)
    assert (code, f"{0 if form == 'hbom' else 3} rows" in said) == (0, True), said
    code, said = station.run("verify", file, "--anchor", station.anchor, "--dir", tmp_path)
    assert (code, "Proved:" in said, "Not proved:" in said, f"order {ORDER}" in said) == (0, True, True, True)
    told = json.loads(station.run("verify", file, "--json")[1])
    assert (told["manifest"]["who"], told["manifest"]["format"]) == ("qa-1", form)


def test_a_file_is_named_by_what_is_in_it(station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = station.run("jsonl", "--order", ORDER, "--month", "2019-02".replace("2019", "2026"), "--json")
    assert (code, json.loads(said)["rows"]) == (0, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"units-{ORDER}-2026-02.jsonl", f"units-{ORDER}-2026-02.jsonl.manifest.json",
    ]  # fmt: skip


def test_people_without_the_role_export_nothing(station: Station, tmp_path: Path) -> None:
    code, _ = station.run("csv", "--out", tmp_path / "u.csv", who="operator-1")
    assert (code, list(tmp_path.iterdir())) == (2, [])


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("csv", "--out", "{none}/u.csv"), 2, "can't be written"),
        (("csv", "--since", "0000-01-01"), 2, "is no day or time"),
        (("csv", "--since", "0001-01-01"), 2, "before there was any station"),
        (("csv", "--since", "2026-02-30"), 2, "is no day or time"),
        (("csv", "--since", "2026-02-02", "--until", "2026-02-01"), 2, "is not before"),
        (("csv", "--month", "2026-13"), 2, "is no month"),
        (("csv", "--month", "soon"), 2, "is no month"),
        (("csv", "--order", ""), 2, "--order: nothing was given"),
        (("csv", "--month", "last", "--since", "2026-01-01"), 2, "exclude each other"),
        (("verify", "{none}.csv"), 2, "Keep the manifest beside the file"),
    ],
)
def test_mistakes_are_told_with_their_exit_codes(
    station: Station, tmp_path: Path, words: tuple[str, ...], code: int, why: str
) -> None:
    found, said = station.run(*(word.format(none=tmp_path / "none") for word in words))
    assert (found, why in said) == (code, True), said


def test_a_changed_export_is_refused_with_what_to_do(station: Station, tmp_path: Path) -> None:
    file = tmp_path / "u.csv"
    station.run("csv", "--out", file)
    file.write_bytes(file.read_bytes().replace(b"reserved", b"released"))
    code, said = station.run("verify", file)
    assert (code, "Do not rely on this file" in said) == (1, True)


def test_columns_tell_what_they_mean(station: Station) -> None:
    code, said = station.run("columns", "measurements")
    assert (code, "Least that passes." in said, "Measurements, version 1" in said) == (0, True, True)


@pytest.fixture
def reading(station: Station) -> Iterator[tuple[ExportDesk, httpx.Client]]:
    """Yield the desk behind the real pages, and a client where quality is signed in."""
    desk = ExportDesk(load_station(station.directory))
    with station.staff.records() as records:
        page = create_app(SmallLine(1), title="ST1", door=door_of(records), screens=[partial(export_routes, desk)])
        running = serve(page, "127.0.0.1", 0)
        with httpx.Client(base_url=running.url, timeout=60) as client:
            yield desk, come_in(client, station.staff, "qa-1")
        desk.stop(10.0)
        running.stop()


Reading = tuple[ExportDesk, httpx.Client]


@contextmanager
def written_by_others(station: Station) -> Iterator[None]:
    """Hold the records, so that no export is recorded, and none ends, meanwhile."""
    path = load_station(station.directory).database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def test_page_makes_an_export_in_a_process_of_its_own(station: Station, reading: Reading) -> None:
    """It is listed when it is whole, comes down with its manifest, and a second one waits its turn."""
    desk, client = reading
    assert "No file yet." in client.get("/exports").text
    with written_by_others(station):
        answer = client.post("/api/exports", json={"format": "csv", "order": ORDER})
        assert answer.json()["accepted"], answer.text
        second = client.post("/api/exports", json={"format": "csv"})
    assert (second.status_code >= 400, "nother export is being made" in second.text) == (True, True), second.text
    assert eventually(desk.job, lambda job: not job.running).problem == ""
    names = [file.name for file in desk.files()]
    (name,) = (name for name in names if name.endswith(".csv"))
    assert sorted(names) == [name, f"{name}.manifest.json"]
    assert f"/api/exports/{name}" in client.get("/exports").text
    table = client.get(f"/api/exports/{name}").text
    assert [row.split(",")[1] for row in table.splitlines()] == ["serial", *(f"AC22-00000{n}" for n in (1, 2, 3))]


@pytest.mark.parametrize(
    ("begins", "problem"),
    [
        ("print('a library says something', flush=True)", ""),
        ("import os; os._exit(1)", "The export was ended before it was done."),
    ],
)
def test_another_export_follows_one_that_went_wrong(
    station: Station, reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins: str, problem: str
) -> None:
    """A process that says more than it should is understood; one that dies before it heard what to do is told."""
    desk, _ = reading
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nif 'station' in str(sys.orig_argv): {begins}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    name = desk.begin(Asked(format="csv", product=f"p{len(begins)}"), "q" * 200_000)
    assert eventually(desk.job, lambda job: not job.running).problem == problem
    assert (desk.path(name) is None) == bool(problem)
    monkeypatch.delenv("PYTHONPATH")
    desk.begin(Asked(format="csv", product=f"again{len(begins)}"), "qa-1")
    assert eventually(desk.job, lambda job: not job.running).problem == ""


def test_what_is_there_stays_when_whoever_asked_is_gone(station: Station, tmp_path: Path) -> None:
    """No disk is full then: the next call goes on with it."""
    asked = dict.fromkeys(("order", "product", "outcome", "since", "until"), "")
    asked |= {"format": "csv", "table": "units", "who": "qa-1", "target": str(tmp_path / "u.csv")}
    command = [sys.executable, "-m", "station.trace.export.work", str(station.directory)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdin
    assert child.stdout
    child.stdout.close()
    with child:
        child.stdin.write(json.dumps(asked) + "\n")
        child.stdin.close()
        child.wait(60)
    assert [path.name for path in tmp_path.iterdir()] == [".u.csv.partial"]


@pytest.mark.parametrize(
    "body", [{"format": "exe"}, {"format": "csv", "order": "%' OR 1=1"}, {"format": "csv", "month": "0000"}, {}]
)
def test_page_refuses_what_is_no_filter(reading: Reading, body: dict[str, str]) -> None:
    assert reading[1].post("/api/exports", json=body).status_code == 422


@pytest.mark.parametrize("name", ["nothing.csv", "..%2Fstation.toml", ".hidden", "station.toml"])
def test_page_gives_nothing_but_exports(reading: Reading, name: str) -> None:
    assert reading[1].get(f"/api/exports/{name}").status_code in (404, 422)


def scheduled(station: Station, *schedules: ScheduledExport) -> tuple[StationConfig, ExportDesk]:
    config = replace(load_station(station.directory), exports=ExportsSection(schedules))
    return config, ExportDesk(config)


def day(number: int, hour: int = 1) -> datetime:
    return datetime(2026, 3, number, hour, tzinfo=UTC)


def test_schedule_makes_each_span_once_and_catches_up_after_a_stop(station: Station) -> None:
    """What was made is not made again, also not where the file was taken away; the oldest comes first.

    One that fails holds up no other and is not tried again at once; a folder that is not mounted is not made.
    """
    away, daily = ScheduledExport("away", "day", directory=Path("gone")), ScheduledExport("qa", "day")
    (config, desk), now, board = scheduled(station, away, daily), [day(5)], Board(LineView("line1", 1, ()))
    with station.staff.records() as records:
        exports = ScheduledExports(config, records, desk, lambda: now[0])
        assert (exports.look(), exports.look()) == (1, 0)
        made = config.directory / "exports" / "qa-units-2026-03-04.csv"
        assert station.run("verify", made, "--json")[0] == 0
        made.unlink()
        now[0] = day(7, 0)  # the day is over, and not yet settled
        assert [order.target.name for order in exports.due(daily)] == ["qa-units-2026-03-05.csv"]
        now[0] = day(8)
        assert [order.target.name[9:19] for order in exports.due(daily)] == ["2026-03-05", "2026-03-06", "2026-03-07"]
        now[0] = day(5)
        exports.start(board)
        (alarm,) = eventually(board.view, lambda view: view.alarms).alarms
        exports.stop(30.0)
    assert (alarm.startswith("Export: away-units-2026-03-04.csv: "), "can't be written" in alarm) == (True, True)
    assert (station.exported("qa-"), (config.directory / "gone").exists()) == ([made.name], False)


@pytest.mark.parametrize(
    ("every", "files"),
    [
        ("day", ["x-units-2026-03-01.csv"]),
        ("week", ["x-units-from-20260216T000000Z-until-20260223T000000Z.csv"]),
        ("month", ["x-units-2026-02.csv"]),
    ],
)
def test_schedule_begins_with_the_last_span_that_is_over(station: Station, every: str, files: list[str]) -> None:
    config, desk = scheduled(station, ScheduledExport("x", every))
    with station.staff.records() as records:
        exports = ScheduledExports(
            config, records, desk, lambda: datetime(2026, 3, 1 + (every == "day"), 9, tzinfo=UTC)
        )
        assert [order.target.name for order in exports.due(config.exports.schedule[0])] == files


def test_export_that_was_recorded_and_not_named_when_the_power_went_comes_again(station: Station) -> None:
    config, desk = scheduled(station, ScheduledExport("cut", "day"))
    with station.staff.records() as records:
        exports = ScheduledExports(config, records, desk, lambda: day(5))
        (order,) = exports.due(config.exports.schedule[0])
        records.exported(order.target.name, "schedule", {})
        assert exports.due(config.exports.schedule[0]) == ()
        partial_file = order.target.with_name(f".{order.target.name}.partial")
        partial_file.parent.mkdir(exist_ok=True)
        partial_file.touch()
        assert exports.due(config.exports.schedule[0]) == (order,)
        partial_file.unlink()


@pytest.mark.parametrize(
    "wrong", [{"name": "a/b"}, {"every": "hour"}, {"format": "exe"}, {"table": "people"}, {"outcome": "pass"}]
)
def test_schedule_that_can_not_be_made_is_refused_at_the_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScheduledExport(**{"name": "qa", **wrong})
    with pytest.raises(ValueError, match="same name"):
        ExportsSection((ScheduledExport("qa"), ScheduledExport("qa", "day")))
    assert set(SCHEDULED["format"]) == {*FORMATS, *DOCUMENTS}
    assert set(SCHEDULED["table"]) == set(ExportSet)


def test_different_requests_have_different_names() -> None:
    """One does not take the place of another, nor go on with what is left of it."""
    months = {"since": datetime(2026, 2, 1, tzinfo=UTC), "until": datetime(2026, 3, 1, tzinfo=UTC)}
    days = {"since": datetime(2026, 2, 1, tzinfo=UTC), "until": datetime(2026, 2, 2, tzinfo=UTC)}
    spans: list[dict[str, Any]] = [{}, months, days, {"since": days["since"]}, {"until": days["since"]}]
    words = [{}, {"order": "x"}, {"product": "x"}, {"unit": "x"}, {"outcome": Outcome.PASS}]
    names = [file_name(Wanted("csv", "qa-1", rows=ExportFilter(**word, **span))) for word in words for span in spans]
    assert len(set(names)) == len(names)
    assert names[:3] == ["units.csv", "units-2026-02.csv", "units-2026-02-01.csv"]


def test_what_was_cut_off_and_forgotten_is_swept(tmp_path: Path) -> None:
    """Neither what is young, nor what somebody is writing, nor what is no file of ours."""
    for name in (".old.csv.partial", ".old.csv.progress", ".held.csv.partial", ".note.partial.txt"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / ".young.csv.partial").touch()
    with growing(tmp_path / "held.csv", goes_on=True):
        os.utime(tmp_path / ".held.csv.partial", (1, 1))
        sweep(tmp_path, 3600.0)
        left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".held.csv.partial", ".note.partial.txt", ".young.csv.partial"]
