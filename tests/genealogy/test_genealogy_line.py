"""Whole lines that capture what units are made of: numbers, parts, meters (F-I1 to F-I4, F-F2, F-B4)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.charger.numbers import new_meter
from fixtures.charger.options import Options
from fixtures.checker import Books
from fixtures.demo.operator import Crew, Job, Result
from fixtures.demo.place import Place, free_ports, prepare
from fixtures.demo.world import World
from fixtures.plates import printed
from station.catalog.products import load_product
from station.catalog.source import Folder
from station.config import load_station
from station.identifiers import Kind, parse
from station.records import HoldKind, Records, UnitState, open_records
from tests.line.conftest import QUICK
from tests.station.cli_world import Operator, eventually, outcomes, run

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
VERDICTS = ("PASS", "FAIL", "ERROR", "ABORTED")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running station that builds chargers with meters, SIM and parts."""
    place = Place(tmp_path_factory.mktemp("line"), 2, recipe="dc60-eu", firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, 8)
    with World(place, addresses) as running:
        yield running


@pytest.fixture(scope="module")
def made(world: World) -> Result:
    """Make one unit."""
    crew = Crew(world, iter([Job(1, world.place.serial(1), replace(Options(Path(), Path(), ""), **QUICK))]))
    crew.work(["1"], 150)
    return crew.results[0]


@pytest.fixture
def hands(world: World) -> Iterator["Hands"]:
    someone = Hands(world)
    yield someone
    for slot in list(someone.plugged):
        someone.unplug(slot)


class Hands(Operator):
    """An operator who scans what is printed, or what the test says."""

    def build(self, number: int, **changes: Any) -> Path:
        """Have a charger built away from the line, with other modules than it should have; return its directory."""
        away = self.world.place.directory / "elsewhere"
        charger = self.world.charger(number, 1, replace(Options(Path(), Path(), ""), **QUICK))
        charger.options = replace(charger.options, ports=away)
        with charger:
            pass
        nvm = charger.dir / "nvm.json"
        nvm.write_text(json.dumps(json.loads(nvm.read_text()) | changes))
        return charger.dir

    def unplug(self, slot: str) -> None:
        """Unplug a slot in the middle of whatever it does, and see its verdict."""
        self.plugged[slot].stop()
        self.until(slot, "empty", *VERDICTS)
        super().unplug(slot)

    def printed(self, number: int, hint: str) -> str:
        place = self.world.place
        product = load_product(Folder(place.station / "catalog"), place.product)
        return printed(product, place.charger(number), hint)

    def parts(self, number: int, slot: str, **instead: str) -> dict[str, Any]:
        """Scan parts until a verdict or the label; `instead` are codes for parts by words of the hint."""
        while True:
            view = self.until(slot, "scan component", "scan label", *VERDICTS)
            if view["state"] != "scan component":
                return view
            hint = str(view["hint"])
            code = next((code for words, code in instead.items() if words.replace("_", " ") in hint), "")
            self.crew.scan(slot, code or self.printed(number, hint))


@contextmanager
def books(world: World) -> Iterator[Records]:
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        yield records


def nvm(world: World, number: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((world.place.charger(number) / "nvm.json").read_text())
    return content


def test_passport_has_what_the_charger_is_made_of(world: World, made: Result) -> None:
    """F-I1 to F-I4: numbers as the modules show them, parts as scanned, keys as the meters sign."""
    assert (made.outcome, made.reason) == ("PASS", "")
    with books(world) as records:
        row = records.passport(made.serial)
    assert row is not None
    passport, device = json.loads(row.document), nvm(world, 1)
    assert [(m["outlet"], m["serial"], m["public_key"], m["key_printed"]) for m in passport["meters"]] == [
        (letter, meter["serial"], meter["public_key"], True)
        for letter, meter in zip("AB", device["meters"], strict=True)
    ]
    told = {(one["kind"], one["value"]) for one in passport["identifiers"]}
    assert {("iccid", device["numbers"]["sim/iccid"]), ("mac", device["numbers"]["mac/2"])} <= told
    assert [part["type"] for part in passport["components"]] == ["sim", "power module", "residual current device"]
    assert [seal["place"] for seal in passport["seals"]] == ["meter A", "meter B"]
    assert {m["approval"] for m in passport["meters"]} == {"M26 0102"}


def test_cpms_has_the_keys_of_the_meters(world: World, made: Result) -> None:
    """F-I4, F-G1: the backend verifies readings with the key that was proven at the line."""
    query, rows = "SELECT read_back FROM registration WHERE unit = ?", Books(world.place.directory)
    ((kept,),) = eventually(lambda: rows.station(query, made.serial), lambda found: bool(found and found[0][0]))
    registered = json.loads(kept)
    assert [meter["public_key"] for meter in registered["meters"]] == [m["public_key"] for m in nvm(world, 1)["meters"]]


def test_wrong_codes_are_told_what_is_expected(world: World, hands: Hands, made: Result) -> None:
    """F-N2: refused at once, in one sentence; nothing is taken over."""
    hands.begin(2, "2")
    view = hands.until("2", "scan component", *VERDICTS)
    assert view["sentence"] == "Scan the meter A."
    other = nvm(world, 2)["meters"][1]["serial"]
    for code, told in (
        ("2EXC01", "is no meter: its form is wrong; expected 14 characters"),
        (other, "The charger shows another meter A: 2EXC01"),
        (made.serial, "is no meter"),
        ("2EXC01\x1b00000001", "holds characters that no code of ours has"),
    ):
        answer = hands.scan(code)
        assert (answer["accepted"], told in answer["sentence"]) == (False, True), answer
    assert hands.parts(2, "2", power_module="CMD-NO")["sentence"].startswith(
        "The power module M1 has no code that fits"
    )


def test_change_without_a_word_is_found_and_recorded_by_a_swap(world: World, hands: Hands) -> None:
    """The SIM of unit 2 is replaced after it was captured: its numbers are others, and nobody said so."""
    serial, state = world.place.serial(2), world.place.charger(2) / "nvm.json"
    device = nvm(world, 2)
    device["numbers"] |= {"sim/iccid": "89882110000000000010", "sim/imsi": "901880000000001"}
    state.write_text(json.dumps(device))
    hands.plug(2, "2")
    found = hands.parts(2, "2")
    assert (found["state"], "has 89882110000000000010 now" in found["sentence"]) == ("FAIL", True), found
    hands.unplug("2")
    swap = ["station", "component", "swap", serial, "sim", "modem", "89882110000000000010"]
    refused = run(*swap, "--reason", "does not register", "--dir", world.place.station, who="operator-1")
    assert (refused.code, "may not" in refused.err or "role" in refused.err) == (2, True), refused.err
    done = run(*swap, "--reason", "does not register", "--dir", world.place.station, who="rework-1")
    assert (done.code, "open again: iccid, imsi, eid" in done.out) == (0, True), done.err
    hands.plug(2, "2")
    view = hands.until("2", "scan component", *VERDICTS)
    assert view["sentence"] == "Scan the power module M1."
    hands.unplug("2")
    assert outcomes(world, serial)[-1] == "ABORTED"


def test_meter_that_signs_with_another_key_fails_the_unit(world: World, hands: Hands) -> None:
    """F-I4: the key is proven by a reading, before anything is printed or registered."""
    foreign = new_meter("foreign", 1)
    meters = [
        meter | {"key": foreign["key"]} for meter in json.loads((hands.build(3) / "nvm.json").read_text())["meters"]
    ]
    hands.build(3, meters=meters)
    hands.begin(3, "2")
    view = hands.until("2", "scan component", *VERDICTS)
    assert (view["state"], view["sentence"]) == ("FAIL", "The meter signs with another key than it shows.")


def test_printed_key_of_another_meter_is_refused(world: World, hands: Hands) -> None:
    """F-I4: what is printed on the meter is what a customer verifies with."""
    hands.build(4)
    hands.begin(4, "2")
    end = hands.parts(4, "2", public_key="CMD-NO")
    assert end["sentence"] == "The public key on meter A could not be compared with the meter's."


def test_unit_whose_number_was_taken_off_meanwhile_does_not_leave(world: World, hands: Hands) -> None:
    """F-B4: what was captured is compared once more when the unit is released."""
    serial = hands.begin(6, "2")
    assert hands.parts(6, "2")["state"] == "scan label"
    sim = parse(Kind.ICCID, nvm(world, 6)["numbers"]["sim/iccid"])
    free = ["station", "component", "free", serial, "iccid"]
    given = ["--reason", "of a stolen batch", "--dir", world.place.station]
    refused = run(*free, "89882110000000000028", *given, who="qa-1")
    assert (refused.code, f"Unit {serial} has no iccid" in refused.err) == (1, True), refused.err
    done = run(*free, sim.written, *given, who="qa-1")
    assert (done.code, "taken off by qa-1: of a stolen batch" in done.out) == (0, True), done.err
    hands.crew.scan("2", f"SN:{serial}")
    view = hands.until("2", *VERDICTS)
    assert (view["state"], view["sentence"]) == ("FAIL", "The record of the unit lacks a number of kind iccid.")


def test_numbers_of_another_unit_quarantine_both(world: World, hands: Hands, made: Result) -> None:
    """F-B4: also a unit that was released before may not be packed until quality has looked."""
    hands.build(5, numbers=nvm(world, 1)["numbers"])
    hands.begin(5, "2")
    view = hands.until("2", "scan component", *VERDICTS)
    assert (view["state"], f"is on unit {made.serial} already" in view["sentence"]) == ("FAIL", True), view
    with books(world) as records:
        holds = {(hold.subject, hold.kind) for hold in records.holds()}
        unit = records.unit(made.serial)
    assert holds == {(serial, HoldKind.QUARANTINE) for serial in (made.serial, world.place.serial(5))}
    assert unit is not None
    assert unit.state is UnitState.RELEASED


def test_where_used_is_answered_by_command(world: World, made: Result) -> None:
    """F-I8: from a lot to its units, from a unit to its parts."""
    where = ["--dir", world.place.station]
    lot = run("station", "component", "show", "RCD-L260731", "--json", *where).json["components"]
    assert made.serial in {row["unit"] for row in lot}
    shown = run("station", "component", "show", made.serial, *where)
    assert (shown.code, "key proven" in shown.out, "seal meter A: S" in shown.out) == (0, True, True), shown.out


def refused(hands: Hands, number: int) -> str:
    """Plug a charger in, and return why it fails before anything of it is scanned."""
    hands.plug(number, "2")
    view = hands.until("2", "scan serial", "scan component", "scan label", *VERDICTS)
    if view["state"] == "scan serial":
        hands.scan("SL-2")
        hands.scan(hands.world.place.serial(number))
        view = hands.until("2", "scan component", "scan label", *VERDICTS)
    hands.unplug("2")
    return str(view["sentence"]) if view["state"] == "FAIL" else str(view["state"])


def listed(world: World, folder: Path, kind: str, *numbers: str) -> None:
    """Import a list of numbers for the order, as its office sends it."""
    order, file = world.place.order, folder / "list.csv"
    file.write_text("".join([f"order;{kind}\n", *(f"{order};{number}\n" for number in numbers)]))
    ran = run("station", "order", "import", file, "--dir", world.place.station)
    assert ran.code == 0, ran.err


def test_numbers_that_the_order_does_not_list(world: World, hands: Hands, tmp_path: Path) -> None:
    """F-F2, P04: a SIM or network address of another batch stops the unit before anything is flashed or printed."""
    hands.build(7)
    order, serial, bears = world.place.order, world.place.serial(7), nvm(world, 7)["numbers"]
    listed(world, tmp_path, "mac", "ACDE48000001", "ACDE48000002")
    assert refused(hands, 7) == f"The mac {bears['mac/1']} is not of the lists of work order {order}."
    listed(world, tmp_path, "mac", bears["mac/1"], bears["mac/2"])
    listed(world, tmp_path, "iccid", "89882110000000000010")
    assert refused(hands, 7) == f"The iccid {bears['sim/iccid']} is not of the lists of work order {order}."
    with books(world) as records:
        history = records.unit_history(serial)
        assert records.known_identifiers(Kind.MAC, [bears["mac/1"]])[bears["mac/1"]].unit == serial
        assert records.known_identifiers(Kind.ICCID, [parse(Kind.ICCID, bears["sim/iccid"]).value]) == {}
    assert history is not None
    assert history.labels == ()
    assert outcomes(world, serial) == ["FAIL", "FAIL"]
