"""`station result` as people type it, by somebody who answers for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fixtures.people import pin_file
from station.cli import main
from tests.people.staff import Staff, staffed
from tests.results.results_world import DATA, ORDER, SERIAL

GERMAN = "safety-tester-de"
FILE = DATA / "safety-tester-de.csv"


@pytest.fixture
def staff(tmp_path: Path) -> Staff:
    """A station with people and one order."""
    staff = staffed(tmp_path)
    with staff.records() as records:
        records.create_order(ORDER)
    return staff


def typed(staff: Staff, *words: str, who: str = "qa-1") -> Result:
    acting = {"STATION_AS": who, "STATION_PIN_FILE": str(pin_file(staff.people, who))}
    return CliRunner().invoke(main, ["result", *words, "--dir", str(staff.station)], env=acting)


def shown(staff: Staff, *words: str) -> Any:
    done = typed(staff, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_import_by_hand_names_the_person(staff: Staff) -> None:
    """F-K2: a file that somebody brings is theirs, not the tester's."""
    done = typed(staff, "import", str(FILE), "--format", GERMAN)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "4 results: 4 taken.")
    rows = shown(staff, "list", "--subject", SERIAL)
    assert {row["who"] for row in rows} == {"qa-1"}
    assert len(list((staff.station / "inbox/results/done").glob("*.ack.json"))) == 1


def test_import_by_someone_else_is_refused(staff: Staff) -> None:
    """F-K3: who works at the slots does not bring results of their own."""
    done = typed(staff, "import", str(FILE), "--format", GERMAN, who="operator-1")
    assert done.exit_code == 2
    assert shown(staff, "list") == []


def test_refused_rows_end_the_command_with_1(staff: Staff, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.csv"
    spoilt.write_bytes(FILE.read_bytes().replace(b"AC22-000001", b"AC22-000777", 1))
    done = typed(staff, "import", str(spoilt), "--format", GERMAN)
    assert done.exit_code == 1
    assert "!   1  refused  AC22-000777" in done.output
    assert "4 results: 3 taken, 1 refused." in done.output


def test_preview_records_nothing(staff: Staff) -> None:
    done = typed(staff, "preview", str(DATA / "openhtf.json"), "--format", "openhtf")
    assert done.exit_code == 0
    assert "insulation_l1_pe" in done.output
    assert shown(staff, "list") == []


def test_formats_are_listed(staff: Staff) -> None:
    assert {one["name"] for one in shown(staff, "formats")} == {"atml", "openhtf", GERMAN}
    assert "safety-tester-de r1" in typed(staff, "formats").output


def test_results_of_a_unit_are_shown_with_our_verdict(staff: Staff) -> None:
    typed(staff, "import", str(FILE), "--format", GERMAN)
    rows = shown(staff, "show", SERIAL)
    assert [(row["test"], row["verdict"]) for row in rows][:2] == [
        ("protective-conductor", "pass"),
        ("insulation-l1-pe", "pass"),
    ]
    assert "insulation-l1-pe" in typed(staff, "show", SERIAL).output


def test_unknown_format_ends_the_command_with_2_and_the_nearest(staff: Staff) -> None:
    done = typed(staff, "preview", str(FILE), "--format", "safety-tester")
    assert done.exit_code == 2
    assert f"did you mean '{GERMAN}'?" in done.output
