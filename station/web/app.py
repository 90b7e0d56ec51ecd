"""The operator page as a web application: routes, and nothing that knows how the line works."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from station.errors import ConfigError, Interlocked, StationError
from station.model import LineView, ScanReply
from station.people import NotAllowed, SignInRefused
from station.web import LineControl
from station.web.access import Access
from station.web.feed import Feed, event_id, events
from station.web.guard import Guard, refusal
from station.web.language import COOKIE, ENGLISH, Languages
from station.web.paper import Papers, Screen, as_sentence, signed_in
from station.web.render import Renderer
from station.web.session import Door, lock_routes, sign_in_routes, until_header

STATIC = Path(__file__).parent / "static"
LONGEST_SCAN, LONGEST_REASON = 128, 200
LANGUAGE_SECONDS = 365 * 86_400
"""How long a browser keeps the language that its reader chose."""
OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")

_PRINTABLE = re.compile(r"[\x20-\x7e]*")
SlotName = Annotated[str, InPath(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$")]


class Scan(BaseModel):
    """Body of a scan."""

    model_config = ConfigDict(extra="forbid", strict=True)
    code: str


class Action(BaseModel):
    """Body of an action on a slot."""

    model_config = ConfigDict(extra="forbid", strict=True)
    action: str
    reason: Annotated[str, Field(max_length=LONGEST_REASON)] = ""


def create_app(
    line: LineControl,
    *,
    title: str,
    door: Door,
    names: Sequence[str] = (),
    language: str = ENGLISH,
    screens: Sequence[Screen] = (),
) -> FastAPI:
    """Return the operator page of a line.

    Args:
        line: The line to show and to act on.
        title: Name of the station, shown on the page.
        door: Who comes and goes; without a person there is only what hangs above the line.
        names: Host names under which the page may be opened, besides this computer's own.
        language: What pages speak to a browser that has not chosen.
        screens: Pages beside the operator's.
    """
    papers = Papers(title, Languages(language))
    boot = str(time.time_ns() // 1_000_000)
    feed = Feed(line)
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None, lifespan=_following(feed))
    app.state.feed = feed
    app.add_middleware(
        Access,
        person=door.person,
        say=lambda request, text: papers.language(request).say(text),
        refused=door.sessions.refused,
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*OWN_NAMES, *names], www_redirect=False)
    app.add_middleware(Guard)
    app.include_router(_page_routes(line, feed, papers, boot))
    app.include_router(_language_routes(papers))
    app.include_router(lock_routes(door, papers))
    app.include_router(sign_in_routes(door, papers))
    app.include_router(_line_routes(line, papers), prefix="/api")
    for screen in screens:
        app.include_router(screen(papers))
    app.mount("/static", StaticFiles(directory=STATIC))
    _answer_errors(app, papers, door)
    return app


def why_not_a_scan(code: str) -> str:
    """Return why a text cannot be a scan, as one sentence; empty if it can."""
    if not code.strip():
        return "The scan is empty. Scan again."
    if len(code) > LONGEST_SCAN:
        return f"The scan is longer than {LONGEST_SCAN} characters. Scan one code only."
    if not _PRINTABLE.fullmatch(code):
        return "The scan holds characters that no code of ours has. Check the scanner's keyboard layout."
    return ""


def _following(feed: Feed) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        task = asyncio.create_task(feed.run())
        yield
        feed.close()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return lifespan


def _page_routes(line: LineControl, feed: Feed, papers: Papers, boot: str) -> APIRouter:
    routes = APIRouter()
    renderers = {one.code: Renderer(papers, one) for one in papers.languages.all}

    @routes.get("/", response_class=HTMLResponse)
    def page(request: Request) -> str:
        view = line.view()
        return renderers[papers.language(request).code].page(view, event_id(boot, view))

    @routes.get("/favicon.ico")
    def icon() -> FileResponse:
        """A passport has no page around it that could name the icon."""
        return FileResponse(STATIC / "favicon.svg")

    @routes.get("/events")
    async def stream(request: Request, after: str = "", last_event_id: Annotated[str, Header()] = "") -> Response:
        if feed.full:
            raise HTTPException(503, "Too many pages are open on this station. Close one.")
        content = events(feed, renderers[papers.language(request).code], boot, last_event_id or after)
        return StreamingResponse(content, media_type="text/event-stream")

    @routes.get("/healthz")
    def health() -> dict[str, object]:
        if not feed.alive:
            raise HTTPException(503, "The line does not answer.")
        return {"status": "ok", "version": line.view().version}

    return routes


def _language_routes(papers: Papers) -> APIRouter:
    routes = APIRouter()

    @routes.get("/language/{code}")
    def choose(code: str, back: Annotated[str, Query(pattern=r"^/[A-Za-z0-9/_.-]{0,100}$")] = "/") -> Response:
        """Remember the reader's language in the browser, and go back to the page, never to another host."""
        if code not in papers.languages or back.startswith("//"):
            raise HTTPException(404, "There is no such language.")
        answer = RedirectResponse(back, status_code=303)
        answer.set_cookie(COOKIE, code, max_age=LANGUAGE_SECONDS, httponly=True, samesite="strict")
        return answer

    return routes


def _line_routes(line: LineControl, papers: Papers) -> APIRouter:
    routes = APIRouter()

    def spoken(request: Request, reply: ScanReply) -> ScanReply:
        return replace(reply, sentence=papers.language(request).say(reply.sentence))

    @routes.get("/line")
    def state() -> LineView:
        return line.view()

    @routes.post("/scan")
    def scan(body: Scan, request: Request) -> ScanReply:
        if reason := why_not_a_scan(body.code):
            raise HTTPException(422, reason)
        return spoken(request, line.scan(body.code.strip(), signed_in(request)))

    @routes.post("/slots/{slot}/acknowledge")
    def acknowledge(slot: SlotName, request: Request) -> ScanReply:
        return spoken(request, line.acknowledge(slot, signed_in(request)))

    @routes.post("/slots/{slot}/act")
    def act(slot: SlotName, body: Action, request: Request) -> ScanReply:
        offered = {view.name: view.actions for view in line.view().slots}
        if body.action not in offered.get(slot, ()):
            raise HTTPException(409, f"Slot {slot} does not offer that now.")
        return spoken(request, line.act(slot, body.action, signed_in(request), body.reason))

    return routes


def _answer_errors(app: FastAPI, papers: Papers, door: Door) -> None:
    """Answer every refusal with one sentence in the form of a scan's reply, in the language of whoever asked."""

    def said(request: Request, error: StationError) -> str:
        return papers.language(request).say(as_sentence(error))

    @app.exception_handler(AnyHTTPException)
    def refused(request: Request, error: AnyHTTPException) -> JSONResponse:
        answer = refusal(error.status_code, papers.language(request).say(str(error.detail)))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        del error
        return refusal(422, papers.language(request).say("The request is not of the form this address takes."))

    @app.exception_handler(SignInRefused)
    def locked(request: Request, error: SignInRefused) -> JSONResponse:
        answer = refusal(429 if error.until else 401, said(request, error))
        answer.headers.update(until_header(error.until) if error.until else {})
        return answer

    @app.exception_handler(NotAllowed)
    def not_allowed(request: Request, error: NotAllowed) -> JSONResponse:
        door.refused(request, error.message)
        return refusal(403, said(request, error))

    @app.exception_handler(ConfigError)
    @app.exception_handler(Interlocked)
    def in_the_way(request: Request, error: StationError) -> JSONResponse:
        return refusal(409, said(request, error))

    @app.exception_handler(StationError)
    def failed(request: Request, error: StationError) -> JSONResponse:
        return refusal(503, said(request, error))
