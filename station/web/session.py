"""Signing in and out of the pages: the lock screen, the cookie, and who a request is from.

The cookie holds a token that only the server can read anything from. Scripts never see it, other sites never send it.
A badge and its PIN come together in one request, so that the server remembers nothing of people who have not signed in.
"""

from dataclasses import asdict
from datetime import datetime
from math import ceil
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from station.clock import utc_now
from station.model import ScanReply
from station.people import Attendance, Opened, Sessions
from station.people.secrets import BADGE
from station.person import Person
from station.web.paper import Papers

LONGEST_TOKEN = 64
NOWHERE = "/"
BadgeCode = Annotated[str, Field(pattern=f"^{BADGE.pattern}$")]
Secret = Annotated[str, Field(max_length=64, repr=False)]


class SignIn(BaseModel):
    """Body of a sign-in."""

    model_config = ConfigDict(extra="forbid", strict=True)
    badge: BadgeCode
    pin: Secret


class PinChoice(BaseModel):
    """Body of the choice of a PIN."""

    model_config = ConfigDict(extra="forbid", strict=True)
    badge: BadgeCode
    code: Secret
    pin: Secret


class Door:
    """Who comes and goes over the pages of one station; safe from all threads."""

    def __init__(self, sessions: Sessions, attendance: Attendance, station: str) -> None:
        """Watch the door of a station.

        Args:
            sessions: Where sign-ins are kept.
            attendance: Told of whoever comes and goes.
            station: Its name; several stations on one computer have cookies of their own.
        """
        self.sessions = sessions
        self.attendance = attendance
        self._cookie = f"session-{station}"

    def person(self, request: Request, used: bool) -> Person | None:  # noqa: FBT001 - the form of `FindPerson`
        """Return who a request is from; `used` keeps their session from idling."""
        token = request.cookies.get(self._cookie, "")
        return self.sessions.person(token, used=used) if 0 < len(token) <= LONGEST_TOKEN else None

    def let_in(self, request: Request, answer: Response, opened: Opened) -> None:
        """Give the browser its new token, in place of whatever it had."""
        self._end(request)
        answer.set_cookie(self._cookie, opened.token, httponly=True, samesite="strict", path="/")
        self.attendance.look_again()

    def let_out(self, request: Request, answer: Response) -> None:
        """End the browser's session."""
        self._end(request)
        answer.delete_cookie(self._cookie, httponly=True, samesite="strict", path="/")
        self.attendance.look_again()

    def refused(self, request: Request, why: str) -> None:
        """Record that whoever is signed in asked for what they may not do."""
        if request.state.person is not None:
            self.sessions.refused(request.state.person, f"{request.method} {request.url.path}", why)

    def _end(self, request: Request) -> None:
        token = request.cookies.get(self._cookie, "")
        if 0 < len(token) <= LONGEST_TOKEN:
            self.sessions.sign_out(token)


def lock_routes(door: Door, papers: Papers) -> APIRouter:
    """Return the lock screen, and who is signed in where it is asked."""
    routes = APIRouter()

    @routes.get("/lock", response_class=HTMLResponse)
    def lock(
        request: Request, back: Annotated[str, Query(pattern=r"^/[A-Za-z0-9/_.-]{0,100}$")] = NOWHERE
    ) -> HTMLResponse:
        return papers.draw(request, "lock.html", {"back": NOWHERE if back.startswith("//") else back})

    @routes.get("/api/session")
    def session(request: Request) -> dict[str, object]:
        present = door.attendance.present()
        return {"person": _shown(getattr(request.state, "person", None)), "present": _shown(present)}

    @routes.delete("/api/session")
    def sign_out(request: Request) -> Response:
        answer = JSONResponse(asdict(papers.reply(request, "Signed out.")))
        door.let_out(request, answer)
        return answer

    return routes


def sign_in_routes(door: Door, papers: Papers) -> APIRouter:
    """Return the ways in: by badge and PIN, and by badge and one-time code."""
    routes = APIRouter()

    @routes.post("/api/session")
    def sign_in(body: SignIn, request: Request) -> Response:
        opened = door.sessions.sign_in(body.badge, body.pin, _address(request))
        return welcomed(request, opened)

    @routes.post("/api/session/pin")
    def choose(body: PinChoice, request: Request) -> Response:
        try:
            opened = door.sessions.choose_pin(body.badge, body.code, body.pin, _address(request))
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return welcomed(request, opened)

    def welcomed(request: Request, opened: Opened) -> Response:
        reply: ScanReply = papers.reply(request, f"Signed in: {opened.person.name}.")
        answer = JSONResponse(asdict(reply))
        door.let_in(request, answer, opened)
        return answer

    return routes


def until_header(until: datetime) -> dict[str, str]:
    """Return the header that says when the next attempt to sign in is taken."""
    return {"Retry-After": str(max(1, ceil((until - utc_now()).total_seconds())))}


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _shown(person: Person | None) -> dict[str, object] | None:
    return None if person is None else {"id": person.id, "name": person.name, "roles": sorted(person.roles)}
