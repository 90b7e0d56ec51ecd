"""The page of people: who works here as what, who is signed in, and the acts of an admin and of those who train.

A one-time code is shown once, in the answer to the act that made it, and never stands on a page.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from station.clock import utc_now
from station.model import ScanReply
from station.people import Welcome, add_person, disable_person, reset_person, sign_in, train_person
from station.person import Role
from station.records import NewPerson, PersonRow, Records, SessionRow, TrainingRow
from station.web.paper import Papers, signed_in

SOON = timedelta(days=14)
"""From when on the end of a training is pointed out."""
MOST_DAYS = 1096
Text = Annotated[str, Field(max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewBody(_Body):
    """Body of an arrival."""

    id: Text
    name: Text
    roles: Text
    """Separated by commas."""


class LeaveBody(_Body):
    """Body of a leaving."""

    person: Text
    reason: Text


class ResetBody(_Body):
    """Body of a reset: beside whoever is signed in, a second person shows badge and PIN."""

    person: Text
    reason: Text
    badge: Text
    pin: Text = Field(repr=False)


class TrainBody(_Body):
    """Body of a training."""

    person: Text
    name: Text
    days: int = Field(ge=0, le=MOST_DAYS)
    """For how many days from now it is valid; 0 takes it back."""


@dataclass(frozen=True)
class TrainingMark:
    """A training as the page shows it."""

    name: str
    valid_until: datetime
    tone: str
    """`pass`, `ask` where it ends soon, `fail` where it has ended."""


@dataclass(frozen=True)
class PersonLine:
    """A person as the page shows them."""

    row: PersonRow
    trainings: tuple[TrainingMark, ...]
    sessions: tuple[SessionRow, ...]


def admin_routes(records: Records, papers: Papers) -> APIRouter:
    """Return the page's routes."""
    routes = APIRouter()

    @routes.get("/people", response_class=HTMLResponse)
    def page(request: Request) -> HTMLResponse:
        people = lines(records, utc_now())
        at_work = [line for line in people if line.row.disabled_at is None]
        values = {"people": people, "at_work": at_work, "ROLES": tuple(Role), "MOST_DAYS": MOST_DAYS}
        return papers.draw(request, "people.html", values)

    @routes.post("/api/people")
    def add(body: NewBody, request: Request) -> ScanReply:
        new = NewPerson(body.id.strip(), body.name.strip(), _roles(body.roles), "")
        return papers.reply(request, _welcome("{} was added.", add_person(records, signed_in(request), new)))

    @routes.post("/api/people/reset")
    def reset(body: ResetBody, request: Request) -> ScanReply:
        second = sign_in(records, body.badge.strip(), body.pin, request.client.host if request.client else "unknown")
        done = reset_person(records, signed_in(request), second, body.person, body.reason)
        return papers.reply(request, _welcome("{} was reset.", done))

    @routes.post("/api/people/disable")
    def disable(body: LeaveBody, request: Request) -> ScanReply:
        disable_person(records, signed_in(request), body.person, body.reason)
        return papers.reply(request, f"{body.person} signs in no longer.")

    @routes.post("/api/people/train")
    def train(body: TrainBody, request: Request) -> ScanReply:
        until = utc_now() + timedelta(days=body.days)
        row = train_person(records, signed_in(request), body.person, body.name.strip(), until)
        return papers.reply(request, f"{row.person} is trained for {row.name} until {row.valid_until:%Y-%m-%d}.")

    return routes


def lines(records: Records, now: datetime) -> tuple[PersonLine, ...]:
    """Return everybody, those who left last."""
    sessions = records.sessions()
    found = [
        PersonLine(
            row,
            tuple(_mark(training, now) for training in records.trainings(row.id)),
            tuple(session for session in sessions if session.person.id == row.id),
        )
        for row in records.people()
    ]
    return tuple(sorted(found, key=lambda line: (line.row.disabled_at is not None, line.row.id)))


def _mark(training: TrainingRow, now: datetime) -> TrainingMark:
    if training.valid_until <= now:
        return TrainingMark(training.name, training.valid_until, "fail")
    return TrainingMark(training.name, training.valid_until, "ask" if training.valid_until < now + SOON else "pass")


def _roles(text: str) -> frozenset[Role]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in set(Role)]
    if unknown:
        raise HTTPException(422, "There is no such role.")
    return frozenset(Role(word) for word in words)


def _welcome(done: str, welcome: Welcome) -> str:
    person = welcome.person
    return f"{done.format(person.id)} " + f"Badge {person.badge}, one-time code {welcome.code}: write both down now."
