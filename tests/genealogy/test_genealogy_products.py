"""What a product declares of parts, numbers and meters, and what is refused before a line begins (F-A7)."""

import shutil
from pathlib import Path

import pytest

from fixtures.firmware import Recipe, build_release, publish
from station.catalog.parts import ComponentRule, forms_of, refusal_of
from station.catalog.products import load_product
from station.catalog.recipes import load_recipe
from station.catalog.source import Folder
from station.errors import ConfigError
from station.identifiers import Kind, Rules
from station.steps import STEPS
from tests.catalog.conftest import edit

CATALOG = Path(__file__).parents[2] / "fixtures" / "catalog"
DC60 = (CATALOG / "products" / "dc60" / "product.toml").read_text()
RULES = Rules(mac_prefixes=("ACDE48",))
MODULE = ComponentRule("power module", "M1", serial="PM60-[0-9]{8}", example="PM60-00012345")


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Return the sample catalogue with its firmware, for a test to spoil."""
    shutil.copytree(CATALOG, tmp_path / "catalog")
    for product in ("ac22", "dc60"):
        publish(build_release(tmp_path / product, Recipe(size=2048), product).parent, tmp_path / "catalog")
    return tmp_path / "catalog"


def refusal(folder: Path, old: str, new: str) -> str:
    path = folder / "products" / "dc60" / "product.toml"
    path.parent.mkdir(parents=True)
    path.write_text(DC60)
    edit(path, old, new)
    with pytest.raises(ConfigError) as caught:
        load_product(Folder(folder), "dc60")
    return " | ".join(caught.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('example = "PM60-00012345"', 'example = "PM60-1"', "example: 'PM60-1' does not match"),
        ('serial = "PM60-[0-9]{8}"', 'serial = "PM60-[0-9"', "is no regular expression"),
        ('lot = "RCD-L[0-9]{6}"', 'lot = "RCD-L[0-9]{6}"\nserial = "x"', "one of 'serial', 'lot' and 'identifier'"),
        ('kind = "power module"', 'kind = "Power Module"', "kind: must be 1 to 40 lower-case"),
        ('position = "M1"', 'position = " M1"', "position: must be 1 to 30 printable"),
        ('identifier = "iccid"', 'identifier = "imsi"', "identifier: none that is printed on parts: imsi"),
        ('position = "B"\nidentifier', 'position = "A"\nidentifier', "component[1]: there is a meter A already"),
        ('connector = 2\nopens = ["meter"', 'connector = 3\nopens = ["meter"', "there is no outlet 3"),
        ('opens = ["hipot", "insul', 'opens = ["HIPOT!", "insul', "opens: names of tests, steps or identifiers"),
        ("seals = 2", "seals = 3", "component: 3 required ones of kind 'seal' are expected, not 2"),
        (
            'identifier = "seal"\nconnector = 1\nopens = ["metering accuracy"]',
            'identifier = "seal"',
            "re-opens metrology",
        ),
        ("mac = [", 'mac = ["charger/hw/mac/3", ', "read: mac: 2 settings are expected"),
        ("macs = 2\nsim = true", "macs = 2", "read: there is no SIM"),
        ('mac_blocks = ["ACDE48"]', 'mac_blocks = ["acde48"]', "is no MA-L, MA-M or MA-S"),
        ('iccid = "charger/hw/sim/iccid"', 'iccid = "charger hw"', "is no key of a device setting"),
        ('serial = "charger/hw/meter/{evse}/serial"', 'serial = "charger/hw/meter/1/serial"', "with {evse} in it"),
        ('serial = "charger/hw/meter/{evse}/serial"\n', "", "metering: serial is needed"),
        ('reading = "charger/hw/meter/{evse}/reading"\n', "", "public_key and reading belong together"),
        ("printed_key = true", "most_kwh = 0.0", "most_kwh: must be above 0"),
    ],
)
def test_definition_that_no_line_could_keep_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in refusal(tmp_path, old, new)


def test_meters_that_sign_must_be_provable(tmp_path: Path) -> None:
    """F-I4: a product that promises public keys tells how they are read."""
    begin, end = DC60.index("[metering]"), DC60.index("# What the operator scans")
    assert "metering: public_key and reading are needed" in refusal(tmp_path, DC60[begin:end], "")


def test_recipe_without_capture_is_refused_where_the_product_needs_it(catalog: Path) -> None:
    """Units would ship whose record lacks what the product demands."""
    edit(catalog / "recipes/dc60-eu.toml", '[[step]]\nuse = "capture"\nretries = 2\nlimit_seconds = 7200\n', "")
    with pytest.raises(ConfigError, match="no step uses 'capture': product dc60 has numbers or parts"):
        load_recipe(Folder(catalog), "dc60-eu", STEPS)


def test_recipe_with_capture_is_refused_where_there_is_nothing_to_capture(catalog: Path) -> None:
    edit(catalog / "recipes/ac22-eu.toml", 'use = "admit"', 'use = "admit"\n\n[[step]]\nuse = "capture"')
    with pytest.raises(ConfigError, match="product ac22 has nothing that is captured"):
        load_recipe(Folder(catalog), "ac22-eu", STEPS)


@pytest.mark.parametrize("code", ["PM60-1", "pm60-00012345", "PM60-00012345 ", "", "PM60-00012345\n", "PM60-٠٠٠١٢٣٤٥"])
def test_scan_that_is_no_code_of_the_part_is_told_what_is_expected(code: str) -> None:
    """F-N2: cause and next action in a line."""
    told = refusal_of(MODULE, code, RULES)
    assert told == "This is no serial number of the power module M1; expected is one such as PM60-00012345."
    assert refusal_of(MODULE, "PM60-00012345", RULES) == ""


def test_identifiers_on_parts_have_their_own_rules_and_one_form() -> None:
    """Both ways of writing an ICCID are one SIM (domain 3.7)."""
    sim = ComponentRule("sim", "modem", identifier=Kind.ICCID)
    assert "check digit is wrong" in refusal_of(sim, "89882110000000000013", RULES)
    spaced = forms_of(sim, "8988 2110 0000 0000 0010 F", RULES)
    assert spaced == forms_of(sim, "89882110000000000010", RULES) == ("8988211000000000001", "89882110000000000010")
