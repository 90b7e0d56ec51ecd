"""What every request passes and every response carries: small bodies, our own pages only, strict headers."""

import asyncio
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 4096
MOST_SECONDS = 5.0
MORE: tuple[tuple[str, int], ...] = (
    ("/api/results/", 4 * 1024 * 1024),
    ("/api/orders/preview", 16 * 1024 * 1024),
    ("/api/v1/recall", 1024 * 1024),
    ("/recall", 1024 * 1024),
)
"""Addresses that take larger bodies, by their beginning, and how large."""
MORE_SECONDS = 60.0
MOST_LARGE = 4
"""How many bodies are received at a time for one of them: nobody is known yet, and each is held in memory."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), serial=(), usb=()",
}


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        """Guard an application."""
        self._app = app
        self._large = {start: asyncio.Semaphore(MOST_LARGE) for start, _ in MORE}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is too big, too slow or from elsewhere; pass on the rest."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _strengthen(MutableHeaders(scope=message), scope["path"])
            await send(message)

        if scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send_with_headers)
        else:
            await self._change(scope, receive, send_with_headers)

    async def _change(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not from_our_own_page(Headers(scope=scope)):
            await refusal(403, "A page from elsewhere may not act on this station.")(scope, receive, send)
            return
        start, most = _bounds(scope["path"])
        large = self._large.get(start)
        if large is None:
            found = await _received(receive, most, MOST_SECONDS)
        elif large.locked():
            found = refusal(503, "Other files are being received. Send it again in a minute.")
        else:
            async with large:  # until the body is here; answers may take long
                found = await _received(receive, most, MORE_SECONDS)
        if isinstance(found, bytes):
            await self._app(scope, _replay(found, receive), send)
        elif found is not None:
            await found(scope, receive, send)


def refusal(status: int, sentence: str) -> JSONResponse:
    """Return a refusal in the form of a scan's reply."""
    return JSONResponse({"accepted": False, "sentence": sentence, "slot": ""}, status)


def from_our_own_page(headers: Headers) -> bool:
    """Tell whether a request comes from a page of this station or from no browser at all."""
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _bounds(path: str) -> tuple[str, int]:
    """Return how an address begins that takes larger bodies, nothing for others, and how many bytes a body may have."""
    return next(((start, most) for start, most in MORE if path.startswith(start)), ("", MOST_BYTES))


async def _received(receive: Receive, most: int, seconds: float) -> bytes | JSONResponse | None:
    """Return the body, or why it is refused; None if the client went away in the middle."""
    try:
        body = await asyncio.wait_for(_read(receive, most), seconds)
    except TimeoutError:
        return refusal(408, "The request took too long.")
    too_long = body is not None and len(body) > most
    return refusal(413, f"The request is longer than {most} bytes.") if too_long else body


async def _read(receive: Receive, most: int) -> bytes | None:
    """Return the body, or just more than the most we take of it; None if the client went away in the middle."""
    body = bytearray()
    while len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


def _strengthen(headers: MutableHeaders, path: str) -> None:
    headers.update(HEADERS)
    headers["Cache-Control"] = "no-cache" if path.startswith("/static/") else "no-store"
