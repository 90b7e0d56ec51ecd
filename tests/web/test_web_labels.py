"""The screen *Labels*: the printer in words, the queue, and a label printed again or scanned back (F-J4, F-K1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import httpx
import pytest
from playwright.sync_api import Browser

from station.clock import utc_now
from station.errors import Interlocked
from station.person import Person
from station.web.app import create_app
from station.web.labels import Act, LabelLine, PrinterCard, label_routes
from station.web.server import RunningServer, serve
from station.web.session import Door
from tests.people.staff import Staff
from tests.web.conftest import Open, SmallLine, come_in, signed_in, visiting

PNG = b"\x89PNG\r\n\x1a\n"
PROBLEM = "label printer 10.0.0.9:9100: out of labels"


@dataclass
class SmallDesk:
    """Labels that do what they are told; the production interface, kept in memory."""

    lines: tuple[LabelLine, ...] = ()
    acts: list[tuple[str, str, Act]] = field(default_factory=list)
    ready: bool = False

    def printers(self) -> tuple[PrinterCard, ...]:
        problem, hint = ("", "") if self.ready else (PROBLEM, "Load labels.")
        return (PrinterCard("tcp://10.0.0.9:9100", self.ready, problem, hint, 2, "99J204501234"),)

    def queue(self) -> tuple[LabelLine, ...]:
        return tuple(line for line in self.lines if line.state not in ("scanned", "void"))

    def ended(self) -> tuple[LabelLine, ...]:
        return tuple(line for line in self.lines if line.state in ("scanned", "void"))

    def labels(self, unit: str) -> tuple[LabelLine, ...]:
        return tuple(line for line in self.lines if line.unit == unit)

    def picture(self, unit: str, label: str) -> bytes:
        return PNG + f"{unit}/{label}".encode()

    def reprint(self, person: Person, act: Act) -> str:
        return self._keep("reprint", person, act)

    def void(self, person: Person, act: Act) -> str:
        return self._keep("void", person, act)

    def scan(self, person: Person, act: Act) -> str:
        if act.code != f"SN:{act.unit}:2":
            raise Interlocked(f"This is not label unit copy 2 of unit {act.unit}.", hint="Scan the label again.")
        return self._keep("scan", person, act)

    def _keep(self, what: str, person: Person, act: Act) -> str:
        self.acts.append((what, person.id, act))
        self.lines = tuple(replace(line, state="scanned") if line.unit == act.unit else line for line in self.lines)
        return f"Unit {act.unit} bears its label {act.label}, copy 2."


@dataclass
class Room:
    """A station with labels, its page and its people."""

    desk: SmallDesk
    server: RunningServer
    staff: Staff

    @contextmanager
    def as_person(self, person: str) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.server.url, timeout=60) as client:
            yield come_in(client, self.staff, person)


@pytest.fixture
def room(staff: Staff, door: Door) -> Iterator[Room]:
    """Yield one label at a slot, one printed again, and one that was void."""
    now = utc_now()
    desk = SmallDesk((
        LabelLine("AC22-000001", "unit", 1, "verified", now, at_slot=True),
        LabelLine("AC22-000002", "connector-A", 2, "sent", now),
        LabelLine("AC22-000003", "unit", 1, "void", now, reason="torn <b>off</b>", who="lead-1"),
    ))  # fmt: skip
    page = create_app(SmallLine(1), title="Labels", door=door, screens=[partial(label_routes, desk)])
    running = serve(page, "127.0.0.1", 0)
    yield Room(desk, running, staff)
    running.stop()


@pytest.fixture
def opened(browser: Browser, room: Room) -> Iterator[Open]:
    """Return a function that opens the screen for a person, in a language."""
    url = room.server.url.rstrip("/")
    with visiting(browser, url, partial(signed_in, url, room.staff), height=1000) as opening:
        yield partial(opening, "/labels?unit=AC22-000002")


def test_screen_says_what_the_printer_lacks_and_what_waits(opened: Open) -> None:
    page = opened("qa-1")
    assert "out of labels" in page.locator("#printers").inner_text()
    assert "Load labels." in page.locator("#printers").inner_text()
    waiting = page.locator("#queue article")
    assert "Its slot prints it" in waiting.nth(0).inner_text()
    assert "nobody knows whether it is printed" in waiting.nth(1).inner_text()
    assert waiting.nth(0).locator("details").count() == 0
    assert "torn <b>off</b>" in page.locator("#ended").inner_text()


def test_label_is_scanned_back_on_the_page(opened: Open, room: Room) -> None:
    page = opened("operator-1")
    act = page.locator("#queue [data-act='scan']")
    act.locator("summary").click()
    act.locator("input[name='code']").fill("SN:AC22-000002:2")
    act.locator("button").click()
    page.locator("#ended li").nth(1).wait_for()
    assert [(what, who, act.label) for what, who, act in room.desk.acts] == [("scan", "operator-1", "connector-A")]


def test_lead_prints_again_for_a_reason_alone(room: Room) -> None:
    """F-J4: role and reason; an operator may not, and a reason that says nothing is none."""
    wanted = {"unit": "AC22-000002", "label": "connector-A", "reason": "torn in the packing"}
    with room.as_person("operator-1") as operator:
        assert operator.post("/api/labels/reprint", json=wanted).status_code == 403
        assert operator.post("/api/labels/void", json=wanted).status_code == 403
    with room.as_person("lead-1") as lead:
        assert lead.post("/api/labels/reprint", json={**wanted, "reason": " x "}).status_code == 422
        assert lead.post("/api/labels/reprint", json=wanted).json()["accepted"]
    assert [(what, who, act.reason) for what, who, act in room.desk.acts] == [("reprint", "lead-1", wanted["reason"])]


@pytest.mark.parametrize(
    "body",
    [
        {"unit": "../../etc", "code": "x"},
        {"unit": "AC22-000002", "label": "UNIT; DROP", "code": "x"},
        {"unit": "AC22-000002", "code": "x" * 101},
        {"unit": "AC22-000002", "code": "SN:AC22-000009"},
        {"unit": "AC22-000002", "extra": "x"},
    ],
)
def test_what_is_no_scan_of_this_label_is_refused(room: Room, body: dict[str, str]) -> None:
    with room.as_person("operator-1") as operator:
        assert operator.post("/api/labels/scan", json=body).status_code in (409, 422)
    assert room.desk.acts == []


def test_picture_is_for_people_who_are_signed_in(room: Room) -> None:
    with httpx.Client(base_url=room.server.url, timeout=60) as nobody:
        assert nobody.get("/labels/AC22-000002/connector-A.png").status_code == 401
    with room.as_person("operator-1") as operator:
        answer = operator.get("/labels/AC22-000002/connector-A.png")
    assert (answer.headers["content-type"], answer.content) == ("image/png", PNG + b"AC22-000002/connector-A")


def test_screen_speaks_german(opened: Open) -> None:
    page = opened("lead-1", "de")
    assert "keine Etiketten" in page.locator("#printers").inner_text()
    assert "Etiketten einlegen." in page.locator("#printers").inner_text()
    assert "niemand weiß, ob es gedruckt ist" in page.locator("#queue").inner_text()
