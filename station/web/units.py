"""The pages of one slot and of one unit: steps, measurements, attempts, what it is made of, and what is offered now.

For whoever stands in front of a failed unit and has to decide: everything that is known of it, on one page.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse

from station.model import LineView, Measurement
from station.web.look import ACTIONS, SLOT_LOOKS, STEP_LOOKS, Look
from station.web.paper import Papers

SlotName = Annotated[str, InPath(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$")]
Serial = Annotated[str, InPath(pattern=r"^[A-Z0-9-]{4,25}$")]
UNIT_LOOKS = {
    "reserved": Look("In work", "run", "busy"),
    "released": Look("Released", "pass", "pass"),
    "packable": Look("May be packed", "released", "pass"),
    "rework": Look("In rework", "aborted", "warn"),
    "scrapped": Look("Scrapped", "fail", "fail"),
    "shipped": Look("Shipped", "released", "pass"),
    "commissioned": Look("In service", "released", "pass"),
    "returned": Look("Taken back", "aborted", "warn"),
    "decommissioned": Look("Decommissioned", "fail", "fail"),
}


@dataclass(frozen=True)
class StepLine:
    """One attempt of a step."""

    name: str
    title: str
    state: str
    """`running`, or an outcome."""
    attempt: int
    started: datetime
    seconds: float
    reason: str = ""
    hint: str = ""
    measurements: tuple[Measurement, ...] = ()

    @property
    def look(self) -> Look:
        """Return word, sign and tone of how it ended."""
        return STEP_LOOKS.get(self.state, Look(self.state, "dot", "waiting"))


@dataclass(frozen=True)
class RunCard:
    """One run of a unit."""

    name: str
    slot: str
    operator: str
    started: datetime
    ended: datetime | None
    outcome: str
    """Empty while it is at work."""
    reason: str
    recipe: str
    firmware: str
    steps: tuple[StepLine, ...]


@dataclass(frozen=True)
class Fact:
    """Something that a unit has or is: a component, an identifier, a label, a result."""

    kind: str
    value: str
    remark: str = ""
    ended: bool = False
    """Whether it is no longer so: a part that was taken out, a label that is void."""
    link: str = ""
    """Page that tells more: where else the same is, or the document itself."""


@dataclass(frozen=True)
class UnitCard:
    """Everything that is known of a unit."""

    serial: str
    state: str
    order: str
    hardware_uid: str
    since: datetime
    runs: tuple[RunCard, ...]
    """The newest first."""
    facts: tuple[tuple[str, tuple[Fact, ...]], ...] = ()
    """Under their titles: components, identifiers, labels, results, holds."""
    passport: bool = False

    @property
    def look(self) -> Look:
        """Return word, sign and tone of its state."""
        return UNIT_LOOKS[self.state]


class Units(Protocol):
    """What the pages need; every method may be called from any thread."""

    def unit(self, serial: str) -> UnitCard | None:
        """Return what is known of a unit, or None where there is none."""
        ...

    def reasons(self) -> Mapping[str, str]:
        """Return the reasons that can be chosen, by their codes."""
        ...


def unit_routes(units: Units, view: Callable[[], LineView], papers: Papers) -> APIRouter:
    """Return the pages' routes; `view` is the line as it is now."""
    routes = APIRouter()

    @routes.get("/slots/{slot}", response_class=HTMLResponse)
    def slot_page(slot: SlotName, request: Request) -> HTMLResponse:
        found = next((one for one in view().slots if one.name == slot), None)
        if found is None:
            raise HTTPException(404, f"There is no slot {slot} at this station.")
        values = {
            "slot": found, "look": SLOT_LOOKS[found.state], "unit": units.unit(found.serial) if found.serial else None,
            "reasons": units.reasons(), "ACTIONS": ACTIONS,
        }  # fmt: skip
        return papers.draw(request, "unit.html", values)

    @routes.get("/units/{serial}", response_class=HTMLResponse)
    def unit_page(serial: Serial, request: Request) -> HTMLResponse:
        found = units.unit(serial)
        if found is None:
            raise HTTPException(404, f"There is no unit {serial}.")
        return papers.draw(request, "unit.html", {"slot": None, "unit": found})

    return routes
