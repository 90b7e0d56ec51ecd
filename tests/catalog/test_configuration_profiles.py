"""Profiles: who may set what, and every mistake that people make with configuration, tried and refused."""

from pathlib import Path

import pytest

from station.catalog.lint import lint_recipe
from station.catalog.parameters import PARAMETERS, UNSET, Owner
from station.catalog.recipes import load_recipe
from station.catalog.source import Folder
from station.errors import ConfigError
from station.steps import STEPS
from tests.catalog.conftest import edit

OPEN = sorted(name for name, parameter in PARAMETERS.items() if parameter.owner is not Owner.FACTORY)


def refusal(catalog: Path, name: str = "ac22-eu") -> str:
    with pytest.raises(ConfigError) as caught:
        load_recipe(Folder(catalog), name, STEPS)
    return caught.value.message


def set_value(catalog: Path, name: str, value: str, profile: str = "eu") -> None:
    """Set a value in a profile that does not set it."""
    edit(catalog / f"profiles/{profile}.toml", "[values]\n", f"[values]\n{name} = '{value}'\n")


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("profile", ["base", "eu"])
def test_what_others_decide_can_not_be_set_in_the_factory(whole: Path, name: str, profile: str) -> None:
    """P17, P18, F-A6: a recipe that sets the site's power limit fails, at every layer, with the one who decides."""
    set_value(whole, name, "16", profile)
    message = refusal(whole)
    assert f"profiles/{profile}.toml: values: {name}" in message
    assert "decides it" in message


@pytest.mark.parametrize("name", OPEN)
def test_nor_in_an_environment(whole: Path, name: str) -> None:
    """P17, P18: whoever writes environments is the factory, too."""
    with (whole / "environments/field.toml").open("a") as file:
        file.write(f'\n[environment.values]\n{name} = "16"\n')
    message = refusal(whole)
    assert f"environments/field.toml: environment: values: {name}" in message
    assert "decides it" in message


@pytest.mark.parametrize("name", OPEN)
def test_a_placeholder_may_be_written_out(whole: Path, name: str) -> None:
    """F-A6: the placeholder is allowed."""
    set_value(whole, name, UNSET)
    if name in ("site_max_current", "ct_ratio"):
        assert load_recipe(Folder(whole), "ac22-eu", STEPS)
    else:
        assert "has no place for" in refusal(whole)


def test_what_the_factory_decides_can_not_stay_open(whole: Path) -> None:
    """P08: a placeholder is no way to ship half a configuration."""
    edit(whole / "profiles/base.toml", 'log_level = "info"', f'log_level = "{UNSET}"')
    assert "the factory decides it" in refusal(whole)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ocpp_url", "wss://csms.ship.example/ocpp"),
        ("ocpp_url", "{{ environment.endpoint }}/extra"),
        ("ocpp_url", "{{ unit.serial }}"),
        ("ocpp_url", '{{ "wss://elsewhere.example" }}'),
        ("ntp_server", "ntp.ship.example"),
        ("dns", "192.0.2.1"),
        ("time_zone", "Europe/Berlin"),
        ("apn", "https://apn.example"),
    ],
)
def test_no_address_can_be_written_in_a_profile(whole: Path, name: str, value: str) -> None:
    """P05, F-F5: endpoints, name and time servers come from the environment, and from nowhere else."""
    path = whole / "profiles/customer.toml"
    path.write_text(f"name = 'customer'\nlayer = 'customer'\nrevision = 1\n[values]\n{name} = '''{value}'''\n")
    edit(whole / "recipes/ac22-eu.toml", '"eu"]', '"eu", "customer"]')
    message = refusal(whole)
    assert f"profiles/customer.toml: values: {name}" in message
    assert "environment" in message


@pytest.mark.parametrize("value", ["S1", "{{ environment.name }}", "{{ unit.serial }}-1"])
def test_no_identity_can_be_written_in_a_profile(whole: Path, value: str) -> None:
    """P01, F-B6: the identity is the unit's own."""
    edit(whole / "profiles/base.toml", "{{ unit.ocpp_identity }}", value)
    assert "it comes from the unit alone" in refusal(whole)


@pytest.mark.parametrize(
    ("profile", "old", "new", "told"),
    [
        ("base", 'ocpp_profile = "{{ product.security_profile }}"', 'ocpp_profile = "1"', "the device takes 2, 3"),
        ("base", 'security_log = "on"', 'security_log = "off"', "security_log: 'off' must not ship"),
        ("base", 'log_level = "info"', 'log_level = "debug"', "log_level: 'debug' must not ship"),
        ("base", 'tls_keylog = "off"', 'tls_keylog = "on"', "flag tls_keylog is 'on', which must not ship"),
        ("dc60", "{{ secret.apn_password }}", "hunter2", "it is a secret"),
        ("dc60", "{{ secret.apn_password }}", "x{{ secret.apn_password }}", "it is a secret"),
        ("dc60", 'apn_user = "charger"', 'apn_user = "{{ secret.apn_password }}"', "it is no secret"),
        ("dc60", 'apn = "charge.example"', 'apn = "localhost"', "sample value 'localhost'"),
        ("dc60", 'apn_user = "charger"', 'apn_user = "TODO"', "sample value 'todo'"),
        ("dc60", 'apn_user = "charger"', 'apn_user = "changeme"', "sample value 'changeme'"),
    ],
)
def test_no_shortcut_of_the_bench_can_ship(whole: Path, profile: str, old: str, new: str, told: str) -> None:
    """P15, F-E3, F-E8: security profile 1, verbose logs, the TLS key log, passwords in clear, sample values."""
    edit(whole / f"profiles/{profile}.toml", old, new)
    assert told in refusal(whole, "dc60-eu")


def test_the_test_environment_can_have_what_must_not_ship(whole: Path) -> None:
    """F-K5: a log level of the bench stands in the bench's environment, and in no other."""
    bench, field = whole / "environments/bench-test.toml", whole / "environments/field.toml"
    with bench.open("a") as file:
        file.write('\n[environment.values]\nlog_level = "debug"\n')
    assert load_recipe(Folder(whole), "ac22-eu", STEPS)
    with field.open("a") as file:
        file.write('\n[environment.values]\nlog_level = "debug"\n')
    assert "'debug' must not ship" in refusal(whole)


def test_test_mode_in_the_field_is_refused(whole: Path) -> None:
    """P15: the flag of the test mode is on at the bench only."""
    edit(whole / "environments/field.toml", 'factory_test = "off"', 'factory_test = "on"')
    assert "flag factory_test is 'on', which must not ship" in refusal(whole)


@pytest.mark.parametrize(
    ("profiles", "told"),
    [
        ('"base", "eu"', "none is of layer 'product'"),
        ('"ac22", "eu"', "none is of layer 'base'"),
        ("", "none is of layer 'base'"),
        ('"base", "dc60", "eu"', "'dc60' is for dc60, not for ac22"),
        ('"base", "eu", "ac22"', "'ac22' (product) can't come after 'eu' (market)"),
        ('"base", "base", "ac22"', "can't come after 'base' (base)"),
        ('"base", "ac22", "nowhere"', "nowhere.toml"),
        ('"base", "ac22", "../base"', "is not a path in the catalogue"),
    ],
)
def test_no_configuration_fits_all(whole: Path, profiles: str, told: str) -> None:
    """P07: each product has a profile of its own, and no recipe does without it or takes another's."""
    edit(whole / "recipes/ac22-eu.toml", '"base", "ac22", "eu"', profiles)
    assert told in refusal(whole)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("max_current", "33", "above the rating of the hardware, 32"),
        ("connector_max_current", "33", "above the rating of the hardware, 32"),
        ("connector_max_current_2", "63", "above the rating of the hardware, 32"),
        ("connector_max_current_3", "16", "is for connector 3; ac22 has 2"),
        ("connector_count", "3", "is not the 2 of ac22"),
        ("phases", "4", "is not 1 to 3"),
        ("phases", "2", "the device takes 1, 3"),
        ("max_current", "5", "is not 6 to 1000"),
        ("thermal_derate_from", "19", "is not 20 to 100"),
    ],
)
def test_no_limit_can_be_above_the_rating(whole: Path, name: str, value: str, told: str) -> None:
    """P07, F-E2: whichever layer says so."""
    path = whole / "profiles/customer.toml"
    path.write_text(f"name = 'customer'\nlayer = 'customer'\nrevision = 1\n[values]\n{name} = '{value}'\n")
    edit(whole / "recipes/ac22-eu.toml", '"eu"]', '"eu", "customer"]')
    assert told in refusal(whole)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('log_level = "info"\n', "", "no profile of the recipe sets 'log_level'"),
        ('log_level = "info"', 'log_levl = "info"', "did you mean 'log_level'"),
        ('log_level = "info"', 'apn = "x.example"', "no profile of the recipe sets 'log_level'"),
        ('log_level = "info"', 'log_level = "info"\nvpn_user = "u"', "product ac22 has no place for vpn_user"),
        ('log_level = "info"', 'log_level = "verbose"', "is none of error, warning, info"),
        ('log_level = "info"', "log_level = 3", "str is expected"),
        ('log_level = "info"', 'log_level = ""', "is empty"),
        ('log_level = "info"', 'log_level = "{{ product.log }}"', "log_level"),
        ('log_level = "info"', 'log_level = "{% for x in y %}{% endfor %}"', "may not hold"),
        ('layer = "base"', 'layer = "basis"', "did you mean 'base'"),
        ('name = "base"', 'name = "bases"', "differs from the file's name"),
        ("revision = 1", "revision = 1\nversion = 2", "unknown key 'version'"),
        ('pnc = "off"\n', "", "flags: 'pnc' of product ac22 is neither on nor off"),
        ('pnc = "off"', 'pnc = "maybe"', "flags: 'pnc' of product ac22 is neither on nor off"),
        ('pnc = "off"', 'pnc = "off"\nshell = "off"', "product ac22 has no flag 'shell'"),
        ('pnc = "off"', 'pnc = "o,x=n"', "names and values of flags are words"),
        ("[values]", "[values]\nlog_level = 'info'", "not valid TOML"),
    ],
)
def test_almost_right_is_wrong(whole: Path, old: str, new: str, told: str) -> None:
    """P08, F-A8: nothing that was set is lost, nothing that is needed is left out."""
    edit(whole / "profiles/base.toml", old, new)
    assert told in refusal(whole)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('security_log = { key = "charger/log/security" }', 'security_logs = { key = "x" }', "unknown name"),
        ("charger/power/{evse}/max_current", "charger/power/all", "'{evse}' stands in the key"),
        ('ct_ratio", unset = ""', 'ct_ratio"', "unset: what does the device hold"),
        ('time_zone = { key = "charger/net/time_zone", longest = 40 }', 'time_zone = { over = "ocpp" }', "no name for"),
        ("heartbeat_interval = { over", "heartbeat_interval = { key = 'x', over", "one of 'key'"),
        ('heartbeat_interval = { over = "ocpp", low = 10', 'heartbeat_interval = { over = "smoke", low = 10', "smoke"),
        (
            'dns = { key = "charger/net/dns", longest = 255',
            'dns = { key = "charger/net/dns", longest = 9',
            "than 9 bytes",
        ),
    ],
)
def test_a_product_that_keeps_nothing_in_its_place_is_refused(whole: Path, old: str, new: str, told: str) -> None:
    """P08: the device's side of the mapping is judged before any write, too."""
    edit(whole / "products/ac22/product.toml", old, new)
    assert told in refusal(whole)


def test_what_is_set_over_ocpp_is_the_same_in_both_environments(whole: Path) -> None:
    """F-K6: it is written in the test environment and stays in the unit that ships."""
    with (whole / "environments/bench-test.toml").open("a") as file:
        file.write('\n[environment.values]\nheartbeat_interval = "30"\n')
    assert "OCPPCommCtrlr.HeartbeatInterval is set over OCPP" in refusal(whole)


def test_lint_tells_all_of_it(whole: Path) -> None:
    """Bad input: whoever corrects a profile sees every problem at once."""
    set_value(whole, "site_max_current", "16", "base")
    set_value(whole, "tariff", "A", "base")
    set_value(whole, "max_current", "64", "ac22")
    edit(whole / "profiles/base.toml", 'log_level = "info"', 'log_level = "{{ 1 + 1 }}"')
    told = "\n".join(lint_recipe(STEPS, Folder(whole), "ac22-eu"))
    assert all(name in told for name in ("site_max_current", "tariff", "log_level"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"x = " + b"[" * 1000, ""),
        (b"#" * 1_000_001, "larger than"),
        (b"name = 'eu'\nname = 'eu'\n", "not valid TOML"),
        (b"", "is missing"),
    ],
    ids=["encoding", "depth", "size", "twice", "empty"],
)
def test_files_that_are_none_are_refused(whole: Path, content: bytes, told: str) -> None:
    """Bad input: wrong encoding, nesting, size, keys that stand twice."""
    (whole / "profiles/eu.toml").write_bytes(content)
    message = refusal(whole)
    assert "profiles/eu.toml" in message
    assert told in message
