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
from tests.station.cli_world import Operator, copied, eventually, outcomes, run, unit_of

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


def test_released_unit_that_was_tampered_with_is_not_recognised(
    world: World, operator: Operator, released: str
) -> None:
    """F-B7: a released unit that comes back unlocked is stopped, with the reason."""
    device = world.place.charger(1)
    edit_memory(device, {"locked": False})
    try:
        operator.plug(1, "1")
        shown = operator.until("1", "already released", "FAIL", "ERROR")
        operator.unplug("1")
    finally:
        edit_memory(device, {"locked": True})
    assert shown["state"] == "FAIL"
    assert "is not locked now" in shown["sentence"]


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
    for word in ("packable", "PASS", "ship certificate", "verified", "Registered with"):
        assert word in told.out
    listed = run("station", "runs", "--unit", released, "--dir", world.place.station).out
    assert listed.count(released) == 1


def test_silent_printer_stock_is_a_hint_and_then_one_living_label(world: World, operator: Operator) -> None:
    """F-J2: out of labels mid-line; ERROR blames the station; after loading labels the unit is released."""
    (world.place.labels / "fault").write_text("media-out")
    try:
        serial = operator.begin(4, "1")
        shown = operator.until("1", "ERROR", "FAIL", "PASS", "scan label")
    finally:
        (world.place.labels / "fault").write_text("")
    assert shown["state"] == "ERROR"
    assert "label" in shown["sentence"]
    assert "label" in shown["hint"].lower()
    operator.unplug("1")
    operator.plug(4, "1")
    assert operator.finish("1")["state"] == "PASS"
    labels = unit_of(world, serial)["labels"]
    assert [label["state"] for label in labels if label["state"] != "void"] == ["verified"]
    assert outcomes(world, serial) == ["ERROR", "PASS"]


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
    books = [path for path in world.place.directory.rglob("*") if path.is_file() and "chargers" not in path.parts]
    leaks = [path for path in books for key in keys if key in path.read_bytes()]
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
    before = {path for path in world.place.station.rglob("*") if "tokens" not in path.parts}
    serial = operator.begin(8, "3")
    tokens.rename(tokens.with_name("tokens-away"))
    try:
        shown = operator.until("3", "ERROR", "FAIL", "PASS", "scan label")
    finally:
        tokens.with_name("tokens-away").rename(tokens)
    new = {path for path in world.place.station.rglob("*") if "tokens" not in path.parts} - before
    assert shown["state"] == "ERROR"
    assert "token 'factory'" in shown["sentence"]
    assert f"Line stopped: {shown['sentence']}" in operator.line()["alarms"]
    assert not [path for path in new if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
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
    place, addresses = copied(directory)
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
