"""The screen *Releases*: what a bundle is, who answers for it, what changed, and how it is stopped (F-A2, P03, P08)."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial

import httpx
import pytest
from playwright.sync_api import Browser, Page

from station.catalog.approvals import BundleState
from station.catalog.bundle import Change
from station.errors import ConfigError
from station.web.app import create_app
from station.web.bundles import BundleUse, BundleView, bundle_routes
from station.web.server import RunningServer, serve
from station.web.session import Door
from tests.people.staff import Staff
from tests.web.conftest import SmallLine, come_in

FIRST, SECOND = "1" * 64, "2" * 64


def bundle(digest: str, revision: int, state: BundleState, **changes: object) -> BundleView:
    view = BundleView(
        "ac22-eu", revision, digest, "ac22-eu r3", "ac22 r2", "ac22-1.4.0", "author@factory.example",
        ("approver@factory.example",), "2026-11-20T08:00:00Z", "2027-11-20", state,
    )  # fmt: skip
    return replace(view, **changes)  # type: ignore[arg-type]


class SmallBundles:
    """Two revisions kept in memory, behind the production interface."""

    def __init__(self) -> None:
        """Start with a withdrawn first and a usable second revision."""
        self.withdrawn: list[tuple[str, str, str]] = []
        self.kept = [
            bundle(SECOND, 2, BundleState.USABLE, previous=FIRST, uses=(BundleUse("WO-1001", "open", 12, 100),)),
            bundle(FIRST, 1, BundleState.WITHDRAWN, sentence="Withdrawn: <b>wrong</b> limit."),
        ]

    def views(self) -> tuple[BundleView, ...]:
        """Return all bundles."""
        return tuple(self.kept)

    def changes(self, digest: str) -> tuple[Change, ...] | None:
        """Return one change of the second revision."""
        lines = ("@@ -1,2 +1,2 @@", ' name = "eu"', '-max_current = "16"', '+max_current = "<32>"')
        return {SECOND: (Change("profiles/eu.toml", lines),), FIRST: ()}.get(digest)

    def withdraw(self, digest: str, who: str, reason: str) -> str:
        """Withdraw one."""
        if digest != SECOND:
            raise ConfigError("there is no such bundle", hint="Look at the list again.")
        self.withdrawn.append((digest, who, reason))
        self.kept[0] = replace(self.kept[0], state=BundleState.WITHDRAWN)
        return "ac22-eu r2 is withdrawn; it stops order WO-1001."


@pytest.fixture
def bundles() -> SmallBundles:
    return SmallBundles()


@pytest.fixture
def station(bundles: SmallBundles, door: Door) -> Iterator[RunningServer]:
    screens = [partial(bundle_routes, bundles)]
    running = serve(create_app(SmallLine(1), title="Line <1>", door=door, screens=screens), "127.0.0.1", 0)
    yield running
    running.stop()


@pytest.fixture
def client(station: RunningServer, staff: Staff) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=station.url, timeout=60) as outside:
        yield come_in(outside, staff, "qa-1")


@pytest.fixture
def screen(browser: Browser, station: RunningServer, staff: Staff) -> Iterator[Page]:
    """The list of releases in a browser of quality's; a violation of the CSP or a script error fails the test."""
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    assert context.request.post(f"{station.url}api/session", data=asdict(staff.shown("qa-1"))).ok
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(station.url + "releases")
    yield page
    context.close()
    assert faults == []


def test_list_says_state_signers_and_use_of_each_bundle(screen: Page) -> None:
    """States differ by word and sign, not by colour alone; texts from files are shown, never run."""
    newest, oldest = screen.locator(".bundle").all()
    assert "May build" in newest.inner_text()
    assert "approver@factory.example" in newest.inner_text()
    assert "WO-1001 12 of 100 released" in newest.inner_text()
    assert "Withdrawn: <b>wrong</b> limit." in oldest.inner_text()


def test_bundle_shows_what_changed_since_the_revision_before(screen: Page) -> None:
    screen.click("text=ac22-eu r2")
    assert screen.locator(".diff .removed").inner_text().strip() == '-max_current = "16"'
    assert screen.locator(".diff .added").inner_text().strip() == '+max_current = "<32>"'


def test_withdrawal_needs_a_reason_and_says_what_it_stops(screen: Page, bundles: SmallBundles) -> None:
    """A withdrawal has effect on running orders: whoever withdraws reads which, and stands for it by their sign-in."""
    screen.click("text=ac22-eu r2")
    screen.click("text=Withdraw this bundle")
    screen.click("button:has-text('Withdraw')")
    assert bundles.withdrawn == []
    screen.fill("[name=reason]", "The limit is wrong.")
    screen.click("button:has-text('Withdraw')")
    screen.wait_for_selector("#echo.taken:has-text('stops order WO-1001')")
    assert bundles.withdrawn == [(SECOND, "qa-1", "The limit is wrong.")]
    screen.wait_for_selector(".bundle[data-state=withdrawn]")
    assert screen.locator(".withdraw").count() == 0


@pytest.mark.parametrize(
    "body",
    [
        {"reason": " no "},
        {"reason": "r" * 201},
        {"reason": "a bell \u0007"},
        {},
        {"reason": "somebody else's", "who": "qa-2"},
    ],
)
def test_a_withdrawal_that_is_not_one_is_refused(client: httpx.Client, bundles: SmallBundles, body: object) -> None:
    answer = client.post(f"/api/bundles/{SECOND}/withdraw", json=body)
    assert (answer.status_code, answer.json()["accepted"]) == (422, False)
    assert bundles.withdrawn == []


def test_unknown_bundles_are_answered_with_a_sentence(client: httpx.Client) -> None:
    assert client.get("/releases/" + "3" * 64).status_code == 404
    assert client.get("/releases/..%2f..%2fetc").status_code in (404, 422)
    answer = client.post(f"/api/bundles/{FIRST}/withdraw", json={"reason": "The limit is wrong."})
    assert "Look at the list again." in answer.json()["sentence"]


def test_another_site_may_not_withdraw(client: httpx.Client, bundles: SmallBundles) -> None:
    body = {"reason": "The limit is wrong."}
    answer = client.post(f"/api/bundles/{SECOND}/withdraw", json=body, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert bundles.withdrawn == []
