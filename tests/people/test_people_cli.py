"""`station init` and `station user`: from a new station to people who answer for what they do."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.demo.place import acting
from fixtures.people import pin_file
from station.cli import main
from tests.people.staff import Staff

WELCOME = re.compile(r"badge (BG-[0-9A-Z]{10}), one-time code ([0-9A-Z]{4}(?:-[0-9A-Z]{4}){2}), good for 72 hours")


def station(*words: str | Path, told: str = "", **env: str) -> Result:
    """Run a command with nobody's name in the environment, unless given."""
    nobody = {"STATION_AS": None, "STATION_PIN_FILE": None}
    return CliRunner().invoke(main, [str(word) for word in words], input=told, env=nobody | env)


def user(staff: Staff, who: str, *words: str | Path) -> Result:
    return station("user", *words, "--dir", staff.station, **acting(staff.people, who))


def test_a_new_station_makes_its_first_admin_once(tmp_path: Path) -> None:
    """F-K1: one person with a one-time code, told once; no PIN, so no default one."""
    first = station("init", tmp_path / "line", "--admin", "boss")
    found = WELCOME.search(first.stdout)
    assert (first.exit_code, found is not None) == (0, True)
    assert WELCOME.search(station("init", tmp_path / "line", "--admin", "boss").stdout) is None
    listed = station("user", "list", "--dir", tmp_path / "line").stdout
    assert re.search(r"^boss +admin +has no PIN yet", listed, re.MULTILINE)
    badge, code = found.groups()
    assert code not in "".join(path.read_text("latin-1") for path in (tmp_path / "line").glob("station.db*"))
    chosen = station("user", "pin", "--badge", badge, "--dir", tmp_path / "line", told=f"{code}\n592718\n592718\n")
    assert (chosen.exit_code, chosen.stdout.splitlines()[-1]) == (0, "Administrator has a PIN now.")
    again = station("user", "pin", "--badge", badge, "--dir", tmp_path / "line", told=f"{code}\n481592\n481592\n")
    assert (again.exit_code, "used or too old" in again.stderr) == (2, True)


def test_a_person_comes_is_trained_and_goes(staff: Staff) -> None:
    """F-K2: each step by who may, and the list tells the rest."""
    added = user(staff, "admin-1", "add", "new-1", "--name", "New 1", "--role", "operator", "--role", "rework")
    assert (added.exit_code, WELCOME.search(added.stdout) is not None) == (0, True)
    assert user(staff, "lead-1", "train", "new-1", "hipot", "--days", "30").exit_code == 0
    gone = user(staff, "admin-1", "disable", "new-1", "--reason", "left the company")
    assert (gone.exit_code, gone.stdout) == (0, "new-1 works here no longer.\n")
    listed = user(staff, "admin-1", "list").stdout
    assert re.search(r"^new-1 +operator, rework +left +New 1  hipot until 20\d\d-", listed, re.MULTILINE)


def test_a_daily_check_is_good_until_the_factorys_shift_ends(staff: Staff) -> None:
    """F-K2: a night shift is one shift, whatever day it is in Greenwich."""
    config = staff.station / "station.toml"
    told = config.read_text().replace('zone = "UTC"', 'zone = "Asia/Tokyo"')
    config.write_text(told.replace('shifts = ["06:00", "14:00", "22:00"]', 'shifts = ["06:00"]'))
    ran = user(staff, "lead-1", "train", "operator-1", "esd", "--shift")
    ends = datetime.fromisoformat(ran.stdout.split()[-1])
    assert f"{ends:%H:%M}" == "21:00"
    assert timedelta() < ends - datetime.now(UTC) <= timedelta(days=1)


def test_a_reset_takes_two_pins(staff: Staff) -> None:
    lead = ("--with", "lead-1", "--with-pin-file", pin_file(staff.people, "lead-1"))
    why = ("reset", "operator-1", "--reason", "lost the badge")
    done = user(staff, "admin-1", *why, *lead)
    assert (done.exit_code, WELCOME.search(done.stdout) is not None) == (0, True)
    alone = user(staff, "admin-1", *why, "--with", "admin-1", "--with-pin-file", pin_file(staff.people, "admin-1"))
    assert (alone.exit_code, "takes two people" in alone.stderr) == (2, True)
    guessed = user(staff, "admin-1", *why, "--with", "qa-1", "--with-pin-file", pin_file(staff.people, "lead-1"))
    assert (guessed.exit_code, "do not belong together" in guessed.stderr) == (2, True)


@pytest.mark.parametrize(
    ("who", "pin_of", "sentence"),
    [
        ("", "admin-1", "nobody answers for this"),
        ("nobody-9", "admin-1", "do not belong together"),
        ("admin-1", "lead-1", "do not belong together"),
        ("lead-1", "lead-1", "takes the role admin"),
        ("admin-1", "missing", "missing.pin"),
    ],
)
def test_nobody_acts_who_is_not_shown_to_be_who_they_say(staff: Staff, who: str, pin_of: str, sentence: str) -> None:
    """Exit code 2 and the next step; nothing was done."""
    words = ("user", "add", "new-1", "--name", "New", "--role", "operator", "--dir", staff.station)
    ran = station(*words, STATION_AS=who, STATION_PIN_FILE=str(pin_file(staff.people, pin_of)))
    assert (ran.exit_code, sentence in ran.stderr) == (2, True)
    assert len(ran.stderr.splitlines()) == 2
    with staff.records() as records:
        assert records.person("new-1") is None


def test_an_act_that_is_refused_is_on_record(staff: Staff) -> None:
    """F-K3: who tried what their roles do not allow, as an event; nothing else of it happens."""
    words = ("user", "add", "new-1", "--name", "New", "--role", "operator", "--dir", staff.station)
    station(*words, STATION_AS="lead-1", STATION_PIN_FILE=str(pin_file(staff.people, "lead-1")))
    with staff.records() as records:
        (found,) = records.events(kind="act-refused")
    assert (found.subject.endswith("user add"), found.who) == (True, "lead-1")


def test_guessing_by_commands_ends_too(staff: Staff) -> None:
    """The count stands in the records, common to commands and pages."""
    wrong = {"STATION_AS": "lead-1", "STATION_PIN_FILE": str(pin_file(staff.people, "qa-1"))}
    words = ("user", "train", "operator-1", "esd", "--shift", "--dir", staff.station)
    for _ in range(5):
        assert "do not belong together" in station(*words, **wrong).stderr
    locked = user(staff, "lead-1", "train", "operator-1", "esd", "--shift")
    assert (locked.exit_code, "The next one is taken at" in locked.stderr) == (2, True)


def test_the_pin_is_asked_for_unseen(staff: Staff) -> None:
    """Without a file it is typed; it stands in no argument and no output."""
    pin = staff.shown("lead-1").pin
    words = ("user", "train", "operator-1", "esd", "--days", "1", "--as", "lead-1", "--dir", staff.station)
    ran = station(*words, told=f"{pin}\n")
    assert (ran.exit_code, pin in ran.stdout + ran.stderr) == (0, False)


def test_a_pin_that_others_can_read_is_none(staff: Staff) -> None:
    pin_file(staff.people, "lead-1").chmod(0o640)
    ran = user(staff, "lead-1", "train", "operator-1", "esd", "--shift")
    assert (ran.exit_code, "chmod 600" in ran.stderr) == (2, True)
