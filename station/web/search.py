"""The screens *Search* and *Recall*: which unit bears a number, and which units something is true of (F-I6, F-I8).

The field works for a hand scanner as it does for a person: one unit that bears exactly what was scanned opens at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from station.errors import ConfigError
from station.records import Found, RecalledUnit
from station.web.paper import Papers, as_sentence
from station.web.units import UNIT_LOOKS

MOST_HITS, PAGE_UNITS = 50, 100
AFTER = "after"
GROUPS = (
    ("What it is built of", ("firmware", "firmware_name", "image", "component", "recipe", "revision", "definition")),
    ("Certificates and trust", ("certificate", "issuer", "expires_before", "anchor", "anchor_ends_before")),
    ("Parts", ("lot", "part", "part_kind", "sim")),
    ("Where, who, when", ("station", "slot", "operator", "since", "until")),
    ("Order and state", ("order", "product", "customer", "state")),
)
"""Fields of the form, by their titles; serial numbers and `ever` have places of their own."""


class Answer(Protocol):
    """What a search found."""

    @property
    def text(self) -> str:
        """Return what was looked for."""
        ...

    @property
    def hits(self) -> Sequence[Found]:
        """Return what was found, the best first."""
        ...

    @property
    def more(self) -> bool:
        """Tell whether there is more."""
        ...

    @property
    def unit(self) -> str:
        """Return the one unit that bears exactly this, or nothing."""
        ...


class Recalled(Protocol):
    """Some of the units that a recall found."""

    @property
    def count(self) -> int:
        """Return how many there are in all."""
        ...

    @property
    def units(self) -> Sequence[RecalledUnit]:
        """Return these of them."""
        ...

    @property
    def next(self) -> str:
        """Return what to ask for to get the following ones, or nothing."""
        ...

    @property
    def unknown(self) -> Sequence[str]:
        """Return serial numbers that were asked for and no unit has."""
        ...

    @property
    def unjudged(self) -> int:
        """Return how many units can't be judged."""
        ...


class Seeker(Protocol):
    """What looks into the records; every method may be called from any thread."""

    @property
    def words(self) -> Mapping[str, str]:
        """Return what may be asked of a recall, with what each word means."""
        ...

    def find(self, text: str, limit: int) -> Answer:
        """Find what bears a number.

        Raises:
            ConfigError: Nothing can bear it.
        """
        ...

    def recall(self, words: Mapping[str, str], after: str, limit: int) -> Recalled:
        """Find the units behind a serial number of which all words are true.

        Raises:
            ConfigError: A word says something that nothing can be.
        """
        ...


def each_once(given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the words that were given.

    Raises:
        ConfigError: One is there twice: only one of the two would be asked.
    """
    words = dict(given)
    if len(words) < len(given):
        name = next(name for name in words if [one for one, _ in given].count(name) > 1)
        raise ConfigError(f"'{name[:60]}' is asked for more than once", hint="Ask for one of them at a time.")
    return words


def search_routes(seeker: Seeker, papers: Papers) -> APIRouter:
    """Return the screens' routes."""
    routes = APIRouter()

    @routes.get("/search", response_class=HTMLResponse)
    def search(request: Request, q: str = "") -> Response:
        found, problem = None, ""
        try:
            found = seeker.find(q, MOST_HITS) if q.strip() else None
        except ConfigError as error:
            problem = as_sentence(error)
        if found is not None and found.unit:
            return RedirectResponse(f"/units/{found.unit}", status_code=303)
        values = {"asked": q, "focused": True, "found": found, "problem": problem, "LOOKS": UNIT_LOOKS}
        return papers.draw(request, "search.html", values)

    def recalled(request: Request, given: Sequence[tuple[str, str]]) -> HTMLResponse:
        words, found, problem = dict(given), None, ""
        try:
            words = {name: text for name, text in each_once(given).items() if text.strip()}  # a form sends all fields
            after = words.pop(AFTER, "")
            found = seeker.recall(words, after, PAGE_UNITS) if given else None
        except ConfigError as error:
            problem = as_sentence(error)
        values: dict[str, Any] = {
            "asked": words, "found": found, "problem": problem, "groups": GROUPS, "words": seeker.words,
            "LOOKS": UNIT_LOOKS,
        }  # fmt: skip
        return papers.draw(request, "recall.html", values)

    @routes.get("/recall", response_class=HTMLResponse)
    def linked(request: Request) -> HTMLResponse:
        return recalled(request, request.query_params.multi_items())

    @routes.post("/recall", response_class=HTMLResponse)
    async def pasted(request: Request) -> HTMLResponse:
        form = await request.form(max_files=0, max_fields=len(seeker.words) + 1)
        given = [(name, text) for name, text in form.multi_items() if isinstance(text, str)]
        return await run_in_threadpool(recalled, request, given)

    return routes
