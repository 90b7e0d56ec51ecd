"""A profile that breaks a rule, a typo in its file, or an unknown switch: none gets as far as a certificate."""

import dataclasses
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pki.certificate.profile import check_fit, check_profile, load_profile, profile_names, read_profile
from pki.errors import ProfileError, RequestRefused

NEEDED = {"idevid": {"hardware_type": "1.3.6.1.4.1.32473.22"}} | {
    name: {"country": "DE"} for name in ("secc-2", "secc-20", "v2g-sub-1", "v2g-sub-2")
}
BAD = b"""
name = "bad"
revision = 1
subject = ["O", "CN"]
common_name = "[a-z]+"
sample = "abc"
key_usage = ["digital_signature"]
"""


def text_of(name: str) -> str:
    return (files("pki") / "profiles" / f"{name}.toml").read_text()


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads_with_what_it_needs(name):
    """Issue 3: validated against the rules that it cites, and linted, at load."""
    profile = load_profile(name, NEEDED.get(name))
    assert profile.name == name
    assert load_profile(name, dict(profile.switches)) is profile


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_needed_switch_is_asked_for_with_its_reason(name):
    with pytest.raises(ProfileError, match=rf"{name}\.toml: switch (hardware_type|country) is not set: ") as caught:
        load_profile(name)
    assert caught.value.hint.startswith("Set it, as in ")


def test_unknown_profile_names_the_known_ones():
    with pytest.raises(ProfileError, match=r"no certificate profile '\.\./x'; known: .*station"):
        load_profile("../x")
    with pytest.raises(ProfileError, match="did you mean 'station'"):
        load_profile("statoin")


@pytest.mark.parametrize(
    ("name", "switches", "message"),
    [
        (
            "station",
            {"client_aut": True},
            r"station\.toml: there is no switch 'client_aut'; did you mean 'client_auth'",
        ),
        ("station", {"client_auth": "yes"}, "switch client_auth is true or false, not 'yes'"),
        ("station", {"client_auth": 1}, "switch client_auth is neither true or false nor a text: 1"),
        ("station", {"crl": ["known"]}, "switch crl is neither true or false nor a text"),
        ("station", {"crl": True}, "switch crl: unknown: True; known: never, known, must"),
        ("station", {"crl": "knwon"}, "switch crl: unknown: knwon; did you mean 'known'"),
        ("station", {"unit_domain": "x y"}, "switch unit_domain: 'x y' does not match"),
        ("server", {"key": "p521"}, "there is no switch 'key'"),
        ("secc-2", {"country": "Germany"}, "switch country: 'Germany' does not match"),
        ("secc-20", {"country": "DE", "key": "p256"}, "switch key: unknown: p256"),
        ("secc-20", {"country": "DE", "key": "ed448", "key_agreement": True}, "must not hold key_agreement with Ed448"),
        ("idevid", {"hardware_type": "2.999.1"}, "does not match"),
    ],
)
def test_wrong_switch_is_refused_with_file_and_nearest_word(name, switches, message):
    with pytest.raises(ProfileError, match=message):
        load_profile(name, switches)


def test_switch_that_is_off_changes_nothing():
    assert load_profile("station", {"client_auth": False}) == load_profile("station")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dayz = 3", r"bad\.toml: dayz is unknown; did you mean 'days'"),
        ('days = "3"', r"bad\.toml: days has the wrong type: str"),
        ("unit = true", r"bad\.toml: days: must be needed for units|days: must .*units"),
        ('follows = ["ocpp-statoin"]', "follows: unknown: ocpp-statoin; did you mean 'ocpp-station'"),
        ('follows = ["ocpp-csms"]', r"extended_key_usage: must be server_auth \(ocpp-csms\)"),
        ('extended_key_usage = ["clientauth"]', "extended_key_usage: unknown: clientauth; did you mean 'client_auth'"),
        ('alt_name = "common_name"\nunit_domain = "x.example"', "unit_domain: must stand with alt_name unit_domain"),
        ('key = "p512"', "key: unknown: p512; did you mean 'p521'"),
        ("outlives_issuer = true", "outlives_issuer: must be for what never expires only"),
        ("ca = true", "key_usage: must hold key_cert_sign in a CA and nowhere else"),
        ("days = 10\nminimum_days = 20", "minimum_days: must be at most days"),
        ("path_length = 1", "path_length: must be for a CA"),
        ('[[allowed]]\nfinding = "x"\nwhy = ""', "allowed: must give a reason"),
        ('[switches.x]\nwhy = "y"\non = { key_usagee = [] }', r"switches\.x: key_usagee is unknown; .*'key_usage'"),
        ('[switches.x]\nwhy = "y"\nsets = "cy"\nwords = ["a"]', r"switches\.x: cy is unknown"),
        ('[switches.x]\nwhy = "y"\nsets = "key"', r"switches\.x: words or pattern is missing"),
        ('[switches.x]\non = { days = 3 }', r"switches\.x: why is missing"),
        ('[switches.x]\nwhy = "y"\non = { ca = true }', "bad.toml with x: key_usage: must hold key_cert_sign"),
        ('[switches.x]\nwhy = "y"\nsets = "key"\nwords = ["p25"]', "bad.toml with x: key: unknown: p25"),
        ("switches = 3", "switches is no table"),
        ("switches.x = 3", r"switches\.x is no table"),
        ('[switches.x]\nwhy = "y"\non = 3', r"switches\.x is no table"),
        ('[switches.x]\nwhy = "y"\non = { days = "3" }', r"bad\.toml with x: days has the wrong type"),
        ('[switches.x]\nwhy = "y"\nsets = "country"\npattern = "DE"\nexample = "FR"', "'FR' does not match DE"),
    ],
)  # fmt: skip
def test_wrong_file_is_refused_with_key_and_nearest_word(line, message):
    with pytest.raises(ProfileError, match=message):
        read_profile(BAD + line.encode(), "bad.toml")


def test_expression_that_is_none_is_refused():
    with pytest.raises(ProfileError, match="common_name: no regular expression"):
        read_profile(BAD.replace(b"[a-z]+", b"[a-z"), "bad.toml")


def test_two_switches_never_fight_over_a_key():
    two = '[switches.a]\nwhy = "y"\non = { days = 3 }\n[switches.b]\nwhy = "y"\non = { days = 4 }\n'
    assert read_profile(BAD + two.encode(), "bad.toml", {"a": True}).days == 3
    with pytest.raises(ProfileError, match="switch b and another change days"):
        read_profile(BAD + two.encode(), "bad.toml", {"a": True, "b": True})


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), name=st.sampled_from(profile_names()))
def test_any_typo_in_any_key_is_refused(data, name):
    """Bad input: a profile with a typo."""
    lines = text_of(name).splitlines()
    place = data.draw(st.sampled_from([n for n, line in enumerate(lines) if " = " in line and line[0] not in "#["]))
    lines[place] = "x" + lines[place]
    with pytest.raises(ProfileError, match=rf"{name}\.toml.*: x{lines[place][1:].split(' = ')[0]} is unknown"):
        read_profile("\n".join(lines).encode(), f"{name}.toml", NEEDED.get(name))


SWITCHES = {name: tomllib.loads(text_of(name)).get("switches", {}) for name in profile_names()}


@settings(max_examples=80, deadline=None, derandomize=True)
@given(data=st.data(), name=st.sampled_from(sorted(name for name in SWITCHES if SWITCHES[name])))
def test_any_combination_of_switches_is_a_profile_or_refused(data, name):
    """Property: what loads has passed both encoders and pkilint, and says how it was set."""
    asked = dict(NEEDED.get(name, {}))
    for switch, entry in SWITCHES[name].items():
        if switch not in asked and data.draw(st.booleans()):
            asked[switch] = data.draw(st.sampled_from(entry.get("words") or [entry.get("example") or True]))
    if asked.get("key") == "ed448" and "key_agreement" in asked:
        with pytest.raises(ProfileError, match="must not hold key_agreement with Ed448"):
            load_profile(name, asked)
    else:
        assert dict(load_profile(name, asked).switches) == asked


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("station", {"extended_key_usage": ("client_auth",)}, r"by the switch client_auth only \(A00\.FR\.514\)"),
        ("station", {"common_name": ".*"}, r"must not allow an address or a host name \(A00\.FR\.511\)"),
        ("station", {"key_usage": ("digital_signature", "key_encipherment")}, "RFC 8813"),
        ("secc-2", {"key": "p521"}, r"key: must be p256 \(iso15118-2\)"),
        ("secc-2", {"domain_component": "CSO"}, "must be CPO"),
        ("secc-2", {"ocsp": "known"}, "ocsp: must be must"),
        ("secc-2", {"days": 365}, "days: must be 1 to 92"),
        ("secc-2", {"subject": ("CN", "O", "C"), "domain_component": ""}, "must hold CN, O, C and DC"),
        ("secc-20", {"key": "p256"}, r"V2G20-2674"),
        ("idevid", {"subject_key_identifier": True}, "subject_key_identifier: must be false"),
        ("idevid", {"never_expires": False, "outlives_issuer": False, "days": 9}, "never_expires: must be true"),
        ("idevid", {"subject": ("O", "CN")}, "must hold serialNumber"),
        ("v2g-sub-1", {"path_length": 2}, "must be at most 1"),
        ("ocsp", {"ocsp_no_check": False}, r"RFC 6960 section 4\.2\.2\.2\.1"),
        ("ocsp", {"days": 365}, "must be at most 92"),
        ("firmware", {"extended_key_usage": ("code_signing", "client_auth")}, "must be code_signing"),
        ("root", {"subject_key_identifier": False}, "must be there in a CA"),
        ("root", {"path_length": -1}, "path_length: must be for a CA, 0 or more"),
        ("root", {"extended_key_usage": ("server_auth",)}, "must be for end entities"),
        ("server", {"alt_name": ""}, "RFC 9525"),
    ],
)
def test_profile_is_held_to_the_rules_that_it_cites(name, change, message):
    with pytest.raises(ProfileError, match=message):
        check_profile(dataclasses.replace(load_profile(name, NEEDED.get(name)), **change))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("station", ["csms.test.example", "AC2", "AC22-000001-7\n", "ac22-000001-7", "A" * 26]),
        ("station-identity", ["", "-line", "line.", "li ne", "x" * 65]),
        ("server", ["CSMS.example", "x"]),
        ("issuing", ["", "CA\0.example", "CA\u202eAC", "x" * 65]),
    ],
)
def test_name_that_does_not_fit_is_refused(name, wrong):
    for text in wrong:
        with pytest.raises(RequestRefused, match=f"no name for profile {name}"):
            check_fit(load_profile(name), text)


def test_names_by_hubject_are_a_switch():
    """Facts 4.2: country, operator, S, and 39 to 64 characters in all."""
    free, strict = (load_profile("secc-20", {"country": "DE", "hubject": on}) for on in (False, True))
    check_fit(free, "DE-EXA-1")
    check_fit(strict, "DEEXAS" + "1" * 33)
    with pytest.raises(RequestRefused, match="no name for profile secc-20 with country=DE, hubject"):
        check_fit(strict, "DEEXAS" + "1" * 32)


@pytest.mark.parametrize(
    ("name", "days", "shelf"),
    [("station", 3650, 180), ("station-identity", 30, 7), ("secc-2", 60, 30), ("secc-20", 60, 30), ("ocsp", 30, 0)],
)
def test_lives_are_those_that_were_reviewed(name, days, shelf):
    """Facts 4 and F-D10: an SECC's certificate lives two months, a station of the factory renews every month."""
    profile = load_profile(name, NEEDED.get(name))
    assert (profile.days, profile.minimum_days) == (days, shelf)


def test_only_units_have_unit_profiles():
    units = [name for name in profile_names() if load_profile(name, NEEDED.get(name)).unit]
    assert units == ["idevid", "secc-2", "secc-20", "station", "station-identity"]


def test_pki_never_imports_the_station():
    """Design section 3: everything of pki loaded, nothing of station or fixtures came along."""
    root = Path(__file__).parents[2]
    modules = [path.stem for path in (root / "pki").glob("*.py")]
    script = f"import sys, importlib\nfor name in {modules}: importlib.import_module('pki.' + name)\n"
    script += "print([name for name in sys.modules if name.split('.')[0] in ('station', 'fixtures')])"
    command = [sys.executable, "-c", script]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root, timeout=60)
    assert answer.stdout == "[]\n"
