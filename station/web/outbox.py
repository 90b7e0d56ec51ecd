"""The screen *Messages*: what others are still to be told, what stands aside, and who decided what of it, and why.

Quality reads it; the line lead sends messages on or gives them up, each with a reason that stays.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from station.clock import utc_now
from station.model import ScanReply
from station.records import ENDED, REVOKED, SCRAP_SAID, WITHDRAWN, Decision, DecisionKind, OutboxRow, Records
from station.records.delivery_rows import message_ref
from station.web.lead import why_no_reason
from station.web.paper import Papers, signed_in

MOST_DEAD, MOST_WAITING, MOST_DECISIONS = 200, 100, 30
TITLES = {
    "cpms-register": "Register with the CPMS",
    "passport-pdf": "Write the passport",
    REVOKED: "Tell of a revoked certificate",
    ENDED: "End keys and certificates",
    SCRAP_SAID: "Say in the passport that the unit was scrapped",
    WITHDRAWN: "Take the registration back",
}
"""What messages are for, by their kind."""
DONE = {DecisionKind.RETRY: "Sent on", DecisionKind.DROP: "Given up"}


class DecisionBody(BaseModel):
    """Body of a decision."""

    model_config = ConfigDict(extra="forbid")
    message: Annotated[str, Field(max_length=80)]
    reason: Annotated[str, Field(max_length=400)]


def outbox_routes(records: Records, papers: Papers) -> APIRouter:
    """Return the screen's routes."""
    routes = APIRouter()

    @routes.get("/outbox", response_class=HTMLResponse)
    def page(request: Request) -> HTMLResponse:
        queue, now = records.queue(), utc_now()
        values = {
            "queue": queue, "age": _age(queue.oldest, now), "dead": records.dead_letters(MOST_DEAD),
            "waiting": records.waiting_messages_of(limit=MOST_WAITING), "title_of": title_of, "may_drop": may_drop,
            "decisions": records.decisions(limit=MOST_DECISIONS), "DONE": DONE,
        }  # fmt: skip
        return papers.draw(request, "outbox.html", values)

    def decided(kind: DecisionKind, body: DecisionBody, request: Request) -> OutboxRow:
        reason = body.reason.strip()
        if why := why_no_reason(reason):
            raise HTTPException(422, why)
        return records.decide(Decision(kind, message_ref(body.message), signed_in(request).id, reason))

    @routes.post("/api/outbox/retry")
    def retry(body: DecisionBody, request: Request) -> ScanReply:
        row = decided(DecisionKind.RETRY, body, request)
        return papers.reply(request, f"The message about unit {row.unit} is sent on.")

    @routes.post("/api/outbox/drop")
    def drop(body: DecisionBody, request: Request) -> ScanReply:
        row = decided(DecisionKind.DROP, body, request)
        return papers.reply(request, f"The message about unit {row.unit} is given up.")

    return routes


def title_of(row: OutboxRow) -> str:
    """Return what a message is for."""
    return TITLES.get(row.kind, row.kind)


def may_drop(row: OutboxRow) -> bool:
    """Tell whether somebody may give a message up."""
    return row.dead_at is not None and row.kind != ENDED


def _age(oldest: datetime | None, now: datetime) -> str:
    """Write how long ago something was, in its largest units."""
    whole = int((now - oldest).total_seconds() // 60) if oldest else 0
    days, hours, minutes = whole // 1440, whole // 60 % 24, whole % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if oldest else ""
