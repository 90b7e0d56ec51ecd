"""How our documents are set: paper, looks, tables, and pages that are numbered when all are known.

Everything is drawn from text that was checked to be printable. Widths are parts of the text's width.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import zxingcpp
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    KeepTogether,
    PageTemplate,
    Spacer,
)

from station.documents.rows import Rows, Text, Tiles
from station.documents.typeface import BOLD, MEDIUM, REGULAR, printable, typeface

INK, PALE, RULE, PAPER = HexColor("#17202a"), HexColor("#64717e"), HexColor("#d9e0e6"), HexColor("#f2f5f7")
MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN
FOOT = 17 * mm
LABEL = 0.23
"""Part of the width that names take in a list of names and values."""
CODE = 33 * mm
"""Side of a QR code with its quiet zone."""

DARK = re.compile(b"\0+")
"""Dark modules side by side, which are drawn as one."""
QUIET = 4
"""Modules that stay white around a QR code (ISO/IEC 18004, 9.1)."""
Cell = tuple[str, str]
"""Text and its look."""
NO_CELL: Cell = ("", "value")


@dataclass(frozen=True)
class Paper:
    """What a document draws beside its text."""

    head: Callable[[Canvas], None]
    """Draws the head of the first page."""
    later_head: Callable[[Canvas], None]
    foot: Callable[[Canvas, int, int], None]
    """Draws the foot, told the page's number and how many there are."""
    head_height: float
    later_height: float = 24 * mm


def set_pages(paper: Paper, story: Sequence[Flowable]) -> bytes:
    """Return the story on numbered A4 pages; the same story gives the same bytes."""
    typeface()
    written = BytesIO()
    document = BaseDocTemplate(written, pagesize=A4, invariant=1, initialFontName=REGULAR, pageCompression=0)
    document.addPageTemplates(
        [
            _template("first", paper.head_height, paper.head, "later"),
            _template("later", paper.later_height, paper.later_head, None),
        ]
    )
    document.build(list(story), canvasmaker=_numbered(paper.foot))
    return written.getvalue()


def _template(name: str, height: float, head: Callable[[Canvas], None], following: str | None) -> PageTemplate:
    frame = Frame(MARGIN, FOOT, WIDTH, A4[1] - FOOT - height, 0, 0, 0, 0, id=name)
    return PageTemplate(name, [frame], onPage=lambda canvas, _: head(canvas), autoNextPageTemplate=following)


def _numbered(foot: Callable[[Canvas, int, int], None]) -> type[Canvas]:
    """Return a canvas that draws the feet when it knows how many pages there are."""

    class Numbered(Canvas):  # type: ignore[misc]  # reportlab has no types
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "initialFontName": REGULAR})
            self._kept: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 (reportlab's name)
            self._kept.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._kept, 1):
                self.__dict__.update(page)
                foot(self, number, len(self._kept))
                super().showPage()
            super().save()

    return Numbered


@cache
def looks(accent: str) -> dict[str, ParagraphStyle]:
    """Return the looks of text; long words without blanks break anywhere."""
    base = {"fontName": REGULAR, "fontSize": 8.4, "leading": 10.8, "textColor": INK, "splitLongWords": 1}
    changes: dict[str, dict[str, object]] = {
        "value": {},
        "strong": {"fontName": MEDIUM},
        "label": {"textColor": PALE, "fontSize": 7.8},
        "column": {"textColor": PALE, "fontSize": 7.2, "leading": 9},
        "digest": {"fontSize": 7.2},
        "note": {"textColor": PALE, "fontSize": 7.8, "leading": 10.4},
        "command": {"fontSize": 7.2, "leading": 10, "textColor": INK, "leftIndent": 3 * mm},
        "title": {"fontName": BOLD, "fontSize": 10, "leading": 12.5, "textColor": HexColor(accent)},
        "tile": {"fontName": MEDIUM, "fontSize": 10.5, "leading": 13},
    }
    return {name: ParagraphStyle(name, **{**base, **change}) for name, change in changes.items()}


class Setter:
    """Sets text in the looks of one accent colour."""

    def __init__(self, accent: str) -> None:
        typeface()
        self._looks = looks(accent)
        self.accent = HexColor(accent)

    def text(self, text: str, look: str = "value") -> Text:
        """Return text in one of the looks."""
        return Text(printable(text), self._looks[look])

    def section(self, title: str, *content: Flowable) -> list[Flowable]:
        """Return a titled block that does not begin at the very foot of a page."""
        head = [CondPageBreak(26 * mm), Spacer(1, 4.8 * mm), self.text(title, "title"), Spacer(1, 1.2 * mm)]
        return [*head, *content]

    def whole(self, title: str, *content: Flowable) -> list[Flowable]:
        """Return a titled block that stands on one page, if a page is enough for it."""
        return [KeepTogether(self.section(title, *content))]

    def pairs(self, values: Sequence[tuple[str, Cell]]) -> Flowable:
        """Return names and values, one below the other."""
        return self._rows([[(name, "label"), value] for name, value in values], (LABEL, 1 - LABEL))

    def columns(self, values: Sequence[tuple[str, Cell]]) -> Flowable:
        """Return names and values in two columns of pairs, read downward."""
        half = (len(values) + 1) // 2
        right = [*values[half:], *[("", NO_CELL)] * (2 * half - len(values))]
        rows = [
            [(name, "label"), value, (beside, "label"), other]
            for (name, value), (beside, other) in zip(values[:half], right, strict=True)
        ]
        return self._rows(rows, (LABEL, 0.27, LABEL - 0.03, 0.30))

    def grid(self, titles: Sequence[str], rows: Sequence[Sequence[Cell]], widths: Sequence[float]) -> Flowable:
        """Return a table with a line of titles that every page repeats."""
        return self._rows([[(title, "column") for title in titles], *rows], widths, self.accent)

    def tiles(self, tiles: Sequence[tuple[str, str]]) -> Flowable:
        """Return the few facts that a reader looks for first, side by side."""
        return Tiles([(self.text(name, "column"), self.text(value, "tile")) for name, value in tiles], WIDTH, PAPER)

    def _rows(self, rows: Sequence[Sequence[Cell]], shares: Sequence[float], titles: Color | None = None) -> Rows:
        cells = [[self.text(*cell) for cell in row] for row in rows]
        return Rows(cells, [WIDTH * share for share in shares], RULE, titles)


def draw_line(canvas: Canvas, text: str, at: tuple[float, float], look: tuple[str, float, Color], room: float) -> None:
    """Draw one line of text, smaller where it would not fit, and cut only below legible size."""
    font, size, color = look
    shown = printable(text)
    size = max(min(size, size * room / max(pdfmetrics.stringWidth(shown, font, size), 1)), MIN_SIZE)
    while pdfmetrics.stringWidth(shown, font, size) > room:
        shown = f"{shown[:-2]}…"
    canvas.setFont(font, size)
    canvas.setFillColor(color)
    canvas.drawString(*at, shown)


MIN_SIZE = 6.5
"""Points below which a line is cut instead; what is cut stands in full elsewhere in the document."""


def draw_code(canvas: Canvas, text: str, x: float, y: float) -> None:
    """Draw a QR code as vector squares in a field of `CODE`, with the quiet zone of four modules."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    picture: Any = code.to_image(add_quiet_zones=False)
    modules, count = memoryview(picture).tobytes(), picture.shape[0]
    squares = canvas.beginPath()
    for row in range(count):
        for run in DARK.finditer(modules[row * count : (row + 1) * count]):
            squares.rect(run.start(), count - 1 - row, len(run[0]), 1)
    side = CODE / (count + 2 * QUIET)
    canvas.saveState()
    canvas.translate(x + QUIET * side, y + QUIET * side)
    canvas.scale(side, side)
    canvas.setFillColor(INK.rgb())
    canvas.drawPath(squares, stroke=0, fill=1)
    canvas.restoreState()
