"""The line lead's page: how far the orders are, what holds them up, what fails today, and who decided what, when, why.

Every act is of the person who is signed in, has a reason, and is recorded with both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict

from station.clock import utc_now
from station.documents.log_code import DrawnCode
from station.model import LineView, ScanReply
from station.person import Person
from station.web.look import SLOT_LOOKS, Look, current_step, elapsed, minutes
from station.web.paper import Papers, signed_in

SHORTEST_REASON, LONGEST_REASON = 3, 200
OrderName = Annotated[str, InPath(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
ORDER_LOOKS = {
    "open": Look("Open", "run", "busy"),
    "paused": Look("Paused", "hold", "warn"),
    "closed": Look("Closed", "released", "idle"),
}
ACTS = (
    "pause", "resume", "replace", "close", "hold", "lift", "first-article", "clearance", "handover", "scrap", "rework",
)  # fmt: skip
"""What can be done on the page; each has an address of its own, so that each has its roles."""
HELD = ("unit", "order", "firmware", "lot", "slot", "station")
"""What a hold can stop."""


@dataclass(frozen=True)
class OrderCard:
    """How far a work order is."""

    id: str
    product: str
    customer: str
    bundle: str
    state: str
    quantity: int
    released: int
    in_work: int
    """Units with a serial that are neither released nor scrapped."""
    scrapped: int
    failed_runs: int
    replacements: int
    """Units that a line lead allowed beyond the quantity, for scrapped ones."""
    first_pass: float | None = None
    """Share of units released at their first run, 0 to 1; None while none is done."""
    per_hour: float = 0.0
    """Units released an hour, of today."""
    ends: datetime | None = None
    """When the last unit is expected, at today's pace."""
    due: str = ""
    serials_left: int = 0
    article: str = ""
    """Serial of the first article that waits for its sign-off."""
    current: bool = False
    """Whether this line builds it now."""
    version: int = 1

    @property
    def look(self) -> Look:
        """Return word, sign and tone of its state."""
        return ORDER_LOOKS[self.state]

    @property
    def parts(self) -> tuple[tuple[str, str, int], ...]:
        """Return what the order's units are: tone, word, how many; together the quantity, or more."""
        ahead = max(0, self.quantity + self.replacements - self.released - self.in_work - self.scrapped)
        parts = (("pass", "released", self.released), ("busy", "in work", self.in_work),
                 ("fail", "scrapped", self.scrapped), ("idle", "to be built", ahead))  # fmt: skip
        return tuple(part for part in parts if part[2])


@dataclass(frozen=True)
class HoldLine:
    """A hold that stands."""

    id: str
    scope: str
    subject: str
    reason: str
    who: str
    since: datetime
    quarantine: bool = False
    """Whether the station itself began it."""


@dataclass(frozen=True)
class FailureBar:
    """A defect or a service that ended runs today."""

    name: str
    count: int
    share: float
    """Of all of today's runs that ended so, 0 to 1."""
    sum: float
    """Its share and those of all above it."""
    unit: bool = True
    """Whether the unit was to blame; else the station."""


@dataclass(frozen=True)
class GoldenLine:
    """A golden unit, with its last check."""

    serial: str
    expected: str
    checked: datetime | None
    right: bool
    """Whether the last check came out as expected."""


@dataclass(frozen=True)
class Shift:
    """What a shift hands over."""

    golden: tuple[GoldenLine, ...] = ()
    clearance: str = ""
    """Why the line waits for its clearance, as one sentence; empty when it does not."""
    handover: str = ""
    """How far the handover's signatures are, as one sentence."""
    entries: int = 0
    """Entries of the audit log that its newest checkpoint covers; 0 while there is none."""
    code: DrawnCode | None = None
    """That checkpoint as a QR code."""


@dataclass(frozen=True)
class StoryLine:
    """One thing that happened in an order."""

    at: datetime
    who: str
    what: str
    """In one sentence."""
    subject: str = ""
    """The unit's serial, or whatever else it was done to."""
    why: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Order:
    """An act on the page, as somebody asked for it."""

    act: str
    subject: str
    reason: str
    detail: str = ""
    version: int = 0
    code: str = ""
    """Code under which the reason is counted; only scrap and rework have one."""


class Lead(Protocol):
    """What the page needs; every method may be called from any thread."""

    def orders(self) -> tuple[OrderCard, ...]:
        """Return the orders, the one that is built now first, then the newest."""
        ...

    def holds(self) -> tuple[HoldLine, ...]:
        """Return the holds that stand, the newest first."""
        ...

    def failures(self) -> tuple[FailureBar, ...]:
        """Return what ended runs today, the most frequent first."""
        ...

    def shift(self) -> Shift:
        """Return what is to be known and signed at the change of a shift or product."""
        ...

    def story(self, order: str) -> tuple[StoryLine, ...]:
        """Return what happened in an order, the newest first."""
        ...

    def reasons(self) -> Mapping[str, str]:
        """Return what scrap and rework are counted by: codes, each with what it means."""
        ...

    def return_points(self) -> tuple[tuple[str, str], ...]:
        """Return the steps that a unit of the line's order can return to: name and title, in their order."""
        ...

    def act(self, person: Person, order: Order) -> str:
        """Do what a person asked for, and return what was done in one sentence.

        Raises:
            StationError: It may not be done, or can't be recorded; nothing was done.
        """
        ...


class ActBody(BaseModel):
    """Body of an act."""

    model_config = ConfigDict(extra="forbid")
    subject: str = ""
    reason: str = ""
    detail: str = ""
    version: int = 0
    code: str = ""


@dataclass(frozen=True)
class Work:
    """One slot's work, as a line of a table."""

    slot: str
    serial: str
    look: Look
    doing: str
    seconds: str


def lead_routes(lead: Lead, view: Callable[[], LineView], papers: Papers) -> APIRouter:
    """Return the page's routes; `view` is the line as it is now."""
    routes = APIRouter()
    routes.include_router(act_routes(lead, papers))

    @routes.get("/lead", response_class=HTMLResponse)
    def page(request: Request) -> HTMLResponse:
        now = utc_now()
        orders, line = lead.orders(), view()
        current = next((order for order in orders if order.current), None)
        values = {
            "orders": orders, "order": current, "holds": lead.holds(), "failures": lead.failures(),
            "shift": lead.shift(), "work": work_of(line, now), "alarms": line.alarms, "HELD": HELD,
            "reasons": lead.reasons(), "points": lead.return_points(),
            "story": lead.story(current.id)[:SHORT_STORY] if current else (),
        }  # fmt: skip
        return papers.draw(request, "lead.html", values)

    @routes.get("/lead/{order}", response_class=HTMLResponse)
    def story(order: OrderName, request: Request) -> HTMLResponse:
        found = next((card for card in lead.orders() if card.id == order), None)
        if found is None:
            raise HTTPException(404, f"There is no work order {order}.")
        return papers.draw(request, "order.html", {"order": found, "story": lead.story(order)})

    return routes


def act_routes(lead: Lead, papers: Papers) -> APIRouter:
    """Return the addresses of what can be done on the page."""
    routes = APIRouter()

    def doing(act: str) -> Callable[[ActBody, Request], ScanReply]:
        def do(body: ActBody, request: Request) -> ScanReply:
            reason = body.reason.strip()
            if why := why_no_reason(reason):
                raise HTTPException(422, why)
            order = Order(act, body.subject.strip(), reason, body.detail.strip(), body.version, body.code.strip())
            return papers.reply(request, lead.act(signed_in(request), order))

        return do

    for act in ACTS:
        routes.add_api_route(f"/api/lead/{act}", doing(act), methods=["POST"], name=act)
    return routes


SHORT_STORY = 12
"""How much of an order's story stands on the page of all orders."""


def work_of(view: LineView, now: datetime) -> Sequence[Work]:
    """Return what the slots work on."""
    found = []
    for slot in view.slots:
        step = current_step(slot)
        doing = step[1].title if step and slot.state == "running" else slot.sentence
        found.append(Work(slot.name, slot.serial, SLOT_LOOKS[slot.state], doing, minutes(elapsed(slot, now))))
    return found


def why_no_reason(reason: str) -> str:
    """Return why a text is no reason, as one sentence; empty if it is one."""
    if SHORTEST_REASON <= len(reason) <= LONGEST_REASON and reason.isprintable():
        return ""
    return "A reason has 3 to 200 printable characters."
