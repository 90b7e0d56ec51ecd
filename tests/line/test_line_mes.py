"""A whole line with an MES: asked before each unit, told of everything, away for a while, and agreed with again."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.charger.options import Options
from fixtures.demo.operator import Crew, Job, Result
from fixtures.demo.place import Place, free_ports, prepare
from fixtures.demo.world import World
from pki.secret import write_secret
from station.config import load_station
from station.records import Records, open_records

sys.path.insert(0, str(Path(__file__).parents[1] / "mes"))  # pytest's importlib mode does not find helpers elsewhere

from mes_world import TOKEN, Reference

pytestmark = pytest.mark.timeout(400)

ADVANCE = "CFX.InformationSystem.UnitValidation.ValidateUnitsResponse"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    made = Reference(tmp_path_factory.mktemp("reference") / "mes")
    yield made
    made.kill()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, reference: Reference) -> Iterator[World]:
    """Yield a running station of one slot whose MES is the reference."""
    place = Place(tmp_path_factory.mktemp("line"), 1, firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, 9)
    with (place.station / "station.toml").open("a") as settings:
        settings.write(f'\n[mes]\nuri = "{reference.url}"\naway_units = 5\n')
    write_secret("mes-token", place.station, TOKEN)
    with World(place, addresses) as running:
        yield running


@pytest.fixture(scope="module")
def records(world: World) -> Iterator[Records]:
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        yield records


def make(world: World, number: int) -> Result:
    options = replace(Options(Path(), Path(), ""), baud=0, boot_seconds=0.2, flash_seconds_per_kib=0.0)
    return Crew(world, iter(())).make(Job(number, world.place.serial(number), options), "1")


def until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.2)


def view(world: World) -> dict[str, object]:
    line: dict[str, list[dict[str, object]]] = world.client.get("/api/line").json()
    return line["slots"][0]


def told(reference: Reference, records: Records, serial: str) -> list[str]:
    """Return the results of the runs of a unit that the MES knows."""
    found = [one["MessageBody"] for one in reference.received(records.database.station)]
    return [body["Result"] for body in found if body.get("PrimaryIdentifier") == serial and "Result" in body]


def test_a_unit_waits_until_the_mes_allows_it(world: World, reference: Reference, records: Records) -> None:
    """F-B2: the slot says what the MES says, nothing is touched, and the run begins as soon as it may."""
    serial = world.place.serial(1)
    reference.say("unit", serial, "Failed", "The board test is missing")
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(make, world, 1)
        until(lambda: view(world)["state"] == "blocked")
        assert view(world)["sentence"] == f"The MES does not allow unit {serial}: The board test is missing."
        assert records.runs() == ()
        reference.say("unit", serial, "Passed")
        assert made.result(240).outcome == "PASS"
    (run,) = records.runs()
    assert (run.mes, run.operator) == ("confirmed", "operator-1")
    until(lambda: told(reference, records, serial) == ["Completed"])


def test_the_line_goes_on_while_the_mes_is_away(world: World, reference: Reference, records: Records) -> None:
    """domain.md 5.6: built on its word in advance, marked, told in order when it is back, and compared."""
    serial, station = world.place.serial(2), records.database.station
    position = reference.send(ADVANCE, _passed(serial), station)
    until(lambda: records.mes_position() == position)
    reference.kill()
    assert make(world, 2).outcome == "PASS"
    assert records.runs()[0].mes == "deferred"
    alarms = world.client.get("/api/line").json()["alarms"]
    assert [alarm for alarm in alarms if alarm.startswith("MES: The MES http://")]
    reference.start()
    reference.say("unit", serial, "Passed")
    until(lambda: records.events(station, "mes-reconciled"))
    assert told(reference, records, serial) == ["Completed"]
    link = records.mes_link()
    assert link is not None
    assert link.away_since is None
    until(lambda: not world.client.get("/api/line").json()["alarms"], 10)


def _passed(serial: str) -> dict[str, object]:
    one = {"UniqueIdentifier": serial, "PositionNumber": 1, "Result": "Passed", "FailureCode": 0, "Message": "OK"}
    return {"Result": {"Result": "Success"}, "PrimaryResult": one, "ValidationResults": []}
