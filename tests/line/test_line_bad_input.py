"""Bad input and bad days of a line: each gives one clear sentence, and nothing is lost.

One world serves most tests; what ruins a world has one of its own.
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from fixtures.charger.process import read_state
from fixtures.demo.world import World
from fixtures.printer_picture import read_codes, scan_label
from station.config import load_station
from station.records import HoldKind, HoldScope, UnitState, open_records
from tests.station.cli_world import Operator, copied, eventually, files_of, outcomes, run, unit_of

pytestmark = pytest.mark.timeout(180)

FOREIGN = b"wss://csms.other.example/ocpp"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running line of four slots."""
    place, addresses = copied(tmp_path_factory.mktemp("bad-input"))
    with World(place, addresses) as running:
        yield running


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    """Yield an operator who leaves the slots empty."""
    person = Operator(world)
    yield person
    for slot in list(person.plugged):
        person.unplug(slot)


@pytest.fixture(scope="module")
def released(world: World) -> str:
    """Return the serial of a unit that was released and unplugged: the first charger."""
    person = Operator(world)
    serial = person.released(1, "1")
    person.unplug("1")
    eventually(lambda: unit_of(world, serial)["unit"]["state"], lambda state: state == "packable")
    return serial


def test_serial_of_another_device_is_refused(world: World, operator: Operator, released: str) -> None:
    """F-B3, bad input: a second unit with the same serial; the first is unharmed."""
    before = unit_of(world, released)
    operator.plug(2, "2")
    operator.until("2", "scan serial")
    operator.scan("SL-2")
    answer = operator.scan(released)
    assert not answer["accepted"]
    assert f"Serial {released} belongs to hardware" in answer["sentence"]
    assert "another device can't have it" in operator.slot("2")["sentence"]
    assert unit_of(world, released) == before


def test_refused_device_still_gets_its_own_serial(world: World, operator: Operator) -> None:
    """The refusal is no dead end: the right serial is taken in the same slot."""
    operator.plug(2, "2")
    operator.until("2", "scan serial")
    assert not operator.scan("AC22-999999")["accepted"]
    assert operator.scan(world.place.serial(2))["accepted"]
    assert operator.finish("2")["state"] == "PASS"


def test_released_unit_is_recognised_and_left_alone(world: World, operator: Operator, released: str) -> None:
    """F-B7: verified against its record; no run is opened and not a byte of the device changes."""
    device = world.place.charger(1)
    before, runs = read_state(device), outcomes(world, released)
    operator.plug(1, "3")
    shown = operator.until("3", "already released", "FAIL", "ERROR")
    assert (shown["state"], shown["serial"]) == ("already released", released)
    operator.unplug("3")
    assert read_state(device) == before
    assert outcomes(world, released) == runs == ["PASS"]


def edit_memory(device: Path, change: dict[str, object]) -> None:
    """Change a switched-off device's non-volatile memory, as somebody else's tool would."""
    memory = json.loads((device / "nvm.json").read_text())
    for name, value in change.items():
        memory[name] = memory[name] | value if isinstance(value, dict) else value
    (device / "nvm.json").write_text(json.dumps(memory))


def test_released_unit_that_was_tampered_with_is_not_recognised(world: World, operator: Operator) -> None:
    """F-B7, F-L5: a released unit that comes back unlocked is stopped with the reason, and may not be packed."""
    serial = operator.released(9, "1")
    operator.unplug("1")
    edit_memory(world.place.charger(9), {"locked": False})
    operator.plug(9, "1")
    shown = operator.until("1", "already released", "FAIL", "ERROR")
    assert shown["state"] == "FAIL"
    assert "is not locked now" in shown["sentence"]
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        (hold,) = records.holds(HoldScope.UNIT, serial)
        assert (hold.kind, hold.who, hold.reason) == (HoldKind.QUARANTINE, "station", shown["sentence"])
        unit = records.unit(serial)
        assert unit is not None
        assert unit.state is UnitState.RELEASED


def test_foreign_endpoint_is_refused(world: World, operator: Operator) -> None:
    """F-B7: an unreleased device that somebody set up for another CSMS is never touched."""
    operator.plug(3, "1")
    operator.until("1", "scan serial")
    operator.unplug("1")
    device = world.place.charger(3)
    edit_memory(device, {"settings": {"charger/ocpp/url": FOREIGN.hex()}})
    before = read_state(device)
    operator.begin(3, "1")
    shown = operator.until("1", "FAIL", "ERROR", "PASS", "scan label")
    assert shown["state"] == "FAIL"
    assert "endpoint that this recipe does not know" in shown["sentence"]
    after = read_state(device)
    assert (after.slots, after.settings, after.keys) == (before.slots, before.settings, before.keys)


def test_second_daemon_on_the_same_directory_is_refused(world: World) -> None:
    """One station directory, one daemon; the first goes on."""
    ran = run("station", "run", "--dir", world.place.station, timeout=20)
    assert ran.code == 2
    assert "a station runs here already" in ran.err
    assert world.client.get("/healthz").is_success


def test_reading_commands_work_beside_the_daemon(world: World, released: str) -> None:
    """`station unit` tells everything; `--verify` checks the passport's signature; `runs` lists."""
    told = run("station", "unit", released, "--dir", world.place.station, "--verify")
    assert told.code == 0
    assert "signature is good" in told.err
    for word in ("packable", "PASS", "ship certificate", "scanned", "Registered with"):
        assert word in told.out
    listed = run("station", "runs", "--unit", released, "--dir", world.place.station).out
    assert listed.count(released) == 1


def test_unit_waits_for_labels_to_be_loaded(world: World, operator: Operator) -> None:
    """F-J2, F-J5: out of labels mid-line; the unit waits and says for what, and is released with its first label."""
    (world.place.labels / "fault").write_text("media-out")
    try:
        serial = operator.begin(4, "1")
        waiting = eventually(lambda: operator.slot("1"), lambda view: "out of labels" in str(view["steps"]))
    finally:
        (world.place.labels / "fault").write_text("")
    assert "Load labels." in str(waiting["steps"])
    assert operator.finish("1")["state"] == "PASS"
    labels = unit_of(world, serial)["labels"]
    assert [(label["copy"], label["state"]) for label in labels] == [(1, "scanned")]
    assert outcomes(world, serial) == ["PASS"]


def test_label_of_a_released_unit_is_printed_again_on_the_page(world: World, released: str) -> None:
    """F-J4: role and reason, the next copy with the same content; the old code is none, the new one is scanned back."""
    wanted = {"unit": released, "label": "unit", "reason": "scratched in the packing"}
    assert world.post("/api/labels/reprint", wanted).status_code == 403
    world.sign_in("lead-1")
    try:
        picture = world.client.get(f"/labels/{released}/unit.png").content
        answer = world.post("/api/labels/reprint", wanted).json()
        states = [(row["copy"], row["state"]) for row in unit_of(world, released)["labels"]]
        waits = run("station", "printer", "queue", "--dir", world.place.station, "--json").json
        old, new = (world.post("/api/labels/scan", {**wanted, "code": f"SN:{released}{copy}"}) for copy in ("", ":2"))
    finally:
        world.sign_in()
    assert read_codes(picture) == [f"SN:{released}"]
    assert (answer["accepted"], states) == (True, [(1, "void"), (2, "printed")]), answer
    assert [row["job_name"] for row in waits] == [f"{released} unit 2"]
    assert (old.status_code, new.json()["accepted"]) == (409, True)
    newest = max(world.place.labels.glob("[0-9]*.zpl")).read_bytes()
    assert scan_label(newest) == [f"SN:{released}:2"]
    eventually(lambda: unit_of(world, released)["unit"]["state"], lambda state: state == "packable")


def test_printer_is_asked_without_a_label(world: World) -> None:
    """F-J5: ready or not, by exit code and in words; nothing comes out."""
    before = len(list(world.place.labels.glob("[0-9]*.zpl")))
    well = run("station", "printer", "check", "--dir", world.place.station)
    (world.place.labels / "fault").write_text("head-open")
    try:
        sick = run("station", "printer", "list", "--dir", world.place.station, "--json").json[0]
        checked = run("station", "printer", "check", "--dir", world.place.station)
    finally:
        (world.place.labels / "fault").write_text("")
    assert (well.code, checked.code) == (0, 3)
    assert (sick["ready"], sick["hint"]) == (False, "Close the print head.")
    assert "print head open" in checked.out
    assert len(list(world.place.labels.glob("[0-9]*.zpl"))) == before


def secrets_of(device: Path) -> list[bytes]:
    """Return every private key of a device in each form in which it might leak."""
    found = []
    for slot in json.loads((device / "nvm.json").read_text())["slots"].values():
        if "key" not in slot:
            continue
        key = load_pem_private_key(slot["key"].encode(), None)
        scalar = key.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        body = b"".join(pem.splitlines()[1:-1])
        found += [scalar, scalar.hex().encode(), scalar.hex().upper().encode(), der, body[40:80]]
    return found


def test_private_keys_never_appear_in_clear(world: World, operator: Operator) -> None:
    """F-D2: not in the station directory, token, databases, logs, label or CPMS; test key and ship key alike."""
    operator.to_label(5, "4")
    device = world.place.charger(5)
    keys = secrets_of(device)  # before the lock the device still has both, after it the ship key alone
    assert operator.finish("4")["state"] == "PASS"
    keys += secrets_of(device)
    assert keys
    books = {path: raw for path, raw in files_of(world.place.directory).items() if "chargers" not in path.parts}
    leaks = [path for path, raw in books.items() for key in keys if key in raw]
    assert leaks == []
    names = {path.name for path in books}
    assert {"station.db", "ledger.sqlite", "station.log"} <= names


def test_hunt_for_keys_would_find_one(world: World, released: str) -> None:
    """The hunt above can fail: it finds the key where it is, in the device."""
    device = world.place.charger(1)
    pem = json.loads((device / "nvm.json").read_text())["slots"]["ship"]["key"]
    assert any(secret in pem.replace("\n", "").encode() for secret in secrets_of(device))


@pytest.mark.parametrize(("number", "charger"), [(signal.SIGINT, 6), (signal.SIGTERM, 7)], ids=["Ctrl-C", "SIGTERM"])
def test_stop_in_the_middle_is_aborted_and_the_next_start_finishes(
    world: World, operator: Operator, number: signal.Signals, charger: int
) -> None:
    """F-L1: the run is closed ABORTED, nobody is blamed, and the unit goes on by itself."""
    serial = operator.to_label(charger, "2")
    process = world._parts.pop("station")
    process.send_signal(number)
    assert process.wait(timeout=40) == 0
    assert outcomes(world, serial) == ["ABORTED"]
    world.start_station()
    assert operator.finish("2")["state"] == "PASS"
    assert outcomes(world, serial) == ["ABORTED", "PASS"]


def test_token_that_goes_away_stops_the_unit_and_comes_back(world: World, operator: Operator) -> None:
    """F-D1, F-D2: no HSM, no key: ERROR, no fallback in software; with the token back the next try is a PASS."""
    tokens = world.place.station / "tokens"
    before = files_of(world.place.station)
    serial = operator.begin(8, "3")
    tokens.rename(tokens.with_name("tokens-away"))
    try:
        shown = operator.until("3", "ERROR", "FAIL", "PASS", "scan label")
    finally:
        tokens.with_name("tokens-away").rename(tokens)
    new = {path: raw for path, raw in files_of(world.place.station).items() if path not in before}
    assert shown["state"] == "ERROR"
    assert "token 'factory'" in shown["sentence"]
    assert f"Line stopped: {shown['sentence']} {shown['hint']}" in operator.line()["alarms"]
    assert not [path for path, raw in new.items() if b"PRIVATE KEY" in raw]
    operator.unplug("3")
    operator.plug(8, "3")
    assert operator.finish("3")["state"] == "PASS"
    assert outcomes(world, serial) == ["ERROR", "PASS"]
    assert operator.line()["alarms"] == []


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a directory on a small file system of its own."""
    folder = tmp_path_factory.mktemp("small-disk")
    mounted = subprocess.run(("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)), check=False)
    if mounted.returncode:
        pytest.skip("a file system of its own needs the right to mount")
    yield folder
    subprocess.run(("umount", "--lazy", str(folder)), check=True)


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory, small_disk: Path) -> Iterator[World]:
    """Yield a running line whose station directory lies on the small disk; printer, CPMS and chargers do not."""
    directory = tmp_path_factory.mktemp("cramped")
    place, addresses = copied(directory, factory=2)
    shutil.move(directory / "station", small_disk / "station")
    (directory / "station").symlink_to(small_disk / "station")
    (small_disk / "ports").symlink_to(directory / "ports")
    configuration = small_disk / "station" / "softhsm2.conf"
    configuration.write_text(configuration.read_text().replace(str(directory), str(small_disk)))
    with World(place, addresses) as running:
        yield running


def fill(disk: Path) -> Path:
    """Leave not a byte free, and return the file that takes the room."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass
    return ballast


def test_full_disk_in_a_run_loses_nothing(cramped: World, small_disk: Path) -> None:
    """Bad input: a clear sentence; when there is room again the same slot takes the unit to released."""
    person = Operator(cramped)
    try:
        first = person.released(1, "1")
        serial = person.to_label(2, "2")
        ballast = fill(small_disk)
        person.crew.scan("2", f"SN:{serial}")
        shown = person.until("2", "ERROR", "FAIL", "PASS")
        assert shown["state"] == "ERROR"
        assert "the disk is full" in shown["sentence"]
        assert "Free space" in shown["hint"]
        ballast.unlink()
        person.unplug("2")
        person.plug(2, "2")
        assert person.finish("2")["state"] == "PASS"
        assert outcomes(cramped, serial) == ["ABORTED", "PASS"]
        assert outcomes(cramped, first) == ["PASS"]
        eventually(lambda: unit_of(cramped, serial)["unit"]["state"], lambda state: state == "packable")
        eventually(person.line, lambda line: line["alarms"] == [])
    finally:
        person.away()


def test_full_disk_at_the_start_is_told(cramped: World, small_disk: Path) -> None:
    """`station check` tells the lack of room, `station run` does not start; both with exit code 3."""
    cramped.stop("station")
    ballast = fill(small_disk)
    try:
        checked = run("station", "check", "--dir", cramped.place.station, "--json")
        started = run("station", "run", "--dir", cramped.place.station, timeout=30)
    finally:
        ballast.unlink()
        cramped.start_station()
    assert (checked.code, started.code) == (3, 3)
    assert [row["detail"] for row in checked.json if row["what"] == "disk"] == ["0 MB are free"]
    assert "Traceback" not in started.err
