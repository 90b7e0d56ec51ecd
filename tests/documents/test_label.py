"""Labels print every value whole and carry a code that scans back to the unit (F-J1, F-J2)."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from fixtures.printer_picture import render_png, scan_label
from station.documents.label import ScannedLabel, label_code, parse_label_code, render_label, scanned_label
from station.errors import ConfigError
from station.model import UnitRecord

Sample = Callable[..., UnitRecord]
INSIDE = (12, 12, 788, 468)
"""The frame of the rating plate: nothing may be printed outside."""


def ink(zpl: bytes, tmp_path: Path) -> tuple[int, int, int, int]:
    (tmp_path / "label.png").write_bytes(render_png(zpl))
    box = ImageOps.invert(Image.open(tmp_path / "label.png").convert("L")).getbbox()
    assert box
    return box


def unescaped(zpl: bytes) -> list[str]:
    """Return what a printer reads from each ^FH_^FD field: hex escapes undone, ended by the next command."""
    fields = []
    for part in zpl.split(b"^FH_^FD")[1:]:
        head, *rest = part.split(b"^", 1)[0].split(b"~")[0].split(b"_")
        data = head + b"".join(bytes.fromhex(piece[:2].decode()) + piece[2:] for piece in rest)
        fields.append(data.decode())
    return fields


def test_code_of_the_printed_label_scans_back(record: UnitRecord) -> None:
    scans = scan_label(render_label(record))
    assert scans == [label_code(record)] == ["SN:AC22-000001-7"]
    assert parse_label_code(scans[0]) == record.serial


@pytest.mark.parametrize("copy", [2, 99])
def test_copy_is_told_in_print_and_in_the_code(record: UnitRecord, copy: int) -> None:
    zpl = render_label(record, copy=copy)
    assert f"rev-b, copy {copy}" in unescaped(zpl)
    assert scanned_label(scan_label(zpl)[0]) == ScannedLabel(record.serial, copy)


@pytest.mark.parametrize(
    "text",
    ["400 V 3~ N PE", "^XA", "^FS^XZ~JA", "-30 °C", "Müller & Söhne", "a\\b", "a_7E_b", "{{ 7 * 7 }}", "Ÿš™ €", "Łódź"],
)
def test_every_value_prints_whole(sample: Sample, text: str) -> None:
    zpl = render_label(sample(ratings={"Rating": text}, vendor=text))
    assert unescaped(zpl).count(text) == 2
    assert zpl.count(b"^XA") == zpl.count(b"^XZ") == 1
    assert b"~" not in zpl


@given(st.text(st.characters(codec="cp1252", exclude_categories=["C", "Z"]), min_size=1, max_size=12))
def test_any_printable_text_prints_whole(text: str) -> None:
    from station.documents.label import escape

    assert unescaped(b"^FH_^FD" + escape(text).encode() + b"^FS") == [unicodedata.normalize("NFC", text)]


@pytest.mark.parametrize("text", ["a\nb", "\x02", "a\tb", "\x1b[2J", "\u202eabc", "x" * 300, "₂", "充電器", "شاحن"])
def test_control_characters_and_endless_values_are_refused(sample: Sample, text: str) -> None:
    with pytest.raises(ConfigError, match="label value"):
        render_label(sample(ratings={"Voltage": text}))


def test_value_too_long_for_its_place_is_refused_not_cut(sample: Sample) -> None:
    with pytest.raises(ConfigError, match="too long for its place"):
        render_label(sample(ratings={"Voltage": "4" * 90}))


@pytest.mark.parametrize("connectors", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("serial", ["AC22", "WM-MWWM-0123456789-WMWMWM"[:25]])
def test_nothing_leaves_the_frame_and_the_code_still_reads(
    sample: Sample, tmp_path: Path, connectors: int, serial: str
) -> None:
    ratings = {f"Rated value {n}": "400 V 3~ N PE, 50 Hz, IP54" for n in range(8)}
    unit = sample(connectors, serial=serial, ratings=ratings, vendor="Müller & Söhne Ladetechnik")
    zpl = render_label(unit, copy=99)
    assert ink(zpl, tmp_path) == INSIDE
    assert scan_label(zpl) == [f"SN:{serial}:99"]


def test_same_unit_gives_the_same_bytes(record: UnitRecord, sample: Sample) -> None:
    assert render_label(record) == render_label(sample())


@pytest.mark.parametrize(
    "text",
    [
        *("", "AC22-000001-7", "SN:", "SN:abc-1234", "sn:AC22-000001-7", " SN:AC22-000001-7", "SN:" + "A" * 26),
        *("SN:AC22-000001-7:1", "SN:AC22-000001-7:100", "SN:AC22-000001-7\n", "SN:AC22-000001-7\x00"),
        "DPP:AC22-000001-7:00",
    ],
)
def test_other_scans_are_no_unit_label(text: str) -> None:
    assert parse_label_code(text) is None


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("^XA^FD{{ unit.nothing }}^FS^XZ", "nothing"),
        ("^XA^PQ2^FDx^FS^XZ", "exactly one label"),
        ("^XA^FDx^FS^XZ^XA^FDy^FS^XZ", "exactly one label"),
        ("^XA^FDx^FS^XZ~JA", "exactly one label"),
        ("^XA{% for %}^XZ", "broken.zpl"),
        ("^XA{{ unit.__class__.__mro__ }}^XZ", "unsafe"),
    ],
)
def test_wrong_template_is_refused(record: UnitRecord, tmp_path: Path, template: str, problem: str) -> None:
    (tmp_path / "broken.zpl").write_text(template)
    with pytest.raises(ConfigError, match=problem):
        render_label(record, "broken", folder=tmp_path)


@pytest.mark.parametrize("name", ["pallet", "../../README", "/etc/passwd"])
def test_unknown_template_names_the_known_ones(record: UnitRecord, name: str) -> None:
    with pytest.raises(ConfigError, match="known: carton, connector, inside, unit"):
        render_label(record, name)
