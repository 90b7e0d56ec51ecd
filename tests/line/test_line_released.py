"""A charger is plugged in, a released unit comes out: judged by a checker that reads everybody's own books."""

import json
from typing import Any

import pytest

from fixtures.campaign import judged, outbox_depth
from fixtures.demo.operator import Result
from fixtures.demo.world import World
from station.config import load_station
from station.records import open_records
from tests.line.conftest import Make

pytestmark = pytest.mark.timeout(400)

CHARGERS: list[dict[str, Any]] = [
    {},
    {"blank": True},
    {"disturb": "lost-bytes"},
    {"disturb": "flipped-bits"},
    {"disturb": "stalls"},
    {"disturb": "slow-answers"},
    {"disturb": "unplug"},
    {"disturb": "power-cut"},
]

HAPPENS = {"lost-bytes": 6, "flipped-bits": 6, "stalls": 5, "slow-answers": 3, "unplug": 1, "power-cut": 2}


@pytest.fixture(scope="module")
def results(make: Make) -> dict[int, Result]:
    """Make one unit of each kind."""
    return make(*CHARGERS)


@pytest.mark.parametrize("number", range(1, len(CHARGERS) + 1), ids=[str(charger) for charger in CHARGERS])
def test_good_and_disturbed_chargers_are_released(results: dict[int, Result], number: int) -> None:
    """F-L1: lost bytes, a pulled cable and power cuts are what a good line survives."""
    assert (results[number].outcome, results[number].reason) == ("PASS", "")


@pytest.mark.parametrize("number", [number for number, made in enumerate(CHARGERS, 1) if "disturb" in made])
def test_what_was_survived_had_happened(world: World, results: dict[int, Result], number: int) -> None:
    """By the charger's own count; the power failed twice, in the upload and among the settings."""
    counted = json.loads((world.place.charger(number) / "stats.json").read_text())["disturbances"]
    assert counted == HAPPENS[CHARGERS[number - 1]["disturb"]]


def test_everybodys_books_agree(world: World, results: dict[int, Result]) -> None:
    """F-B6, F-D6, F-G2, F-J2: database, ledger, CPMS, printer and devices tell the same story."""
    import time

    for _ in range(900):
        if not outbox_depth(world):
            break
        time.sleep(0.1)
    assert judged(world, len(results)) == []


def test_every_unit_had_an_anchor_replaced_from_afar(world: World, results: dict[int, Result]) -> None:
    """P09, F-D5: installed, listed, deleted and gone, while the unit was still here; it stands in each record."""
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        for number in results:
            history = records.unit_history(world.place.serial(number))
            assert history
            steps = [step for run in history.runs for step in run.steps if step.name == "accept"]
            checks = [check for step in steps for check in step.detail.get("checks", ())]
            assert ("replace anchor", "PASS") in {(check["name"], check["outcome"]) for check in checks}


def test_every_check_stands_in_the_record_and_what_was_left_out_in_the_passport(
    world: World, results: dict[int, Result]
) -> None:
    """F-H1 to F-H6: all that the product has performed, by name; what was not performed with its reason."""
    performed = {"anchors", "meter values", "unlock", "outlets", "remote start", "security events", "offline", "reset"}
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        for number in results:
            serial = world.place.serial(number)
            history, passport = records.unit_history(serial), records.passport(serial)
            assert history
            assert passport
            steps = [step for run in history.runs for step in run.steps if step.name == "accept"]
            checks = {check["name"]: check for step in steps for check in step.detail.get("checks", ())}
            assert {name for name, check in checks.items() if check["outcome"] == "PASS"} >= performed
            assert checks["power cycle"]["outcome"] == "SKIPPED"
            told = " ".join(json.loads(passport.document)["not_shown_by_hardware"])
            assert checks["power cycle"]["detail"] in told


def test_passports_say_how_each_unit_came_to_pass(world: World, results: dict[int, Result]) -> None:
    """F-I3, F-I7, F-C8: protection as read back, evidence by clause, times, labels and earlier runs; by the schema."""
    from jsonschema import Draft202012Validator

    from station.documents.wording import CATALOGUES
    from station.records import RunFilter

    schema = Draft202012Validator(json.loads((CATALOGUES / "device-passport-1.schema.json").read_text()))
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        for number in results:
            serial = world.place.serial(number)
            row = records.passport(serial)
            assert row
            passport = json.loads(row.document)
            assert [error.message for error in schema.iter_errors(passport)] == []
            assert {one["result"] for one in passport["evidence"]} == {"PASS"}
            assert {"name": "locked", "value": "true"} in passport["security"]
            assert passport["production"]["labels"][0].startswith("unit/")
            earlier = passport["production"].get("earlier_runs", [])
            assert len(earlier) + 1 == len(records.runs(RunFilter(unit=serial))) == passport["production"]["attempts"]
            assert all(step["finished_at"] <= passport["production"]["released_at"] for step in passport["acceptance"])
            assert passport["firmware"]["members"][0]["role"] == "application"
            assert passport["certificate"]["chain"][0]["subject"] == passport["certificate"]["issuer"]
