"""The digital nameplate: judged by somebody else's validator of IDTA's templates, made of the passport (F-I5)."""

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from aas_submodel_validate import validate

from fixtures.demo.place import CATALOG
from fixtures.passports import STEPS
from fixtures.samples import GTIN, metered_unit
from station.documents.nameplate import render_nameplate
from station.documents.nameplate_maker import Address, Maker, load_maker
from station.documents.passport import passport_document
from station.errors import ConfigError, StationError
from station.model import UnitRecord

Sample = Callable[..., UnitRecord]
RESOLVER = "https://id.example.com"
LEAST = Maker("Wallbox", Address("Example Street 1", "12345", "Exampletown", "DE"))
FULL, PICTURES = load_maker(CATALOG / "products" / "dc60")


def findings(package: bytes) -> list[str]:
    report = validate(package, format="aasx", meta="info")
    assert report.judged
    return [found.violation.message for found in report.findings]


def elements(package: bytes) -> dict[str, object]:
    """Return the values of the nameplate by their names."""
    with zipfile.ZipFile(BytesIO(package)) as opened:
        environment = json.loads(opened.read("aasx/data.json"))
    return {one["idShort"]: one.get("value") for one in environment["submodels"][0]["submodelElements"]}


def test_fullest_and_plainest_nameplates_fit_the_template(sample: Sample) -> None:
    full = passport_document(metered_unit(), STEPS)
    assert (
        findings(render_nameplate(full, FULL, {**PICTURES, "M26 0102": PICTURES["CE"]}, RESOLVER, PICTURES["CE"])) == []
    )
    plain = passport_document(sample(gtin=GTIN, ratings={}), STEPS)
    assert findings(render_nameplate(plain, LEAST, {}, RESOLVER)) == []


def test_nameplate_says_what_the_passport_says() -> None:
    told = elements(render_nameplate(passport_document(metered_unit(), STEPS), FULL, PICTURES, RESOLVER))
    assert told["URIOfTheProduct"] == f"{RESOLVER}/01/0{GTIN}/21/DC60-000001-9"
    assert (told["SerialNumber"], told["FirmwareVersion"]) == ("DC60-000001-9", "1.4.2+7")
    assert (told["DateOfManufacture"], told["OrderCodeOfManufacturer"]) == ("2026-11-21", "DC60-EU")
    assert "DoC-DC60-2" in str(told["Markings"])
    assert "M26 0102" not in str(told["Markings"]), "a marking without a picture stands in the passport alone"


def test_same_passport_gives_the_same_bytes() -> None:
    document = passport_document(metered_unit(), STEPS)
    first = render_nameplate(document, FULL, PICTURES, RESOLVER)
    with zipfile.ZipFile(BytesIO(first)) as opened:
        assert {part.date_time for part in opened.infolist()} == {(2026, 11, 21, 3, 55, 12)}
    assert render_nameplate(document, FULL, PICTURES, RESOLVER) == first


def test_unit_without_an_address_of_its_own_is_refused(sample: Sample) -> None:
    with pytest.raises(StationError, match="needs a GTIN"):
        render_nameplate(passport_document(sample(), STEPS), LEAST, {}, RESOLVER)
    with pytest.raises(StationError, match="is no GTIN"):
        render_nameplate(passport_document(sample(gtin="4006381333932"), STEPS), LEAST, {}, RESOLVER)


@pytest.mark.parametrize("name", ["日本の充電器", "شاحن السيارات", "Lader ~^XZ <&> \\_5E", "x" * 1000])
def test_any_writing_is_told_as_it_is(sample: Sample, name: str) -> None:
    """A nameplate is data: what no typeface of ours can print, it still says."""
    package = render_nameplate(passport_document(sample(gtin=GTIN, vendor=name), STEPS), LEAST, {}, RESOLVER)
    assert elements(package)["ManufacturerName"] == [{"language": "en", "text": name}]
    assert findings(package) == []


@pytest.mark.parametrize("name", ["x" * 5000, "bell \x07", ""])
def test_what_the_metamodel_cannot_hold_is_refused_with_a_sentence(sample: Sample, name: str) -> None:
    with pytest.raises(StationError, match=r"nameplate of AC22-000001-7"):
        render_nameplate(passport_document(sample(gtin=GTIN, vendor=name), STEPS), LEAST, {}, RESOLVER)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('designation = ""', "designation: must not be empty"),
        (f'designation = "{"x" * 1001}"', "designation: must be at most"),
        ('designation = "x"\nlanguage = "english"', "language: a tag"),
        ('designation = "x"\ncountry_of_origin = "Germany"', "country_of_origin: two capital letters"),
        ('designation = "x"\npictures = { CE = "../ce.png" }', "must lie beside"),
        ('designation = "x"\npictures = { CE = "missing.png" }', "No such file"),
        ('designation = "x"\npictures = { CE = "nameplate.toml" }', "is no PNG"),
        ('desination = "x"', "desination"),
    ],
)
def test_makers_words_that_cannot_be_used_are_told(tmp_path: Path, text: str, told: str) -> None:
    folder = tmp_path / "ac22"
    folder.mkdir()
    address = '\naddress = { street = "S 1", zipcode = "1", city = "C", country = "DE" }\n'
    (folder / "nameplate.toml").write_text(text + address)
    with pytest.raises(ConfigError, match=told):
        load_maker(folder)
    with pytest.raises(ConfigError, match="who made the unit"):
        load_maker(tmp_path)
