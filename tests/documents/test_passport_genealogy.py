"""What a unit is made of, on the passport's page and in its JSON (F-I1, F-I3, F-I4, F-I7)."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fixtures.passports import STEPS, tool
from fixtures.samples import METER_KEY, metered_unit, sample_unit
from station.documents.passport import passport_document
from station.documents.passport_pdf import Edition, render_passport
from station.documents.wording import wording
from station.model import UnitRecord
from station.strict import parse


def text_of(document: bytes, folder: Path, language: str = "en") -> str:
    (folder / "p.pdf").write_bytes(render_passport(document, bytes(71), "me", Edition(language)))
    return " ".join(tool("pdftotext", "-raw", folder / "p.pdf", "-").split())


def test_json_says_only_what_is_known() -> None:
    """Facts without a value are left out, so that nothing looks like an empty number."""
    passport = json.loads(passport_document(metered_unit(), STEPS))
    assert passport["components"][1] == {"type": "residual current device", "position": "F1", "lot": "RCD-L260731"}
    assert passport["results"][0]["high"] == 10.0
    assert "low" not in passport["results"][0]
    assert (passport["production"]["operator"], passport["production"]["attempts"]) == ("operator-1", 2)


def test_units_without_meters_and_parts_have_no_such_sections() -> None:
    passport = json.loads(passport_document(sample_unit(), STEPS))
    assert not {"meters", "components", "seals", "results", "identifiers"} & set(passport)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            ("SIM card (ICCID) 89882110000000000010", "Power module M1", "2.1 mA ≤ 10 HT-7781 20 November 2026 passed"),
        ),
        ("de", ("SIM-Karte (ICCID) 89882110000000000010", "Leistungsmodul M1", "2,1 mA ≤ 10 HT-7781")),
    ],
)
def test_page_shows_parts_numbers_meters_and_results(tmp_path: Path, language: str, told: tuple[str, ...]) -> None:
    text = text_of(passport_document(metered_unit(), STEPS), tmp_path, language)
    for part in (*told, "M26 0102", "S0012345 meter A", "RCD-L260731"):
        assert part in text
    assert METER_KEY in text.replace(" ", "")


def test_columns_that_say_nothing_are_left_out(tmp_path: Path) -> None:
    """A page of dashes would hide what is there."""
    unit = replace(metered_unit(), results=())
    text = text_of(passport_document(unit, STEPS), tmp_path)
    assert "Components Type Position Outlet Serial number Lot Residual" not in text
    assert "Supplier" not in text
    assert "Results of other test equipment" not in text


def test_record_of_a_unit_survives_its_way_to_the_cpms() -> None:
    """A message holds the whole record; every fact of it can be read again as it was."""
    unit = metered_unit()
    assert parse(UnitRecord, json.loads(json.dumps(asdict(unit))), "message") == unit


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            ("Safety controller 2.0.1 1", "EN 18031-1 SUM Update path passed", "line-1/000119 failed 20 November 2026"),
        ),
        (
            "de",
            ("Sicherheitscontroller 2.0.1 1", "EN 18031-1 DLM Testschlüssel gelöscht bestanden", "Gerät gesperrt ja"),
        ),
    ],
)
def test_page_shows_firmware_set_protection_evidence_and_past(
    tmp_path: Path, language: str, told: tuple[str, ...]
) -> None:
    text = text_of(passport_document(metered_unit(), STEPS), tmp_path, language)
    for part in (*told, "DoC-DC60-2", "M26 0102", "53" * 32):
        assert part in text


def test_sentences_of_records_are_told_in_the_readers_language() -> None:
    sentence = "The acceptance check 'power cycle' was not performed: No relay."
    assert wording("de").sentence(sentence) == "Nicht geprüft: „Übersteht Stromausfall“. No relay."
    assert wording("en").sentence(sentence) == sentence
    assert wording("de").sentence("Some other sentence.") == "Some other sentence."
