"""Rows of text with a line below each: the tables of our documents.

A document is mostly tables of short texts. reportlab's own table measures each cell several times and draws each in a
state of its own, which is most of what a page costs; here a row is measured once, and a table is one text and one set
of lines, in the order in which it is read. A row is not split: values are bounded to less than a page.
"""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from xml.sax.saxutils import escape

from reportlab.lib.colors import Color
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.textobject import PDFTextObject
from reportlab.platypus import Flowable, Paragraph

TOP, BOTTOM, GAP = 2.0, 2.6, 6.0
"""Points above and below the text of a row, and between two columns."""
TITLES_BOTTOM = 1.6
THIN, THICK = 0.35, 0.8
"""Points of the line below a row, and below the titles."""
TILE_TOP, TILE_BOTTOM, TILE_LEFT, TILE_GAP = 6.0, 7.0, 8.0, 3.0


class Pen:
    """Writes texts one after the other and tells the page only what changes between them."""

    def __init__(self, canvas: Canvas) -> None:
        """Write on this page."""
        self._canvas = canvas
        self._line: PDFTextObject | None = None
        self._font: tuple[str, float] | None = None
        self._color: Color | None = None

    def write(self, text: str, style: ParagraphStyle, x: float, y: float) -> None:
        """Write a line from this point of its base line on."""
        if self._line is None:
            self._line, self._font, self._color = self._canvas.beginText(), None, None
        if self._font != (style.fontName, style.fontSize):
            self._font = (style.fontName, style.fontSize)
            self._line.setFont(*self._font)
        if self._color != style.textColor:
            self._color = style.textColor
            self._line.setFillColor(self._color.rgb())
        self._line.setTextOrigin(x, y)
        self._line.textOut(text)

    def draw(self, flowable: Flowable, x: float, y: float) -> None:
        """Draw something else in between."""
        self.end()
        flowable.drawOn(self._canvas, x, y)

    def end(self) -> None:
        """Put what was written onto the page."""
        if self._line is not None:
            self._canvas.drawText(self._line)
            self._line = None


class Text(Flowable):  # type: ignore[misc]  # reportlab has no types
    """Text that is one line where it fits, which is nearly always and costs little, and else a paragraph."""

    def __init__(self, text: str, style: ParagraphStyle) -> None:
        """Take text as it stands; markup means nothing in it."""
        super().__init__()
        self._text, self._style = text, style
        self._long: Paragraph | None = None

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Return the room that the text takes."""
        style = self._style
        needed = pdfmetrics.stringWidth(self._text, style.fontName, style.fontSize) + style.leftIndent
        if needed <= width:
            self._long, self.height = None, style.leading
        else:
            self._long = Paragraph(escape(self._text), style)
            self.height = self._long.wrap(width, height)[1]
        return width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        """Return the text in two parts, of which the first fits."""
        self.wrap(width, height)
        return list(self._long.split(width, height)) if self._long else []

    def draw(self) -> None:
        """Draw with the lower left corner at the page's origin."""
        pen = Pen(self.canv)
        self.put(pen, 0, self.height)
        pen.end()

    def put(self, pen: Pen, x: float, top: float) -> None:
        """Write below and to the right of this point, on the base line that a paragraph has too."""
        if self._long:
            pen.draw(self._long, x, top - self.height)
        elif self._text:
            style = self._style
            pen.write(self._text, style, x + style.leftIndent, top - _ascent(style.fontName, style.fontSize))


class Rows(Flowable):  # type: ignore[misc]  # reportlab has no types
    """Rows of texts with a line below each, the first repeated on every page where it has titles."""

    def __init__(
        self, cells: Sequence[Sequence[Text]], widths: Sequence[float], rule: Color, titles: Color | None = None
    ) -> None:
        """Take the cells row by row, the columns' widths in points, and the colour of the line below the titles."""
        super().__init__()
        self._cells, self._widths, self._rule, self._titles = cells, widths, rule, titles
        self._heights: list[float] = []

    def wrap(self, width: float, height: float) -> tuple[float, float]:  # noqa: ARG002  (widths are given)
        """Return the room that the rows take."""
        self._heights = self._heights or self._measured()
        return sum(self._widths), sum(self._heights)

    def split(self, width: float, height: float) -> list[Flowable]:
        """Return the rows in two parts, of which the first fits; nothing where no row fits below the titles."""
        self.wrap(width, height)
        first = 1 if self._titles else 0
        fitting = sum(1 for below in accumulate(self._heights) if below <= height)
        if fitting <= first or fitting == len(self._cells):
            return [self] if fitting == len(self._cells) else []
        return [self._part(0, 0, fitting), self._part(first, fitting, len(self._cells))]

    def draw(self) -> None:
        """Draw the texts in reading order, then the lines."""
        pen, total = Pen(self.canv), sum(self._heights)
        lefts = [0.0, *accumulate(self._widths)]
        edges = [total - below for below in accumulate(self._heights)]
        for row, height, edge in zip(self._cells, self._heights, edges, strict=True):
            for cell, left in zip(row, lefts, strict=False):
                cell.put(pen, left, edge + height - TOP)
        pen.end()
        if self._titles:
            self._lines(edges[:1], self._titles, THICK)
            edges = edges[1:]
        self._lines(edges, self._rule, THIN)

    def _measured(self) -> list[float]:
        rooms = [width - GAP for width in self._widths]
        heights = [max(map(_height, row, rooms)) + TOP + BOTTOM for row in self._cells]
        if self._titles:
            heights[0] += TITLES_BOTTOM - BOTTOM
        return heights

    def _part(self, titles: int, start: int, end: int) -> "Rows":
        part = Rows([*self._cells[:titles], *self._cells[start:end]], self._widths, self._rule, self._titles)
        part._heights = [*self._heights[:titles], *self._heights[start:end]]
        return part

    def _lines(self, heights: Sequence[float], color: Color, thickness: float) -> None:
        self.canv.setStrokeColor(color.rgb())
        self.canv.setLineWidth(thickness)
        right = sum(self._widths)
        self.canv.lines([(0, y, right, y) for y in heights])


class Tiles(Flowable):  # type: ignore[misc]  # reportlab has no types
    """The few facts that a reader looks for first, side by side: each a name and, in larger letters, a value."""

    def __init__(self, tiles: Sequence[tuple[Text, Text]], width: float, paper: Color) -> None:
        """Share the width among the tiles, each on a field of this colour."""
        super().__init__()
        self._tiles, self._width, self._paper = tiles, width, paper
        self._height = 0.0

    def wrap(self, width: float, height: float) -> tuple[float, float]:  # noqa: ARG002  (the width is given)
        """Return the room that the tiles take."""
        room = self._width / len(self._tiles) - TILE_LEFT - GAP
        texts = max(sum(text.wrap(room, height)[1] for text in tile) for tile in self._tiles)
        self._height = texts + TILE_TOP + TILE_BOTTOM
        return self._width, self._height

    def draw(self) -> None:
        """Draw the fields, then the texts."""
        step = self._width / len(self._tiles)
        self.canv.setFillColor(self._paper.rgb())
        for place in range(len(self._tiles)):
            left = place * step + (TILE_GAP / 2 if place else 0)
            right = (place + 1) * step - (TILE_GAP / 2 if place + 1 < len(self._tiles) else 0)
            self.canv.rect(left, 0, right - left, self._height, stroke=0, fill=1)
        pen = Pen(self.canv)
        for place, (name, value) in enumerate(self._tiles):
            left, top = place * step + TILE_LEFT, self._height - TILE_TOP
            name.put(pen, left, top)
            value.put(pen, left, top - name.height)
        pen.end()


def _height(text: Text, room: float) -> float:
    return float(text.wrap(room, 0)[1])


@cache
def _ascent(font: str, size: float) -> float:
    return float(pdfmetrics.getAscent(font, size))
