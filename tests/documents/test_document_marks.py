"""What documents are drawn of: codes module by module, and letters that the typeface has and that are seen."""

from pathlib import Path

import pytest
import zxingcpp
from PIL import Image, ImageOps
from reportlab.platypus import Spacer

from fixtures.passports import tool
from station.documents.setting import CODE, Paper, draw_code, set_pages
from station.documents.typeface import demand_printable
from station.errors import StationError

POINTS = 72
X, Y = 100.0, 300.0


@pytest.mark.parametrize(
    "text", ["A", "https://id.example/01/04012345678901/21/AC22-000001", "DPP:AC22-1:" + "0F" * 32]
)
def test_code_is_drawn_module_by_module_with_its_quiet_zone(tmp_path: Path, text: str) -> None:
    """Not mirrored either, which most readers forgive and some do not."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M").to_image(add_quiet_zones=False)
    side = code.shape[0] + 8
    wanted = ImageOps.expand(Image.frombytes("L", code.shape, memoryview(code).tobytes()), 4, "white")
    head = Paper(lambda canvas: draw_code(canvas, text, X, Y), print, lambda *_: None, 60.0)
    (tmp_path / "c.pdf").write_bytes(set_pages(head, [Spacer(1, 1)]))
    dots = round(side * 8 * POINTS / CODE)
    place = (
        "-x",
        round(X * dots / POINTS),
        "-y",
        round((841.89 - Y - CODE) * dots / POINTS),
        "-W",
        side * 8,
        "-H",
        side * 8,
    )
    tool("pdftoppm", "-r", str(dots), "-gray", "-singlefile", *map(str, place), tmp_path / "c.pdf", tmp_path / "c")
    with Image.open(tmp_path / "c.pgm") as drawn:
        middles = drawn.resize((side, side), Image.Resampling.BOX).point(lambda grey: 255 if grey > 127 else 0)
    assert middles.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("text", "name"),
    [("q\N{COMBINING ACUTE ACCENT}", "COMBINING ACUTE ACCENT"), ("a\N{SOFT HYPHEN}b", "SOFT HYPHEN"), ("☃", "SNOWMAN")],
)
def test_what_is_not_seen_or_stands_on_another_letter_is_refused(text: str, name: str) -> None:
    with pytest.raises(StationError, match=f"the typeface has no {name}"):
        demand_printable(["plain", text], "a document")


def test_letters_of_our_languages_are_printable() -> None:
    demand_printable(
        ["Größe Łódź Šumperk Ελλάδα Київ 22 kW · 400 V 3~ N PE – „…“ €", "e\N{COMBINING ACUTE ACCENT}", ""], "it"
    )
