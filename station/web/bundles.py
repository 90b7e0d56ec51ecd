"""The screen *Releases*: which release bundles there are, who answers for them, what changed, and how to stop one.

A page of its own beside the operator's: read now and then, by people who decide. Its only act is in the safe direction.
"""

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict

from station.catalog.approvals import BundleState
from station.catalog.bundle import Change
from station.model import ScanReply
from station.web.lead import why_no_reason
from station.web.look import Look
from station.web.paper import Papers, signed_in

MOST_LINES = 4000
"""Lines of difference that are shown of one file."""
LINE_LOOKS = {"+": "added", "-": "removed", "@": "place"}
Digest = Annotated[str, InPath(pattern=r"^[0-9a-f]{64}$")]


LOOKS = {
    BundleState.USABLE: Look("May build", "pass", "pass"),
    BundleState.OVERRIDDEN: Look("May build by override", "error", "warn"),
    BundleState.UNAPPROVED: Look("Waits for approval", "question", "ask"),
    BundleState.EXPIRED: Look("Expired", "aborted", "aborted"),
    BundleState.WITHDRAWN: Look("Withdrawn", "fail", "fail"),
    BundleState.REFUSED: Look("Refused", "error", "error"),
}


@dataclass(frozen=True)
class BundleUse:
    """A work order that builds from a bundle."""

    order: str
    state: str
    released: int
    quantity: int


@dataclass(frozen=True)
class BundleView:
    """One bundle as people judge it."""

    name: str
    revision: int
    digest: str
    recipe: str
    product: str
    firmware: str
    author: str
    approvers: tuple[str, ...]
    created: str
    expires: str
    state: BundleState
    sentence: str = ""
    """Why it may not build, or on whose word it may."""
    previous: str = ""
    """Digest of the revision before; empty for the first."""
    uses: tuple[BundleUse, ...] = ()

    @property
    def title(self) -> str:
        """Return name and revision as people say it."""
        return f"{self.name} r{self.revision}"

    @property
    def look(self) -> Look:
        """Return word, sign and tone of its state."""
        return LOOKS[self.state]


class Bundles(Protocol):
    """What the screen needs; every method may be called from any thread."""

    def views(self) -> tuple[BundleView, ...]:
        """Return all bundles, the newest first."""
        ...

    def changes(self, digest: str) -> tuple[Change, ...] | None:
        """Return what changed since the revision before, or None where there is no such bundle."""
        ...

    def withdraw(self, digest: str, who: str, reason: str) -> str:
        """Stop a bundle for good and return what that stops, in one sentence.

        Raises:
            StationError: There is no such bundle, or it can't be recorded.
        """
        ...


def shown_lines(change: Change) -> tuple[tuple[str, str], ...]:
    """Return lines of a difference with what they are: `added`, `removed`, `place` or nothing."""
    return tuple((LINE_LOOKS.get(line[:1], ""), line) for line in change.lines[:MOST_LINES])


class Withdrawal(BaseModel):
    """Body of a withdrawal."""

    model_config = ConfigDict(extra="forbid", strict=True)
    reason: str


def bundle_routes(bundles: Bundles, papers: Papers) -> APIRouter:
    """Return the screen's routes."""
    routes = APIRouter()

    @routes.get("/releases", response_class=HTMLResponse)
    def releases(request: Request) -> HTMLResponse:
        return papers.draw(request, "releases.html", {"bundles": bundles.views()})

    @routes.get("/releases/{digest}", response_class=HTMLResponse)
    def release(digest: Digest, request: Request) -> HTMLResponse:
        changes = bundles.changes(digest)
        found = next((view for view in bundles.views() if view.digest == digest), None)
        if found is None or changes is None:
            raise HTTPException(404, "There is no such bundle.")
        shown = [(change.path, shown_lines(change), max(0, len(change.lines) - MOST_LINES)) for change in changes]
        return papers.draw(request, "release.html", {"it": found, "changes": shown})

    @routes.post("/api/bundles/{digest}/withdraw")
    def withdraw(digest: Digest, body: Withdrawal, request: Request) -> ScanReply:
        reason = body.reason.strip()
        if why := why_no_reason(reason):
            raise HTTPException(422, why)
        return papers.reply(request, bundles.withdraw(digest, signed_in(request).id, reason))

    return routes
