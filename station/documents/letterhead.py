"""What surrounds the text of a document about one unit: its maker, its name, the code, and the digest at the foot."""

import hashlib
import json
from io import BytesIO

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from station.documents.brand import Brand
from station.documents.passport_code import code_of
from station.documents.setting import (
    CODE,
    FOOT,
    INK,
    MARGIN,
    PALE,
    RULE,
    WIDTH,
    Paper,
    draw_code,
    draw_line,
)
from station.documents.typeface import BOLD, LIGHT, MEDIUM, REGULAR
from station.documents.wording import Wording

HEAD = 71 * mm


class Letterhead:
    """Draws what surrounds the text of a document about one unit."""

    def __init__(self, passport_json: bytes, brand: Brand, words: Wording, title: str) -> None:
        """Prepare to draw a passport that was read strictly before; `title` is what stands in large letters."""
        passport = json.loads(passport_json)
        self._title = title
        self._unit, self._production = passport["unit"], passport["production"]
        self._digest = hashlib.sha256(passport_json).hexdigest()
        self._code = code_of(passport, passport_json, brand.resolver)
        self._brand, self._words = brand, words
        self._accent = HexColor(brand.accent)

    def paper(self) -> Paper:
        """Return heads and feet."""
        return Paper(self._head, self._later_head, self._foot, HEAD)

    def _head(self, canvas: Canvas) -> None:
        """Draw maker, model and serial in large letters, and the code."""
        top, room, words = A4[1], WIDTH - CODE - 8 * mm, self._words
        canvas.setFillColor(self._accent)
        canvas.rect(0, top - 2.6 * mm, A4[0], 2.6 * mm, stroke=0, fill=1)
        self._maker(canvas, top - 20 * mm, room)
        draw_line(canvas, self._title, (MARGIN, top - 35 * mm), (LIGHT, 24, INK), room)
        name = f"{self._unit['model']}  ·  {self._unit['hardware']}"
        draw_line(canvas, name, (MARGIN, top - 46 * mm), (MEDIUM, 11, self._accent), room)
        draw_line(canvas, self._unit["serial"], (MARGIN, top - 54 * mm), (BOLD, 19, INK), room)
        released = words(
            "released", day=words.day(self._production["released_at"]), station=self._production["station"]
        )
        draw_line(canvas, released, (MARGIN, top - 60.5 * mm), (REGULAR, 8.4, PALE), room)
        if self._production.get("development"):
            draw_line(canvas, words("development"), (MARGIN, top - 66.5 * mm), (BOLD, 9, HexColor("#b3261e")), room)
        self._draw_code(canvas, top)

    def _maker(self, canvas: Canvas, y: float, room: float) -> None:
        if not self._brand.logo:
            draw_line(canvas, self._unit["vendor"], (MARGIN, y), (BOLD, 12, self._accent), room)
            return
        logo = ImageReader(BytesIO(self._brand.logo))
        canvas.drawImage(logo, MARGIN, y - 2 * mm, width=60 * mm, height=11 * mm, preserveAspectRatio=True, anchor="sw")

    def _draw_code(self, canvas: Canvas, top: float) -> None:
        x = A4[0] - MARGIN - CODE
        quiet = 3 * mm
        draw_code(canvas, self._code, x + quiet, top - 25 * mm - CODE)
        caption = self._words("scan_link" if self._code.startswith("https:") else "scan_code")
        look = (REGULAR, 7.2, PALE)
        draw_line(canvas, caption, (x + quiet + 4 * mm, top - 60.5 * mm), look, CODE)

    def _later_head(self, canvas: Canvas) -> None:
        top = A4[1]
        canvas.setFillColor(self._accent)
        canvas.rect(0, top - 1.4 * mm, A4[0], 1.4 * mm, stroke=0, fill=1)
        name = f"{self._unit['vendor']}  ·  {self._unit['model']}"
        draw_line(canvas, name, (MARGIN, top - 14 * mm), (REGULAR, 8.4, PALE), WIDTH * 0.55)
        canvas.setFont(MEDIUM, 8.4)
        canvas.setFillColor(INK)
        canvas.drawRightString(A4[0] - MARGIN, top - 14 * mm, self._unit["serial"])
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, top - 17 * mm, A4[0] - MARGIN, top - 17 * mm)

    def _foot(self, canvas: Canvas, page: int, pages: int) -> None:
        y = FOOT - 8 * mm
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, y + 4 * mm, A4[0] - MARGIN, y + 4 * mm)
        digest = self._words("document", digest=self._digest)
        draw_line(canvas, digest, (MARGIN, y), (REGULAR, 6.8, PALE), WIDTH * 0.8)
        canvas.setFont(REGULAR, 6.8)
        canvas.drawRightString(A4[0] - MARGIN, y, self._words("page", page=page, pages=pages))
