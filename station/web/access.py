"""Who may ask for what: one table of all addresses, and the gate that holds every request to it.

An address that stands in no row is refused before anything else sees the request: whoever adds a page decides here who
may open it. Rows say who may ask at all; what a person may do beyond that, such as to which unit, the acts themselves
check.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from station.errors import ServiceError
from station.people.roles import FLOOR, MAKERS, REPRINTERS, STOPPERS, lacks
from station.person import Person, Role
from station.web.guard import refusal

Who = frozenset[Role] | None
"""Roles of which a person needs one; None for anybody, also before they sign in."""
ANYBODY: Who = None
SIGNED_IN = frozenset(Role)
LEAD = frozenset({Role.LINE_LEAD})
JUDGES = frozenset({Role.LINE_LEAD, Role.QA})
QUALITY = frozenset({Role.QA})
ADMIN = frozenset({Role.ADMIN})
ANALYSTS = JUDGES | {Role.ENGINEER}
"""Those who may see what fails where, and at whose hands."""
STAFF = ADMIN | JUDGES
"""Those who may see who works here, and take part in a reset."""
LOCK = "/lock"

ACCESS: tuple[tuple[str, str, Who], ...] = (
    # What hangs above the line is read by everybody who stands there.
    ("GET", "/", ANYBODY),
    ("GET", "/events", ANYBODY),
    ("GET", "/healthz", ANYBODY),
    ("GET", "/favicon.ico", ANYBODY),
    ("GET", "/static/{path:path}", ANYBODY),
    ("GET", "/language/{code}", ANYBODY),
    ("GET", "/api/line", ANYBODY),
    # Signing in and out.
    ("GET", LOCK, ANYBODY),
    ("GET", "/api/session", ANYBODY),
    ("POST", "/api/session", ANYBODY),
    ("DELETE", "/api/session", ANYBODY),
    ("POST", "/api/session/pin", ANYBODY),
    # Work at the slots.
    ("POST", "/api/scan", FLOOR),
    ("POST", "/api/slots/{slot}/acknowledge", FLOOR),
    ("POST", "/api/slots/{slot}/act", FLOOR),
    # Units and their documents.
    ("GET", "/slots/{slot}", SIGNED_IN),
    ("GET", "/units/{serial}", SIGNED_IN),
    ("GET", "/search", SIGNED_IN),
    ("GET", "/recall", ANALYSTS),
    ("POST", "/recall", ANALYSTS),
    ("GET", "/api/passports/{serial}.pdf", SIGNED_IN),
    ("GET", "/api/passports/{serial}.json", SIGNED_IN),
    ("GET", "/api/labels/{serial}", SIGNED_IN),
    # Orders, and what the line lead and quality decide.
    ("GET", "/lead", SIGNED_IN),
    ("GET", "/lead/{order}", SIGNED_IN),
    ("POST", "/api/lead/pause", LEAD),
    ("POST", "/api/lead/resume", LEAD),
    ("POST", "/api/lead/replace", LEAD),
    ("POST", "/api/lead/close", LEAD),
    ("POST", "/api/lead/hold", JUDGES),
    ("POST", "/api/lead/lift", QUALITY),
    ("POST", "/api/lead/first-article", JUDGES),
    ("POST", "/api/lead/clearance", MAKERS),
    ("POST", "/api/lead/handover", MAKERS),
    ("POST", "/api/lead/scrap", JUDGES),
    ("POST", "/api/lead/rework", JUDGES | {Role.REWORK}),
    # What others are still to be told.
    ("GET", "/outbox", JUDGES),
    ("POST", "/api/outbox/retry", LEAD),
    ("POST", "/api/outbox/drop", LEAD),
    # Figures; monitoring is no person, so its address itself asks for a token, or for a program of this computer.
    ("GET", "/figures", ANALYSTS),
    ("GET", "/metrics", ANYBODY),
    # Labels: the line scans them back, the line lead and rework have them printed again.
    ("GET", "/labels", SIGNED_IN),
    ("GET", "/labels/{serial}/{name}.png", SIGNED_IN),
    ("POST", "/api/labels/scan", FLOOR),
    ("POST", "/api/labels/reprint", REPRINTERS),
    ("POST", "/api/labels/void", JUDGES),
    # What leaves for quality and auditors.
    ("GET", "/exports", JUDGES),
    ("POST", "/api/exports", JUDGES),
    ("GET", "/api/exports/{name}", JUDGES),
    # People.
    ("GET", "/people", STAFF),
    ("POST", "/api/people", ADMIN),
    ("POST", "/api/people/reset", STAFF),
    ("POST", "/api/people/disable", ADMIN),
    ("POST", "/api/people/train", JUDGES),
    # Other programs: no person, so each address itself asks for a token of its scope.
    ("GET", "/api/v1/openapi.json", ANYBODY),
    ("GET", "/api/v1/search", ANYBODY),
    ("GET", "/api/v1/units/{serial}", ANYBODY),
    ("GET", "/api/v1/recall", ANYBODY),
    ("POST", "/api/v1/recall", ANYBODY),
    ("GET", "/api/v1/exports", ANYBODY),
    ("GET", "/api/v1/exports/{name}", ANYBODY),
    # Test equipment: no person, so the address itself asks for its token.
    ("POST", "/api/results/{layout}", ANYBODY),
    ("GET", "/orders/upload", LEAD),
    ("POST", "/api/orders/preview", LEAD),
    ("POST", "/api/orders/import", LEAD),
    # Release bundles.
    ("GET", "/releases", SIGNED_IN),
    ("GET", "/releases/{digest}", SIGNED_IN),
    ("POST", "/api/bundles/{digest}/withdraw", STOPPERS),
)
"""Method, address and who may ask. The first row that fits counts."""


@dataclass(frozen=True)
class Rule:
    """A row of the table, ready to be compared with requests."""

    method: str
    path: re.Pattern[str]
    who: Who


RULES = tuple(Rule(method, compile_path(path)[0], who) for method, path, who in ACCESS)

FindPerson = Callable[[Request, bool], Person | None]
"""Return who a request is from; the flag tells whether it shows that they are at work."""
Say = Callable[[Request, str], str]
Refused = Callable[[Person, str, str], None]
"""Take note that a person tried what their roles do not allow: who, what, and what they were told."""


class Access:
    """ASGI middleware that admits requests by the table, and notes on each who it is from."""

    def __init__(self, app: ASGIApp, person: FindPerson, say: Say, refused: Refused = lambda *_: None) -> None:
        """Admit to an application.

        Args:
            app: The application.
            person: Finds who a request is from.
            say: Puts a sentence into the language of whoever asks.
            refused: Takes note of an act that was refused; pages that are only looked at are not noted.
        """
        self._app = app
        self._refused = refused
        self._person = person
        self._say = say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request that the table does not admit; pass on the rest with `request.state.person`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        rules = rules_for(scope["path"])
        rule = next((rule for rule in rules if rule.method == _method(scope)), None)
        answer = await self._judge(request, rule) if rule else self._refuse_unlisted(request, known=bool(rules))
        await (answer or self._app)(scope, receive, send)

    async def _judge(self, request: Request, rule: Rule) -> Response | None:
        """Return a refusal, or None for a request that is admitted; what is for anybody needs no records."""
        try:
            person = await run_in_threadpool(self._person, request, rule.who is not None)
        except ServiceError as error:
            if rule.who is not None:
                return refusal(503, self._say(request, f"{error.message} {error.hint}"))
            person = None
        request.state.person = person
        if rule.who is None:
            return None
        if person is None:
            return self._refuse_nobody(request)
        if not person.has(*rule.who):
            why = lacks(person, rule.who)
            await self._note(request, person, why)
            return refusal(403, self._say(request, why))
        return None

    async def _note(self, request: Request, person: Person, why: str) -> None:
        """Record an act that was refused; records that are away let nothing pass."""
        if request.method == "GET":
            return
        with suppress(ServiceError):
            await run_in_threadpool(self._refused, person, f"{request.method} {request.url.path}", why)

    def _refuse_nobody(self, request: Request) -> Response:
        """Lead a reader to the lock screen, and tell everybody else what is missing."""
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"{LOCK}?back={quote(request.url.path)}", status_code=303)
        return refusal(401, self._say(request, "Nobody is signed in. Scan your badge."))

    def _refuse_unlisted(self, request: Request, *, known: bool) -> Response:
        if known:
            return refusal(405, self._say(request, "This address does not take that."))
        return refusal(404, self._say(request, "There is no such page."))


def rules_for(path: str) -> tuple[Rule, ...]:
    """Return the rows for an address, whatever the method."""
    return tuple(rule for rule in RULES if rule.path.match(path))


def _method(scope: Scope) -> str:
    return "GET" if scope["method"] == "HEAD" else str(scope["method"])
