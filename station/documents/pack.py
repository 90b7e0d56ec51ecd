"""The commissioning pack of a batch: a few pages beside its tables, drawn from texts that were put together before.

It says nothing of its own: every word and value comes from its caller, so that tables and pages can't disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Spacer

from station.documents.archive import About, archived
from station.documents.brand import Brand
from station.documents.setting import (
    FOOT,
    INK,
    MARGIN,
    PALE,
    RULE,
    WIDTH,
    Cell,
    Paper,
    Setter,
    draw_line,
    set_pages,
)
from station.documents.typeface import BOLD, LIGHT, REGULAR, demand_printable

HEAD = 52 * mm
LONGEST = 400
"""Characters of a value."""


@dataclass(frozen=True)
class Section:
    """One titled part: a note, names with values, a table, or numbered lines."""

    title: str
    note: str = ""
    pairs: Sequence[tuple[str, str]] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    widths: Sequence[float] = ()
    """Parts of the text's width, one for each column."""
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Pack:
    """A commissioning pack with all its words."""

    title: str
    subject: str
    vendor: str
    language: str
    batch: str
    page: str
    """How pages are numbered: `Page {page} of {pages}`."""
    at: datetime
    sections: Sequence[Section]
    brand: Brand = field(default_factory=Brand)


def render_pack(pack: Pack) -> bytes:
    """Return a pack as PDF/A-3b; the same pack gives the same bytes.

    Raises:
        StationError: A name is in a writing that the typeface can't print.
    """
    demand_printable(_texts(pack), pack.title)
    setter = Setter(pack.brand.accent)
    story = [flowable for section in pack.sections for flowable in _section(section, setter)]
    about = About(f"{pack.title} {pack.batch}", pack.vendor, pack.subject, pack.language, pack.at)
    return archived(set_pages(_paper(pack), story), about)


def _texts(pack: Pack) -> list[str]:
    texts = [pack.title, pack.subject, pack.vendor, pack.batch]
    for section in pack.sections:
        texts += [section.title, section.note, *section.columns, *section.lines]
        texts += [text for row in (*section.pairs, *section.rows) for text in row]
    return texts


def _section(section: Section, setter: Setter) -> list[Flowable]:
    content: list[Flowable] = []
    if section.note:
        content.append(setter.text(section.note, "note"))
    if section.pairs:
        content.append(setter.pairs([(name, _cell(text)) for name, text in section.pairs]))
    if section.rows:
        rows = [[_cell(text) for text in row] for row in section.rows]
        content.append(setter.grid(section.columns, rows, section.widths))
    if section.lines:
        for number, line in enumerate(section.lines, 1):
            content += [setter.text(f"{number}.  {line}"), Spacer(1, 1 * mm)]
        return setter.whole(section.title, *content)
    return setter.section(section.title, *content)


def _cell(text: str) -> Cell:
    return (text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…", "value")


def _paper(pack: Pack) -> Paper:
    accent, top = HexColor(pack.brand.accent), A4[1]

    def head(canvas: Canvas) -> None:
        canvas.setFillColor(accent)
        canvas.rect(0, top - 2.6 * mm, A4[0], 2.6 * mm, stroke=0, fill=1)
        draw_line(canvas, pack.vendor, (MARGIN, top - 20 * mm), (BOLD, 12, accent), WIDTH)
        draw_line(canvas, pack.title, (MARGIN, top - 35 * mm), (LIGHT, 24, INK), WIDTH)
        draw_line(canvas, pack.subject, (MARGIN, top - 44 * mm), (REGULAR, 11, INK), WIDTH)

    def later(canvas: Canvas) -> None:
        draw_line(canvas, f"{pack.title}  ·  {pack.subject}", (MARGIN, top - 14 * mm), (REGULAR, 8.4, PALE), WIDTH)
        _rule(canvas, top - 17 * mm)

    def foot(canvas: Canvas, page: int, pages: int) -> None:
        y = FOOT - 8 * mm
        _rule(canvas, y + 4 * mm)
        draw_line(canvas, pack.batch, (MARGIN, y), (REGULAR, 6.8, PALE), WIDTH * 0.8)
        canvas.setFont(REGULAR, 6.8)
        canvas.drawRightString(A4[0] - MARGIN, y, pack.page.format(page=page, pages=pages))

    return Paper(head, later, foot, HEAD)


def _rule(canvas: Canvas, y: float) -> None:
    canvas.setStrokeColor(RULE)
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, y, A4[0] - MARGIN, y)
