"""A slot with a relay: the unit loses its power in the middle of its acceptance, and its clock is right afterwards."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.charger.options import Options
from fixtures.demo.operator import Crew, Job
from fixtures.demo.place import CATALOG, Place, free_ports, prepare
from fixtures.demo.world import World
from station.config import load_station
from station.records import open_records
from tests.line.conftest import QUICK

pytestmark = pytest.mark.timeout(200)
LEFT_OUT = """"power cycle" = { need = "not performed", reason = "This bench has no relay for the unit's power." }"""


def test_unit_is_power_cycled_where_the_slot_has_a_relay(tmp_path: Path) -> None:
    """F-E4, P14: off, its clock judged over the cable before the server tells it the time, released."""
    relay = tmp_path / "relay"
    relay.write_text("1")
    place = Place(tmp_path, 1, catalog=catalog(tmp_path), firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, 5)
    settings = place.station / "station.toml"
    settings.write_text(settings.read_text().replace("[[slot]]", f'[[slot]]\nrelay = "file:{relay}"', 1))
    with World(place, addresses) as world:
        charger = replace(Options(Path(), Path(), ""), **QUICK, relay=relay)
        crew = Crew(world, iter([Job(1, place.serial(1), charger)]))
        crew.work(["1"], 150.0)
    assert [(result.outcome, result.reason) for result in crew.results] == [("PASS", "")]
    taken = measured(place)
    assert (taken["power_off_for"], taken["power_cycle_reason"]) == (1.5, "PowerUp")
    assert abs(taken["clock_drift"]) <= 3


def catalog(directory: Path) -> Path:
    """Return the sample catalogue, with an AC22 that is power-cycled."""
    made = shutil.copytree(CATALOG, directory / "samples")
    product = made / "products" / "ac22" / "product.toml"
    text = product.read_text()
    assert LEFT_OUT in text
    text = text.replace(LEFT_OUT, '"power cycle" = { limit = 60.0 }')
    product.write_text(text.replace("offline_seconds = 0.5", "offline_seconds = 0.5\npower_off_seconds = 1.5"))
    return made


def measured(place: Place) -> dict[str, object]:
    config = load_station(place.station)
    with open_records(config.database_url, config.station.id) as records:
        history = records.unit_history(place.serial(1))
        assert history
        steps = [step for run in history.runs for step in run.steps if step.name == "accept"]
        return {taken.name: taken.value for step in steps for taken in step.measurements}
