"""What may be built, on a whole line: bundles, emergencies, withdrawals while units are on their way (F-A2, F-C4)."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.approval import APPROVER, AUTHOR, QUALITY
from fixtures.demo.place import Place
from fixtures.demo.world import World
from station.config import load_station
from station.records import RunRow, open_records
from tests.station.cli_world import Operator, copied, edit, eventually, outcomes, run, unit_of

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running line whose drafts were edited after the approval."""
    place, addresses = copied(tmp_path_factory.mktemp("bundles"))
    edit(place.station / "catalog/profiles/base.toml", 'log_level = "', 'log_level = "debug')
    with World(place, addresses) as running:
        yield running


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    """Yield an operator who leaves the slots empty."""
    person = Operator(world)
    yield person
    for slot in list(person.plugged):
        person.unplug(slot)


def station(place: Place, *command: str) -> str:
    ran = run("station", *command, "--dir", place.station)
    assert ran.code == 0, ran.err
    return ran.out


def runs_of(world: World, serial: str) -> list[RunRow]:
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        history = records.unit_history(serial)
    assert history is not None
    return [detail.run for detail in history.runs]


def passport(world: World, serial: str) -> dict[str, Any]:
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        row = records.passport(serial)
    assert row is not None
    found: dict[str, Any] = json.loads(row.document)["production"]
    return found


def digest_of(place: Place, bundle: str) -> str:
    found: str = json.loads(station(place, "bundle", "show", bundle, "--json"))["digest"]
    return found


def begin_order(world: World, order: str, bundle: str, first: int) -> None:
    """Create an order and set the line to it."""
    place = world.place
    station(place, "order", "create", order, "--bundle", bundle, "--quantity", "9", "--prefix", "AC22-",
            "--first", str(first))  # fmt: skip
    world.stop("station")
    settings = place.station / "station.toml"
    lines = [
        f'order = "{order}"' if line.startswith("order = ") else line for line in settings.read_text().splitlines()
    ]
    settings.write_text("\n".join(lines) + "\n")
    world.start_station()


@pytest.fixture(scope="module")
def overridden(world: World) -> str:
    """Set the line to a bundle that only its author signed, let through by two people; return its name."""
    place = world.place
    key = {person: str(place.people / person) for person in (AUTHOR, APPROVER, QUALITY)}
    edit(place.station / "catalog/profiles/base.toml", 'log_level = "debug', 'log_level = "')
    edit(place.station / "catalog/recipes/ac22-eu.toml", "limit_seconds = 900", "limit_seconds = 901")
    station(place, "bundle", "create", "ac22-eu", "--author", AUTHOR, "--key", key[AUTHOR])
    name = "ac22-eu-r2"
    refused = run("station", "order", "create", "WO-2", "--dir", place.station, "--bundle", name,
                  "--quantity", "9", "--prefix", "AC22-", "--first", "200")  # fmt: skip
    assert (refused.code, "0 of 1 approvals" in refused.err) == (2, True)
    station(place, "bundle", "override", name, "--as", "line", "--key", key[APPROVER], "--reason", "approver is ill")
    station(place, "bundle", "override", name, "--as", "quality", "--key", key[QUALITY])
    begin_order(world, "WO-2", name, 200)
    return name


def test_run_and_passport_say_on_whose_word(world: World, operator: Operator) -> None:
    """F-A3, P08: also which bundle it was; what the drafts say by now changes nothing."""
    serial = operator.released(1, "1")
    (row,) = runs_of(world, serial)
    digest = digest_of(world.place, "ac22-eu-r1")
    assert (row.recipe_digest, row.approval["digest"], row.firmware_name) == (digest, digest, "ac22-1.4.0")
    assert (row.approval["author"], row.approval["approvers"]) == (AUTHOR, [APPROVER])
    said = passport(world, serial)
    assert (said["bundle"], said["author"], said["approvers"]) == ("ac22-eu r1", AUTHOR, [APPROVER])
    assert said["recipe_digest"] == digest
    assert "override" not in said
    assert "development" not in said


def test_killed_station_keeps_its_bundle(world: World, operator: Operator) -> None:
    """A run that was cut off and the one that finishes the unit are of the same digest."""
    serial = operator.begin(2, "2")
    eventually(lambda: operator.slot("2")["progress"], lambda share: share > 0.2)
    world.kill("station")
    world.start_station()
    assert operator.finish("2")["state"] == "PASS"
    assert outcomes(world, serial) == ["ABORTED", "PASS"]
    assert len({row.recipe_digest for row in runs_of(world, serial)}) == 1


def test_firmware_file_that_was_replaced_is_not_flashed(world: World, operator: Operator) -> None:
    """F-C1: also while the station runs; nothing of it reaches the charger."""
    image = world.place.station / "catalog/firmware/ac22-1.4.0/ac22-1.4.0.bin"
    before = image.read_bytes()
    spoiled = bytearray(before)
    spoiled[5000] ^= 1
    image.write_bytes(spoiled)
    try:
        operator.begin(3, "3")
        shown = operator.until("3", "FAIL", "ERROR", "PASS")
        assert (shown["state"], "ac22-1.4.0.bin" in shown["sentence"]) == ("ERROR", True)
    finally:
        image.write_bytes(before)


def test_override_is_shown_in_record_and_passport(world: World, overridden: str, operator: Operator) -> None:
    """F-A2: an emergency can't be overlooked, years later."""
    serial = operator.released(200, "1")
    said = passport(world, serial)
    assert said["override"]["reason"] == "approver is ill"
    assert (said["override"]["line"], said["override"]["quality"]) == (APPROVER, QUALITY)
    (row,) = runs_of(world, serial)
    assert (row.approval["override"], row.approval["approvers"]) == (said["override"], [])


def test_withdrawal_refuses_units_on_their_way_and_new_ones(world: World, overridden: str, operator: Operator) -> None:
    """F-A2, F-C4, P03: a bundle withdrawn while a unit waits for its label does not let it leave."""
    serial = operator.to_label(201, "1")
    said = station(world.place, "bundle", "withdraw", overridden, "--reason", "fuse rating")
    assert "1 unit(s) in work; 1 were released before" in said
    assert serial in said
    verdict = operator.finish("1")
    assert (verdict["state"], "withdrawn: fuse rating" in verdict["sentence"]) == ("FAIL", True)
    assert unit_of(world, serial)["unit"]["state"] == "reserved"
    operator.plug(202, "2")
    operator.until("2", "scan serial")
    operator.scan("SL-2")
    operator.scan("AC22-000202")
    shown = operator.until("2", "ERROR", "FAIL", "PASS")
    assert (shown["state"], "WO-2 is stopped" in shown["sentence"]) == ("ERROR", True)
    assert run("station", "unit", "AC22-000202", "--dir", world.place.station).code != 0


def test_station_does_not_start_on_a_withdrawn_bundle(world: World, overridden: str, tmp_path: Path) -> None:
    """What was withdrawn stops the order for good."""
    copy = tmp_path / "station"
    shutil.copytree(world.place.station, copy, symlinks=True)
    started = run("station", "run", "--dir", copy, timeout=40)
    assert (started.code, "withdrawn by lead-1: fuse rating" in started.err) == (2, True)
