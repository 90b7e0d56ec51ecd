"""The operator page as a web application: routes, and nothing that knows how the line works."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Header, HTTPException, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from station.errors import StationError
from station.model import LineView, ScanReply
from station.web import Documents, Find, LineControl
from station.web.feed import Feed, event_id, events
from station.web.guard import Guard, refusal
from station.web.render import Renderer

STATIC = Path(__file__).parent / "static"
LONGEST_SCAN = 128
OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")

_PRINTABLE = re.compile(r"[\x20-\x7e]*")
SlotName = Annotated[str, InPath(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$")]
Serial = Annotated[str, InPath(pattern=r"^[A-Z0-9-]{4,25}$")]


class Scan(BaseModel):
    """Body of a scan."""

    model_config = ConfigDict(extra="forbid", strict=True)
    code: str


class Action(BaseModel):
    """Body of an action on a slot."""

    model_config = ConfigDict(extra="forbid", strict=True)
    action: str


def create_app(
    line: LineControl, *, title: str, documents: Documents | None = None, names: Sequence[str] = ()
) -> FastAPI:
    """Return the operator page of a line.

    Args:
        line: The line to show and to act on.
        title: Name of the station, shown on the page.
        documents: Where passports and labels come from; without it there are none.
        names: Host names under which the page may be opened, besides this computer's own.
    """
    boot = str(time.time_ns() // 1_000_000)
    feed = Feed(line)
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None, lifespan=_following(feed))
    app.state.feed = feed
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*OWN_NAMES, *names], www_redirect=False)
    app.add_middleware(Guard)
    app.include_router(_page_routes(line, feed, Renderer(title, boot), boot))
    app.include_router(_line_routes(line), prefix="/api")
    app.include_router(_document_routes(documents or Documents()), prefix="/api")
    app.mount("/static", StaticFiles(directory=STATIC))
    _answer_errors(app)
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


def _page_routes(line: LineControl, feed: Feed, renderer: Renderer, boot: str) -> APIRouter:
    routes = APIRouter()

    @routes.get("/", response_class=HTMLResponse)
    def page() -> str:
        view = line.view()
        return renderer.page(view, event_id(boot, view))

    @routes.get("/favicon.ico")
    def icon() -> FileResponse:
        """A passport has no page around it that could name the icon."""
        return FileResponse(STATIC / "favicon.svg")

    @routes.get("/events")
    async def stream(after: str = "", last_event_id: Annotated[str, Header()] = "") -> Response:
        if feed.full:
            raise HTTPException(503, "Too many pages are open on this station. Close one.")
        content = events(feed, renderer, boot, last_event_id or after)
        return StreamingResponse(content, media_type="text/event-stream")

    @routes.get("/healthz")
    def health() -> dict[str, object]:
        if not feed.alive:
            raise HTTPException(503, "The line does not answer.")
        return {"status": "ok", "version": line.view().version}

    return routes


def _line_routes(line: LineControl) -> APIRouter:
    routes = APIRouter()

    @routes.get("/line")
    def state() -> LineView:
        return line.view()

    @routes.post("/scan")
    def scan(body: Scan) -> ScanReply:
        if reason := why_not_a_scan(body.code):
            raise HTTPException(422, reason)
        return line.scan(body.code.strip())

    @routes.post("/slots/{slot}/acknowledge")
    def acknowledge(slot: SlotName) -> ScanReply:
        return line.acknowledge(slot)

    @routes.post("/slots/{slot}/act")
    def act(slot: SlotName, body: Action) -> ScanReply:
        offered = {view.name: view.actions for view in line.view().slots}
        if body.action not in offered.get(slot, ()):
            raise HTTPException(409, f"Slot {slot} does not offer that now.")
        return line.act(slot, body.action)

    return routes


def _document_routes(documents: Documents) -> APIRouter:
    routes = APIRouter()

    @routes.get("/passports/{serial}.pdf")
    def passport_pdf(serial: Serial) -> Response:
        return _document(documents.passport_pdf, serial, "application/pdf", "pdf")

    @routes.get("/passports/{serial}.json")
    def passport_json(serial: Serial) -> Response:
        return _document(documents.passport_json, serial, "application/json", "json")

    @routes.get("/labels/{serial}")
    def label(serial: Serial) -> Response:
        return _document(documents.label, serial, documents.label_type, "")

    return routes


def _document(find: Find, serial: str, media_type: str, ending: str) -> Response:
    content = find(serial)
    if content is None:
        raise HTTPException(404, f"There is no such document of unit {serial}.")
    named = {"Content-Disposition": f'inline; filename="{serial}.{ending}"'} if ending else {}
    return Response(content, media_type=media_type, headers=named)


def _answer_errors(app: FastAPI) -> None:
    """Answer every refusal with one sentence in the form of a scan's reply."""

    @app.exception_handler(AnyHTTPException)
    def refused(request: Request, error: AnyHTTPException) -> JSONResponse:
        del request
        return refusal(error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        del request, error
        return refusal(422, "The request is not of the form this address takes.")

    @app.exception_handler(StationError)
    def failed(request: Request, error: StationError) -> JSONResponse:
        del request
        return refusal(503, f"{error.message} {error.hint}")
