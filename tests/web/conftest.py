"""A small line in memory behind the real web application, and a real browser in front of it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from station.errors import StationError
from station.model import LineView, ScanReply, SlotState, SlotView, StepView
from station.person import Person
from station.web import Documents
from station.web.app import create_app
from station.web.documents import document_routes
from station.web.server import RunningServer, serve
from station.web.session import Door
from tests.people.staff import Staff, door_of, staffed

expect.set_options(timeout=30_000)
CHROMIUM = "/usr/bin/chromium"
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
STEPS = (
    "Identify",
    "Admit",
    "Write firmware",
    "Keys and certificate",
    "Configure",
    "Accept over OCPP",
    "Ship",
    "Seal",
    "Label",
)


class SmallLine:
    """A line of slots that do what they are told; the production interface, kept in memory."""

    def __init__(self, slots: int) -> None:
        """Start with empty slots A, B, C …"""
        self._changed = threading.Condition()
        named = tuple(SlotView(chr(65 + n), f"pci-0000:00:14.0-usb-0:1.{n + 1}", SlotState.EMPTY) for n in range(slots))
        self._view = LineView("station-1", 1, named, order="WO-1001", product="AC22")
        self._selected = ""
        self.scans: list[str] = []
        self.people: list[str] = []
        """Whose scans and acknowledgements they were."""
        self.deaf = threading.Event()
        self.acts: list[tuple[str, ...]] = []
        self.away: StationError | None = None

    def view(self) -> LineView:
        """Return the line."""
        with self._changed:
            return self._view

    def wait(self, version: int, timeout: float) -> LineView:
        """Return the line when it has changed; a deaf line does not answer at all."""
        if self.deaf.is_set():
            raise RuntimeError("the line is stuck")
        with self._changed:
            self._changed.wait_for(lambda: self._view.version > version, timeout)
            return self._view

    def scan(self, code: str, person: Person | None = None) -> ScanReply:
        """Select a slot, acknowledge the selected one, or give the code to it."""
        self.scans.append(code)
        self.people.append(person.id if person else "")
        if self.away is not None:
            raise self.away
        if code.startswith("SL-"):
            self._selected = code.removeprefix("SL-")
            return ScanReply(True, f"Slot {self._selected} selected.", self._selected)
        if code == "CMD-ACK":
            return self.acknowledge(next((s.name for s in self.view().slots if s.state == "FAIL"), ""), person)
        if not self._selected:
            return ScanReply(False, "No slot waits for a scan.")
        self.put(self._selected, SlotState.RUNNING, serial=code)
        return ScanReply(True, f"{code} read, slot {self._selected}.", self._selected)

    def acknowledge(self, slot: str, person: Person | None = None) -> ScanReply:
        """Take note of a seen verdict."""
        self.people.append(person.id if person else "")
        found = next((s for s in self.view().slots if s.name == slot), None)
        if found is None:
            return ScanReply(False, "There is nothing to acknowledge.")
        self.put(slot, found.state, acknowledged=True)
        return ScanReply(True, f"Slot {slot} seen.", slot)

    def act(self, slot: str, action: str, person: Person | None = None, reason: str = "") -> ScanReply:
        """Remember an action, who did it and why."""
        self.acts.append((slot, action, person.id if person else "", reason))
        return ScanReply(True, f"{action} started.", slot)

    def put(self, slot: str, state: SlotState, **changes: object) -> None:
        """Give a slot a state and other fields."""
        self.change(slots=tuple(_put(s, state, changes) if s.name == slot else s for s in self.view().slots))

    def change(self, **changes: object) -> None:
        """Change the line as a whole."""
        with self._changed:
            self._view = replace(self._view, version=self._view.version + 1, **changes)  # type: ignore[arg-type]
            self._changed.notify_all()


def _put(slot: SlotView, state: SlotState, changes: dict[str, object]) -> SlotView:
    return replace(slot, state=state, **changes)  # type: ignore[arg-type]


def steps(done: int, state: str = "running", attempt: int = 1) -> tuple[StepView, ...]:
    """Return the steps of a run of which `done` are over and the next is in `state`."""
    states = ["PASS"] * done + [state] + ["waiting"] * (len(STEPS) - done - 1)
    return tuple(
        StepView(title.lower(), title, one, 4.2 if one != "waiting" else 0.0, attempt if n == done else 1)
        for n, (title, one) in enumerate(zip(STEPS, states, strict=False))
    )


@pytest.fixture
def line() -> SmallLine:
    """A line of four empty slots."""
    return SmallLine(4)


@pytest.fixture
def staff(tmp_path: Path) -> Staff:
    """A station with people."""
    return staffed(tmp_path / "staff")


@pytest.fixture
def door(staff: Staff) -> Iterator[Door]:
    """Who comes and goes at that station."""
    with staff.records() as records:
        yield door_of(records)


@pytest.fixture
def server(line: SmallLine, door: Door) -> Iterator[RunningServer]:
    """The line's page, served on a free port."""
    papers = Documents(
        passport_pdf=lambda serial: b"%PDF-1.7" if serial == "AC22-0001" else None,
        passport_json=lambda serial: b"{}" if serial == "AC22-0001" else None,
    )
    screens = [partial(document_routes, papers)]
    page = create_app(line, title="Line <1>", door=door, names=["station-3.example"], screens=screens)
    running = serve(page, "127.0.0.1", 0)
    yield running
    running.stop()


def come_in(client: httpx.Client, staff: Staff, person: str = "operator-1") -> httpx.Client:
    """Sign a person in where a client is, and return the client."""
    assert client.post("/api/session", json=asdict(staff.shown(person))).status_code == 200
    return client


@pytest.fixture
def client(server: RunningServer, staff: Staff) -> Iterator[httpx.Client]:
    """A client that is no browser, with the operator signed in."""
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as outside:
        yield come_in(outside, staff)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file; Playwright's event loop must not outlive it in a thread of other tests."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield chromium
        chromium.close()


Open = Callable[..., Page]
"""Opens the path of a page for a person, in a language."""


def signed_in(url: str, staff: Staff, context: BrowserContext, person: str) -> None:
    """Sign a person in with their badge and PIN."""
    assert context.request.post(f"{url}/api/session", data=asdict(staff.shown(person))).ok


def against_policy(message: ConsoleMessage) -> bool:
    """Tell whether the browser names a violation of the CSP."""
    return "Content Security" in message.text


@contextmanager
def visiting(
    browser: Browser,
    url: str,
    enter: Callable[[BrowserContext, str], None],
    *,
    height: int = 900,
    fault: Callable[[ConsoleMessage], bool] = against_policy,
) -> Iterator[Open]:
    """Yield what opens pages of a station, each in a browser of its own that a person entered with `enter`.

    A request elsewhere, a script error or what `fault` finds on the console fails the test.
    """
    faults: list[str] = []
    contexts = []

    def opening(path: str, person: str = "lead-1", language: str = "en") -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": height})
        contexts.append(context)
        enter(context, person)
        context.add_cookies([{"name": "language", "value": language, "url": url}])
        page = context.new_page()
        page.on("request", lambda request: None if request.url.startswith(url) else faults.append(request.url))
        page.on("console", lambda message: faults.append(message.text) if fault(message) else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url + path)
        return page

    yield opening
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(browser: Browser, server: RunningServer, staff: Staff) -> Iterator[Page]:
    """The line's page with the operator signed in."""
    url = server.url.rstrip("/")
    with visiting(browser, url, partial(signed_in, url, staff), height=800) as opening:
        page = opening("/", "operator-1")
        page.wait_for_selector("#beat time")
        yield page


@pytest.fixture
def scan(page: Page) -> Callable[..., None]:
    """A keyboard-wedge scanner: a key every 8 ms by the event's own time, on a loaded computer too, then Enter."""
    session = page.context.new_cdp_session(page)

    def press(key: str, at: float, control: bool = False) -> None:
        event = {"key": key, "timestamp": at, "modifiers": 2 if control else 0}
        text = {"text": "\r" if key == "Enter" else key} if not control else {}
        session.send("Input.dispatchKeyEvent", {**event, **text, "type": "keyDown" if text else "rawKeyDown"})
        session.send("Input.dispatchKeyEvent", {**event, "type": "keyUp"})

    def scan(code: str, pause: float = 0.008) -> None:
        start = time.time()
        for number, key in enumerate([*code, "Enter"]):
            control = ord(key[0]) < 32
            press(chr(ord(key) + 96) if control else key, start + number * pause, control)

    return scan
