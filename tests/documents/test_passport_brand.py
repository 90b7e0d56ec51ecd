"""A maker's look comes from its product: colour, logo, language; what can't be used is told in a sentence."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from fixtures.passports import MEASUREMENTS, STEPS, SampleRecords, tool, verapdf
from station.documents.brand import MAX_LOGO, Brand, load_brand
from station.documents.passport import passport_document
from station.documents.passport_pdf import Edition, render_passport, sign_passport
from station.errors import ConfigError
from station.model import UnitRecord


def logo(side: int = 300) -> bytes:
    written = BytesIO()
    Image.new("RGBA", (side, side // 4), (200, 30, 30, 128)).save(written, "PNG")
    return written.getvalue()


def test_product_without_a_look_gets_ours(tmp_path: Path) -> None:
    assert load_brand(tmp_path) == Brand()


def test_logo_with_transparency_stays_fit_for_the_archive(record: UnitRecord, tmp_path: Path) -> None:
    (tmp_path / "brand.toml").write_text('accent = "#b3361f"\nlanguage = "de"\nlogo = "logo.png"\n')
    (tmp_path / "logo.png").write_bytes(logo())
    document, factory = passport_document(record, STEPS, MEASUREMENTS), SampleRecords()
    drawn = render_passport(document, factory.sign(document), "me", Edition("", load_brand(tmp_path)))
    (tmp_path / "p.pdf").write_bytes(sign_passport(drawn, factory.certificate, factory.sign))
    assert verapdf(tmp_path / "p.pdf").split()[-1] == "true"
    assert "Gerätepass" in tool("pdftotext", "-l", "1", tmp_path / "p.pdf", "-")
    assert len(tool("pdfimages", "-list", tmp_path / "p.pdf").splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('accent = "red"', "is no colour"),
        ('language = "xx"', "there is no 'xx'"),
        ('resolver = "http://id.example"', "is no address"),
        ('logo = "../logo.png"', "must lie beside"),
        ('logo = "missing.png"', "can't be read"),
        ('logo = "huge.png"', "longer than"),
        ('logo = "brand.toml"', "can't be read"),
        ('logo = "wide.png"', "too many pixels"),
        ("accent = ", "can't be read"),
        ('acent = "#000000"', "acent"),
    ],
)
def test_look_that_cannot_be_used_is_told(tmp_path: Path, text: str, told: str) -> None:
    folder = tmp_path / "ac22"
    folder.mkdir()
    (tmp_path / "logo.png").write_bytes(logo())
    (folder / "huge.png").write_bytes(bytes(MAX_LOGO + 1))
    (folder / "wide.png").write_bytes(logo(5000))
    (folder / "brand.toml").write_text(text)
    with pytest.raises(ConfigError, match=told):
        load_brand(folder)
