"""The command sheet: every code that a person can scan at the line, to hang beside the slots.

With it, a badge and the labels of units a whole shift needs neither mouse nor keyboard. Codes are Code 128, which
scanners of every kind read, and what they mean is the grammar's own table.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Spacer, Table

from station.documents.archive import About, archived
from station.documents.brand import Brand
from station.documents.setting import INK, MARGIN, PALE, WIDTH, Paper, Setter, draw_line, set_pages
from station.documents.typeface import BOLD, REGULAR, demand_printable
from station.scans import COMMANDS, DIGITS, REASONS, ScanKind, read_scan

COLUMNS = 2
HEAD = 30 * mm
BAR, BAR_HEIGHT = 0.33 * mm, 12 * mm
"""Width of the narrowest bar: read from half a metre by any hand scanner. The page's margins are the quiet zones."""
STYLE = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 6),
    ("TOPPADDING", (0, 0), (-1, -1), 5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 9),
    ("FONT", (0, 0), (-1, -1), REGULAR, 8),
]
SHEET_MADE = datetime(2026, 1, 1, tzinfo=UTC)
"""The only date in the document: the same codes give the same bytes."""
Translate = Callable[[str], str]


def render_commands(station: str, slots: Sequence[str], translate: Translate = str) -> bytes:
    """Return the sheet of a station as PDF/A-3b.

    Args:
        station: Its name.
        slots: The names of its slots.
        translate: Puts a sentence into the reader's language.

    Raises:
        StationError: A text can't be printed.
    """
    title = translate("Command sheet")
    setter = Setter(Brand().accent)
    groups = tuple(_groups(slots, translate))
    demand_printable([station, *(text for _, codes in groups for text in codes.values())], title)
    story = [flowable for name, codes in groups if codes for flowable in setter.whole(name, _grid(codes, setter))]
    return archived(set_pages(_paper(title, station), story), About(title, station, title, "en", SHEET_MADE))


def _groups(slots: Sequence[str], translate: Translate) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield what stands together on the sheet: a title, and what each code means."""
    yield translate("The next scan is for this slot"), {f"SL-{name}": f"{translate('Slot')} {name}" for name in slots}
    yield translate("Commands"), {code.value: translate(words) for code, words in COMMANDS.items()}
    yield translate("PIN"), dict(DIGITS)
    yield translate("Reasons"), {code: translate(words) for code, words in REASONS.items()}


def _grid(codes: Mapping[str, str], setter: Setter) -> Table:
    cells = [_cell(code, words, setter) for code, words in codes.items()]
    cells += [[] for _ in range(-len(cells) % COLUMNS)]
    rows = [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
    return Table(rows, colWidths=[WIDTH / COLUMNS] * COLUMNS, style=STYLE, hAlign="LEFT")


def _cell(code: str, words: str, setter: Setter) -> list[Flowable]:
    """Return one code with its meaning; what the grammar does not read is never printed."""
    if read_scan(code).kind is ScanKind.OTHER:
        raise ValueError(f"{code} is no code of the command sheet")
    bars = Code128(code, barWidth=BAR, barHeight=BAR_HEIGHT, quiet=False, humanReadable=False)
    return [setter.text(words, "strong"), Spacer(1, 1.5 * mm), bars, Spacer(1, 1 * mm), setter.text(code, "note")]


def _paper(title: str, station: str) -> Paper:
    def head(canvas: Canvas) -> None:
        top = canvas._pagesize[1]  # noqa: SLF001 - reportlab has no other way to ask
        draw_line(canvas, title, (MARGIN, top - 17 * mm), (BOLD, 17, INK), WIDTH / 2)
        draw_line(canvas, station, (MARGIN, top - 23 * mm), (REGULAR, 9, PALE), WIDTH / 2)

    def foot(canvas: Canvas, page: int, pages: int) -> None:
        draw_line(canvas, f"{page} / {pages}", (MARGIN, 10 * mm), (REGULAR, 8, PALE), WIDTH)

    return Paper(head, head, foot, HEAD, HEAD)
