"""Tables and import files: UTF-8, versioned, a digest in each row, no formula, and nothing cut (F-G8, F-G4, P17)."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fixtures.samples import METER_KEY
from station.batches import MadeBatch
from station.batches.layout import SCHEMAS
from station.batches.making import TEMPLATES
from station.batches.profiles import PROFILES, Column, Culture, Form, Profile, Rows, Unfit, cell, load_profiles
from station.batches.tables import row_digest
from station.errors import ConfigError
from station.spreadsheet import harmless
from tests.batches.conftest import Office, read

Mixed = tuple[Office, MadeBatch]


def rows(mixed: Mixed, name: str, delimiter: str = ",") -> list[dict[str, str]]:
    text = read(mixed[1].path, name).decode("utf-8")
    assert not text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((TEMPLATES / name).read_text())
    Draft202012Validator.check_schema(found)
    return found


@pytest.mark.parametrize(("file", "published"), [("manifest.json", SCHEMAS[0]), ("units.json", SCHEMAS[1])])
def test_published_schemas_describe_every_member(mixed: Mixed, file: str, published: str) -> None:
    """The schemas travel inside, and what they do not describe is not there."""
    content, described = json.loads(read(mixed[1].path, file)), schema(Path(published).name)
    assert json.loads(read(mixed[1].path, published)) == described
    assert [error.message for error in Draft202012Validator(closed(described)).iter_errors(content)] == []


def closed(part: Any) -> Any:
    """Return a schema that allows no member that it does not describe."""
    if isinstance(part, list):
        return [closed(one) for one in part]
    if not isinstance(part, dict):
        return part
    inner = {name: closed(one) for name, one in part.items()}
    return {**inner, "additionalProperties": False} if "properties" in part else inner


def test_schema_refuses_a_unit_without_its_key(mixed: Mixed) -> None:
    content = json.loads(read(mixed[1].path, "units.json"))
    del content["units"][0]["revision"]
    assert not Draft202012Validator(schema("batch-units-1.schema.json")).is_valid(content)


def test_tables_say_what_units_json_says(mixed: Mixed) -> None:
    units = {unit["serial"]: unit for unit in json.loads(read(mixed[1].path, "units.json"))["units"]}
    found = {row["serial"]: row for row in rows(mixed, "units.csv")}
    assert found.keys() == units.keys()
    for serial, row in found.items():
        assert row["certificate_sha256"] == units[serial]["certificate"]["sha256"]
        assert row["connectors"] == str(len(units[serial]["connectors"]))
        assert (row["version"], row["site_group"], row["tariff"], row["operator_account"]) == ("1", "", "", "")


def test_each_row_has_a_digest_that_anybody_can_make(mixed: Mixed) -> None:
    lines = list(csv.reader(io.StringIO(read(mixed[1].path, "units.csv").decode())))
    assert (lines[0][0], lines[0][-1]) == ("version", "row_sha256")
    for *cells, digest in lines[1:]:
        assert digest == row_digest(cells)
        assert digest != row_digest([*cells[:-1], cells[-1] + " "])


def test_no_cell_is_a_formula(mixed: Mixed) -> None:
    """A vendor's name that a spreadsheet would run is text in the table, and as it is in units.json."""
    vendors = {row["serial"]: row["vendor"] for row in rows(mixed, "units.csv")}
    assert vendors["DC60-000001"] == "'=cmd|' /C calc'!A0"
    assert "=cmd|' /C calc'!A0" in read(mixed[1].path, "units.json").decode()
    for cell_ in ("@a", "+1", "-1", "\t=1", "\n=1", "\uff1d1"):
        assert harmless(cell_).startswith("'")


def test_no_part_of_a_cell_is_a_formula_where_semicolons_part_cells() -> None:
    """A spreadsheet that is set to semicolons sees `=1+1` in a cell of its own."""
    assert harmless("ACME;=1+1;\uff20x") == "ACME;'=1+1;'\uff20x"
    assert harmless("10 kA; 400 V - TN-S") == "10 kA; 400 V - TN-S"
    with pytest.raises(Unfit, match="nothing that may stand in a spreadsheet"):
        cell(Column("Name", fact="customer"), {"serial": "S", "customer": "ACME;=1+1"}, Culture())


def test_an_import_file_with_a_formula_is_left_out_with_its_reason(mixed: Mixed) -> None:
    """An apostrophe before it would be imported with it."""
    left_out = {each["name"]: each["reason"] for each in json.loads(read(mixed[1].path, "manifest.json"))["left_out"]}
    assert left_out == dict(mixed[1].files_left_out)
    assert (
        left_out["cpms/monta.csv"]
        == "Charge point brand of unit DC60-000001 is nothing that may stand in a spreadsheet"
    )


def test_meters_and_sims_have_tables_of_their_own(mixed: Mixed) -> None:
    """F-I4: a CPMS verifies readings by the key; providers know a SIM with and without its check digit."""
    meters = rows(mixed, "meters.csv")
    assert [(row["serial"], row["letter"]) for row in meters] == [("DC60-000001", "A"), ("DC60-000001", "B")]
    assert (meters[0]["meter_public_key"], meters[0]["meter_key_printed"]) == (METER_KEY, "yes")
    (sim,) = rows(mixed, "sim.csv")
    assert {row["evse_id"] for row in rows(mixed, "connectors.csv")} == {""}
    assert (sim["iccid"], sim["iccid_without_check_digit"]) == ("89882110000000000010", "8988211000000000001")


def test_import_files_are_in_the_columns_and_numbers_of_each_system(office: Office) -> None:
    office.release("AC22-000001", change=lambda unit: replace(unit, connectors=odd(unit)))
    made = office.make(keys={"claim_code_hash": lambda serial: f"code-of-{serial}"})
    files = {name: read(made.path, f"cpms/{name}.csv").decode().splitlines() for name in NAMES}
    assert made.files_left_out == ()
    assert files["monta"][1] == "AC22-000001,Example Chargers,AC22,AC22-000001,1"
    assert files["vaylens"][1].startswith("create,planned,AC22-000001,AC22-000001,Example Chargers,AC22,2,")
    assert ";11,04;16;" in files["greenflux.de-DE"][1]
    assert ",11.04,16," in files["greenflux.en-GB"][1]
    assert files["everon"][1].startswith("AC22-000001,code-of-AC22-000001,")


NAMES = ("monta", "vaylens", "greenflux.de-DE", "greenflux.en-GB", "everon")


def odd(unit: Any) -> Any:
    return tuple(replace(each, max_power_w=11_040, max_current_a=16) for each in unit.connectors)


def test_without_claim_codes_there_is_no_file_that_needs_them(filled: Office) -> None:
    """The security code of Everon's kind of import; two stations of alike numbers are told apart by it."""
    made = filled.make()
    assert dict(made.files_left_out) == {
        "cpms/everon.csv": "unit AC22-000001 has no claim_code_hash, which securityCode needs"
    }


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (Column("Name", fact="customer", longest=4), "Name of unit S has 8 characters, 4 are taken"),
        (Column("Group", fact="site_group", required=True), "unit S has no site_group"),
    ],
)
def test_what_does_not_fit_is_never_cut(column: Column, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        cell(column, {"serial": "S", "customer": "Operator", "site_group": ""}, Culture())


def test_days_and_numbers_follow_the_culture() -> None:
    german, facts = Culture("de-DE", ",", "%d.%m.%Y", ";"), {"serial": "S", "at": "2026-11-05T23:59:59.999Z", "kw": 7.4}
    assert cell(Column("Day", fact="at", form=Form.DAY), facts, german) == "05.11.2026"
    assert cell(Column("Power", fact="kw", form=Form.NUMBER), facts, german) == "7,4"
    with pytest.raises(ValueError, match="delimiter another"):
        Culture("wrong", ",", "%Y", ",")


def test_every_profile_says_where_its_columns_come_from() -> None:
    found = load_profiles()
    assert {profile.name for profile in found} == {"everon", "greenflux", "monta", "vaylens"}
    assert all("untested against a live system" in profile.source for profile in found)


def test_no_profile_has_a_place_for_a_secret() -> None:
    """F-G5: passwords never stand in a CSV."""
    facts = {column.fact for profile in load_profiles() for column in profile.column}
    assert not {fact for fact in facts if "password" in fact or "secret" in fact or "key" in fact}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('name = "../x"', "can't be a name"),
        ('name = "monta"\nfrom = 1', "unknown key"),
        ('name = "x"\n[[profile.column]]\nname = "A"\nfact = "a"\ntext = "b"', "a fact or a text"),
    ],
)
def test_a_wrong_profile_is_refused_by_its_file(tmp_path: Path, text: str, why: str) -> None:
    rest = '\n[[profile.column]]\nname = "Serial"\nfact = "serial"\n'
    path = tmp_path / "x.toml"
    path.write_text(f'[profile]\ntitle = "t"\nsource = "s"\nrows = "unit"\n{text}{rest}')
    with pytest.raises(ConfigError, match=why) as caught:
        load_profiles(tmp_path)
    assert "x.toml" in str(caught.value)


def test_a_stations_own_profile_takes_the_place_of_ours(tmp_path: Path) -> None:
    own = '[profile]\nname = "monta"\ntitle = "t"\nsource = "s"\nrows = "unit"\n[[profile.column]]\nname = "A"\n'
    (tmp_path / "mine.toml").write_text(own)
    found = {profile.name: profile for profile in load_profiles(tmp_path, tmp_path / "none")}
    assert (found["monta"].column, len(found)) == ((Column("A"),), 4)


def test_two_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text((PROFILES / "monta.toml").read_text())
    with pytest.raises(ConfigError, match="two profiles"):
        load_profiles(tmp_path)


def test_a_profile_with_an_unknown_fact_stops_the_batch(filled: Office) -> None:
    profile = Profile("mine", "Mine", "ours", Rows.UNIT, (Column("A", fact="colour"),))
    with pytest.raises(ConfigError, match="column A of a profile: there is no fact 'colour'"):
        filled.make(profiles=(profile,))
