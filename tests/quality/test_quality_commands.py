"""The commands of quality: who may give them, what they do, and what they say when they do nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.demo.place import acting
from station.cli import main
from station.config import load_station
from station.records import Records, RunRequest, SignOffKind, open_records
from tests.station.cli_world import Ran, alone


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a station directory whose printer and CPMS are folders."""
    return alone(tmp_path_factory.mktemp("quality"))


@pytest.fixture
def records(line: Path) -> Iterator[Records]:
    """Yield the records of that station."""
    config = load_station(line)
    with open_records(config.database_url, config.station.id) as opened:
        yield opened


def station(line: Path, *words: str, who: str = "qa-1") -> Ran:
    """Give a command within this process: what is tested is what it does, not how it starts."""
    ran = CliRunner().invoke(main, [*words, "--dir", str(line)], env=acting(line.parent / "people", who))
    return Ran(ran.exit_code, ran.stdout, ran.stderr)


def test_hold_and_lift(line: Path, records: Records) -> None:
    """A line lead may hold, only quality lifts; both with a reason, and the list says all of it."""
    held = station(line, "hold", "order", "WO-1001", "--reason", "wrong cable", who="lead-1")
    assert (held.code, "Order WO-1001 is on hold by lead-1: wrong cable." in held.out) == (0, True)
    (row,) = records.holds()
    assert station(line, "lift", str(row.ref), "--reason", "changed", who="lead-1").code == 2
    assert station(line, "lift", str(row.ref), "--reason", "cable changed").code == 0
    told = json.loads(station(line, "holds", "--lifted", "--json").out)
    assert [(one["subject"], one["lifted_by"]) for one in told] == [("WO-1001", "qa-1")]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("hold", "unit", "AC22-999999", "--reason", "odd noise"), "there is no unit 'AC22-999999'"),
        (("hold", "order", "WO-1001", "--reason", "no"), "3 to 200 printable characters"),
        (("lift", "7", "--reason", "looked at"), "is not known"),
        (("scrap", "AC22-999999", "--reason", "burnt"), "there is no unit"),
        (("golden", "add", "xyz", "--product", "ac22", "--reason", "for checks"), "lower-case hexadecimal"),
        (("golden", "add", "aa", "--product", "ac22", "--expect", "odd", "--reason", "for checks"), "'odd' is nothing"),
    ],
)
def test_refusal_says_what_to_do(line: Path, words: tuple[str, ...], sentence: str) -> None:
    """F-N2: cause and next step, exit code 2, and nothing in the records."""
    ran = station(line, *words)
    assert (ran.code, sentence in ran.err, ran.err.count("\n")) == (2, True, 2), ran.err


def test_operator_decides_nothing(line: Path) -> None:
    """F-K1: least privilege, asked by role and not by name."""
    ran = station(line, "scrap", "AC22-000001", "--reason", "dropped it", who="operator-1")
    assert (ran.code, "line lead or quality" in ran.err or "line-lead" in ran.err) == (2, True), ran.err


def test_scrap_from_the_command_line(line: Path, records: Records) -> None:
    """What is to end waits in the outbox until the station runs."""
    order = records.order("WO-1001")
    run_ref = records.open_run(RunRequest(order.id, "aa01", "1", ("identify",), "1.4.0", order.serials.text(5)))
    serial = records.run(run_ref).unit
    busy = station(line, "scrap", serial, "--reason", "dropped it")
    assert (busy.code, f"{serial} is in work in slot 1" in busy.err) == (1, True)
    records.abort_interrupted("end of the shift")
    assert station(line, "scrap", serial, "--code", "RC-DAMAGE", "--reason", "dropped it").code == 0
    (row,) = records.dispositions(serial)
    assert (row.who, row.code, records.waiting_of(serial)) == ("qa-1", "RC-DAMAGE", ("credentials-end",))


def test_golden_units_are_listed(line: Path) -> None:
    """An engineer reserves; the list says what must be found and when it was."""
    added = station(line, "golden", "add", "AB01", "--product", "ac22", "--reason", "golden unit 1", who="engineer-1")
    assert (added.code, "ab01 is a golden unit: the station must find PASS." in added.out) == (0, True)
    assert "never checked" in station(line, "golden", "list").out
    assert station(line, "golden", "retire", "ab01", "--reason", "it broke", who="engineer-1").code == 0
    assert station(line, "golden", "list").out == ""


def test_shift_handover_is_signed_by_two(line: Path, records: Records) -> None:
    """Open units, holds, queues, labels and golden units; who takes over signs the same report."""
    assert station(line, "handover", "--take-over").code == 1
    given = station(line, "handover", "--remark", "slot 3 is dirty", who="operator-1")
    report = json.loads(given.out)
    assert {"slots", "unfinished", "holds", "messages", "printer", "golden", "orders"} < set(report)
    twice = station(line, "handover", "--take-over", who="operator-1")
    assert (twice.code, "signed this handover before" in twice.err) == (1, True)
    assert station(line, "handover", "--take-over", who="lead-1").json == report
    assert [row.who for row in records.sign_offs(SignOffKind.HANDOVER)] == ["lead-1", "operator-1"]
