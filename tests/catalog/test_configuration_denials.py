"""What must never ship is found in what is rendered and in what a device shows (F-E8, P15)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.catalog.configuration import Configuration, render
from station.catalog.denials import FORBIDDEN_FLAGS, SAMPLES, denied, denied_flags, refuse_samples
from station.catalog.recipes import load_recipe
from station.catalog.source import Folder
from station.errors import ConfigError
from station.steps import STEPS

UNIT = {"serial": "AC22-000001", "ocpp_identity": "AC22-000001", "customer": "", "slot": "ship"}


@pytest.fixture(scope="module")
def configuration(complete: Path) -> Configuration:
    """Return what a unit ships with."""
    recipe = load_recipe(Folder(complete), "ac22-eu", STEPS)
    return render(recipe, recipe.ship, UNIT)


@given(st.sampled_from(SAMPLES), st.text(max_size=8), st.text(max_size=8), st.booleans())
def test_a_sample_is_found_wherever_it_stands(sample: str, before: str, after: str, upper: bool) -> None:
    value = before + (sample.upper() if upper else sample) + after
    assert denied({"apn": value})


@pytest.mark.parametrize("value", ["TODO", "x FIXME", "{{ unit.serial }}", "[::1]", "tbd", "wss://cp001.example"])
def test_what_an_unfinished_definition_leaves_is_found(value: str) -> None:
    with pytest.raises(ConfigError, match=r"field\.toml: endpoint"):
        refuse_samples({"endpoint": value}, "field.toml")


@pytest.mark.parametrize("value", ["wss://csms.ship.example/ocpp", "toddler", "httpd", "AC22-000001", "", "32"])
def test_what_may_ship_is_not_found(value: str) -> None:
    assert denied({"apn": value}) == ()


def test_a_secret_is_found_and_not_told() -> None:
    (sentence,) = denied({"apn_password": "changeme"})
    assert "changeme" not in sentence


@pytest.mark.parametrize(("name", "word"), FORBIDDEN_FLAGS.items())
def test_a_forbidden_flag_is_found_in_its_forbidden_state_only(name: str, word: str) -> None:
    assert denied_flags({name: word})
    assert denied_flags({name: "off"}) == ()


@pytest.mark.parametrize(
    ("key", "shown", "told"),
    [
        ("charger/ocpp/url", b"wss://localhost/ocpp", "ocpp_url"),
        ("charger/ocpp/url", b"ws://csms.ship.example/ocpp", "ocpp_url"),
        ("charger/ocpp/profile", b"1", "ocpp_profile: '1' must not ship"),
        ("charger/ocpp/identity", b"CP001", "cp001"),
        ("charger/log/level", b"debug", "log_level: 'debug' must not ship"),
        ("charger/log/security", b"off", "security_log: 'off' must not ship"),
        ("charger/flags", b"factory_test=on,pnc=off", "flag factory_test"),
        ("charger/flags", b"pnc=off,tls_keylog=on", "flag tls_keylog"),
        ("charger/flags", b"debug_shell=on", "flag debug_shell"),
    ],
)
def test_what_the_device_shows_is_judged(configuration: Configuration, key: str, shown: bytes, told: str) -> None:
    """F-E8: whoever wrote it, and however it came there."""
    (sentence,) = configuration.denials(configuration.readable | {key: shown})
    assert told in sentence


def test_a_clean_device_shows_nothing(configuration: Configuration) -> None:
    assert configuration.denials(configuration.readable) == ()


@given(shown=st.binary(max_size=60), key=st.sampled_from(["charger/flags", "charger/ocpp/url", "charger/log/level"]))
def test_any_bytes_of_a_device_are_judged(configuration: Configuration, shown: bytes, key: str) -> None:
    """Untrusted input: no answer of a device breaks the judgement."""
    assert isinstance(configuration.denials({key: shown}), tuple)
    assert isinstance(configuration.flag_problems(shown), tuple)
