"""Test equipment and the line: a board that was not tested never begins, a unit that was not measured never leaves."""

from collections.abc import Iterator

import pytest

from fixtures.demo.world import World
from fixtures.testers import Delivery, board_test, safety_test
from tests.station.cli_world import Operator, copied, edit, eventually, next_bundle, run

pytestmark = pytest.mark.timeout(300)
UID, SERIAL = "0badc0de00112233", "AC22-000500"
DEMANDS = """
[gates]
previous_stage = "BOARD-ICT"

[[required_result]]
test = "insulation-l1-pe"
unit = "GOhm"
low = 0.5
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A line whose order demands a board test, and an insulation resistance by the recipe's own limit."""
    place, addresses = copied(tmp_path_factory.mktemp("results"))
    recipe = place.station / "catalog/recipes/ac22-eu.toml"
    recipe.write_text(recipe.read_text() + DEMANDS)
    made = run("station", "order", "create", "WO-2", "--dir", place.station, "--bundle", next_bundle(place.station),
               "--quantity", "3", "--prefix", "AC22-", "--first", "500")  # fmt: skip
    assert made.code == 0, made.err
    edit(place.station / "station.toml", 'order = "WO-1001"', 'order = "WO-2"')
    with World(place, addresses) as running:
        yield running


def deliver(world: World, delivery: Delivery) -> None:
    """Put a tester's file into the drop folder and wait until the station has acknowledged it."""
    inbox = world.place.station / "inbox/results"
    delivery.into(inbox)
    eventually(lambda: list((inbox / "done").glob(f"*{delivery.name}")), bool)


def attempt(operator: Operator) -> dict[str, object]:
    """Plug the charger in, scan what is asked for, and return what the slot shows in the end."""
    operator.plug(1, "1", uid=UID)
    states = ("scan serial", "scan label", "running", "blocked")
    shown = operator.until("1", *states)
    if shown["state"] == "scan serial":
        operator.scan("SL-1")
        operator.scan(SERIAL)
    shown = operator.until("1", "scan label", "blocked", "PASS", "FAIL", "ERROR", "ABORTED")
    return operator.finish("1") if shown["state"] == "scan label" else shown


def test_nothing_begins_or_leaves_without_its_results(world: World) -> None:
    """P04, F-B2, F-I2: no board test, no start; the tester's word is overruled by the recipe's limit; then PASS."""
    operator = Operator(world)
    blocked = attempt(operator)
    assert (blocked["state"], blocked["sentence"]) == ("blocked", "There is no result of BOARD-ICT for this unit.")
    operator.unplug("1")
    deliver(world, board_test(UID))
    deliver(world, safety_test(SERIAL, {"insulation-l1-pe": "312,5"}))
    kept = attempt(operator)
    assert kept["state"] not in ("PASS", "blocked")
    assert "insulation-l1-pe is 0.3125 GOhm; at least 0.5 GOhm is required." in str(kept["sentence"])
    operator.unplug("1")
    deliver(world, safety_test(SERIAL))
    assert attempt(operator)["state"] == "PASS"


def test_command_shows_what_was_measured(world: World) -> None:
    shown = run("station", "result", "show", SERIAL, "--dir", world.place.station, "--json")
    values = [row["value"] for row in shown.json if row["test"] == "insulation-l1-pe"]
    assert (shown.code, values) == (0, [312.5, 1000.0])
