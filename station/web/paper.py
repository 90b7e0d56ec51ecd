"""Pages to read at a desk, beside the operator's page: one frame, one look, the reader's language.

They are drawn when asked for and do not move by themselves; what must be live hangs above the line.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from station.clock import utc_now
from station.errors import StationError
from station.model import ScanReply
from station.person import Person
from station.web.language import Language, Languages

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "pages"
PLACES = (
    ("Line", "/"), ("Orders", "/lead"), ("Search", "/search"), ("Releases", "/releases"), ("Messages", "/outbox"),
    ("Labels", "/labels"),
    ("Figures", "/figures"),
    ("Exports", "/exports"),
    ("People", "/people"),
)  # fmt: skip
"""What every page of ours leads to."""


def templates(language: Language) -> Environment:
    """Return the templates for readers of one language: `t` puts our own words, `say` the station's sentences."""
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    pages.globals.update(t=language.word, say=language.say, number=language.number, language=language)
    pages.globals["written"] = language.written
    return pages


def signed_in(request: Request) -> Person:
    """Return who is signed in where the request comes from.

    Raises:
        HTTPException: Nobody is.
    """
    found = getattr(request.state, "person", None)
    if found is None:
        raise HTTPException(401, "Nobody is signed in. Scan your badge.")
    return cast("Person", found)


def as_sentence(error: StationError) -> str:
    """Return an error with its hint as people read it; what a file or command gets wrong begins in small letters."""
    if error.message.endswith((".", "!", "?")):
        return f"{error.message} {error.hint}"
    return f"{error.message[:1].upper()}{error.message[1:]}. {error.hint}"


class Papers:
    """Draws the pages of one station in all languages; safe from all threads."""

    def __init__(self, title: str, languages: Languages) -> None:
        """Draw for one station."""
        self.title = title
        self.languages = languages
        self._pages = {language.code: templates(language) for language in languages.all}

    def language(self, request: Request) -> Language:
        """Return the language of whoever asks."""
        return self.languages.chosen(request.cookies)

    def draw(self, request: Request, template: str, values: Mapping[str, object]) -> HTMLResponse:
        """Return a page."""
        frame = {
            "title": self.title, "here": request.url.path, "places": PLACES, "languages": self.languages.all,
            "person": getattr(request.state, "person", None), "now": utc_now(),
        }  # fmt: skip
        pages = self._pages[self.language(request).code]
        return HTMLResponse(pages.get_template(template).render({**frame, **values}))

    def reply(self, request: Request, sentence: str, slot: str = "") -> ScanReply:
        """Return what was done, in the language of whoever did it."""
        return ScanReply(True, self.language(request).say(sentence), slot)


Screen = Callable[[Papers], APIRouter]
"""Pages of one kind, as routes that draw with the station's papers."""
