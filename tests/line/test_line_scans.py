"""What stops and steers a line by scans: people who come and go, holds, another order, golden units."""

import json
from collections.abc import Iterator

import pytest

from fixtures.demo.world import World
from tests.station.cli_world import Operator, copied, eventually, run, unit_of

pytestmark = pytest.mark.timeout(200)
GOLDEN, BAD_GOLDEN, WRONG_GOLDEN = "90000001", "90000002", "90000003"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running line of four slots."""
    place, addresses = copied(tmp_path_factory.mktemp("scans"))
    with World(place, addresses) as running:
        yield running


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    """Yield an operator who leaves the slots empty."""
    world.sign_in()
    person = Operator(world)
    yield person
    world.sign_in()
    for slot in list(person.plugged):
        person.unplug(slot)


def command(world: World, *words: str, who: str = "lead-1") -> None:
    """Run a command of the station for somebody."""
    ran = run("station", *words, "--dir", world.place.station, who=who)
    assert ran.code == 0, ran.err


def holds(world: World) -> list[str]:
    """Return the references of what is on hold."""
    ran = run("station", "holds", "--dir", world.place.station, "--json")
    return [hold["ref"] if isinstance(hold["ref"], str) else "{station}-{sequence}".format(**hold["ref"])
            for hold in ran.json]  # fmt: skip


def runs_of(world: World, serial: str) -> list[str]:
    """Return who worked on each run of a unit."""
    return [entry["run"]["operator"] for entry in unit_of(world, serial)["runs"]]


def test_nothing_begins_while_nobody_is_signed_in(world: World, operator: Operator) -> None:
    """F-K2: the slot says so, and goes on with whoever comes; their name stands in the run."""
    assert operator.scan("CMD-OUT")["sentence"] == "Signed out."
    operator.plug(1, "1")
    view = operator.until("1", "sign in")
    assert (view["sentence"], view["hint"]) == ("Nobody is signed in.", "Scan your badge.")
    assert not operator.slot("1")["hardware_uid"], "nothing was asked of the charger"
    world.sign_in("rework-1")
    operator.until("1", "scan serial")
    operator.scan(world.place.serial(1))
    assert operator.finish("1")["state"] == "PASS"
    assert runs_of(world, world.place.serial(1)) == ["rework-1"]


def test_verdict_that_was_seen_stands_in_the_record_with_a_name(world: World, operator: Operator) -> None:
    """F-K2: who saw which verdict."""
    serial = operator.begin(2, "2", fault="wrong-hardware")
    operator.until("2", "FAIL")
    operator.scan("SL-2")
    assert operator.scan("CMD-ACK")["accepted"]
    (seen,) = [event for event in unit_of(world, serial)["events"] if event["kind"] == "acknowledged"]
    assert seen["who"] == "operator-1"
    assert "FAIL" in json.dumps(seen)


def test_hold_blocks_a_start_until_it_is_lifted(world: World, operator: Operator) -> None:
    """F-L5: no run is opened for it, and no unit fails; once lifted it begins by itself."""
    command(world, "hold", "slot", "3", "--reason", "loose connector")
    serial = world.place.serial(3)
    operator.plug(3, "3")
    operator.until("3", "scan serial")
    operator.scan(serial)
    view = operator.until("3", "blocked")
    assert "loose connector" in view["sentence"]
    assert view["hint"]
    assert run("station", "unit", serial, "--dir", world.place.station).code != 0, "it is no unit yet"
    (held,) = holds(world)
    command(world, "lift", held, "--reason", "connector was replaced", who="qa-1")
    operator.until("3", "running", "scan label")
    assert operator.finish("3")["state"] == "PASS"


def test_line_builds_another_order_after_a_scan(world: World, operator: Operator) -> None:
    """Only a line lead, only with empty slots; the station gives serials where the order says so, and remembers it."""
    command(
        world, "order", "create", "WO-2", "--bundle", "ac22-eu-r1", "--quantity", "5", "--prefix", "AC22-",
        "--first", "500", "--serials-from", "station", "--customer", "Example Operator",
    )  # fmt: skip
    assert "may not change the order" in operator.scan("OR-WO-2")["sentence"]
    world.sign_in("lead-1")
    operator.plug(4, "4")
    operator.until("4", "scan serial")
    assert operator.scan("OR-WO-2")["sentence"] == "Slots that are not empty: 4. Empty them, then scan the order."
    operator.unplug("4")
    assert "no work order" in operator.scan("OR-WO-77")["sentence"]
    assert operator.scan("OR-WO-2")["sentence"] == "The line builds WO-2 now."
    line = operator.line()
    assert (line["order"], line["released"], line["failed"]) == ("WO-2", 0, 0)
    operator.plug(4, "4")
    view = eventually(lambda: operator.slot("4"), lambda seen: seen["serial"])
    assert (view["serial"], view["sentence"]) == ("AC22-000500", "It was given the serial number AC22-000500.")
    assert view["hint"] == "Write it on its traveller."
    assert operator.finish("4")["state"] == "PASS"
    operator.unplug("4")
    eventually(lambda: unit_of(world, "AC22-000500")["unit"]["state"], lambda state: state == "packable")
    world.stop("station")
    world.start_station()
    assert operator.line()["order"] == "WO-2"
    world.sign_in("lead-1")
    assert operator.scan("OR-WO-1001")["accepted"]


def check_golden(operator: Operator, number: int, uid: str, expect: str, **options: str) -> dict[str, object]:
    """Reserve a charger as golden unit, plug it in, and return the verdict."""
    world = operator.world
    command(world, "golden", "add", uid, "--product", "ac22", "--expect", expect, "--reason", "golden unit",
            who="engineer-1")  # fmt: skip
    operator.plug(number, "1", uid=uid, **options)
    return operator.until("1", "PASS", "FAIL", "ERROR")


def test_golden_units_are_checked_and_never_built(world: World, operator: Operator) -> None:
    """Domain 5.2: a good one and one that is bad on purpose are found as they must be; no serial is asked for."""
    good = check_golden(operator, 10, GOLDEN, "PASS")
    assert (good["state"], good["sentence"]) == ("PASS", "The golden unit was found PASS, as it must be.")
    assert (good["serial"], good["passport"]) == ("", "")
    operator.unplug("1")
    bad = check_golden(operator, 11, BAD_GOLDEN, "wrong-hardware", fault="wrong-hardware")
    assert (bad["state"], bad["sentence"]) == ("PASS", "The golden unit was found wrong-hardware, as it must be.")
    assert holds(world) == []


def test_station_that_passes_a_known_bad_unit_is_blocked(world: World, operator: Operator) -> None:
    """Domain 5.2: it can't be trusted until somebody found out why."""
    verdict = check_golden(operator, 12, WRONG_GOLDEN, "wrong-hardware")
    assert verdict["state"] == "ERROR"
    assert "the station is on hold" in str(verdict["sentence"])
    operator.unplug("1")
    operator.plug(5, "2")
    operator.until("2", "scan serial")
    operator.scan(world.place.serial(5))
    assert "had to be found" in operator.until("2", "blocked")["sentence"]
