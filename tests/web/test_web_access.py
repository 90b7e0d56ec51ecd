"""Routes and roles are one table: every address stands in it, and every request is held to it (F-K1)."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from station import daemon
from station.config import load_station
from station.documents.printers import open_printer
from station.errors import Service, ServiceError
from station.labelled import LabelRoom
from station.orders import Office
from station.orders.uploads import Uploads
from station.person import Person, Role
from station.reprinting import Desk
from station.results.intake import Intake
from station.trace.desk import ExportDesk
from station.web.access import ACCESS, Access
from station.web.app import create_app
from station.web.orders import order_routes
from station.web.results import result_routes
from tests.people.staff import Staff, door_of
from tests.web.conftest import SmallLine, come_in

MAY = {
    ("POST", "/api/scan"): "operator line-lead rework qa",
    ("POST", "/api/slots/A/acknowledge"): "operator line-lead rework qa",
    ("POST", "/api/slots/A/act"): "operator line-lead rework qa",
    ("GET", "/api/passports/AC22-1.pdf"): " ".join(Role),
    ("GET", "/units/AC22-1"): " ".join(Role),
    ("GET", "/lead"): " ".join(Role),
    ("POST", "/api/lead/pause"): "line-lead",
    ("POST", "/api/lead/replace"): "line-lead",
    ("POST", "/api/lead/hold"): "line-lead qa",
    ("POST", "/api/lead/lift"): "qa",
    ("POST", "/api/lead/first-article"): "line-lead qa",
    ("POST", "/api/lead/scrap"): "line-lead qa",
    ("POST", "/api/orders/preview"): "line-lead",
    ("POST", "/api/orders/import"): "line-lead",
    ("POST", f"/api/bundles/{'f' * 64}/withdraw"): "line-lead qa engineer approver",
    ("POST", "/api/labels/scan"): "operator line-lead rework qa",
    ("POST", "/api/labels/reprint"): "line-lead rework",
    ("POST", "/api/labels/void"): "line-lead qa",
    ("GET", "/outbox"): "line-lead qa",
    ("POST", "/api/outbox/retry"): "line-lead",
    ("POST", "/api/outbox/drop"): "line-lead",
    ("GET", "/figures"): "line-lead qa engineer",
    ("GET", "/people"): "admin line-lead qa",
    ("POST", "/api/people"): "admin",
    ("POST", "/api/people/disable"): "admin",
    ("POST", "/api/people/reset"): "admin line-lead qa",
    ("POST", "/api/people/train"): "line-lead qa",
}
"""Requests -> roles that may make them, as the factory agreed on it."""


@pytest.fixture
def app(staff: Staff) -> Iterator[FastAPI]:
    """The application as the station serves it, over a line in memory."""
    config, line = load_station(staff.station), SmallLine(1)
    with staff.records() as records, ExitStack() as stack:
        uploads = Uploads(Office(config, records, lambda: False), config.directory / config.orders.folder)
        machines = (partial(result_routes, Intake(config, records), str), partial(order_routes, uploads))
        labels = Desk(LabelRoom(config, records), open_printer("discard:"), "discard:")
        screens = (
            *daemon._screens(config, records, line, labels),
            *daemon._figures(stack, config, records, line),
            *daemon._export_screens(ExportDesk(config), records),
            *machines,
        )
        yield create_app(line, title="Line", door=door_of(records), screens=screens)


def asked(person: Person | None, method: str, path: str) -> httpx.Response:
    """Return what the gate answers; behind it everything is taken."""
    gate = Access(PlainTextResponse("done"), person=lambda request, used: person, say=lambda request, text: text)
    return sent(gate, method, path)


def sent(app: object, method: str, path: str, **headers: str | bytes) -> httpx.Response:
    """Send one request to an application."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(send())


def test_every_address_stands_in_the_table_and_nothing_else(app: FastAPI) -> None:
    """Whoever adds a route decides who may ask; whoever takes one away takes its row."""
    found = {("GET", f"{mount.path}/{{path:path}}") for mount in app.routes if isinstance(mount, Mount)}
    for route in iter_route_contexts(app.routes):
        found |= {(method, route.path) for method in route.methods or ()}
    listed = {(method, path) for method, path, _ in ACCESS}
    assert found == listed
    assert len(listed) == len(ACCESS)


@pytest.mark.parametrize(("method", "path"), MAY)
def test_each_role_may_what_was_agreed(method: str, path: str) -> None:
    """Roles alone decide: with the right one through, with all others refused by name, with none asked to sign in."""
    may = {role for role in Role if asked(Person("p-1", "P", frozenset({role})), method, path).status_code == 200}
    assert may == set(MAY[method, path].split())
    assert asked(None, method, path).status_code == 401


def test_only_what_hangs_above_the_line_is_for_anybody() -> None:
    """Without a sign-in there is the line as everybody sees it, the way in, and the machines' own door."""
    free = {path for method, path, who in ACCESS if who is None and method == "GET"}
    assert free == {
        *("/", "/events", "/healthz", "/metrics", "/favicon.ico", "/static/{path:path}", "/language/{code}"),
        *("/api/line", "/lock", "/api/session"),
        # Programs show a token of their own there: tests/trace/test_api.py.
        *(f"/api/v1/{what}" for what in ("openapi.json", "recall", "search", "units/{serial}")),
        *("/api/v1/exports", "/api/v1/exports/{name}"),
    }
    acts = {(method, path) for method, path, who in ACCESS if who is None and method != "GET"}
    assert acts == {
        *(("POST", "/api/session"), ("DELETE", "/api/session"), ("POST", "/api/session/pin")),
        *(("POST", "/api/results/{layout}"), ("POST", "/api/v1/recall")),
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
        ("GET", "/lead/", 404),
        ("POST", "/", 405),
        ("PUT", "/api/scan", 405),
        ("OPTIONS", "/api/scan", 405),
        ("TRACE", "/lead", 405),
    ],
)
def test_what_is_not_listed_is_refused_whoever_asks(method: str, path: str, status: int) -> None:
    """Before any page sees it, and also for somebody with every role."""
    assert asked(Person("p-1", "P", frozenset(Role)), method, path).status_code == status


def test_refusals_name_the_person_and_the_role(client: httpx.Client) -> None:
    """The next step is in the sentence; nothing was done."""
    answer = client.post("/api/people/train", json={})
    assert (answer.status_code, answer.json()["accepted"]) == (403, False)
    assert answer.json()["sentence"] == "Operator 1 may not do this: it takes the role line-lead or qa."


def test_an_act_that_is_refused_is_on_record(client: httpx.Client, staff: Staff) -> None:
    """F-K3: an event says who tried what; a page that is only looked at leaves none."""
    assert [client.get("/people").status_code, client.post("/api/people/train", json={}).status_code] == [403, 403]
    with staff.records() as records:
        (found,) = records.events(kind="act-refused")
    assert (found.subject, found.who) == ("POST /api/people/train", "operator-1")


def test_every_write_without_a_person_is_refused(app: FastAPI, line) -> None:
    """Also with a cookie that nobody gave out."""
    for method, path, who in ACCESS:
        if method != "GET" and who is not None:
            for cookie in ("", "session-ST1=", "session-ST1=guess", f"session-ST1={'x' * 65}", "session-ST1=\u00e9"):
                address = path.replace("{slot}", "A").replace("{digest}", "f" * 64)
                assert sent(app, method, address, cookie=cookie.encode()).status_code == 401


def test_a_person_who_is_let_go_or_changed_is_so_at_once(client: httpx.Client, staff: Staff, line) -> None:
    """The next request of a page that is open decides by what the records say now."""
    come_in(client, staff, "operator-1")
    assert client.post("/api/scan", json={"code": "SL-A"}).status_code == 200
    with staff.records() as elsewhere:
        elsewhere.disable_person("operator-1", "admin-1", "left the company")
    assert client.post("/api/scan", json={"code": "SL-B"}).status_code == 401
    assert client.post("/api/session", json=asdict(staff.shown("operator-1"))).status_code == 401
    assert line.scans == ["SL-A"]


def test_records_that_are_away_open_nothing_and_leave_the_line_readable() -> None:
    """The board above the line needs no records; everything else waits for them."""

    def away(request: Request, used: bool) -> Person | None:
        raise ServiceError(Service.DATABASE, "The disk is full.", hint="Call the line lead.")

    gate = Access(PlainTextResponse("done"), person=away, say=lambda request, text: text)
    assert sent(gate, "GET", "/").status_code == 200
    assert sent(gate, "GET", "/lead").json()["sentence"] == "The disk is full. Call the line lead."


def test_readers_are_led_to_the_lock_screen_and_programs_are_not() -> None:
    gate = Access(PlainTextResponse("done"), person=lambda request, used: None, say=lambda request, text: text)
    page = sent(gate, "GET", "/lead/WO-1", accept="text/html")
    assert (page.status_code, page.headers["location"]) == (303, "/lock?back=/lead/WO-1")
    assert sent(gate, "GET", "/lead/WO-1", accept="application/json").status_code == 401
