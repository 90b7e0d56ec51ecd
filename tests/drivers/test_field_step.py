"""A unit of the field beside its passport: what its owner changed is listed, what speaks against it is grave (F-M4)."""

import json
import os
from hashlib import sha256
from typing import Any

import pytest

from fixtures.firmware import RECOVERY_KEY
from station.bench import Bench
from station.clock import Deadline
from station.errors import UnitError
from station.model import Environment
from station.steps.field import Difference, differences, owners_settings
from station.steps.reimage import reimage
from station.steps.residue import prove_forgotten
from tests.drivers.firmware_world import Line

SERIAL, URL, LIMIT = "UNIT-000001", "charger/ocpp/url", "charger/power/max_current"
FLAGS = "charger/flags"
OWNERS = b"wss://csms.owner.example/ocpp"
pytestmark = [pytest.mark.timeout(120), pytest.mark.parametrize("product_line", ["ac22"], indirect=True)]


def left(line: Line, owner: dict[str, bytes], **changes: Any) -> tuple[Bench, dict[str, Any]]:
    """Return a unit as it left, but for what its owner set since, and its passport."""
    bench = line.bench(**changes)
    charger, deadline = bench.charger, Deadline(30)
    charger.assign_serial(SERIAL, deadline)  # type: ignore[attr-defined]
    charger.create_key("ship", SERIAL, replace=False, deadline=deadline)
    configuration = bench.configuration(Environment.SHIP)
    charger.write_settings(configuration.device | owner, deadline)
    charger.lock(deadline)
    found = charger.identify(deadline)
    return bench, {
        "unit": {"model": found.model, "hardware": found.hardware, "serial": SERIAL},
        "firmware": {"version": found.firmware},
        "certificate": {"spki_sha256": sha256((found.keys or {})["ship"]).hexdigest()},
        "configuration": {"sha256": configuration.sha256, "endpoint": bench.recipe.ship.endpoint},
    }


def compared(bench: Bench, passport: dict[str, Any], **sections: dict[str, str]) -> tuple[Difference, ...]:
    """Compare a unit with its passport, or with one that says something else in some sections."""
    other = {name: passport[name] | said for name, said in sections.items()}
    return differences(bench, passport | other, os.urandom(32), Deadline(20))


def judged(found: tuple[Difference, ...]) -> list[tuple[str, bool]]:
    return [(one.what, one.grave) for one in found]


def test_unit_is_compared_in_all_that_its_passport_says(product_line: Line) -> None:
    """Older firmware than it left with is grave, newer is not; another key that it proves is its operator's."""
    bench, passport = left(product_line, {})
    assert compared(bench, passport) == ()
    assert judged(compared(bench, passport, firmware={"version": "0.9.0"})) == [("firmware", False)]
    assert judged(compared(bench, passport, firmware={"version": "9.9.9"})) == [("firmware", True)]
    assert judged(compared(bench, passport, certificate={"spki_sha256": "ab" * 32})) == [("key", False)]
    others = {"model": "AC11", "hardware": "rev-z", "serial": "UNIT-000002"}
    assert judged(compared(bench, passport, unit=others)) == [
        ("model", True), ("hardware", True), ("serial number", True),
    ]  # fmt: skip


def test_what_the_owner_set_is_listed_by_our_names_and_never_grave(product_line: Line) -> None:
    """Of a recipe that changed since only the endpoint can be compared; what was found is looked for after the wipe."""
    bench, passport = left(product_line, {URL: OWNERS, LIMIT: b"16"})
    found = compared(bench, passport)
    assert {(one.what, one.now, one.grave) for one in found} == {
        ("ocpp_url", OWNERS.decode(), False), ("max_current", "16", False),
    }  # fmt: skip
    assert [one.what for one in compared(bench, passport, configuration={"sha256": "0" * 64})] == ["ocpp_url"]
    before = owners_settings(json.dumps({"found": [vars(one) for one in found]}).encode())
    assert before == {URL: OWNERS.decode(), LIMIT: "16"}
    with pytest.raises(UnitError, match=f"what its owner left in it: .*{URL}"):
        prove_forgotten(bench, before, Deadline(20))


def test_key_that_is_not_proven_is_grave(product_line: Line) -> None:
    """P01: the public key alone is no proof; a device that signs with another is not taken for the unit."""
    bench, passport = left(product_line, {}, fault="other-key")
    assert judged(compared(bench, passport)) == [("key", True)]
    assert "not proven" in compared(bench, passport)[0].sentence


def test_setting_that_a_blank_device_has_by_itself_is_not_left_over(product_line: Line) -> None:
    """F-M4: an owner may choose what the firmware has of its own; what only an unwiped device says is left over."""
    bench, _ = left(product_line, {}, recovery_key=product_line.images / RECOVERY_KEY)
    deadline = Deadline(100)
    reimage(bench, deadline)
    before = {FLAGS: (bench.charger.read_settings((FLAGS,), deadline)[FLAGS] or b"").decode()}
    prove_forgotten(bench, before, deadline)
    measured = {taken.name: taken.value for taken in bench.measurements}
    assert (measured[f"{FLAGS} of its owner"], measured[f"{FLAGS} of a blank device"]) == (False, before[FLAGS])
    bench.charger.write_settings({URL: OWNERS}, deadline)
    with pytest.raises(UnitError, match=f"left in it: {URL}"):
        prove_forgotten(bench, before | {URL: OWNERS.decode()}, deadline)
    assert bench.charger.read_settings((URL,), deadline) == {URL: OWNERS}, "it is found the next time as well"
