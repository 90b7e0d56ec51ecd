"""Scans find their slot: by what they say, by the slot scanned before, or because only one slot waits."""

from collections.abc import Iterator

import pytest

from fixtures.demo.world import World
from tests.station.cli_world import Operator, copied, outcomes

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running line of four slots."""
    place, addresses = copied(tmp_path_factory.mktemp("scan"))
    with World(place, addresses) as running:
        yield running


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    """Yield an operator who leaves the slots empty."""
    person = Operator(world)
    yield person
    for slot in list(person.plugged):
        person.unplug(slot)


def test_scan_without_a_waiting_slot_is_refused(operator: Operator) -> None:
    answer = operator.scan("AC22-000001")
    assert (answer["accepted"], answer["slot"]) == (False, "")
    assert "Plug a charger in first" in answer["sentence"]


@pytest.mark.parametrize(
    "code", ["AC22-0000\x0001", "\x1b[2J", "AC22\x7f", "AC22-00000\u0661", "\r", "  ", "", "A" * 129]
)
def test_scan_that_no_code_of_ours_has_is_refused(world: World, operator: Operator, code: str) -> None:
    """Bad input: a scan with control characters, of another alphabet, empty or endless; the line goes on."""
    reply = world.client.post("/api/scan", json={"code": code})
    assert reply.status_code == 422
    assert reply.json()["accepted"] is False
    assert reply.json()["sentence"].endswith(".")
    assert code not in reply.json()["sentence"] or len(code) < 3
    assert {slot["state"] for slot in operator.line()["slots"]} == {"empty"}


def test_unknown_slot_cannot_be_selected(operator: Operator) -> None:
    answer = operator.scan("SL-9")
    assert not answer["accepted"]
    assert "no slot 9" in answer["sentence"]


def test_nothing_to_acknowledge(operator: Operator) -> None:
    answer = operator.scan("CMD-ACK")
    assert (answer["accepted"], answer["sentence"]) == (False, "No verdict waits to be seen.")


def test_only_waiting_slot_takes_the_scan(world: World, operator: Operator) -> None:
    """A refused serial names its reason on reply and page, and the slot waits on."""
    operator.plug(1, "3")
    operator.until("3", "scan serial")
    answer = operator.scan("AC22-000999")
    assert (answer["accepted"], answer["slot"]) == (False, "3")
    assert "is not of work order" in answer["sentence"]
    shown = operator.slot("3")
    assert (shown["state"], shown["sentence"]) == ("scan serial", answer["sentence"])


def test_whoever_judges_units_does_not_answer_for_them(world: World, operator: Operator) -> None:
    """F-K1: quality may look, acknowledge and verify; a serial is scanned by those who build."""
    operator.plug(20, "1")
    operator.until("1", "scan serial")
    world.sign_in("qa-1")
    try:
        answer = operator.scan(world.place.serial(20))
    finally:
        world.sign_in("operator-1")
    assert not answer["accepted"]
    assert "does not build units. Let an operator scan." in answer["sentence"]
    assert operator.slot("1")["state"] == "scan serial"


def test_two_waiting_slots_ask_for_the_slot_and_the_selected_one_takes_it(world: World, operator: Operator) -> None:
    """No guess when two slots wait; the slot's own code decides, and labels find their slot by themselves."""
    for number, slot in ((2, "1"), (3, "2")):
        operator.plug(number, slot)
        operator.until(slot, "scan serial")
    second, third = world.place.serial(2), world.place.serial(3)
    asked = operator.scan(second)
    assert not asked["accepted"]
    assert "Scan the slot first" in asked["sentence"]
    assert operator.scan("SL-2")["accepted"]
    assert operator.scan(third) == {"accepted": True, "sentence": f"{third} read for slot 2.", "slot": "2"}
    assert operator.scan(second)["slot"] == "1"
    for slot in ("1", "2"):
        operator.until(slot, "scan label")

    # The slot selected last is 2, and still the label of slot 1's unit goes to slot 1.
    answer = operator.scan(f"SN:{second}")
    assert (answer["accepted"], answer["slot"]) == (True, "1")
    assert operator.until("1", "PASS")["serial"] == second

    wrong = operator.scan("SN:AC22-000017")
    assert (wrong["accepted"], wrong["slot"]) == (False, "2")
    assert "not label 1 of unit" in wrong["sentence"]
    assert operator.slot("2")["state"] == "scan label"

    assert not operator.scan(third)["accepted"], "the serial itself is no label"
    assert operator.scan(f"SN:{third}")["slot"] == "2"
    assert operator.until("2", "PASS")["serial"] == third
    assert outcomes(world, second) == outcomes(world, third) == ["PASS"]


def test_spoilt_label_is_replaced_and_the_first_copy_is_dead(world: World, operator: Operator) -> None:
    """F-J2: CMD-VOID prints the next copy; only that one is taken."""
    serial = operator.to_label(4, "4")
    assert operator.scan("CMD-VOID")["accepted"]
    operator.until("4", "running", "scan label")
    answer = {"accepted": False}
    while "accepted" in answer and not answer["accepted"]:
        operator.until("4", "scan label")
        assert not operator.scan(f"SN:{serial}")["accepted"]
        answer = operator.scan(f"SN:{serial}:2")
    assert operator.until("4", "PASS")["serial"] == serial


def test_acknowledge_takes_the_only_verdict_and_asks_for_the_slot_of_two(operator: Operator) -> None:
    """CMD-ACK: with two verdicts the slot has to be scanned; a verdict is seen once."""
    for number, slot in ((5, "1"), (6, "2")):
        operator.plug(number, slot, fault="wrong-hardware")
        operator.until(slot, "scan serial")
    for number, slot in ((5, "1"), (6, "2")):
        operator.crew.scan(slot, operator.world.place.serial(number))
        assert "rev-x" in operator.until(slot, "FAIL")["sentence"]
    operator.scan("SL-3")
    assert operator.scan("CMD-ACK")["sentence"] == "Scan the slot first."
    operator.scan("SL-2")
    assert operator.scan("CMD-ACK")["slot"] == "2"
    assert "scanned twice" in operator.scan("CMD-ACK")["sentence"], "a trembling hand sees one verdict only"
    assert not operator.slot("1")["acknowledged"]
    operator.scan("SL-1")
    assert operator.scan("CMD-ACK")["slot"] == "1"
    operator.scan("SL-1")
    assert not operator.scan("CMD-ACK")["accepted"]
