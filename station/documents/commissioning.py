"""The commissioning sheet: one page for whoever installs the charger, drawn from the signed passport (F-M2).

It says what the factory set, what the network must let out, and what the site still has to set; nothing on it is a
secret, so that it may hang beside the charger.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepInFrame, Spacer

from station.documents.archive import About, archived
from station.documents.letterhead import HEAD, Letterhead
from station.documents.passport import read_passport
from station.documents.passport_pdf import PLAIN, Edition, texts_of
from station.documents.setting import FOOT, INK, PALE, PAPER, WIDTH, Cell, Setter, set_pages
from station.documents.typeface import BOLD, REGULAR, demand_printable
from station.documents.wording import Wording, wording

MAX_OUTLETS = 12
"""Outlets on the map; the passport lists all."""
MAX_SIGNALS = 8
LONGEST, LONGEST_SIGNAL = 90, 240
"""Characters of a value, and of what a signal means; the passport has all of a value."""
LONGEST_ADDRESS = 300
"""Characters of an address; whoever opens the network needs all of it, and a name has at most 253."""
SECURE_PORT, PLAIN_PORT = 443, 80


def render_sheet(passport_json: bytes, edition: Edition = PLAIN) -> bytes:
    """Return the commissioning sheet of a unit as one page of PDF/A-3b.

    Raises:
        StationError: The JSON is no passport, or has a name in a writing that the typeface can't print.
        ConfigError: There is no such language.
    """
    passport = read_passport(passport_json)
    words = wording(edition.language or edition.brand.language)
    title = f"{words('sheet_title')} {passport['unit']['serial']}"
    signals = dict(edition.brand.signals.get(words.language, {})) or words.first_start
    demand_printable([*texts_of(passport), *texts_of(signals)], title)
    setter = Setter(edition.brand.accent)
    body = KeepInFrame(WIDTH, A4[1] - HEAD - FOOT, list(_sections(passport, signals, setter, words)), mode="shrink")
    paper = Letterhead(passport_json, edition.brand, words, words("sheet_title")).paper()
    at = datetime.fromisoformat(passport["production"]["released_at"])
    about = About(title, passport["unit"]["vendor"], title, words.language, at)
    return archived(set_pages(paper, [body]), about)


def _sections(passport: dict[str, Any], signals: dict[str, str], setter: Setter, words: Wording) -> Iterable[Flowable]:
    yield ConnectorMap(passport["connectors"][:MAX_OUTLETS], setter, words)
    yield from _note(words("sheet_map_note"), setter)
    yield from setter.section(words("sheet_network"), _network(passport, setter, words))
    yield from _note(words("sheet_network_note"), setter)
    address = _value(passport["configuration"]["endpoint"], LONGEST_ADDRESS)
    done = setter.pairs([(words("endpoint"), address)]), setter.columns(_done(passport, words))
    yield from setter.section(words("sheet_done"), *done)
    shown = [(name, _value(text, LONGEST_SIGNAL)) for name, text in list(signals.items())[:MAX_SIGNALS]]
    yield from setter.section(words("sheet_first"), setter.pairs(shown))
    rows = [_open(name, owner, words) for name, owner in words.site.items()]
    titles = ("", words("sheet_owner"), words("value"))
    yield from setter.section(words("sheet_site"), setter.grid(titles, rows, (0.46, 0.16, 0.38)))
    yield from _note(words("sheet_site_note"), setter)
    yield setter.text(words("sheet_end_note"), "note")
    yield Spacer(1, 7 * mm)
    yield setter.columns([(words("sheet_by"), ("", "value")), (words("sheet_date"), ("", "value"))])


def _note(text: str, setter: Setter) -> Iterable[Flowable]:
    """Yield small print below a table, a little off its last line."""
    yield Spacer(1, 1.2 * mm)
    yield setter.text(text, "note")


def _network(passport: dict[str, Any], setter: Setter, words: Wording) -> Flowable:
    endpoint = urlsplit(passport["configuration"]["endpoint"])
    port = endpoint.port or (SECURE_PORT if endpoint.scheme == "wss" else PLAIN_PORT)
    rows: list[list[Cell]] = [
        [_value(endpoint.hostname or "", LONGEST_ADDRESS), (f"{port} TCP", "strong"), (words("sheet_csms"), "value")],
        [(words("sheet_resolver"), "value"), ("53 UDP, TCP", "strong"), (words("sheet_dns"), "value")],
        [(words("sheet_time"), "value"), ("123 UDP", "strong"), (words("sheet_ntp"), "value")],
    ]
    titles = [words(name) for name in ("sheet_from", "sheet_port", "sheet_purpose")]
    return setter.grid(titles, rows, (0.38, 0.16, 0.46))


def _done(passport: dict[str, Any], words: Wording) -> list[tuple[str, Cell]]:
    unit, configuration = passport["unit"], passport["configuration"]
    protocol = words(
        "tile_protocol_value",
        version=words.value(configuration["ocpp_version"]),
        profile=configuration["security_profile"],
    )
    return [
        (words("ocpp_identity"), _value(unit["ocpp_identity"])),
        (words("tile_protocol"), (protocol, "value")),
        (words("firmware"), _value(passport["firmware"]["version"])),
        (words("tile_certificate"), (words.day(passport["certificate"]["not_after"]), "value")),
        (words("customer"), _value(passport["production"]["customer"])),
    ]


def _open(name: str, owner: str, words: Wording) -> list[Cell]:
    return [(name, "value"), (words(f"sheet_{owner}"), "label"), ("", "value")]


def _value(text: str, longest: int = LONGEST) -> Cell:
    return (text if len(text) <= longest else f"{text[: longest - 1]}…", "value")


class ConnectorMap(Flowable):  # type: ignore[misc]  # reportlab has no types
    """The charger from the front with its outlets, in rows of six."""

    ROW, HEIGHT = 6, 29 * mm

    def __init__(self, outlets: Sequence[dict[str, Any]], setter: Setter, words: Wording) -> None:
        """Prepare the drawing of some outlets."""
        super().__init__()
        self._outlets, self._setter, self._words = outlets, setter, words

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        """Return the room that the drawing takes."""
        return WIDTH, self.HEIGHT * -(-len(self._outlets) // self.ROW)

    def draw(self) -> None:
        """Draw the housing, and each outlet in it."""
        _, height = self.wrap(0, 0)
        self.canv.setFillColor(PAPER)
        self.canv.setStrokeColor(self._setter.accent)
        self.canv.setLineWidth(1.1)
        self.canv.roundRect(0, 1 * mm, WIDTH, height - 2 * mm, 4 * mm, stroke=1, fill=1)
        for number, outlet in enumerate(self._outlets):
            row, place = divmod(number, self.ROW)
            step = WIDTH / min(len(self._outlets), self.ROW)
            self._outlet(outlet, (place + 0.5) * step, height - (row + 0.5) * self.HEIGHT)

    def _outlet(self, outlet: dict[str, Any], x: float, y: float) -> None:
        canvas, words = self.canv, self._words
        canvas.setFillColor(self._setter.accent)
        canvas.circle(x, y + 7 * mm, 5.6 * mm, stroke=0, fill=1)
        canvas.setFillColorRGB(1, 1, 1)
        canvas.setFont(BOLD, 15)
        canvas.drawCentredString(x, y + 5.1 * mm, outlet["letter"])
        power = f"{words.value(outlet['max_current_a'])} A  ·  {words.value(outlet['max_power_w'] / 1000)} kW"
        lines = (
            (f"EVSE {outlet['evse']}  ·  {words('connector')} {outlet['connector']}", INK),
            (words.value(outlet["type"]), INK),
            (power, PALE),
        )
        for number, (line, color) in enumerate(lines):
            canvas.setFont(REGULAR, 7.6)
            canvas.setFillColor(color)
            canvas.drawCentredString(x, y - (2.6 + 4 * number) * mm, line)
