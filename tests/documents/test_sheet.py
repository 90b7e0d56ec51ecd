"""The commissioning sheet: one page, the connector map, what the network lets out, what the site still sets (F-M2)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.passports import MEASUREMENTS, STEPS, tool, verapdf
from station.documents.brand import Brand
from station.documents.commissioning import render_sheet
from station.documents.passport import passport_document
from station.documents.passport_pdf import Edition
from station.documents.wording import languages, wording
from station.errors import StationError
from station.model import UnitRecord

Sample = Callable[..., UnitRecord]


def words_of(pdf: bytes, folder: Path) -> str:
    (folder / "sheet.pdf").write_bytes(pdf)
    return " ".join(tool("pdftotext", "-layout", folder / "sheet.pdf", "-").split())


@pytest.mark.parametrize("language", languages())
def test_sheet_says_what_an_installer_needs(record: UnitRecord, tmp_path: Path, language: str) -> None:
    text = words_of(render_sheet(passport_document(record, STEPS, MEASUREMENTS), Edition(language)), tmp_path)
    words = wording(language)
    for expected in ("csms.ship.example", "443 TCP", "123 UDP", "EVSE 2", record.ocpp_identity, *words.site):
        assert expected in text
    assert "Pages:           1\n" in tool("pdfinfo", tmp_path / "sheet.pdf")


def test_port_of_the_endpoint_is_the_one_to_open(sample: Sample, tmp_path: Path) -> None:
    unit = sample(endpoint="wss://csms.example:8443/ocpp")
    assert "csms.example 8443 TCP" in words_of(render_sheet(passport_document(unit, STEPS)), tmp_path)


def test_longest_name_that_has_to_be_let_out_stands_there_whole(sample: Sample, tmp_path: Path) -> None:
    """A name that is cut can't be typed into a firewall; DNS knows none of more than 253 characters."""
    host = ".".join(["csms" + "x" * 58] * 4)
    pdf = render_sheet(passport_document(sample(endpoint=f"wss://{host}/ocpp"), STEPS))
    (tmp_path / "sheet.pdf").write_bytes(pdf)
    text = "".join(tool("pdftotext", "-raw", tmp_path / "sheet.pdf", "-").split())
    assert (text.count(host), f"wss://{host}/ocpp" in text) == (2, True)


def test_product_tells_its_own_signals(record: UnitRecord, tmp_path: Path) -> None:
    brand = Brand(signals={"en": {"Green, slow": "waits for a vehicle"}})
    text = words_of(render_sheet(passport_document(record, STEPS), Edition("en", brand)), tmp_path)
    assert "Green, slow waits for a vehicle" in text
    assert wording("en").first_start["Power on"] not in text


def test_longest_data_stay_on_one_page_fit_for_the_archive(sample: Sample, tmp_path: Path) -> None:
    unit = sample(8, customer="Energiedienstleistungsgesellschaft " * 30, firmware="1.2.3+" + "x" * 300)
    signals = {f"Signal {number}": "means " * 60 for number in range(20)}
    (tmp_path / "sheet.pdf").write_bytes(
        render_sheet(passport_document(unit, STEPS), Edition("de", Brand(signals={"de": signals})))
    )
    assert "Pages:           1\n" in tool("pdfinfo", tmp_path / "sheet.pdf")
    assert verapdf(tmp_path / "sheet.pdf").split()[-1] == "true"


def test_signal_that_cannot_be_printed_is_refused(record: UnitRecord) -> None:
    brand = Brand(signals={"en": {"緑": "ready"}})
    with pytest.raises(StationError, match="can't be printed"):
        render_sheet(passport_document(record, STEPS), Edition("en", brand))
