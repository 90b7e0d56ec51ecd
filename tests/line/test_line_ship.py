"""The ship state on a whole line: told over OCPP, what a unit must refuse is seen, and no trace of tests is left."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.charger.ocpp_log import LOG
from fixtures.charger.options import Options
from fixtures.charger.process import read_state
from fixtures.checker import TEST_MARK
from fixtures.demo.operator import Crew, Job, Result
from fixtures.demo.place import Place, free_ports, prepare
from fixtures.demo.world import World
from station.config import load_station
from station.model import Measurement
from station.preflight import LABEL
from station.records import open_records
from tests.line.conftest import QUICK
from tests.station.cli_world import run

pytestmark = pytest.mark.timeout(400)

RECIPES = {"ac22-basic-eu": "by a vendor's key of OCPP 1.6", "ac22-volt-eu": "by a network profile of OCPP 2.0.1"}
FAULTS = {
    "": ("PASS", ""),
    "trusts-anybody": ("FAIL", "The unit trusts a server that bears no root of its environment."),
    "keeps-log": ("FAIL", f"The log {LOG} still names csms.test.example after it was emptied."),
}


def made(world: World, faults: tuple[str, ...]) -> dict[str, Result]:
    """Make one unit of each fault."""
    jobs = [
        Job(number, world.place.serial(number), replace(Options(Path(), Path(), ""), **QUICK, fault=fault))
        for number, fault in enumerate(faults, 1)
    ]
    crew = Crew(world, iter(jobs))
    crew.work(["1", "2"], 240)
    return {
        fault: next(r for r in crew.results if r.serial == job.serial) for fault, job in zip(faults, jobs, strict=True)
    }


@pytest.fixture(scope="module", params=RECIPES)
def line(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, dict[str, Result]]]:
    """Yield a line of one of the products with a unit of each fault, or only a good one."""
    place = Place(tmp_path_factory.mktemp("line"), 2, recipe=request.param, firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, 3)
    faults = tuple(FAULTS) if "basic" in request.param else ("",)
    with World(place, addresses) as world:
        yield world, made(world, faults)


def taken(world: World, serial: str, step: str) -> dict[str, Measurement]:
    """Return what a step measured of a unit, by name."""
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        history = records.unit_history(serial)
    assert history
    rows = [row for run_ in history.runs for row in run_.steps if row.name == step]
    return {measurement.name: measurement for row in rows for measurement in row.measurements}


def test_a_good_unit_ships_and_what_lies_is_found(line: tuple[World, dict[str, Result]]) -> None:
    """F-H2, F-H7, F-K6, P06: each by what it did, in a sentence."""
    _, results = line
    for fault, result in results.items():
        outcome, reason = FAULTS[fault]
        assert (result.outcome, reason in result.reason) == (outcome, True), (fault, result)


def test_no_trace_of_the_tests_is_left_and_its_size_is_recorded(line: tuple[World, dict[str, Result]]) -> None:
    """F-H7: the log was there, was emptied, and names the test environment no more; so does nothing else."""
    world, results = line
    state = read_state(world.place.charger(1))
    assert b"csms.ship.example" in state.files[LOG] or state.files[LOG] == b"\n"
    assert not [name for name, content in {**state.settings, **state.files}.items() if TEST_MARK in content]
    found = taken(world, results[""].serial, "ship")
    assert found[f"bytes in {LOG}"].value > 0
    assert (found["test_roots_deleted"].value, found["test_endpoint_attempts"].value) == (2, 0)


def test_passport_says_which_refusal_was_not_proven(line: tuple[World, dict[str, Result]]) -> None:
    """F-H2: left out with its reason, or proven by this very unit."""
    world, results = line
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        passport = records.passport(results[""].serial)
    assert passport
    told = "untrusted server was not proven" in passport.document.decode()
    assert told is ("volt" in world.place.recipe)
    assert ("untrusted_server" in taken(world, results[""].serial, "configure")) is not told


def test_preflight_looks_at_everything_and_never_speaks_of_the_site(line: tuple[World, dict[str, Result]]) -> None:
    """P20, F-F6, F-K8: the sample's ship endpoint is nowhere, so it says so; what the bench has is there."""
    world, _ = line
    ran = run("station", "preflight", "--json", "--seconds", "2", "--dir", world.place.station)
    findings = {finding["what"]: finding for finding in ran.json["findings"]}
    assert {finding["scope"] for finding in findings.values()} == {LABEL}
    good = {what: finding["ok"] for what, finding in findings.items() if what != "link"}
    assert good == {
        "name": False, "name server": False, "time": False, "test endpoint": True,
        "stand-in for the ship endpoint": True, "ship endpoint": False, "CPMS": True,
    }  # fmt: skip
    assert ran.code == 3
    shown = run("station", "preflight", "--seconds", "0.5", "--dir", world.place.station)
    assert shown.out.startswith(f"{LABEL}:\n")
    refused = run("station", "preflight", "--slot", "1", "--dir", world.place.station)
    assert (refused.code, "a station runs here already" in refused.err) == (2, True)
