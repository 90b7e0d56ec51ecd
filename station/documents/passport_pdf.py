"""The passport on paper: one A4 page drawn from the signed JSON and from nothing else.

The page is a rendering: what counts is the JSON, whose digest stands in the QR code and at the foot. The same input
gives the same bytes. The typeface comes with reportlab, so that it is there on every station; a character that it lacks
is printed as its code point and never lost.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import reportlab
import segno
from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, Spacer, Table, TableStyle

from station.documents.passport import read_passport

INK, PALE, RULE, ACCENT = HexColor("#1b2430"), HexColor("#5b6875"), HexColor("#d5dce3"), HexColor("#0b6e6e")
MARGIN = 16 * mm
WIDTH = A4[0] - 2 * MARGIN
HEAD, FOOT = 46 * mm, 24 * mm
"""Heights of the bands above and below the tables."""
SHRINK = 0.96
"""Step by which the tables get smaller until they fit."""
MAX_VALUE = 160
"""Characters of a value on the page; the JSON has all of it."""
MAX_MEASUREMENTS = 16
"""Measurements on the page; the JSON has all of them."""


def passport_code(serial: str, passport_json: bytes) -> str:
    """Return the text of the QR code, not to be taken for a unit label: `DPP:<serial>:<JSON's SHA-256>`."""
    return f"DPP:{serial}:{hashlib.sha256(passport_json).hexdigest().upper()}"


def render_passport(passport_json: bytes, signature: bytes, signer: str) -> bytes:
    """Return the passport as a one-page PDF; `signer` names the certificate that signed it.

    Raises:
        StationError: The JSON is no passport.
    """
    passport = read_passport(passport_json)
    _load_typeface()
    page = BytesIO()
    canvas = Canvas(page, pagesize=A4, invariant=1)
    _describe(canvas, passport)
    _draw_head(canvas, passport, passport_json)
    _draw_foot(canvas, passport_json, signature, signer)
    _draw_body(canvas, passport)
    canvas.showPage()
    canvas.save()
    return page.getvalue()


def _describe(canvas: Canvas, passport: dict[str, Any]) -> None:
    """Set the document's title and maker."""
    canvas.setTitle(f"Device passport {passport['unit']['serial']}")
    canvas.setAuthor(passport["unit"]["vendor"])
    canvas.setSubject(f"{passport['schema']} version {passport['version']}")
    canvas.setCreator("charger-station")


def _draw_head(canvas: Canvas, passport: dict[str, Any], passport_json: bytes) -> None:
    """Draw vendor, model and serial in large letters, and the code."""
    unit, top = passport["unit"], A4[1]
    canvas.setFillColor(INK)
    canvas.rect(0, top - HEAD, A4[0], HEAD, stroke=0, fill=1)
    canvas.setFillColor(ACCENT)
    canvas.rect(0, top - HEAD, A4[0], 1.2 * mm, stroke=0, fill=1)
    room = WIDTH - 38 * mm
    _line(canvas, "DEVICE PASSPORT", top - 12 * mm, (8, HexColor("#9fd8d3")), room)
    _line(canvas, f"{unit['vendor']}  {unit['model']}", top - 21 * mm, (17, white), room)
    _line(canvas, unit["serial"], top - 32 * mm, (23, white), room)
    released = passport["production"]["released_at"][:10]
    _line(canvas, f"Released {released} by station {passport['production']['station']}", top - 39 * mm, (8, RULE), room)
    _draw_code(canvas, passport_code(unit["serial"], passport_json), A4[0] - MARGIN - 34 * mm, top - 40 * mm)


def _line(canvas: Canvas, text: str, y: float, look: tuple[float, Color], room: float) -> None:
    """Draw one line of bold text at the left margin, smaller where it would not fit."""
    size, color = look
    shown = _shown(text)
    size = min(size, size * room / max(pdfmetrics.stringWidth(shown, "VeraBd", size), 1))
    canvas.setFont("VeraBd", size)
    canvas.setFillColor(color)
    canvas.drawString(MARGIN, y, shown)


def _draw_code(canvas: Canvas, text: str, x: float, y: float) -> None:
    """Draw a QR code as vector squares on a white field of 34 mm with its quiet zone."""
    matrix = [list(row) for row in segno.make(text, error="m", micro=False).matrix_iter(border=4)]
    side = 34 * mm / len(matrix)
    canvas.setFillColor(white)
    canvas.roundRect(x, y, 34 * mm, 34 * mm, 1.5 * mm, stroke=0, fill=1)
    canvas.setFillColor(INK)
    squares = canvas.beginPath()
    for row, line in enumerate(matrix):
        for column in (number for number, dark in enumerate(line) if dark):
            squares.rect(x + column * side, y + 34 * mm - (row + 1) * side, side, side)
    canvas.drawPath(squares, stroke=0, fill=1)


def _draw_foot(canvas: Canvas, passport_json: bytes, signature: bytes, signer: str) -> None:
    """Draw what binds this page to the signed document."""
    lines = (
        ("Document SHA-256", hashlib.sha256(passport_json).hexdigest()),
        ("Signed by", signer),
        ("Signature SHA-256", hashlib.sha256(signature).hexdigest()),
        ("Signature", b64encode(signature).decode()),
    )
    canvas.setStrokeColor(RULE)
    canvas.line(MARGIN, FOOT, A4[0] - MARGIN, FOOT)
    rows = [[_text(name, "small"), _text(value, "small")] for name, value in lines]
    table = Table(rows, colWidths=["18%", "82%"], style=TIGHT)
    _, used = table.wrapOn(canvas, WIDTH, FOOT)
    table.drawOn(canvas, MARGIN, FOOT - 2 * mm - used)


def _draw_body(canvas: Canvas, passport: dict[str, Any]) -> None:
    """Draw the sections between head and foot, smaller when a unit has more to tell than fits at full size."""
    room, scale = A4[1] - HEAD - FOOT - 4 * mm, 1.0
    while True:
        blocks = list(_body(passport))
        heights = [block.wrapOn(canvas, WIDTH / scale, room / scale)[1] for block in blocks]
        if sum(heights) * scale <= room:
            break
        scale *= SHRINK
    canvas.saveState()
    canvas.translate(MARGIN, A4[1] - HEAD - 2 * mm)
    canvas.scale(scale, scale)
    y = 0.0
    for block, height in zip(blocks, heights, strict=True):
        y -= height
        block.drawOn(canvas, 0, y)
    canvas.restoreState()


TIGHT = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 0.6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 0.6),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]
)
RULED = TableStyle(
    [
        *TIGHT.getCommands(),
        ("TOPPADDING", (0, 0), (-1, -1), 1.6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.6),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
    ]
)


def _body(passport: dict[str, Any]) -> Iterable[Flowable]:
    """Yield the sections between head and foot."""
    unit, production, certificate = passport["unit"], passport["production"], passport["certificate"]
    configuration, firmware = passport["configuration"], passport["firmware"]
    yield from _section("Unit", _pairs(_named(unit, UNIT) + _named(production, PRODUCTION)))
    if passport["ratings"]:
        yield from _section("Ratings", _pairs([(rating["name"], rating["value"]) for rating in passport["ratings"]]))
    yield from _section("Connectors", _grid(CONNECTORS, [_connector_row(row) for row in passport["connectors"]]))
    digests = [
        ("Firmware", f"{firmware['version']}  SHA-256 {firmware['sha256']}"),
        ("Recipe", f"{production['recipe']}  SHA-256 {production['recipe_digest']}"),
        ("Configuration", f"SHA-256 {configuration['sha256']}"),
        (
            "Endpoint",
            f"{configuration['endpoint']}  ({configuration['ocpp_version']}, "
            f"security profile {configuration['security_profile']})",
        ),
    ]
    yield from _section("Software and configuration", _column(digests))
    yield from _section("Certificate", _column(_named(certificate, CERTIFICATE)))
    yield from _section("Acceptance", _steps(passport["acceptance"]))
    yield from _measurements(passport["measurements"])
    if passport["not_shown_by_hardware"]:
        facts = [[_text(fact)] for fact in passport["not_shown_by_hardware"]]
        yield from _section("Not shown by this hardware", Table(facts, colWidths=["100%"], style=RULED))


UNIT = {
    "product": "Product", "product_revision": "Product revision", "hardware": "Hardware",
    "hardware_uid": "Hardware UID", "ocpp_identity": "OCPP identity",
}  # fmt: skip
PRODUCTION = {"work_order": "Work order", "customer": "Customer", "run": "Run", "released_at": "Released at"}
CERTIFICATE = {
    "subject": "Subject", "issuer": "Issuer", "serial": "Serial number", "sha256": "SHA-256",
    "not_after": "Valid until", "key_origin": "Key born in",
}  # fmt: skip
CONNECTORS = ("Outlet", "EVSE", "Connector", "Type", "Phases", "Current", "Power")


def _named(values: dict[str, Any], names: dict[str, str]) -> list[tuple[str, str]]:
    """Return the values under the names they have on paper."""
    return [(shown, str(values[name])) for name, shown in names.items()]


def _section(title: str, content: Flowable) -> Iterable[Flowable]:
    """Yield a titled block."""
    yield Spacer(1, 2.6 * mm)
    yield _text(title, "title")
    yield Spacer(1, 0.8 * mm)
    yield content


def _pairs(values: Sequence[tuple[str, str]]) -> Table:
    """Return names and values in two columns of pairs."""
    half = (len(values) + 1) // 2
    rows = []
    for number in range(half):
        pair = [values[number], values[number + half] if number + half < len(values) else ("", "")]
        rows.append([cell for name, value in pair for cell in (_text(name, "label"), _text(value))])
    return Table(rows, colWidths=["18%", "32%"] * 2, style=RULED)


def _column(values: Sequence[tuple[str, str]]) -> Table:
    """Return names and long values, one below the other."""
    rows = [[_text(name, "label"), _text(value)] for name, value in values]
    return Table(rows, colWidths=["18%", "82%"], style=RULED)


def _grid(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table with a line of titles."""
    cells = [[_text(title, "label") for title in titles], *([_text(value) for value in row] for row in rows)]
    return Table(cells, colWidths=[f"{100 / len(titles)}%"] * len(titles), style=RULED)


def _connector_row(outlet: dict[str, Any]) -> list[str]:
    """Return an outlet as the table shows it."""
    names = [str(outlet[name]) for name in ("letter", "evse", "connector", "type", "phases")]
    return [*names, f"{outlet['max_current_a']} A", f"{outlet['max_power_w'] / 1000:g} kW"]


def _steps(steps: Sequence[dict[str, Any]]) -> Table:
    """Return the steps with outcome and seconds, three to a line."""
    cells = [(str(step["name"]), f"{step['outcome']}  {step['seconds']:.1f} s") for step in steps]
    cells += [("", "")] * (-len(cells) % 3)
    rows = [[cell for pair in cells[start : start + 3] for cell in pair] for start in range(0, len(cells), 3)]
    shown = [[_text(cell, "value" if number % 2 else "label") for number, cell in enumerate(row)] for row in rows]
    return Table(shown or [[""]], colWidths=["18%", "15.333%"] * 3, style=RULED)


def _measurements(taken: Sequence[dict[str, Any]]) -> Iterable[Flowable]:
    """Yield the first measurements, and how many more the document has."""
    if not taken:
        return
    shown = [(str(one["name"]), _measured(one)) for one in taken[:MAX_MEASUREMENTS]]
    more = len(taken) - len(shown)
    title = f"Measurements (first {len(shown)} of {len(taken)})" if more else "Measurements"
    yield from _section(title, _pairs(shown))


def _measured(one: dict[str, Any]) -> str:
    """Return a value with unit, limits and verdict."""
    limits = f" ({one.get('low', '')} … {one.get('high', '')})" if "low" in one or "high" in one else ""
    return f"{one['value']} {one.get('unit', '')}{limits}  {'PASS' if one['passed'] else 'FAIL'}"


def _text(text: str, look: str = "value") -> Paragraph:
    """Return a paragraph of a value: escaped for reportlab's markup, cut where it is endless."""
    cut = text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"
    return Paragraph(escape(_shown(cut)), _looks()[look])


@cache
def _looks() -> dict[str, ParagraphStyle]:
    """Return the four looks of text; long words without blanks break anywhere."""
    base = {"fontName": "Vera", "fontSize": 7.8, "leading": 9.8, "textColor": INK, "splitLongWords": 1}
    return {
        "value": ParagraphStyle("value", **base),
        "label": ParagraphStyle("label", **{**base, "textColor": PALE}),
        "small": ParagraphStyle("small", **{**base, "fontSize": 6, "leading": 7.6, "textColor": PALE}),
        "title": ParagraphStyle("title", **{**base, "fontName": "VeraBd", "fontSize": 9, "textColor": ACCENT}),
    }


@cache
def _load_typeface() -> frozenset[int]:
    """Register the typeface and return the code points it has."""
    folder = Path(reportlab.__file__).parent / "fonts"
    fonts = [TTFont(name, str(folder / f"{name}.ttf")) for name in ("Vera", "VeraBd")]
    for font in fonts:
        pdfmetrics.registerFont(font)
    return frozenset(fonts[0].face.charToGlyph) & frozenset(fonts[1].face.charToGlyph)


def _shown(text: str) -> str:
    """Return the text with every character that the typeface lacks written as `<U+XXXX>`."""
    has = _load_typeface()
    return "".join(char if ord(char) in has else f"<U+{ord(char):04X}>" for char in text)
