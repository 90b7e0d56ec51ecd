"""The canonical parameters: every limit at its edge, and values that are almost right (F-E1, domain 3.5)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.catalog.parameters import PARAMETERS, UNSET, Kind, Owner, fault, find, ocpp_fault
from station.catalog.settings import Setting, SettingType, Way, decode, encode
from station.model import OcppVersion

EDGES = {
    "ocpp_url": (512, lambda n: "wss://h.example/" + "p" * (n - 16)),
    "ocpp_identity": (48, lambda n: "S" * n),
    "apn": (512, lambda n: "a" * n),
    "apn_user": (20, lambda n: "u" * n),
    "apn_password": (20, lambda n: "p" * n),
    "vpn_server": (512, lambda n: ",".join(["a" * 60] * 9)[: n - 1] + "b"),
    "vpn_user": (20, lambda n: "u" * n),
    "vpn_group": (20, lambda n: "g" * n),
    "vpn_password": (20, lambda n: "p" * n),
    "vpn_key": (255, lambda n: "k" * n),
    "measurands": (500, lambda n: ",".join([".".join(["A" * 40] * 5)] * 3)[: n - 1] + "B"),
    "apn_preferred_network": (6, lambda n: "2" * n),
    "sim_pin": (8, lambda n: "1" * n),
    "time_zone": (40, lambda n: "A" * n),
}


@pytest.mark.parametrize("name", EDGES)
def test_lengths_of_ocpp_hold_at_their_edges(name: str) -> None:
    """F-E1: the longest value passes, one character more does not."""
    longest, make = EDGES[name]
    assert len(make(longest)) == longest
    assert fault(PARAMETERS[name], make(longest)) == ""
    assert f"longer than {longest}" in fault(PARAMETERS[name], make(longest + 1))


@pytest.mark.parametrize(
    ("version", "name", "value", "wrong"),
    [
        (OcppVersion.V16, "K" * 50, "v" * 500, ""),
        (OcppVersion.V16, "K" * 51, "v", "its name is longer than the 50"),
        (OcppVersion.V16, "K", "v" * 501, "longer than the 500"),
        (OcppVersion.V201, "C" * 50 + "." + "V" * 50, "v" * 1000, ""),
        (OcppVersion.V201, "C" * 51 + ".V", "v", "its name is longer than the 50"),
        (OcppVersion.V201, "C." + "V" * 51, "v", "its name is longer than the 50"),
        (OcppVersion.V201, "C.V", "v" * 1001, "longer than the 1000"),
    ],
)
def test_settings_over_ocpp_hold_at_their_edges(version: OcppVersion, name: str, value: str, wrong: str) -> None:
    """Domain 3.5: ChangeConfiguration 50 and 500, SetVariables 50 and 1000."""
    assert wrong in ocpp_fault(version, name, value)
    assert bool(ocpp_fault(version, name, value)) == bool(wrong)


NUMBERS = [parameter for parameter in PARAMETERS.values() if parameter.kind is Kind.INTEGER]


@pytest.mark.parametrize("parameter", NUMBERS, ids=lambda parameter: parameter.name)
def test_numbers_hold_at_their_edges(parameter: object) -> None:
    low, high = parameter.low, parameter.high  # type: ignore[attr-defined]
    assert [fault(parameter, str(value)) for value in (low, high)] == ["", ""]  # type: ignore[arg-type]
    assert all(fault(parameter, str(value)) for value in (low - 1, high + 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["", "07", "+7", " 7", "7 ", "7.0", "1e3", "٧", "seven", "9" * 30])
def test_numbers_have_one_form(value: str) -> None:
    """What is read back is compared as bytes, so 07 is not 7."""
    assert fault(PARAMETERS["max_current"], value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ocpp_url", "ws://csms.example/ocpp"),
        ("ocpp_url", "wss://"),
        ("ocpp_url", "https://csms.example"),
        ("ocpp_identity", "AC22:1"),
        ("ocpp_identity", "AC22 1"),
        ("log_level", "verbose"),
        ("phase_rotation", "RRR"),
        ("security_log", "true"),
        ("network_order", "ethernet,ethernet"),
        ("network_order", "ethernet,cellular,ethernet"),
        ("network_order", "wifi;ethernet"),
        ("ntp_server", "ntp.example,"),
        ("dns", "not a host"),
        ("time_zone", "../../etc/passwd"),
        ("measurands", "Energy..Active"),
        ("apn_user", "a\nb"),
        ("vpn", "WireGuard"),
        ("roaming", ""),
        ("time_source", "NTP,Sundial"),
        ("sim_pin", "12a4"),
    ],
)
def test_values_that_are_almost_right_are_refused(name: str, value: str) -> None:
    assert fault(PARAMETERS[name], value)


@pytest.mark.parametrize("order", ["ethernet", "wifi,cellular", "ethernet,cellular,wifi", "wifi,ethernet,cellular"])
def test_interfaces_stand_in_any_order(order: str) -> None:
    """F-F1: the order is that of fallback."""
    assert fault(PARAMETERS["network_order"], order) == ""


@given(st.sampled_from(sorted(PARAMETERS)), st.text(max_size=600))
def test_any_text_is_judged_soon_and_controls_never_pass(name: str, value: str) -> None:
    """Untrusted input: bounded time, and no control character in a device's setting."""
    before = time.process_time()
    wrong = fault(PARAMETERS[name], value)
    assert time.process_time() - before < 0.5
    assert wrong or value.isprintable()
    assert wrong or len(value) <= PARAMETERS[name].longest


@pytest.mark.parametrize("name", ["ntp_server", "network_order", "measurands", "time_zone", "ocpp_identity"])
def test_no_pattern_can_be_kept_busy(name: str) -> None:
    """Bad input: long runs that nearly match."""
    before = time.process_time()
    for text in ("a" * 250 + "!", "a." * 120 + "!", "A" * 40 + ".A" * 100 + "!", "ethernet," * 20):
        fault(PARAMETERS[name], text)
    assert time.process_time() - before < 0.5


def test_what_only_the_site_or_the_operator_knows_is_there() -> None:
    """F-A6, F-E9: the placeholders."""
    owners = {name: parameter.owner for name, parameter in PARAMETERS.items() if parameter.owner is not Owner.FACTORY}
    assert {name for name in owners if owners[name] is Owner.FIELD} >= {"site_max_current", "ct_ratio"}
    assert {name for name in owners if owners[name] is Owner.OPERATOR} >= {"site_group", "tariff", "operator_account"}
    assert UNSET == "UNSET-BY-FACTORY"


def test_a_parameter_of_each_connector_is_found_by_number() -> None:
    found = find("connector_max_current_2")
    assert found is not None
    assert (found[0].name, found[1]) == ("connector_max_current", 2)
    assert [find(name) for name in ("max_current_2", "connector_max_current_0", "connector_max_current_x")] == [
        None
    ] * 3


@given(st.integers(-(2**31), 2**31 - 1))
def test_numbers_come_back_from_the_device_as_they_went(value: int) -> None:
    setting = Setting("k", type=SettingType.INTEGER)
    assert decode(setting, encode(setting, str(value))) == str(value)


@pytest.mark.parametrize(
    ("setting", "fits", "not_fits"),
    [
        (Setting("k", longest=3), "abc", "abcd"),
        (Setting("k", longest=3), "äb", "ääb"),
        (Setting("k", low=6), "6", "5"),
        (Setting("k", high=32), "32", "33"),
        (Setting("k", choices=("1", "3")), "3", "2"),
        (Setting("k", type=SettingType.BOOLEAN), "on", "yes"),
        (Setting("k", type=SettingType.INTEGER), "2147483647", "2147483648"),
    ],
)
def test_what_the_device_takes_is_kept(setting: Setting, fits: str, not_fits: str) -> None:
    """F-E1: types, lengths in bytes, enumerations and limits of the device."""
    assert encode(setting, fits)
    with pytest.raises((ValueError, KeyError, OverflowError)):
        encode(setting, not_fits)


@pytest.mark.parametrize(
    "given_", [{}, {"key": "k", "absent": "no"}, {"key": "k", "over": Way.OCPP}, {"over": Way.OCPP, "absent": "no"}]
)
def test_a_parameter_lives_in_one_place(given_: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="one of 'key'"):
        Setting(**given_)  # type: ignore[arg-type]
