"""Tables that leave: complete, the same in every format, harmless, and whole or not there at all (F-M7)."""

import csv
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fixtures.batches import ORDER
from fixtures.warm import run
from station.errors import ConfigError, Service, ServiceError
from station.model import Outcome
from station.records import ExportFilter, ExportSet, RunFilter
from station.records.export_sets import SOURCES
from station.spreadsheet import harmless
from station.trace.export import FORMATS, Signer, Wanted, make_export
from station.trace.export.columns import Kind, table_of
from tests.trace.export_world import FORMULA, OTHER, SECOND, SECRET, Exporter, exporter

Rows = list[list[Any]]


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Yield records that tests only read."""
    with exporter(tmp_path_factory.mktemp("factory")) as made:
        yield made


@pytest.fixture
def out(factory: Exporter, tmp_path: Path) -> Exporter:
    """Return the same records with an empty folder to export into."""
    return Exporter(factory.plant, factory.records, tmp_path)


def of_csv(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def of_json(path: Path) -> Rows:
    return [list(json.loads(line).values()) for line in path.read_text().split("\n")[:-1]]


def of_parquet(path: Path) -> Rows:
    return [list(row.values()) for row in pq.read_table(path).to_pylist()]


def of_xlsx(path: Path) -> Rows:
    sheet = openpyxl.load_workbook(path, read_only=True).worksheets[0]
    return [list(row) for row in sheet.iter_rows(min_row=2, values_only=True)]


READERS: dict[str, Callable[[Path], Rows]] = {"csv": of_csv, "jsonl": of_json, "parquet": of_parquet, "xlsx": of_xlsx}


def text_of(kind: Kind, value: Any) -> str:
    """Return a cell as an export's README says that all formats share it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if kind is Kind.NUMBER and value != "":
        return f"{float(value):.15g}"
    return harmless(str(value))


def digest(rows: Rows, table: ExportSet) -> str:
    kinds = [column.type for column in table_of(table).column]
    lines = ("\x1f".join(map(text_of, kinds, row)) + "\n" for row in rows)
    return sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("table", list(ExportSet))
def test_all_formats_and_the_records_say_the_same(out: Exporter, table: ExportSet) -> None:
    """Each is read by somebody else's library; the records are counted by SQL alone."""
    made = {form: out.make(form, set=table) for form in FORMATS}
    digests = {form: digest(READERS[form](one.path), table) for form, one in made.items()}
    (count,) = (
        sqlite3.connect(out.records.database.url.removeprefix("sqlite:///"))
        .execute(f"SELECT count(*) FROM {'unit' if table is ExportSet.UNITS else 'measurement'}")
        .fetchone()
    )
    assert {one.rows for one in made.values()} == {count}
    assert set(digests.values()) == {made["csv"].rows_sha256}
    for one in made.values():
        assert out.prove(one.path).manifest["rows"] == count


@pytest.mark.parametrize("table", list(ExportSet))
def test_columns_are_documented_as_they_are(table: ExportSet) -> None:
    """Name, order and version; none without a meaning."""
    told, source = table_of(table), SOURCES[table]
    assert told.names == tuple(source.columns)
    assert all(column.about.endswith(".") for column in told.column)
    assert {told.column[place].name for place in told.places(Kind.NUMBER)} == source.numbers


def test_a_unit_is_told_with_its_newest_run_and_what_it_is_made_of(out: Exporter) -> None:
    (good,) = of_json(out.make("jsonl", "good.jsonl", rows=ExportFilter(unit="AC22-000001")).path)
    row = dict(zip(table_of(ExportSet.UNITS).names, good, strict=True))
    assert (row["outcome"], row["first_pass"], row["runs"], row["passport_revision"]) == ("PASS", True, 1, 1)
    assert [row[name] for name in ("warranty_start", "asset_id", "site")] == ["", "", ""]
    (bad,) = of_json(out.make("jsonl", "bad.jsonl", rows=ExportFilter(unit="AC22-000004")).path)
    row = dict(zip(table_of(ExportSet.UNITS).names, bad, strict=True))
    assert (row["outcome"], row["fault"], row["first_pass"], row["released_at"]) == ("FAIL", "clock", False, None)
    assert row["components"] == "meter A=MTR-7741 | contactor K1=LOT-7"


def test_no_spreadsheet_runs_what_devices_and_customers_say(out: Exporter) -> None:
    """F-G8: in CSV an apostrophe stands before it, a workbook has texts only; programs get it as it is."""
    cells = [cell for row in of_csv(out.make("csv").path) for cell in row]
    assert "'" + FORMULA in cells
    assert SECOND.replace(";=", ";'=") in cells
    assert not [cell for cell in cells if cell.startswith(("=", "@")) or ";=" in cell]
    sheet = openpyxl.load_workbook(out.make("xlsx").path).worksheets[0]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "b"}
    assert FORMULA in [cell for row in of_json(out.make("jsonl").path) for cell in row]


def test_measurements_keep_signs_digits_and_kinds(out: Exporter) -> None:
    path = out.make("csv", set=ExportSet.MEASUREMENTS, rows=ExportFilter(unit="AC22-000004")).path
    with path.open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert [rows["clock offset"][name] for name in ("value", "low", "high", "passed")] == ["-0.3", "-1", "1", "yes"]
    assert (rows["voltage"]["value"], rows["locked"]["text"]) == ("229.876543219877", "true")
    assert (rows["answer"]["text"], rows["answer"]["passed"], rows["answer"]["value"]) == ("'=1+1", "no", "")
    assert rows["name"]["text"] == "Größe 7 Ω x"


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (ExportFilter(), 6),
        (ExportFilter(order=ORDER), 5),
        (ExportFilter(product="dc60"), 1),
        (ExportFilter(outcome=Outcome.FAIL), 2),
        (ExportFilter(order=OTHER, outcome=Outcome.FAIL), 0),
        (ExportFilter(order="%' OR 1=1 --"), 0),
        (ExportFilter(unit="%"), 0),
        (ExportFilter(until=datetime(2020, 1, 1, tzinfo=UTC)), 0),
        (ExportFilter(since=datetime.now(UTC) - timedelta(hours=9)), 6),
    ],
)
def test_filters_take_what_they_say_and_nothing_else(out: Exporter, wanted: ExportFilter, count: int) -> None:
    made = out.make("csv", rows=wanted)
    assert (made.rows, len(of_csv(made.path))) == (count, count)
    assert len(out.prove(made.path).proved) == 5


@pytest.mark.parametrize("form", list(FORMATS))
def test_no_secret_leaves(out: Exporter, form: str) -> None:
    """What events, hints and configurations hold stays; looked for in each cell, as some formats press."""
    for table in ExportSet:
        made = out.make(form, f"{table}{FORMATS[form].suffix}", set=table)
        assert SECRET not in str(READERS[form](made.path))


def test_a_taken_name_is_never_written_over(out: Exporter) -> None:
    (out.folder / "export.csv").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        out.make("csv")
    assert ((out.folder / "export.csv").read_text(), out.left()) == ("mine", ["export.csv"])


def test_who_exported_what_stands_in_the_records(out: Exporter) -> None:
    made = out.make("parquet", "who.parquet", rows=ExportFilter(order=OTHER))
    (event,) = out.records.events("who.parquet", "export-made")
    told = {"format": "parquet", "set": "units", "rows": 1, "sha256": made.sha256, "filter": {"order": OTHER}}
    assert (event.who, json.loads(event.body)) == ("qa-1", told)


@pytest.mark.parametrize("form", list(FORMATS))
def test_without_the_hsm_nothing_has_a_name(out: Exporter, form: str) -> None:
    def away(_: bytes) -> bytes:
        raise ServiceError(Service.HSM, "The HSM is away.")

    signer = Signer(away, out.signer.certificate)
    with pytest.raises(ServiceError):
        make_export(out.records, signer, Wanted(form, "qa-1"), out.folder / "export")
    assert [name for name in out.left() if not name.startswith(".")] == []
    assert out.make(form, "export").rows == 6


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Yield records with more than 12,000 measurements."""
    with exporter(tmp_path_factory.mktemp("crowd")) as made:
        made.measure(made.failed("AC22-000006", 6), 12_000)
        yield made


@pytest.fixture
def large(crowd: Exporter, tmp_path: Path) -> Exporter:
    """Return them with a folder of its own, and the keys there for another process."""
    key = crowd.plant.records.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "records.pem").write_text(crowd.plant.records.certificate)
    return Exporter(crowd.plant, crowd.records, tmp_path)


def export_in_process(made: Exporter, form: str, fate: str) -> subprocess.CompletedProcess[str]:
    url, target = made.records.database.url, str(made.folder / f"m.{form}")
    command = [sys.executable, "-m", "tests.trace.export_worker", url, form, "measurements", target, fate]
    return run(command, timeout=90, modules=["station.trace.export"])


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_killed_half_way_it_goes_on_and_comes_out_the_same(large: Exporter, form: str) -> None:
    """A torn line at the end is forgotten; the manifest says when each part was looked at."""
    assert export_in_process(large, form, "kill:9000").returncode == -9
    assert f"m.{form}" not in large.left()
    with (large.folder / f".m.{form}.partial").open("ab") as file:
        file.write(b"torn")
    done = large.make(form, f"m.{form}", set=ExportSet.MEASUREMENTS)
    whole = large.make(form, f"whole.{form}", set=ExportSet.MEASUREMENTS)
    assert (done.resumed_at, done.rows) == (5000, whole.rows)
    assert (done.sha256, done.rows_sha256) == (whole.sha256, whole.rows_sha256)
    assert [look["rows_before"] for look in large.prove(done.path).manifest["looks"]] == [0, 5000]
    assert not [name for name in large.left() if name.startswith(".")]


def test_it_begins_anew_when_that_is_the_only_right_way(large: Exporter) -> None:
    """Rows came before the cut, what was left is another's, or was changed since."""
    run = large.records.runs(RunFilter(unit="AC22-000006"))[0].ref
    export_in_process(large, "csv", "kill:9000")
    partial, progress = (large.folder / f".m.csv.{kind}" for kind in ("partial", "progress"))
    left = partial.read_bytes(), progress.read_bytes()
    other = large.make("csv", "m.csv", set=ExportSet.MEASUREMENTS, rows=ExportFilter(order=ORDER))
    assert (other.resumed_at, other.rows > 12_000) == (0, True)
    other.path.unlink()
    partial.write_bytes(left[0].replace(b"ripple", b"rifple", 1))
    progress.write_bytes(left[1])
    assert large.make("csv", "m.csv", set=ExportSet.MEASUREMENTS).resumed_at == 0
    (large.folder / "m.csv").unlink()
    partial.write_bytes(left[0])
    progress.write_bytes(left[1])
    large.measure(run, 5, first=500_000)
    done = large.make("csv", "m.csv", set=ExportSet.MEASUREMENTS)
    assert (done.resumed_at, done.rows) == (0, other.rows + 5)


def test_it_begins_anew_when_other_rows_are_wanted_that_are_as_many(tmp_path: Path) -> None:
    """One unit has left what is wanted and another has come in, both before the cut."""
    with exporter(tmp_path) as made:
        for number, rows in ((6, 1_000), (7, 1_000), (8, 7_000)):
            made.measure(made.failed(f"AC22-00000{number}", number), rows, first=number * 1_000_000)
        end_as(made, {"AC22-000006": Outcome.ABORTED})
        wanted = ExportFilter(outcome=Outcome.FAIL)
        with pytest.raises(KeyboardInterrupt):
            made.make("csv", progress=_interrupted, set=ExportSet.MEASUREMENTS, rows=wanted)
        end_as(made, {"AC22-000006": Outcome.FAIL, "AC22-000007": Outcome.ABORTED})
        done = made.make("csv", set=ExportSet.MEASUREMENTS, rows=wanted)
        told = {row[3] for row in of_csv(done.path)}
        assert (done.resumed_at, "AC22-000006" in told, "AC22-000007" in told) == (0, True, False)


def end_as(made: Exporter, outcomes: dict[str, Outcome]) -> None:
    """Have the runs of units ended in another way, as only a unit's newest run can."""
    with closing(sqlite3.connect(made.records.database.url.removeprefix("sqlite:///"))) as database, database:
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE sql LIKE '%a closed run never%'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.executemany(
            "UPDATE run SET outcome = ? WHERE unit = ?", [(what, who) for who, what in outcomes.items()]
        )


def _interrupted(done: int, _total: int) -> None:
    if done > 7_000:
        raise KeyboardInterrupt


def test_what_can_not_be_written_is_not_recorded(out: Exporter) -> None:
    """The records tell of no export that nobody has."""
    (out.folder / ".lost.csv.manifest.json.new").mkdir()
    with pytest.raises(ConfigError, match="can't be written"):
        out.make("csv", "lost.csv")
    assert (out.records.events("lost.csv"), (out.folder / "lost.csv").exists()) == ((), False)


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_full_disk_leaves_nothing_and_says_so(large: Exporter, form: str) -> None:
    done = export_in_process(large, form, "full:40000")
    assert (done.returncode, "can't be written" in done.stderr, "free space" in done.stderr) == (1, True, True)
    assert large.left() == ["key.pem", "records.pem"]
