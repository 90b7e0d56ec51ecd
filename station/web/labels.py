"""The screen *Labels*: the printer's state in words, what waits to be printed or scanned back, and each unit's labels.

Everybody at the line sees it and scans labels back; the line lead and rework have a label printed again, the line lead
and quality declare it void, each with a reason that stays.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from station.model import ScanReply
from station.person import Person
from station.web.lead import why_no_reason
from station.web.look import Look
from station.web.paper import Papers, signed_in

Serial = Annotated[str, InPath(pattern=r"^[A-Z0-9-]{4,25}$")]
Name = Annotated[str, InPath(pattern=r"^[a-z]{1,20}(-[A-Z0-9]{1,3})?$")]
LABEL_LOOKS = {
    "rendered": Look("Waits for the printer", "label", "busy"),
    "verified": Look("Waits for the printer", "label", "busy"),
    "sent": Look("Sent, nobody knows whether it is printed", "question", "warn"),
    "printed": Look("Printed, to be scanned back", "scan", "ask"),
    "scanned": Look("Scanned back", "pass", "pass"),
    "void": Look("Void", "fail", "idle"),
}
"""How the page speaks of a label's state."""


@dataclass(frozen=True)
class PrinterCard:
    """A printer as people see it."""

    name: str
    ready: bool
    problem: str = ""
    hint: str = ""
    waiting: int | None = 0
    """Labels it holds; None while it does not tell."""
    serial: str = ""


@dataclass(frozen=True)
class LabelLine:
    """One copy of a label in the queue, or at its end."""

    unit: str
    label: str
    copy: int
    state: str
    since: datetime
    at_slot: bool = False
    """Whether its unit is in work: its slot prints it and takes its scan."""
    reason: str = ""
    who: str = ""

    @property
    def look(self) -> Look:
        """Return word, sign and tone of its state."""
        return LABEL_LOOKS[self.state]


@dataclass(frozen=True)
class Act:
    """What a person wants of a label."""

    unit: str
    label: str
    reason: str = ""
    code: str = ""
    """What was scanned."""


class LabelDesk(Protocol):
    """What the screen needs; every method may be called from any thread."""

    def printers(self) -> tuple[PrinterCard, ...]:
        """Return the printers and how they are now; one that is away is not ready."""
        ...

    def queue(self) -> tuple[LabelLine, ...]:
        """Return the labels that wait for the printer or for their scan, the oldest first."""
        ...

    def ended(self) -> tuple[LabelLine, ...]:
        """Return the labels that were scanned back or declared void last."""
        ...

    def labels(self, unit: str) -> tuple[LabelLine, ...]:
        """Return the latest copies of a unit's labels.

        Raises:
            StationError: There is no such unit.
        """
        ...

    def picture(self, unit: str, label: str) -> bytes:
        """Return a label's picture as PNG, a secret as dots.

        Raises:
            StationError: There is no such label, or it can't be drawn.
        """
        ...

    def reprint(self, person: Person, act: Act) -> str:
        """Print the next copy of a released unit's label, the one before void; return what became of it.

        Raises:
            StationError: It may not be printed, or the printer can't.
        """
        ...

    def void(self, person: Person, act: Act) -> str:
        """Declare a label missing or spoilt, and return so in a sentence.

        Raises:
            StationError: There is no such label.
        """
        ...

    def scan(self, person: Person, act: Act) -> str:
        """Take the scan-back of a label that was printed again, and return so in a sentence.

        Raises:
            StationError: It is not that label's code, or its slot takes it.
        """
        ...


class ActBody(BaseModel):
    """Body of what a person wants of a label."""

    model_config = ConfigDict(extra="forbid")
    unit: Annotated[str, Field(pattern=r"^[A-Z0-9-]{4,25}$")]
    label: Annotated[str, Field(pattern=r"^[a-z]{1,20}(-[A-Z0-9]{1,3})?$")] = "unit"
    reason: Annotated[str, Field(max_length=400)] = ""
    code: Annotated[str, Field(max_length=100)] = ""

    def act(self) -> Act:
        """Return it as the desk reads it."""
        return Act(self.unit, self.label, self.reason.strip(), self.code.strip())


def label_routes(desk: LabelDesk, papers: Papers) -> APIRouter:
    """Return the screen's routes."""
    routes = APIRouter()

    @routes.get("/labels", response_class=HTMLResponse)
    def page(request: Request, unit: str = "") -> HTMLResponse:
        asked = unit.strip().upper()[:25]
        found = desk.labels(asked) if asked else ()
        values = {
            "printers": desk.printers(), "queue": desk.queue(), "ended": desk.ended(), "unit": asked, "labels": found,
        }  # fmt: skip
        return papers.draw(request, "labels.html", values)

    @routes.get("/labels/{serial}/{name}.png")
    def picture(serial: Serial, name: Name) -> Response:
        return Response(desk.picture(serial, name), media_type="image/png", headers={"Cache-Control": "no-store"})

    def with_reason(do: Callable[[Person, Act], str]) -> Callable[[ActBody, Request], ScanReply]:
        def done(body: ActBody, request: Request) -> ScanReply:
            act = body.act()
            if why := why_no_reason(act.reason):
                raise HTTPException(422, why)
            return papers.reply(request, do(signed_in(request), act))

        return done

    routes.add_api_route("/api/labels/reprint", with_reason(desk.reprint), methods=["POST"], name="reprint")
    routes.add_api_route("/api/labels/void", with_reason(desk.void), methods=["POST"], name="void")

    @routes.post("/api/labels/scan")
    def scan(body: ActBody, request: Request) -> ScanReply:
        return papers.reply(request, desk.scan(signed_in(request), body.act()))

    return routes
