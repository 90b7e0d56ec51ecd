"""A finished unit back in a slot, and what was interrupted: only what is safe is offered, by scans, for a reason."""

from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.demo.world import World
from tests.station.cli_world import Operator, copied, eventually, outcomes, unit_of

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running line of four slots."""
    place, addresses = copied(tmp_path_factory.mktemp("recovery"))
    with World(place, addresses) as running:
        yield running


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    """Yield an operator who leaves the slots empty."""
    world.sign_in("operator-1")
    person = Operator(world)
    yield person
    for slot in list(person.plugged):
        person.unplug(slot)


def put_back(operator: Operator, number: int, slot: str) -> dict[str, Any]:
    """Unplug a released unit, plug it in again, and return what its slot offers."""
    operator.unplug(slot)
    operator.plug(number, slot)
    operator.until(slot, "already released")
    return eventually(lambda: operator.slot(slot), lambda view: view["actions"])


def choose(operator: Operator, slot: str, command: str, reason: str = "") -> None:
    """Choose by scans alone: the slot, what to do, and why."""
    operator.scan(f"SL-{slot}")
    answer = operator.scan(command)
    assert answer["accepted"], answer["sentence"]
    if reason:
        assert "needs a reason" in answer["sentence"]
        assert operator.scan(reason)["accepted"]


def events(world: World, serial: str, kind: str) -> list[dict[str, Any]]:
    """Return the events of a kind that concern a unit."""
    return [event for event in unit_of(world, serial)["events"] if event["kind"] == kind]


def test_released_unit_offers_only_what_is_safe(world: World, operator: Operator) -> None:
    """F-B7: verify, reprint, rework; a command of something else is refused, and so is a choice without a reason."""
    operator.released(1, "1")
    view = put_back(operator, 1, "1")
    assert view["actions"] == ["verify", "reprint", "rework"]
    assert not operator.scan("CMD-SCRAP")["accepted"]
    assert "no slot waits for a reason" in operator.scan("RC-LABEL")["sentence"].lower()
    choose(operator, "1", "CMD-VERIFY")
    eventually(lambda: events(world, view["serial"], "verified-again"), bool)


def test_reprint_makes_the_old_label_void_and_the_new_one_is_scanned_back(world: World, operator: Operator) -> None:
    """F-J2: one living label; who had it printed and why stands in the record."""
    serial = operator.released(2, "2")
    put_back(operator, 2, "2")
    refused = operator.scan("CMD-REPRINT")
    assert "may not reprint" in refused["sentence"]
    world.sign_in("rework-1")
    choose(operator, "2", "CMD-REPRINT", "RC-LABEL")
    operator.until("2", "scan label")
    assert not operator.scan(f"SN:{serial}")["accepted"], "the copy before is void"
    assert operator.scan(f"SN:{serial}:2")["accepted"]
    shown = eventually(lambda: operator.slot("2"), lambda view: view["state"] == "already released" and view["actions"])
    assert shown["label_copy"] == 2
    labels = unit_of(world, serial)["labels"]
    assert [(label["copy"], label["state"]) for label in labels] == [(1, "void"), (2, "scanned")]
    assert labels[0]["reason"] == "The label is missing or spoilt."
    assert labels[0]["who"] == "rework-1"
    assert outcomes(world, serial) == ["PASS"], "a label is no run"


def test_reprint_voids_nothing_while_the_printer_is_out_of_labels(world: World, operator: Operator) -> None:
    """What the unit bears is void only for a label that can come: it stays, and who asked is told why."""
    serial = operator.released(12, "2")
    put_back(operator, 12, "2")
    world.sign_in("rework-1")
    fault = world.place.labels / "fault"
    fault.write_text("media-out")
    try:
        choose(operator, "2", "CMD-REPRINT", "RC-LABEL")
        eventually(lambda: operator.slot("2"), lambda view: "out of labels" in view["sentence"])
    finally:
        fault.write_text("")
    assert [(label["copy"], label["state"]) for label in unit_of(world, serial)["labels"]] == [(1, "scanned")]


def test_choice_without_a_reason_is_dropped_by_no(world: World, operator: Operator) -> None:
    serial = operator.released(3, "3")
    put_back(operator, 3, "3")
    world.sign_in("rework-1")
    choose(operator, "3", "CMD-REWORK")
    assert operator.scan("CMD-NO")["accepted"]
    assert not operator.scan("RC-CONFIG")["accepted"]
    assert unit_of(world, serial)["unit"]["state"] in ("released", "packable")


def test_rework_makes_a_locked_unit_blank_and_builds_it_again(world: World, operator: Operator) -> None:
    """F-L2, F-B7: the recovery image, then all steps; keys and label are new, the serial stays."""
    serial = operator.released(4, "4")
    before = unit_of(world, serial)
    eventually(lambda: unit_of(world, serial)["unit"]["state"], lambda state: state == "packable")
    put_back(operator, 4, "4")
    world.sign_in("lead-1")
    choose(operator, "4", "CMD-REWORK", "RC-CONFIG")
    operator.until("4", "scan label", timeout=90)
    assert operator.scan(f"SN:{serial}:2")["accepted"]
    assert operator.until("4", "PASS", "FAIL", "ERROR")["state"] == "PASS"
    after = unit_of(world, serial)
    assert outcomes(world, serial) == ["PASS", "PASS"]
    assert [passport["revision"] for passport in after["passports"]] == [1, 2]
    assert after["passports"][0] == before["passports"][0]
    told = events(world, serial, "reimaged")
    assert [event["who"] for event in told] == ["lead-1"]
