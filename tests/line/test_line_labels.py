"""Every label of a unit comes from its record, is scanned back, and only the one inside has the owner's secret."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.charger.options import Options
from fixtures.charger.process import read_state
from fixtures.demo.operator import Crew, Job, Result
from fixtures.demo.place import Place, free_ports, prepare
from fixtures.demo.world import World
from fixtures.printer_picture import scan_label
from station.identifiers.cartons import sscc
from tests.line.conftest import QUICK
from tests.station.cli_world import Operator, eventually, files_of, run, unit_of

pytestmark = pytest.mark.timeout(400)
GTIN = "9521141000014"
"""Of the product."""
NAMES = ["carton", "connector-A", "connector-B", "inside", "unit"]
CARTONS = '\n[labels.cartons]\nprefix = "4012345"\nextension = 3\nfirst = 17\nlast = 20\n'


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running line of one slot that prints every label there is."""
    place = Place(tmp_path_factory.mktemp("line"), 1, recipe="ac22-labels-eu", firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, 4)
    with (place.station / "station.toml").open("a") as settings:
        settings.write(CARTONS)
    with World(place, addresses) as running:
        yield running


@pytest.fixture(scope="module")
def made(world: World) -> Result:
    """Make one unit, with an operator who scans each label as it is asked for."""
    job = Job(1, world.place.serial(1), replace(Options(Path(), Path(), ""), **QUICK))
    crew = Crew(world, iter([job]))
    crew.work(["1"], 300)
    assert (crew.results[0].outcome, crew.results[0].reason) == ("PASS", "")
    eventually(lambda: unit_of(world, job.serial)["unit"]["state"], lambda state: state == "packable")
    return crew.results[0]


def printed(world: World) -> list[bytes]:
    return [path.read_bytes() for path in sorted(world.place.labels.glob("[0-9]*.zpl"))]


def test_each_label_is_printed_once_and_scanned_back(world: World, made: Result) -> None:
    """F-J1, F-J2: a plate, one label for each outlet, the inside and the carton; every one alive by its scan."""
    rows = unit_of(world, made.serial)["labels"]
    assert [(row["template"], row["copy"]) for row in rows] == [(name, 1) for name in NAMES]
    read = [code for zpl in printed(world) for code in scan_label(zpl)]
    number, item = sscc("4012345", 17, 3), f"01{GTIN:0>14}21{made.serial}"
    assert sorted(read) == sorted([*(row["code"] for row in rows), f"00{number}", item])


def test_carton_has_the_first_number_of_the_stations_block(world: World, made: Result) -> None:
    """The number is the unit's: it stands in what the CPMS and the passport are made of."""
    (given,) = (event for event in unit_of(world, made.serial)["events"] if event["kind"] == "carton-numbered")
    assert sscc("4012345", 17, 3) in str(given["body"])


def test_pin_of_the_device_stands_on_the_inside_label_and_nowhere_else(world: World, made: Result) -> None:
    """F-J3, P01: no database, ledger, log, passport or other label has it; nothing is left that opens it."""
    pin = read_state(world.place.charger(1)).settings["charger/owner/pin"]
    assert re.fullmatch(rb"[0-9]{8}", pin)
    assert [scan_label(zpl) for zpl in printed(world) if pin in zpl] == [[f"LB:{made.serial}:INSIDE"]]
    kept = [path for path, raw in files_of(world.place.station).items() if pin in raw]
    assert kept == []
    assert list((world.place.station / "pki" / "paper").iterdir()) == []


def test_list_and_previews_are_of_the_same_labels(world: World, made: Result, tmp_path: Path) -> None:
    """The preview of the inside label has dots where the secret was, and there are no others to be had."""
    listed = run("station", "label", "list", made.serial, "--dir", world.place.station, "--json")
    assert sorted((row["name"], row["state"]) for row in listed.json) == [(name, "scanned") for name in NAMES]
    for name, dpi in (("connector-B", "300"), ("inside", "203")):
        file = tmp_path / f"{name}.png"
        words = ("--label", name, "--dpi", dpi, "--output", file)
        made_it = run("station", "label", "preview", made.serial, *words, "--dir", world.place.station)
        assert (made_it.code, file.read_bytes()[:4]) == (0, b"\x89PNG"), made_it.err


def test_label_that_fell_off_is_printed_alone_and_the_unit_waits_for_it(world: World, made: Result) -> None:
    """F-J4: who and why stand in the record; the plate stays as it is, and the next copy tells that it is one.

    What is in a slot is the slot's: the page takes nothing of it.
    """
    words = ("--label", "connector-A", "--reason", "fell off in the packing")
    voided = run("station", "label", "void", made.serial, *words, "--dir", world.place.station)
    assert voided.code == 0, voided.err
    assert unit_of(world, made.serial)["unit"]["state"] == "released"
    world.sign_in("rework-1")
    bench = Operator(world)
    bench.plug(1, "1")
    bench.until("1", "already released")
    beside = world.post("/api/labels/scan", {"unit": made.serial, "label": "unit", "code": f"SN:{made.serial}"})
    assert f"Unit {made.serial} is in slot 1 now" in beside.text
    for code in ("SL-1", "CMD-REPRINT", "RC-LABEL"):
        assert bench.scan(code)["accepted"]
    bench.until("1", "scan label")
    assert not bench.scan(f"LB:{made.serial}:A")["accepted"]
    assert bench.scan(f"LB:{made.serial}:A:2")["accepted"]
    eventually(lambda: unit_of(world, made.serial)["unit"]["state"], lambda state: state == "packable")
    bench.unplug("1")
    living = [(row["template"], row["copy"]) for row in unit_of(world, made.serial)["labels"] if row["state"] != "void"]
    assert living == [(name, 2 if name == "connector-A" else 1) for name in NAMES]


def test_secret_is_not_printed_again(world: World, made: Result) -> None:
    """F-J4: what was scanned back is gone from us, so its label is only made again with another secret."""
    words = ("--label", "inside", "--reason", "lost by the customer")
    assert run("station", "label", "void", made.serial, *words, "--dir", world.place.station).code == 0
    count = len(printed(world))
    world.sign_in("rework-1")
    bench = Operator(world)
    bench.plug(1, "1")
    bench.until("1", "already released")
    for code in ("SL-1", "CMD-REPRINT", "RC-LABEL"):
        bench.scan(code)
    shown = bench.until("1", "FAIL", "ERROR", "ABORTED")
    bench.unplug("1")
    assert ("gone from us" in shown["sentence"], shown["hint"]) == (True, "Send the unit to rework: it gets a new one.")
    assert len(printed(world)) == count


def test_label_is_printed_and_scanned_by_commands_while_the_station_rests(world: World, made: Result) -> None:
    """F-J4: one that runs has its printer for itself; the copy counts once its own code was scanned back."""
    words = ("--label", "carton", "--dir", world.place.station)
    why = ("--reason", "torn in the packing")
    busy = run("station", "label", "print", made.serial, *why, *words)
    assert (busy.code, "runs here already" in busy.err) == (2, True)
    world.stop("station")
    sickness = world.place.labels / "fault"
    sickness.write_text("media-out")
    sick = run("station", "label", "print", made.serial, *why, *words)
    assert (sick.code, "out of labels" in sick.err) == (3, True)
    assert states(world, made.serial)["carton", 1] == "scanned", "what the unit bears is void only for the next one"
    sickness.write_text("")
    done = run("station", "label", "print", made.serial, *why, *words)
    assert (done.code, done.err) == (0, "")
    code = f"LB:{made.serial}:CARTON:2"
    assert code in scan_label(printed(world)[-1])
    assert run("station", "label", "scan", made.serial, code.removesuffix(":2"), *words).code == 1
    assert run("station", "label", "scan", made.serial, code, *words).code == 0
    rows = states(world, made.serial)
    assert (rows["carton", 1], rows["carton", 2]) == ("void", "scanned")


def states(world: World, serial: str) -> dict[tuple[str, int], str]:
    """Return the state of each copy of a unit's labels."""
    return {(row["template"], row["copy"]): row["state"] for row in unit_of(world, serial)["labels"]}
