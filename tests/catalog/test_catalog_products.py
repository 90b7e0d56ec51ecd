"""Products: what the rating plate says, judged before anything is built (F-A5, F-A7, F-G7, domain 3.5)."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.catalog.hardware import Reports
from station.catalog.lint import lint_product
from station.catalog.products import Product, load_product
from station.catalog.source import Folder
from station.errors import ConfigError
from station.strict import parse, toml_table
from tests.catalog.conftest import CATALOG, edit

SAMPLES = ("ac22", "ac22-basic", "ac22-password", "ac22-volt", "dc60")
TEXT = (CATALOG / "products/ac22/product.toml").read_text()
BOTH = 'credentials = ["client-certificate", "password"]'
PASSWORD_AT = "[password]\nkey = 'charger/"
LONGEST_SENTENCE = 500


def judged(text: str) -> Product:
    return parse(Product, toml_table(text.encode(), "product.toml"), "product.toml")


def refused(*edits: tuple[str, str], text: str = TEXT) -> tuple[str, ...]:
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        judged(text)
    return caught.value.problems


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_products_are_as_they_must_be(name: str) -> None:
    assert lint_product(("mcuboot",), Folder(CATALOG), name) == ()


def test_samples_differ_where_it_matters() -> None:
    """P07: one configuration does not fit all; the branded variant is a product of its own."""
    ac22, volt, dc60 = (load_product(Folder(CATALOG), name) for name in ("ac22", "ac22-volt", "dc60"))
    assert (volt.model, volt.vendor) != (ac22.model, ac22.vendor)
    assert volt.variant == ac22.variant != dc60.variant
    assert [outlet.meter != "" for outlet in dc60.connector] == [True, True]


def test_variant_is_what_the_hardware_has_to_show() -> None:
    """F-A5: outlets, power class, meters and SIM, from the one list of outlets."""
    dc60 = load_product(Folder(CATALOG), "dc60")
    assert list(dc60.variant.values()) == ["2", "60000", "2", "present"]
    assert list(dc60.variant) == ["charger/hw/connectors", "charger/hw/power", "charger/hw/meters", "charger/hw/sim"]


def test_what_the_hardware_does_not_show_stands_in_the_record() -> None:
    """F-A5: a comparison that can't be made must not look as if it had been made."""
    product = load_product(Folder(CATALOG), "ac22")
    blind = replace(product, reports=Reports(flags=product.reports.flags))
    assert blind.variant == {}
    assert "does not show: number of outlets, power of an outlet in W, number of meters, SIM" in " ".join(
        blind.not_shown
    )
    assert "how it chose its firmware at the last start" in " ".join(blind.not_shown)
    assert product.not_shown == product.acceptance.sentences


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("evse = 1", "evse = 0", "evse numbers must be 1 to 2 in this order, not 0, 2"),
        ("evse = 2", "evse = 3", "evse numbers must be 1 to 2 in this order, not 1, 3"),
        ("evse = 1", "evse = 2", "evse numbers must be 1 to 2 in this order, not 2, 2"),
        ('connector = 1\nletter = "A"', 'connector = 2\nletter = "A"', "connector: must be 1, not 2"),
        ('letter = "B"', 'letter = "A"', "letters must be different"),
        ('type = "cType2"', 'type = "cType22"', "did you mean 'cType2'"),
        ("phases = 3", "phases = 4", "phases: must be 0 (direct current) to 3, not 4"),
        ("phases = 3", "phases = 0", "rotation: unknown word 'RST'; known: NotApplicable"),
        ("max_current_a = 32", "max_current_a = 5", "max_current_a: must be 6 to 500 A, not 5"),
        ("max_power_w = 22000", "max_power_w = 43000", "32 A give 24288 W at most, not 43000 W"),
    ],
)
def test_outlets_that_nobody_could_number_or_load_are_refused(old: str, new: str, told: str) -> None:
    """Bad input; F-G7: label, device and CPMS would read them differently."""
    assert any(told in problem for problem in refused((old, new)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('model = "AC22"', 'modell = "AC22"', "unknown key 'modell'; did you mean 'model'?"),
        ("revision = 1", "revision = true", "revision: int is expected, not True"),
        ("revision = 1", "revision = 10000", "revision: must be 1 to 9999, not 10000"),
        ("security_profile = 3", "security_profile = 1", "security_profile must be 2 or 3"),
        ('"ocpp2.0.1"', '"ocpp2.0"', "ocpp_version: unknown word 'ocpp2.0'; did you mean 'ocpp2.0.1'?"),
        ("support_until = 2036-12-31", "support_until = 1970-01-01", "support_until: must be a date from 2024"),
        ("support_until = 2036-12-31", 'support_until = "2036"', "support_until: date is expected"),
        ('revision = "rev-b"', 'revision = "rev b"', "hardware[0]: revision: must be 1 to 32 letters"),
        ('anchors = "/lfs/anchors.pem"', 'anchors = "anchors.pem"', "files: anchors: must be a path"),
        (
            'chain_test = "/lfs/chain_test.pem"',
            'chain_test = "/lfs/anchors.pem"',
            "chain_test: is the file of the anchors",
        ),
        ("restart = 60.0", "restart = 0.0", "limits: restart: must be above 0"),
        ("restart = 60.0", "restart = nan", "limits: restart: must be above 0"),
        ('Frequency = "50 Hz"', 'Frequency = "50\\nHz"', "ratings: 'Frequency': name and value must be"),
        ("[ratings]", "[identifiers]\nmacs = 17\n[ratings]", "identifiers: macs must be 0 to 16"),
        ("[ratings]", "[identifiers]\nmeter_public_keys = true\n[ratings]", "no connector has a meter"),
        ("[ratings]", "[flagz]\nx = 1\n[ratings]", "unknown key 'flagz'; did you mean 'flags'?"),
        ("security_profile = 3", 'security_profile = 3\ncredentials = ["pairing-pin"]', "known: client-certificate"),
        ("security_profile = 3", "security_profile = 3\ncredentials = []", "'client-certificate' is missing"),
        ("security_profile = 3", "security_profile = 2", "security profile 2 needs 'password'"),
        ("security_profile = 3", f"security_profile = 2\n{BOTH}", "profile 2 shows no certificate"),
        ("security_profile = 3", f"security_profile = 3\n{BOTH}", "password: key is missing"),
        ("[ratings]", f"{PASSWORD_AT}ocpp/password'\n[ratings]", "credentials do not name 'password'"),
        ("[ratings]", f"{PASSWORD_AT}ocpp/url'\n[ratings]", "2 names share the device's key 'charger/ocpp/url'"),
        ("[ratings]", "[password]\nkey = 'no key'\n[ratings]", "password: key: must be 1 to 128 visible characters"),
        ('["BootNotification"', '["heart beat"', "required_messages: 'heart beat' is no OCPP message"),
    ],
)
def test_product_that_is_almost_right_is_refused(old: str, new: str, told: str) -> None:
    """F-A7: file, key path, nearest valid word."""
    problems = refused((old, new))
    assert any(told in problem for problem in problems), problems
    assert all(problem.startswith("product.toml: ") for problem in problems)


@pytest.mark.parametrize(
    ("version", "key", "longest"),
    [("ocpp2.0.1", "vendor", 50), ("ocpp1.6", "vendor", 20), ("ocpp2.0.1", "model", 20), ("ocpp1.6", "model", 20)],
)
def test_ocpp_limits_at_their_edges(version: str, key: str, longest: int) -> None:
    """Domain 3.5: 20/21 and 50/51 characters."""
    value = {"vendor": "Example Chargers", "model": "AC22"}[key]
    text = TEXT.replace('"ocpp2.0.1"', f'"{version}"')
    line = f'{key} = "{value}"'
    assert judged(text.replace(line, f'{key} = "{"x" * longest}"')).name == "ac22"
    assert refused((line, f'{key} = "{"x" * (longest + 1)}"'), text=text) == (
        f"product.toml: {key}: must be 1 to {longest} printable characters ({version})",
    )


def test_meter_type_at_its_edge() -> None:
    """OCPP 1.6 meterType: 25/26 characters."""
    fitted = 'letter = "A"\nmeter = "{}"'
    assert judged(TEXT.replace('letter = "A"', fitted.format("x" * 25))).connector[0].meter
    assert "at most 25" in refused(('letter = "A"', fitted.format("x" * 26)))[0]


def test_all_problems_are_told_at_once() -> None:
    """Who corrects a file sees all that is wrong with it."""
    edits = (('model = "AC22"', 'model = ""'), ("evse = 2", "evse = 4"), ("max_current_a = 32", "max_current_a = 1"))
    problems = refused(*edits)
    assert len([part for part in ("model", "evse numbers", "max_current_a") if part in str(problems)]) == 3
    assert len(problems) >= 4


NESTED = "x = " + "[" * 1000 + "]" * 1000
BAD_FILES = {
    "duplicate keys": (
        TEXT.replace("revision = 1\n", "revision = 1\nrevision = 2\n").encode(),
        "Cannot overwrite a value",
    ),
    "50 MB": (b"#" * 50_000_000, "larger than 1000000 bytes"),
    "nested 1,000 deep": (NESTED.encode(), "nested too deep"),
    "dotted 1,000 deep": (".".join("a" * 1000).encode() + b" = 1", "nested too deep"),
    "tables 1,000 deep": (b"x = " + b"{a=" * 1000 + b"1" + b"}" * 1000, "nested too deep"),
    "Latin-1": (TEXT.replace("50 Hz", "50 Hz ä").encode("latin-1", "replace"), "not UTF-8 text: byte 0xe4"),
    "UTF-16": (TEXT.encode("utf-16"), "not UTF-8 text: byte 0xff"),
    "byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), "byte order mark"),
    "zero bytes": (b"\0" * 1000, "not valid TOML"),
    "empty": (b"", "key 'name' is missing"),
    "long key": (b"x" * 500_000 + b" = 1\n" + TEXT.encode(), "unknown key"),
    "long table twice": ((b"[" + b"x" * 400_000 + b"]\n") * 2, "not valid TOML: Cannot declare"),
    "bell in a key": (TEXT.replace("Frequency =", '"a\\u0007b" = 1\nFrequency =').encode(), "str is expected"),
    "long value": (TEXT.replace("revision = 1", f'revision = "{"x" * 500_000}"').encode(), "int is expected"),
    "100,000 keys": (
        TEXT.encode() + b"\n[zz]\n" + b"".join(b"k%d = 1\n" % n for n in range(50_000)),
        "unknown key 'zz'",
    ),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_file_is_refused_with_one_clear_sentence(tmp_path: Path, kind: str) -> None:
    """Bad input: names the file, says what is wrong, in one line that fits on a screen."""
    content, told = BAD_FILES[kind]
    file = tmp_path / "products/ac22/product.toml"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_product(Folder(tmp_path), "ac22")
    message = caught.value.message
    assert told in message
    assert "product.toml" in message
    assert len(message) <= LONGEST_SENTENCE + len(str(tmp_path))
    assert message.isprintable()


@pytest.mark.parametrize("name", ["../ac22", "ac22/../../x", "", ".", "ac22\n", "AC22"])
def test_name_can_not_lead_out_of_the_catalogue(name: str) -> None:
    with pytest.raises(ConfigError):
        load_product(Folder(CATALOG), name)


def test_directory_and_name_are_the_same(tmp_path: Path, whole: Path) -> None:
    (whole / "products/ac22").rename(whole / "products/ac23")
    with pytest.raises(ConfigError, match="'ac22' differs from the directory's name"):
        load_product(Folder(whole), "ac23")


def test_unknown_driver_names_the_nearest(whole: Path) -> None:
    edit(whole / "products/ac22/product.toml", 'driver = "mcuboot"', 'driver = "mcubot"')
    assert lint_product(("mcuboot",), Folder(whole), "ac22") == (
        "products/ac22/product.toml: driver: unknown word 'mcubot'; did you mean 'mcuboot'?",
    )


def sentences(raw: bytes) -> tuple[str, ...]:
    """Return why a product is refused; nothing if it is one."""
    try:
        parse(Product, toml_table(raw, "product.toml"), "product.toml")
    except ConfigError as error:
        return error.problems
    return ()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(32, 127), (0, 256)]))
def test_spoiled_product_is_read_or_refused_and_nothing_else(seed: int, alphabet: tuple[int, int]) -> None:
    """Any few bytes changed: a product, or a refusal whose sentences can be shown."""
    chance = random.Random(seed)
    raw = bytearray(TEXT.encode())
    for _ in range(chance.randint(1, 4)):
        raw[chance.randrange(len(raw))] = chance.randrange(*alphabet)
    assert all(told.isprintable() and len(told) <= LONGEST_SENTENCE for told in sentences(bytes(raw)))
