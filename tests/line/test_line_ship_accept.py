"""Acceptance alone: a unit that was given its test credentials proves itself again, outside of any run."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fixtures.charger.options import Options
from fixtures.charger.process import SimulatedCharger
from fixtures.demo.place import CATALOG, Place, free_ports, prepare
from fixtures.demo.world import World
from pki.environment import Test
from station.config import load_station
from station.drivers.mcuboot import McubootCharger
from station.errors import ConfigError
from station.factory import opened_factory
from station.person import Person, Role
from station.proving import Proof, prove_alone
from station.records import open_records
from tests.station.cli_world import QUICK, Operator, Ran, edit, run

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a station that was stopped with a unit at its test endpoint: its CPMS knew the serial as another's."""
    folder = tmp_path_factory.mktemp("alone")
    place = Place(folder, 4, cpms_uri="file:cpms", catalog=catalog(folder), firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, 5)
    relay(place).write_text("0")
    edit(place.station / "station.toml", 'name = "1"', f'name = "1"\nrelay = "file:{relay(place)}"')
    known = {"format": "charger-registration/1", "serial": place.serial(1), "revision": 1}
    known["charger"] = {"ocpp_identity": place.serial(1), "certificate": {"sha256": "ff" * 32}}
    (place.station / "cpms").mkdir(exist_ok=True)
    (place.station / "cpms" / f"{place.serial(1)}.json").write_text(json.dumps(known))
    with World(place, addresses) as world:
        operator = Operator(world)
        assert relay(place).read_text() == "1"
        operator.begin(1, "1", relay=relay(place))
        shown = operator.until("1", "FAIL", "PASS", "ERROR", timeout=120)
        assert "The CPMS knows" in shown["sentence"]
        refused = accept(world)
        assert (refused.code, "a station runs here already" in refused.err) == (2, True)
        world.stop("station")
        operator.away()
        yield world


def catalog(directory: Path) -> Path:
    """Return the sample catalogue, with an AC22 that has a modem and a secret of the station."""
    made = shutil.copytree(CATALOG, directory / "samples")
    product, profile = made / "products" / "ac22" / "product.toml", made / "profiles" / "ac22.toml"
    for name, more in {"apn": "", "apn_user": "", "apn_password": ", secret = true"}.items():
        edit(product, f'{name} = {{ absent = "it has no modem" }}', f'{name} = {{ key = "charger/net/{name}"{more} }}')
    edit(product, "[residue]", '[modem]\nregistration = "charger/modem/registration"\n\n[residue]')
    edit(profile, "[values]", '[values]\napn = "charge.example"\napn_user = "charger"\n'
         'apn_password = "{{ secret.apn_password }}"')  # fmt: skip
    return made


def relay(place: Place) -> Path:
    return place.directory / "relay"


def accept(world: World, *options: str, number: int = 1) -> Ran:
    place = world.place
    return run("station", "accept", place.serial(number), "--slot", "1", "--dir", place.station, *options, timeout=120)


def events(world: World) -> list[dict[str, Any]]:
    shown = run("station", "unit", world.place.serial(1), "--json", "--dir", world.place.station).json
    return [event for event in shown["events"] if event["kind"] == "acceptance"]


def test_a_unit_passes_alone_and_nothing_but_its_outcome_is_recorded(stopped: World) -> None:
    """The same sequence as on the line, renewal included; twice, as the renewed certificate is the unit's now.

    Its configuration needs a secret of the station, and a killed station left the slot without power.
    """
    before = len(events(stopped))
    with plugged(stopped):
        relay(stopped.place).write_text("0")
        proofs = [accept(stopped, "--json") for _ in range(2)]
    assert [(proof.code, proof.json["outcome"]) for proof in proofs] == [(0, "PASS")] * 2, proofs[0].err
    assert {"connect", "availability", "renewal", "reset"} <= {check["name"] for check in proofs[0].json["checks"]}
    shown = run("station", "unit", stopped.place.serial(1), "--json", "--dir", stopped.place.station).json
    assert (shown["passports"], len(shown["runs"]), len(events(stopped))) == ([], 1, before + 2)


def test_what_can_not_be_proven_is_refused(stopped: World) -> None:
    serial, station = stopped.place.serial(1), stopped.place.station
    cases = {
        "there is no unit": accept(stopped, number=9),
        "there is no slot": run("station", "accept", serial, "--slot", "9", "--dir", station),
    }
    for told, refused in cases.items():
        assert (refused.code, told in refused.err) == (2, True), refused.err


def test_a_unit_that_does_nothing_fails_alone(stopped: World) -> None:
    """P06: the outcome is the unit's own, with a reason that search finds."""
    with plugged(stopped, fault="accepts-and-does-nothing"):
        failed = accept(stopped)
    assert (failed.code, "nothing changed" in failed.out) == (1, True), failed.out + failed.err
    assert events(stopped)[-1]["body"]["outcome"] == "FAIL"


def test_a_port_in_use_is_the_stations_fault(stopped: World) -> None:
    with plugged(stopped) as unit, Path(unit.node or "").open("rb", buffering=0) as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        refused = accept(stopped)
    assert (refused.code, "in use by another program" in refused.err) == (3, True), refused.err


@pytest.mark.parametrize(
    ("error", "reason", "fault"),
    [
        (KeyError("x"), "The station failed (KeyError).", "bug"),
        (ConfigError("no such thing"), "no such thing", "config"),
    ],
)
def test_a_fault_of_the_station_is_recorded_and_blames_no_unit(
    stopped: World, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str, fault: str
) -> None:
    """A driver with a bug, or a definition that turns out wrong in the middle: ERROR, as in a run."""

    def faulty(*_: object) -> None:
        raise error

    monkeypatch.setattr(McubootCharger, "restart", faulty)
    with plugged(stopped):
        proof = prove(stopped)
    told = last(stopped)
    assert (told["outcome"], told["reason"], told["fault"]) == ("ERROR", reason, fault)
    assert proof.outcome == "ERROR"


def test_another_charger_in_the_slot_is_no_outcome_of_the_unit(stopped: World) -> None:
    other = stopped.charger(2, 1, replace(Options(Path(), Path(), ""), **QUICK))
    with other, pytest.raises(ConfigError, match="another charger is in the slot"):
        prove(stopped)


def test_a_look_at_a_modem_leaves_out_what_only_a_running_station_has(stopped: World) -> None:
    """F-F4: with a slot the station must not run, so its endpoints are not there to be looked at."""
    with plugged(stopped):
        ran = run("station", "preflight", "--slot", "1", "--seconds", "0.5", "--json", "--dir", stopped.place.station)
    looked = {finding["what"] for finding in ran.json["findings"]}
    assert ("SIM attached" in looked, looked & {"test endpoint", "stand-in for the ship endpoint"}) == (True, set())
    assert "own endpoints" in ran.json["left_out"][0]


@pytest.mark.parametrize(("fault", "told"), [("", (True, "home")), ("hears-badly", (False, "searching"))])
def test_a_modem_is_looked_at_in_the_slot(stopped: World, fault: str, told: tuple[bool, str]) -> None:
    """F-F4: one whose antenna is not plugged in finds no network, and it is told so."""
    with plugged(stopped, sim="present", fault=fault):
        ran = run("station", "preflight", "--slot", "1", "--seconds", "0.5", "--json", "--dir", stopped.place.station)
    (found,) = (finding for finding in ran.json["findings"] if finding["what"] == "SIM attached")
    assert (found["ok"], told[1] in found["detail"]) == (told[0], True), found


def test_a_unit_without_the_key_that_it_is_expected_with_goes_to_rework(stopped: World) -> None:
    """The station was cut off between signing a renewed certificate and the unit's taking it: no fault of the unit."""
    renewed_in_the_ledger_alone(stopped)
    with plugged(stopped), pytest.raises(ConfigError, match="does not hold the test key") as refused:
        prove(stopped)
    assert "Send it to rework" in refused.value.hint


def prove(world: World) -> Proof:
    """Let the unit prove itself in this process."""
    person = Person("qa-1", "QA", frozenset({Role.QA}))
    return prove_alone(load_station(world.place.station), world.place.serial(1), "1", person)


def last(world: World) -> dict[str, Any]:
    """Return what was recorded last of the unit's acceptances alone."""
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        told: dict[str, Any] = json.loads(records.events(world.place.serial(1), "acceptance", 1)[0].body)
    return told


def renewed_in_the_ledger_alone(world: World) -> None:
    serial = world.place.serial(1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
    made = x509.CertificateSigningRequestBuilder(name).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    with opened_factory(load_station(world.place.station)) as factory:
        issuer = factory.issuer(Test)
        issuer.issue(issuer.renew(issuer.certificate(serial), made.public_bytes(Encoding.DER)))


def plugged(world: World, **options: Any) -> SimulatedCharger:
    """Return the unit in the first slot, as it is or with something wrong with it."""
    given = QUICK | {"relay": relay(world.place)} | options
    return world.charger(1, 1, replace(Options(Path(), Path(), ""), **given))
