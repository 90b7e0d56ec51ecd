"""The command sheet: what hangs beside the slots is what the grammar reads, to the last code (F-N2)."""

import subprocess
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from station.documents.commands import render_commands
from station.errors import StationError
from station.scans import COMMANDS, DIGITS, REASONS

SLOTS = ("1", "2", "top-left")


def pages(pdf: bytes, folder: Path) -> list[Image.Image]:
    """Return the pages as a person sees them."""
    (folder / "sheet.pdf").write_bytes(pdf)
    subprocess.run(["pdftoppm", "-r", "150", "-png", "sheet.pdf", "page"], cwd=folder, check=True, timeout=60)
    return [Image.open(path) for path in sorted(folder.glob("page-*.png"))]


def test_every_code_is_read_back_from_the_printed_pages(tmp_path: Path) -> None:
    """Code 128, one for each command, digit, reason and slot, and no other."""
    found = [code for page in pages(render_commands("L1", SLOTS), tmp_path) for code in zxingcpp.read_barcodes(page)]
    assert {code.format for code in found} == {zxingcpp.BarcodeFormat.Code128}
    read = sorted(code.text for code in found)
    assert read == sorted([*COMMANDS, *DIGITS, *REASONS, *(f"SL-{slot}" for slot in SLOTS)])


def test_same_station_gives_the_same_sheet() -> None:
    assert render_commands("L1", SLOTS) == render_commands("L1", SLOTS)
    assert render_commands("L1", SLOTS) != render_commands("L2", SLOTS)


def test_sheet_speaks_the_language_it_is_asked_for(tmp_path: Path) -> None:
    """Words are translated; codes are the same in every language."""
    pdf = render_commands("L1", (), lambda text: f"<{text}>")
    (tmp_path / "sheet.pdf").write_bytes(pdf)
    told = subprocess.run(["pdftotext", "sheet.pdf", "-"], cwd=tmp_path, check=True, timeout=60, capture_output=True)
    assert "<Sign out.>" in told.stdout.decode()
    assert "CMD-OUT" in told.stdout.decode()


def test_station_with_a_name_that_cannot_be_printed_is_refused() -> None:
    with pytest.raises(StationError):
        render_commands("\u4e00", SLOTS)
