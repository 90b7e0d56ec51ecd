"""The commissioning pack: prefilled where the factory knows, empty where not, one owner a step (F-M2, F-M6)."""

import csv
import io
import tomllib
from pathlib import Path

import pytest

from fixtures.passports import tool, verapdf
from station.batches import MadeBatch
from station.batches.commissioning import TEXTS, Party, Texts, blanks, languages, texts
from station.catalog.parameters import PARAMETERS, Owner
from station.documents.brand import Brand
from station.errors import ConfigError
from station.strict import parse
from tests.batches.conftest import Office, read

Mixed = tuple[Office, MadeBatch]


def table(made: MadeBatch, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(read(made.path, name).decode())))


def words_of(made: MadeBatch, folder: Path, language: str) -> str:
    (folder / "pack.pdf").write_bytes(read(made.path, f"commissioning/pack.{language}.pdf"))
    return " ".join(tool("pdftotext", "-layout", folder / "pack.pdf", "-").split())


def test_checklist_has_what_the_factory_set_and_blanks_for_the_rest(filled: Office) -> None:
    row = table(filled.make(), "commissioning/checklist.csv")[0]
    assert (row["serial"], row["ntp_server"], row["max_current"]) == ("AC22-000001", "ntp.ship.example", "32")
    assert (row["endpoint"], row["network_order"]) == ("wss://csms.ship.example/ocpp", "ethernet,cellular")
    assert {row[name] for name in blanks()} == {""}
    assert {"warranty_start", "warranty_end", "asset_number", "site_network_validated"} <= set(blanks())


def test_every_parameter_of_the_site_and_the_operator_is_a_blank() -> None:
    """P18: nothing that only they may choose can be forgotten in the list, or filled in by the factory."""
    assert {p.name for p in PARAMETERS.values() if p.owner is not Owner.FACTORY} <= set(blanks())


def test_secrets_of_the_configuration_stand_nowhere(filled: Office) -> None:
    made = filled.make()
    assert "apn_password" not in read(made.path, "commissioning/checklist.csv").decode()


@pytest.mark.parametrize("language", languages())
def test_pages_say_what_the_network_must_let_out_and_who_does_what(mixed: Mixed, tmp_path: Path, language: str) -> None:
    """P20, P22: the factory's network proves nothing of the site's, and each step has one owner."""
    text, words = words_of(mixed[1], tmp_path, language), texts(language)
    for expected in ("csms.ship.example", "443 TCP", "123 UDP", "ntp.ship.example", "iot.example", mixed[1].row.name):
        assert expected in text
    for step in words.step:
        assert step.what[:30] in text
    assert words("validated") in text
    assert "The debug port's state cannot be read back." in text
    assert all(party in text for party in words.owners.values())


def test_renewals_name_owner_way_and_day_of_each_certificate(filled: Office) -> None:
    """F-M6, P22: whose duty it is, by which way, from when on."""
    (row, *_) = table(filled.make(), "renewals.csv")
    assert (row["renewal_owner"], row["renewal_method"], row["renewal_lead_days"]) == ("operator", "ocpp", "90")
    assert (row["certificate_not_after"], row["renew_from"]) == ("2035-12-30T00:00:00.000Z", "2035-10-01T00:00:00.000Z")


def test_steps_are_a_table_too_in_the_language_that_was_asked_for(mixed: Mixed) -> None:
    steps = table(mixed[1], "commissioning/steps.csv")
    assert [row["owner"] for row in steps] == [step.owner.value for step in texts("de").step]
    assert steps[0]["phase"] == "Werk"


def test_languages_differ_in_words_only() -> None:
    """What a step is, whose, and in which order is the same in all of them."""
    first = texts("en")
    for language in languages():
        other = texts(language)
        assert [step.owner for step in other.step] == [step.owner for step in first.step]
        assert [(each.column, each.owner) for each in other.blank] == [
            (each.column, each.owner) for each in first.blank
        ]
        assert [each.owner for each in other.renewal] == [each.owner for each in first.renewal]
        assert (set(other.text), set(other.facts), set(other.ways)) == (
            set(first.text),
            set(first.facts),
            set(first.ways),
        )
        assert len(other.instruction) == len(first.instruction)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('owner = "operator"\nwhat = "Decommissioning', 'what = "Decommissioning', "key 'owner' is missing"),
        ('owner = "installer"\nwhat = "Charging', 'owner = "somebody"\nwhat = "Charging', "unknown word 'somebody'"),
        ('installer = "installer"\n', "", "no word for installer"),
    ],
)
def test_a_step_without_one_known_owner_is_refused(old: str, new: str, why: str) -> None:
    """P22: unclear ownership is a mistake of the file, and not found at the site."""
    raw = (TEXTS / "pack.en.toml").read_text()
    assert old in raw
    with pytest.raises(ConfigError, match=why):
        parse(Texts, tomllib.loads(raw.replace(old, new, 1)), "pack.en.toml")


def test_party_is_one_of_three() -> None:
    assert [party.value for party in Party] == ["manufacturer", "installer", "operator"]


def test_pages_are_fit_for_the_archive_also_with_long_names(office: Office, tmp_path: Path) -> None:
    from dataclasses import replace

    long = "Energiedienstleistungsgesellschaft " * 20
    office.release(
        "AC22-000001", change=lambda unit: replace(unit, customer=long, endpoint="wss://csms.example:8443/o")
    )
    made = office.make(language="de", brand=Brand(accent="#224466"))
    assert "csms.example 8443 TCP" in words_of(made, tmp_path, "de")
    assert verapdf(tmp_path / "pack.pdf").split()[-1] == "true"


def test_unknown_language_is_refused(filled: Office) -> None:
    with pytest.raises(ConfigError, match="no language 'xx'"):
        filled.make(language="xx")
