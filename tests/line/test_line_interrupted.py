"""Interrupted runs (F-L1): a power cut is repaired by itself; where that leaves a doubt, somebody decides."""

from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.demo.world import World
from station.config import load_station
from station.records import open_records
from tests.station.cli_world import Operator, copied, eventually, outcomes, unit_of

pytestmark = pytest.mark.timeout(200)
SLOW: dict[str, Any] = {"flash_seconds_per_kib": 0.1}
"""So that there is time to cut a run off."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running line of four slots."""
    place, addresses = copied(tmp_path_factory.mktemp("interrupted"))
    with World(place, addresses) as running:
        yield running


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    """Yield an operator who unplugs what is left."""
    world.sign_in()
    person = Operator(world)
    yield person
    person.away()


def cut_off(operator: Operator, slot: str) -> None:
    """Kill the station in the middle of a run, and start it again."""
    flashing = {"flash"}
    eventually(
        lambda: {step["name"] for step in operator.slot(slot).get("steps", ()) if step["state"] == "running"},
        lambda running: running >= flashing,
    )
    operator.world.kill("station")
    operator.world.start_station()


def offered(operator: Operator, slot: str) -> dict[str, Any]:
    """Wait until a slot asks for a decision, and return what it shows."""
    return eventually(lambda: operator.slot(slot), lambda view: view.get("actions"))


def settled(world: World, slot: str) -> list[tuple[str, str]]:
    """Return who decided what about interruptions in a slot, by the records."""
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        return [(event.who, event.body.decode()) for event in records.events(slot, "interruption-settled")]


def test_second_interruption_in_a_row_asks_a_person(world: World, operator: Operator) -> None:
    """The first is repaired by itself; then the slot says what was interrupted and what the device shows."""
    serial = operator.begin(1, "1", **SLOW)
    cut_off(operator, "1")
    cut_off(operator, "1")
    view = offered(operator, "1")
    assert view["state"] == "blocked"
    assert f"Unit {serial} was interrupted 2 times in a row, last in step flash." in view["sentence"]
    assert "The device is blank." in view["sentence"]
    assert view["actions"] == ["continue", "scrap"], "nothing of a blank device has to be taken back"
    assert outcomes(world, serial) == ["ABORTED", "ABORTED"]
    operator.scan("SL-1")
    assert "needs a reason" in operator.scan("CMD-CONTINUE")["sentence"]
    assert operator.scan("RC-POWER")["accepted"]
    assert operator.finish("1")["state"] == "PASS"
    assert [(who, '"action":"continue"' in body, "power was cut" in body) for who, body in settled(world, "1")] == [
        ("operator-1", True, True)
    ]


def test_interrupted_unit_can_be_scrapped(world: World, operator: Operator) -> None:
    """F-L4: its serial is burnt; only a line lead may."""
    serial = operator.begin(2, "2", **SLOW)
    cut_off(operator, "2")
    cut_off(operator, "2")
    offered(operator, "2")
    operator.scan("SL-2")
    assert "may not scrap" in operator.scan("CMD-SCRAP")["sentence"]
    world.sign_in("lead-1")
    operator.scan("SL-2")
    assert operator.scan("CMD-SCRAP")["accepted"]
    assert operator.scan("RC-DAMAGE")["accepted"]
    eventually(lambda: operator.slot("2")["sentence"], lambda sentence: sentence == f"Unit {serial} is scrapped.")
    assert unit_of(world, serial)["unit"]["state"] == "scrapped"


def test_another_charger_in_the_slot_than_was_interrupted_asks_a_person(world: World, operator: Operator) -> None:
    """Design: no step goes on from an assumption, and nobody goes on with the wrong charger unnoticed."""
    serial = operator.begin(3, "3", **SLOW)
    eventually(lambda: operator.slot("3").get("steps"), bool)
    world.kill("station")
    operator.plugged.pop("3").stop()
    operator.plug(4, "3")
    world.start_station()
    view = offered(operator, "3")
    assert "not the charger whose work was interrupted here" in view["sentence"]
    assert f"Unit {serial} was interrupted" in view["sentence"]
    assert view["actions"] == ["continue"]
    operator.scan("SL-3")
    assert operator.scan("CMD-CONTINUE")["accepted"]
    assert operator.scan("RC-SWAPPED")["accepted"]
    operator.until("3", "scan serial")
