"""Each label of a unit says what its record says, at every resolution, or is refused before it is sent (F-J1, F-J3)."""

import os
import subprocess
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.samples import sample_unit
from station.clock import Deadline
from station.documents.label_picture import draw, label_pdf, read_codes, size_of
from station.documents.label_scale import scaled
from station.documents.label_set import (
    Piece,
    Print,
    Secret,
    Sort,
    checked_label,
    pieces,
    printed_codes,
    shipped_template,
)
from station.errors import ConfigError
from station.identifiers.cartons import sscc
from station.model import OcppVersion, UnitRecord
from tests.documents.test_label import unescaped

CARTON = sscc("4012345", 17, 3)
TEMPLATES = {sort.value: shipped_template(sort) for sort in Sort}
PIN = Secret("pin", "48291735")
EXAMPLES = int(os.environ.get("LABEL_TEXTS", "60"))
"""Texts that are tried; a campaign tries 1,000."""
NASTY = [
    "~",
    "^",
    "_",
    "\\",
    "^XZ~JA",
    "_5E",
    "充電器",
    "شاحن",
    "Ł",
    "é",
    "\u202e",
    "\n",
    "{{7*7}}",
    ">;>8",
    "M",
    "i",
    " ",
]


@pytest.fixture
def record() -> UnitRecord:
    return sample_unit(sscc=CARTON)


def wanted(piece: Piece, dpi: int = 203, copy: int = 1, secret: Secret = PIN) -> Print:
    return Print(copy, dpi, secret if piece.sort is Sort.INSIDE else None)


def plate(text: str) -> Piece:
    return Piece(Sort.UNIT, text)


@pytest.mark.parametrize("dpi", [203, 300])
@pytest.mark.parametrize("copy", [1, 99])
def test_every_label_scans_back_to_its_unit_and_place(record: UnitRecord, dpi: int, copy: int) -> None:
    tail = "" if copy == 1 else f":{copy}"
    marks = [f"LB:{record.serial}:{mark}{tail}" for mark in ("A", "B", "INSIDE", "CARTON")]
    for piece, code in zip(pieces(record, TEMPLATES), [f"SN:{record.serial}{tail}", *marks], strict=True):
        zpl = checked_label(record, piece, wanted(piece, dpi, copy)).zpl
        assert code in draw(zpl).codes()
        assert size_of(zpl)[0] % {203: 8, 300: 12}[dpi] == 0


@pytest.mark.parametrize("dpi", [203, 300])
def test_longest_serial_fits_every_label(dpi: int) -> None:
    """A number that the order may give must be printable, or the unit could never leave."""
    record = sample_unit("WM-MWWM-0123456789-WMWMWM"[:25], outlets=4, sscc=CARTON)
    for piece in pieces(record, TEMPLATES):
        made = checked_label(record, piece, wanted(piece, dpi, 99))
        assert record.serial in made.zpl.decode().replace("_2D", "-")
        assert label_pdf(made.zpl, dpi).startswith(b"%PDF")


def test_carton_bears_its_number_as_gs1_128(record: UnitRecord, tmp_path: Path) -> None:
    """AI 00 and 18 digits, in a symbol that begins with FNC1; what people read is the same number."""
    import zxingcpp

    piece = pieces(record, {"carton": TEMPLATES["carton"]})[0]
    made = checked_label(record, piece)
    (linear,) = zxingcpp.read_barcodes(draw(made.zpl).image, formats=zxingcpp.BarcodeFormat.Code128)
    assert (linear.symbology_identifier, linear.text) == ("]C1", f"(00){CARTON}")
    assert f"(00) {CARTON}" in made.zpl.decode()


@pytest.mark.parametrize(
    ("serial", "said"),
    [
        ("AC22-000001", "(01)09521141000021(21)AC22-000001"),
        ("AC22-00000000000001X", "(01)09521141000021(21)AC22-00000000000001X"),
        ("AC22-00000000000001XY", "(01)09521141000021"),
    ],
)
@pytest.mark.parametrize("dpi", [203, 300])
def test_carton_of_a_trade_item_bears_its_gtin(serial: str, said: str, dpi: int) -> None:
    """As GS1 DataMatrix, with the serial as long as AI 21 allows; beside the SSCC, whose place it does not take."""
    record = replace(sample_unit(serial), sscc=CARTON, gtin="9521141000021")
    made = checked_label(record, Piece(Sort.CARTON, TEMPLATES["carton"]), Print(dpi=dpi))
    found = zxingcpp.read_barcodes(draw(made.zpl).image, text_mode=zxingcpp.TextMode.HRI)
    assert {code.text for code in found if code.content_type is zxingcpp.ContentType.GS1} == {said, f"(00){CARTON}"}


@pytest.mark.parametrize("version", [OcppVersion.V16, OcppVersion.V201])
def test_connector_label_has_the_numbers_of_the_cpms(version: OcppVersion) -> None:
    """P02: the same outlet object is printed, configured and registered."""
    record = sample_unit(outlets=3, ocpp_version=version.value)
    for piece, outlet in zip(pieces(record, {"connector": TEMPLATES["connector"]}), record.connectors, strict=True):
        said = unescaped(checked_label(record, piece).zpl)
        number = f"Connector {outlet.evse}" if version is OcppVersion.V16 else f"EVSE {outlet.evse}  connector 1"
        assert (piece.outlet, number in said, said[0]) == (outlet.letter, True, outlet.letter)


def test_secret_stands_on_the_inside_label_in_letters_and_in_no_code(record: UnitRecord) -> None:
    """F-J3: a station that reads a code shows and keeps it."""
    with_secret = {piece.name: checked_label(record, piece, wanted(piece)) for piece in pieces(record, TEMPLATES)}
    assert [name for name, made in with_secret.items() if PIN.text.encode() in made.zpl] == ["inside"]
    assert PIN.text not in "".join(printed_codes(with_secret["inside"].zpl))


def test_whatever_is_kept_of_the_inside_label_has_dots(record: UnitRecord) -> None:
    """A digest of a label with 8 digits would give them away to whoever tries all."""
    piece = pieces(record, {"inside": TEMPLATES["inside"]})[0]
    made, other = (checked_label(record, piece, Print(secret=Secret("pin", text))) for text in ("48291735", "90000001"))
    assert made.sha256 == other.sha256 == sha256(made.shown).hexdigest()
    assert unescaped(made.shown).count("•" * 8) == 1
    assert draw(made.shown).png() != draw(made.zpl).png()
    assert PIN.text not in repr((made, PIN, wanted(piece)))


@pytest.mark.parametrize("kind", ["pin", "ble-pin", "claim", "wifi", "web"])
def test_every_kind_of_secret_fits(record: UnitRecord, kind: str) -> None:
    from pki.passwords.kinds import POLICIES, Kind

    text = "-".join("W" * size for size in POLICIES[Kind(kind)].groups)
    piece = pieces(record, {"inside": TEMPLATES["inside"]})[0]
    assert text in unescaped(checked_label(record, piece, wanted(piece, 300, 1, Secret(kind, text))).zpl)


def test_refusal_does_not_tell_the_secret(record: UnitRecord) -> None:
    piece = Piece(Sort.INSIDE, "^XA{{ secret | fit(100, 500 if '•' in secret else 5) }}^XZ")
    with pytest.raises(ConfigError, match="the secret does not fit") as refused:
        checked_label(record, piece, wanted(piece))
    assert PIN.text not in str(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("^FO300,40^BQN,2,6^FH_^FDMA,{{ secret }}^FS", "a code has the secret"),
        ("^FO300,40^BQN,2,6^FH_^FDMA,{{ secret }}^FS^FO320,60^GB80,80,80^FS", "a code has the secret"),
        ("^FO300,40^BY2^B3N,N,60^FD{{ secret[:3] }}^FS", "a code has the secret"),
        ("^FO300,40^A0N,30,30^FH_^FD{{ secret }}^FS^FO60,60^GB80,80,80^FS", "can't be scanned back"),
    ],
    ids=["in a code", "in a code that nobody reads", "a part, in another kind", "code covered"],
)
def test_proof_of_the_inside_label_does_not_tell_the_secret(record: UnitRecord, body: str, problem: str) -> None:
    """F-J3: whatever is wrong with a template, the refusal stands in logs and records."""
    zpl = "^XA^CI28^PW800^LL480^FO40,40^BQN,2,6^FH_^FDMA,{{ code }}^FS" + body + "^XZ"
    with pytest.raises(ConfigError, match=problem) as refused:
        checked_label(record, Piece(Sort.INSIDE, zpl), Print(secret=PIN))
    assert PIN.text not in str(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("^FO40,40^BQN,2,6^FH_^FDMA,{{ code }}^FS^FO60,60^GB80,80,80^FS", "a scanner reads"),
        ("^FO700,40^BQN,2,6^FH_^FDMA,{{ code }}^FS", "beyond its edge"),
        ("^FO40,40^BQN,2,6^FH_^FDMA,{{ code }}^FS^FO40,460^A0N,60,60^FDlow^FS", "beyond its edge"),
        ("^FO40,40^BQN,2,6^FH_^FDMA,SN:OTHER-1^FS", "can't be scanned back"),
        ("^FO40,40^A0N,30,30^FH_^FD{{ code }}^FS", "can't be scanned back"),
    ],
    ids=["covered", "cut off", "text cut off", "of another unit", "no code"],
)
def test_label_that_does_not_say_what_it_has_to_is_refused(record: UnitRecord, body: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        checked_label(record, plate(f"^XA^CI28^PW800^LL480{body}^XZ"))


@pytest.mark.parametrize("code", ["", "106141411234567898", "10614141123456789", "1061414112345678977"])
def test_carton_without_a_right_number_is_refused(code: str) -> None:
    record = sample_unit(sscc=code)
    with pytest.raises(ConfigError, match="no SSCC"):
        checked_label(record, Piece(Sort.CARTON, TEMPLATES["carton"]))


TEXTS = st.lists(st.sampled_from(NASTY) | st.text(max_size=6), min_size=1, max_size=70).map("".join)


@given(TEXTS, TEXTS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_any_text_is_printed_whole_or_refused_with_a_sentence(vendor: str, rating: str) -> None:
    """Tildes, carets, other scripts, 400 characters: never a cut value, never a label that scans as another."""
    record = sample_unit(vendor=vendor, ratings={"Lot": rating}, sscc=CARTON)
    whole = {unicodedata.normalize("NFC", text) for text in (vendor, rating)}
    for piece in pieces(record, {name: TEMPLATES[name] for name in ("unit", "carton")}):
        made = attempted(record, piece)
        if isinstance(made, str):
            assert made.startswith("label")
            continue
        beside = whole - set(unescaped(made))
        assert beside <= ({unicodedata.normalize("NFC", rating)} if piece.sort is Sort.CARTON else set())
        assert piece.code(record, 1) in draw(made).codes()


def attempted(record: UnitRecord, piece: Piece) -> bytes | str:
    """Return a label, or the sentence that refuses it."""
    try:
        return checked_label(record, piece).zpl
    except ConfigError as refusal:
        return refusal.message


@pytest.mark.parametrize("text", ["L" * 400, "充電器", "شاحن", "L-7\n^XZ"])
def test_designation_that_no_printer_prints_is_refused(text: str) -> None:
    for sort in (Sort.UNIT, Sort.CARTON, Sort.INSIDE):
        piece = Piece(sort, TEMPLATES[sort.value])
        with pytest.raises(ConfigError, match="label value"):
            checked_label(sample_unit(vendor=text, sscc=CARTON), piece, wanted(piece))


def test_other_resolution_is_the_same_label_to_the_millimetre(record: UnitRecord) -> None:
    zpl = checked_label(record, pieces(record, TEMPLATES)[0]).zpl
    assert (size_of(zpl), size_of(scaled(zpl, 300)), scaled(zpl, 203)) == ((800, 480), (1200, 720), zpl)
    assert printed_codes(scaled(zpl, 300)) == printed_codes(zpl)
    with pytest.raises(ConfigError, match="203, 300 dots per inch, not 600"):
        scaled(zpl, 600)


def test_printer_tells_the_resolution_that_labels_are_compared_with(virtual_printer: Callable[..., Any]) -> None:
    """One of another resolution would print each label too large or too small, and gets none."""
    assert virtual_printer().printer.dpi(Deadline(20)) == 203


def test_pdf_has_the_labels_size_and_scans_as_it(
    record: UnitRecord, tmp_path: Path, sample: Callable[..., UnitRecord]
) -> None:
    zpl = checked_label(record, pieces(record, TEMPLATES)[0], Print(dpi=300)).zpl
    (tmp_path / "label.pdf").write_bytes(label_pdf(zpl, 300))
    told = subprocess.run(
        ["pdfinfo", "label.pdf"], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=30
    )
    assert "283.465 x 170.079 pts" in told.stdout
    subprocess.run(["pdftoppm", "-r", "200", "-png", "label.pdf", "page"], cwd=tmp_path, check=True, timeout=30)
    (page,) = tmp_path.glob("page*.png")
    assert read_codes(page.read_bytes()) == [f"SN:{record.serial}"]
    assert label_pdf(zpl, 300) == (tmp_path / "label.pdf").read_bytes()
