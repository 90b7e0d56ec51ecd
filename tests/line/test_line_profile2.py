"""Units that log in with a password (security profile 2), from the blank board to the record of their CPMS."""

import json
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from fixtures.charger.process import read_state
from fixtures.checker import Books
from fixtures.cpms_store import Store, Taken
from fixtures.demo.place import Place, free_ports, prepare
from fixtures.demo.world import World
from pki.environment import Ship, Test
from pki.issue import open_factory
from pki.passwords import Kind, Password
from tests.station.cli_world import Operator, eventually, files_of, run, unit_of

pytestmark = pytest.mark.timeout(300)
SETTING = "charger/ocpp/password"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running line of two slots that builds for profile 2."""
    place = Place(tmp_path_factory.mktemp("line"), 2, recipe="ac22-password-eu", firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, 8)
    with World(place, addresses) as running:
        yield running


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    """Yield an operator who leaves the slots empty."""
    world.sign_in()
    person = Operator(world)
    yield person
    for slot in list(person.plugged):
        person.unplug(slot)


@pytest.fixture(scope="module")
def serial(world: World) -> str:
    """Return the serial of a unit that was built, released, and registered with its password."""
    world.sign_in()
    person = Operator(world)
    made = person.released(1, "1")
    person.unplug("1")
    eventually(lambda: unit_of(world, made)["unit"]["state"], lambda state: state == "packable")
    return made


def passwords(world: World, serial: str) -> tuple[Password, Password]:
    """Return a unit's passwords for test and ship, as the token opens them."""
    factory = open_factory(world.place.station / "pki")
    try:
        return tuple(factory.passwords.open(serial, kind, Kind.OCPP) for kind in (Test, Ship))  # type: ignore[return-value]
    finally:
        factory.close()


def test_device_lives_with_its_ship_password(world: World, serial: str) -> None:
    """F-K6: the one of the test environment is overwritten; the two never were the same."""
    test, ship = passwords(world, serial)
    state = read_state(world.place.charger(1))
    assert state.settings[SETTING].decode() == ship.reveal() != test.reveal()
    assert (state.settings["charger/ocpp/profile"], state.locked) == (b"2", True)


def test_officer_cannot_lock_a_finished_unit_out(world: World, serial: str) -> None:
    """F-D7: another password would be told to the CPMS, and nobody could write it into the unit."""
    before = passwords(world, serial)
    words = ("--environment", "ship", "--unit", serial, "--kind", "ocpp", "--reason", "leaked, case 17")
    refused = run("pki", "password", *words, "--dir", world.place.station / "pki")
    assert (refused.code, "stays with it" in refused.err, "Take it to rework" in refused.err) == (1, True, True)
    assert passwords(world, serial) == before


def test_acceptance_saw_the_login(world: World, serial: str) -> None:
    """F-H1: the record tells that the password was hidden and which one it was, and never the password."""
    books = Books(world.place.directory)
    measured = dict(books.station("SELECT name, passed FROM measurement WHERE name LIKE '%password%'"))
    assert measured == {"test_password_hidden": 1, "ship_password_hidden": 1, "wrong_password_answered": 1}
    noted = " ".join(str(row) for row in books.station("SELECT detail FROM step_event WHERE detail IS NOT NULL"))
    assert "password_version" in noted
    assert "ascii;ocpp1.6=hex" in noted


def test_cpms_keeps_a_hash_of_the_ship_password(world: World, serial: str, tmp_path: Path) -> None:
    """F-G5: handed over by the adapter at the registration; the audit log tells to whom."""
    kept = Store(str(shutil.copytree(world.place.cpms, tmp_path / "cpms") / "cpms.sqlite"))
    assert kept.is_entrusted(serial)
    assert kept.entrust(serial, passwords(world, serial)[1].reveal()) is False
    with pytest.raises(Taken):
        kept.entrust(serial, passwords(world, serial)[0].reveal())
    acts = Books(world.place.directory).ledger("SELECT entry FROM audit")
    handed = [entry for (raw,) in acts if (entry := json.loads(raw))["act"] == "password-handed-over"]
    assert {(entry["subject"], entry["body"]["environment"]) for entry in handed} == {(serial, "ship")}
    assert all(entry["body"]["to"].startswith("staging+http") for entry in handed)


def openssl(*words: str | Path, data: bytes = b"") -> bytes:
    """Run openssl and return what it wrote."""
    command = ["openssl", *map(str, words)]
    return subprocess.run(command, input=data, check=True, capture_output=True, timeout=30).stdout


def forms(password: Password, serial: str) -> list[bytes]:
    """Return every form in which a password might leak."""
    clear = password.reveal().encode()
    pair = f"{serial}:{password.reveal()}".encode()
    return [clear, clear.hex().encode(), clear.hex().upper().encode(), b64encode(clear)[:-2], b64encode(pair)[:-2]]


def test_passwords_never_appear_in_clear(world: World, serial: str) -> None:
    """F-D7: not in the station directory, token, databases, logs, label or CPMS; test and ship alike."""
    secrets = [form for password in passwords(world, serial) for form in forms(password, serial)]
    books = {path: raw for path, raw in files_of(world.place.directory).items() if "chargers" not in path.parts}
    leaks = [path for path, raw in books.items() for secret in secrets if secret in raw]
    assert leaks == []
    assert {"station.db", "ledger.sqlite", "station.log"} <= {path.name for path in books}


def test_hunt_for_passwords_would_find_one(world: World, serial: str) -> None:
    """The hunt above can fail: it finds the password where it is, in the device."""
    raw = (world.place.charger(1) / "nvm.json").read_bytes()
    assert any(form in raw for form in forms(passwords(world, serial)[1], serial))


def test_batch_holds_the_password_for_its_cpms_alone(world: World, serial: str, tmp_path: Path) -> None:
    """F-G5, F-G8: sealed anew for the key of the CPMS, which openssl opens; in clear it is nowhere in the archive."""
    certificate, key, archive = (tmp_path / name for name in ("cpms.pem", "cpms.key", "batch.zip"))
    subject = ("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=CPMS")
    openssl(*subject, "-keyout", key, "-out", certificate)
    made = run("station", "batch", "create", "--order", world.place.order, "--out", archive, "--cpms-key", certificate,
               "--dir", world.place.station)  # fmt: skip
    assert made.code == 0, made.err
    with ZipFile(archive) as batch:
        parts = {name: batch.read(name) for name in batch.namelist()}
    (sealed,) = [content for name, content in parts.items() if name.endswith(".cms")]
    opened = openssl("cms", "-decrypt", "-inform", "DER", "-binary", "-recip", certificate, "-inkey", key, data=sealed)
    (_, ship) = passwords(world, serial)
    assert json.loads(opened)["password"] == ship.reveal()
    assert not [name for name, content in parts.items() for form in forms(ship, serial) if form in content]


def test_the_same_passwords_go_on_after_a_power_cut(world: World, operator: Operator) -> None:
    """F-L1: cut in the middle, the unit ends with the passwords it had, and there are no others that work."""
    serial = operator.to_label(2, "2")
    before = passwords(world, serial)
    world.kill("station")
    world.start_station()
    assert operator.finish("2")["state"] == "PASS"
    assert passwords(world, serial) == before
    rows = Books(world.place.directory).ledger(
        "SELECT environment, version FROM passwords WHERE unit = ? ORDER BY environment", serial
    )
    assert rows == [("ship", 1), ("test", 1)]
    assert read_state(world.place.charger(2)).settings[SETTING].decode() == before[1].reveal()


def test_a_device_that_shows_its_password_fails(world: World, operator: Operator) -> None:
    """P01: a password that can be read back is everybody's."""
    operator.begin(3, "1", fault="shows-password")
    shown = operator.finish("1")
    assert (shown["state"], "The device shows its password" in shown["sentence"]) == ("FAIL", True)


def test_rework_ends_the_old_password(world: World, operator: Operator, serial: str, tmp_path: Path) -> None:
    """F-D11: another key, another password, and the CPMS keeps the new one only; the last of this module."""
    (_, before) = passwords(world, serial)
    operator.plug(1, "1")
    eventually(lambda: operator.slot("1").get("actions"), bool)
    world.sign_in("lead-1")
    operator.scan("SL-1")
    operator.scan("CMD-REWORK")
    assert operator.scan("RC-CONFIG")["accepted"]
    operator.until("1", "scan label", timeout=90)
    assert operator.scan(f"SN:{serial}:2")["accepted"]
    assert operator.until("1", "PASS", "FAIL", "ERROR")["state"] == "PASS"
    eventually(lambda: unit_of(world, serial)["unit"]["state"], lambda state: state == "packable")
    (_, after) = passwords(world, serial)
    assert read_state(world.place.charger(1)).settings[SETTING].decode() == after.reveal() != before.reveal()
    kept = Store(str(shutil.copytree(world.place.cpms, tmp_path / "cpms") / "cpms.sqlite"))
    assert kept.entrust(serial, after.reveal()) is False
