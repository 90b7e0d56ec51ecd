"""Rendering: the same bytes everywhere, layer upon layer, in three forms, with nothing secret in the record."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from station.catalog.configuration import Configuration, check_secrets, no_secret, render
from station.catalog.parameters import UNSET
from station.catalog.recipes import Recipe, load_recipe
from station.catalog.source import Folder, Frozen
from station.errors import ConfigError
from station.steps import STEPS
from tests.catalog.conftest import edit

UNIT = {"serial": "AC22-000001", "ocpp_identity": "AC22-000001", "customer": "", "slot": "ship"}
RECIPES = ("ac22-eu", "ac22-basic-eu", "ac22-password-eu", "ac22-volt-eu", "dc60-eu")
PASSWORD = "open sesame"


def secrets(name: str) -> str:
    return {"apn-password": PASSWORD}[name]


@pytest.fixture(scope="module")
def sample(complete: Path) -> Recipe:
    """Return the first recipe."""
    return loaded(complete)


def loaded(catalog: Path, name: str = "ac22-eu") -> Recipe:
    return load_recipe(Folder(catalog), name, STEPS)


def shipped(catalog: Path, name: str = "ac22-eu") -> Configuration:
    recipe = loaded(catalog, name)
    return render(recipe, recipe.ship, UNIT, secrets)


def snapshot(configuration: Configuration) -> bytes:
    return rfc8785.dumps(configuration.document(lambda secret: f"keyed-{len(secret)}"))


ELSEWHERE = """
import sys, rfc8785
from pathlib import Path
from station.catalog.configuration import render
from station.catalog.recipes import load_recipe
from station.catalog.source import Folder
from station.steps import STEPS
for name in sys.argv[2:]:
    recipe = load_recipe(Folder(Path(sys.argv[1])), name, STEPS)
    unit = {"serial": "AC22-000001", "ocpp_identity": "AC22-000001", "customer": "", "slot": "ship"}
    found = render(recipe, recipe.ship, unit, lambda name: "open sesame")
    sys.stdout.buffer.write(rfc8785.dumps(found.document(lambda secret: f"keyed-{len(secret)}")) + b"\\n")
    sys.stdout.buffer.write(repr((found.device, found.ocpp)).encode() + b"\\n")
"""


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_every_process_renders_the_same_bytes(complete: Path, seed: str) -> None:
    """F-N4, F-E7: across processes and hash seeds, for all products."""
    root = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(complete), *RECIPES],
        capture_output=True, timeout=60, check=True, cwd=root, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
    ).stdout.splitlines()  # fmt: skip
    here = [shipped(complete, name) for name in RECIPES]
    assert told[::2] == [snapshot(found) for found in here]
    assert told[1::2] == [repr((found.device, found.ocpp)).encode() for found in here]


def test_what_a_bundle_holds_is_enough_to_render_again(complete: Path) -> None:
    """F-E7: stored inputs and the unit's values give the same bytes, years later and without the catalogue's folder."""
    source = Folder(complete)
    before = load_recipe(source, "dc60-eu", STEPS)
    after = load_recipe(Frozen(dict(source.seen), complete), "dc60-eu", STEPS)
    found = render(before, before.ship, UNIT, secrets)
    stored = json.loads(snapshot(found))
    again = render(after, after.ship, stored["unit"], secrets)
    assert stored["recipe"]["digest"] == after.digest
    assert snapshot(again) == snapshot(found)


def test_snapshot_holds_no_secret(complete: Path) -> None:
    """F-E7, F-J6: a keyed fingerprint stands where the password was."""
    found = shipped(complete, "dc60-eu")
    document = snapshot(found)
    assert PASSWORD.encode() in found.device["charger/net/apn_password"]
    assert PASSWORD.encode() not in document + repr(found.recorded).encode()
    assert json.loads(document)["values"]["apn_password"]["fingerprint"].startswith("keyed-")
    assert "charger/net/apn_password" not in found.readable


def test_alike_secrets_have_alike_fingerprints_of_their_parameter_only(complete: Path) -> None:
    """F-E7: what is hashed is bound to the parameter, so a password is not told from another's hash."""
    hashed: list[bytes] = []
    shipped(complete, "dc60-eu").document(lambda secret: hashed.append(secret) or "x")
    assert hashed == [b"apn_password\0" + PASSWORD.encode()]


@pytest.mark.parametrize("name", RECIPES)
def test_placeholders_stand_in_the_snapshot(complete: Path, name: str) -> None:
    """F-E9, P18: whoever commissions the unit sees what the factory left open, and the device holds nothing there."""
    found = shipped(complete, name)
    document = json.loads(snapshot(found))
    assert set(found.placeholders) >= {"site_max_current", "ct_ratio", "site_group", "tariff", "operator_account"}
    assert document["placeholders"] == list(found.placeholders)
    assert {document["values"][name] for name in found.placeholders} == {UNSET}
    assert found.readable["charger/site/max_current"] == b""
    assert UNSET.encode() not in b"".join(found.device.values())


def test_environment_changes_every_address(whole: Path) -> None:
    """F-F5, P05: another environment, another endpoint, other servers of names and time; nothing of the old is left."""
    edit(whole / "environments/bench-test.toml", '["192.0.2.53"]', '["198.51.100.53"]')
    recipe = loaded(whole)
    test, ship = (render(recipe, environment, UNIT | {"slot": environment.kind.value}) for environment in
                  (recipe.test, recipe.ship))  # fmt: skip
    changed = {name for name in test.values if test.values[name] != ship.values[name]}
    assert changed >= {"ocpp_url", "ntp_server", "dns", "ocpp_key_slot"}
    assert not [value for value in ship.device.values() if b"test" in value and b"factory_test" not in value]


def test_later_layers_count(whole: Path) -> None:
    """F-E1: base, product, market, customer, environment; and the unit's own value last."""
    assert shipped(whole).values["clock_aligned_interval"] == "900"
    assert shipped(whole, "ac22-volt-eu").values["heartbeat_interval"] == "600"
    edit(whole / "profiles/ac22.toml", "[values]", '[values]\nlog_rotation_kib = "2048"')
    assert shipped(whole).values["log_rotation_kib"] == "2048"
    for name in ("bench-test", "field"):
        with (whole / f"environments/{name}.toml").open("a") as file:
            file.write('\n[environment.values]\nlog_rotation_kib = "4096"\n')
    assert shipped(whole).values["log_rotation_kib"] == "4096"


def test_one_connector_may_have_less(whole: Path) -> None:
    """F-E2: a limit for each connector, from one value or from its own."""
    edit(whole / "profiles/volt.toml", 'connector_max_current = "16"',
         'connector_max_current_2 = "10"\nconnector_max_current = "16"')  # fmt: skip
    found = shipped(whole, "ac22-volt-eu")
    assert found.device["charger/power/1/max_current"] == b"16"
    assert found.device["charger/power/2/max_current"] == b"10"
    assert found.device["charger/power/max_current"] == b"16"


def test_one_model_has_two_names_over_ocpp(complete: Path) -> None:
    """F-E5: keys of OCPP 1.6, variables of 2.0.1, the same values."""
    new, old = shipped(complete).ocpp, shipped(complete, "ac22-basic-eu").ocpp
    assert new["OCPPCommCtrlr.HeartbeatInterval"] == old["HeartbeatInterval"] == "300"
    assert set(old.values()) <= set(new.values())


def test_what_the_device_changes_by_itself_is_written_and_not_compared(whole: Path) -> None:
    """F-E1: declared so in the product, and in no other way."""
    edit(
        whole / "products/ac22/product.toml",
        '"charger/log/rotation_kib"',
        '"charger/log/rotation_kib", volatile = true',
    )
    found = shipped(whole)
    assert found.device["charger/log/rotation_kib"] == b"1024"
    assert set(found.device) - set(found.readable) == {"charger/log/rotation_kib"}


def test_endpoint_is_written_last(complete: Path) -> None:
    """F-L1: it decides the phase of the device."""
    assert [list(shipped(complete, name).device)[-1] for name in RECIPES] == ["charger/ocpp/url"] * len(RECIPES)


@pytest.mark.parametrize(("length", "fits"), [(25, True), (26, False)])
def test_serials_hold_at_their_edge(complete: Path, length: int, fits: bool) -> None:
    """Domain 3.5: 25 characters in the BootNotification of both versions."""
    recipe, serial = loaded(complete), "S" * length
    unit = UNIT | {"serial": serial, "ocpp_identity": serial}
    if fits:
        assert render(recipe, recipe.ship, unit).values["ocpp_identity"] == serial
        return
    with pytest.raises(ConfigError, match="longer than 25"):
        render(recipe, recipe.ship, unit)


@pytest.mark.parametrize("serial", ["", "A B", "A\n", "A:B", "Ä"])
def test_serials_that_ocpp_does_not_take_are_refused(complete: Path, serial: str) -> None:
    recipe = loaded(complete)
    with pytest.raises(ConfigError, match="ocpp_identity"):
        render(recipe, recipe.ship, UNIT | {"serial": serial, "ocpp_identity": serial})


@pytest.mark.parametrize("serial", ["CP001", "DEADBEEF0000", "AC22-TODO-1"])
def test_sample_serials_never_ship(complete: Path, serial: str) -> None:
    """F-E8: the unit's own values are judged with the rest."""
    recipe = loaded(complete)
    with pytest.raises(ConfigError, match="must not ship"):
        render(recipe, recipe.ship, UNIT | {"serial": serial, "ocpp_identity": serial})


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("{{ unit.ocpp_identity }}", "{{ unit.slot }}", "ocpp_identity"),
        ("{{ environment.endpoint }}", "{{ environment.host }}", "ocpp_url"),
        ("{{ unit.slot }}", "test", "ocpp_key_slot"),
        ("{{ product.ocpp_version }}", "ocpp1.6", "ocpp_version"),
        ("{{ product.security_profile }}", "2", "ocpp_profile"),
    ],
)
def test_no_unit_becomes_another_one(whole: Path, old: str, new: str, name: str) -> None:
    """P01, P05, P15: one identity for all, another endpoint, the test key in the field, a weaker profile."""
    edit(whole / "profiles/base.toml", old, new)
    with pytest.raises(ConfigError, match=name):
        loaded(whole)


def test_an_environment_has_one_endpoint(whole: Path) -> None:
    """F-K5: its values can't say another one than the environment itself."""
    with (whole / "environments/field.toml").open("a") as file:
        file.write('\n[environment.values]\nocpp_url = "wss://elsewhere.example/ocpp"\n')
    with pytest.raises(ConfigError, match="ocpp_url"):
        loaded(whole)


def test_missing_secret_is_told_by_its_name(complete: Path) -> None:
    recipe = loaded(complete, "dc60-eu")
    with pytest.raises(ConfigError, match="'apn-password'"):
        render(recipe, recipe.ship, UNIT, no_secret)


def test_secrets_are_judged_before_the_first_unit(complete: Path) -> None:
    """P08: at the start of the station, not at the slot."""
    recipe = loaded(complete, "dc60-eu")
    check_secrets(recipe, (recipe.test, recipe.ship), secrets)
    for wrong in (no_secret, lambda _: "changeme"):
        with pytest.raises(ConfigError):
            check_secrets(recipe, (recipe.test, recipe.ship), wrong)


@pytest.mark.parametrize("password", ["p" * 21, "", "a\nb"])
def test_a_refused_secret_is_not_told(complete: Path, password: str) -> None:
    """F-J6: not even when it is wrong."""
    recipe = loaded(complete, "dc60-eu")
    with pytest.raises(ConfigError, match="apn_password: the secret") as caught:
        render(recipe, recipe.ship, UNIT, lambda _: password)
    assert not password or password not in caught.value.message


FLAGS = b"factory_test=off,local_auth=off,pnc=off,rfid=on,smart_charging=on,tls_keylog=off"


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (FLAGS, ()),
        (FLAGS.replace(b"rfid=on", b"rfid=off"), ()),
        (FLAGS + b",debug_shell=on", ("the flag debug_shell is not declared",)),
        (FLAGS.replace(b"pnc=off,", b""), ("the flag pnc is missing",)),
        (FLAGS.replace(b"pnc", b"PnC"), ("the flag PnC is not declared", "the flag pnc is missing")),
        (FLAGS + b",\xff\xfe=on", ("the flag \ufffd\ufffd is not declared",)),
    ],
)
def test_flags_are_the_declared_set_exactly(complete: Path, shown: bytes, told: tuple[str, ...]) -> None:
    """F-A8: unknown and missing ones are both wrong."""
    found = shipped(complete)
    assert found.readable["charger/flags"] == FLAGS
    assert found.flag_problems(shown) == told


def test_a_device_without_flags_misses_all_of_them(complete: Path) -> None:
    assert len(shipped(complete).flag_problems(None)) == 6


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(UNIT)), st.text(max_size=30)))
def test_whatever_a_unit_brings_is_judged(sample: Recipe, unit: dict[str, str]) -> None:
    """Untrusted input: a configuration, or a refusal; and never a control character in a setting."""
    try:
        found = render(sample, sample.ship, UNIT | unit)
    except ConfigError:
        return
    assert all(value.decode().isprintable() for value in found.device.values())
