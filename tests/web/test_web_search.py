"""The screens *Search* and *Recall*, over real records: a scan opens its unit, a lot its units (F-I6, F-I8)."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial

import httpx
import pytest
from playwright.sync_api import Browser
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from station.records import Disposition, DispositionKind
from station.trace.seeker import Seeker
from station.trace.unit_page import Dossiers
from station.web.app import create_app
from station.web.guard import MOST_LARGE, Guard
from station.web.search import search_routes
from station.web.server import RunningServer, serve
from station.web.units import unit_routes
from tests.people.staff import Staff, door_of, staffed
from tests.trace.search_world import Shop
from tests.web.conftest import SmallLine, come_in


@dataclass
class Place:
    """A shop with its pages."""

    shop: Shop
    server: RunningServer
    staff: Staff

    @contextmanager
    def as_person(self, person: str) -> Iterator[httpx.Client]:
        """Yield a client where somebody is signed in."""
        with httpx.Client(base_url=self.server.url, timeout=30) as client:
            yield come_in(client, self.staff, person)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Yield a released unit, one that failed, and a part that went from one to the other."""
    staff = staffed(tmp_path_factory.mktemp("staff"))
    with Shop.opened(tmp_path_factory.mktemp("shop")) as shop, staff.records() as records:
        order = shop.order("WO-1", shop.bundle("r"), "AC22-")
        first, second = shop.failed(order, "aa01"), shop.failed(order, "aa02")
        shop.part(first, "K-<77>")
        shop.records.detach(first, "contactor", "K1", "it goes to another", "rework-1")
        shop.part(second, "K-<77>")
        shop.released(order, "aa01", operator="operator-2")
        shop.records.dispose(Disposition(DispositionKind.SCRAP, second, "RC-DAMAGE", "it fell down", "qa-1"))
        line = SmallLine(1)
        screens = [
            partial(search_routes, Seeker(shop.records)), partial(unit_routes, Dossiers(shop.records), line.view)
        ]  # fmt: skip
        running = serve(create_app(line, title="Find", door=door_of(records), screens=screens), "127.0.0.1", 0)
        yield Place(shop, running, staff)
        running.stop()


def test_one_unit_opens_at_once_and_several_are_listed(place: Place) -> None:
    """A label leads to its unit; how a serial begins to a list, with what is so no longer said."""
    with place.as_person("operator-1") as client:
        answer = client.get("/search", params={"q": "SN:AC22-000001"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/units/AC22-000001")
        listed = client.get("/search", params={"q": "AC22-"}).text
        assert all(f'href="/units/AC22-00000{number}"' in listed for number in (1, 2))
        part = client.get("/search", params={"q": "K-<"}).text
        assert ("K-&lt;77&gt;" in part, "no longer" in part, "K-<77>" in part) == (True, True, False)


def test_unit_page_tells_the_whole_history(place: Place) -> None:
    """Both runs, the part with where it went, the passport, and what was decided."""
    with place.as_person("qa-1") as client:
        first, second = (client.get(f"/units/AC22-00000{number}").text for number in (1, 2))
    assert 'href="/units/AC22-000002"' in first
    assert [first.count(f'data-run="line1/{number}"') for number in (1, 3)] == [1, 1]
    assert 'href="/api/passports/AC22-000001.json"' in first
    assert ("it fell down" in second, "K-&lt;77&gt;" in second, 'name="q"' in second) == (True, True, True)


def test_recall_is_for_those_who_judge(place: Place) -> None:
    """By a link and by a pasted list; an operator may not ask who built what."""
    with place.as_person("qa-1") as client:
        assert 'data-count="2"' in client.get("/recall", params={"order": "WO-1"}).text
        pasted = {"serials": "\n".join(["AC22-000001", *(f"GONE-{number}" for number in range(10_000))])}
        page = client.post("/recall", data=pasted).text
        assert ('data-count="1"' in page, "GONE-0" in page) == (True, True)
    with place.as_person("operator-1") as client:
        assert client.get("/recall").status_code == 403


@pytest.mark.parametrize(
    "query", ["/recall?since=0000-01-01", "/recall?revision=0", "/search?q=" + "x" * 200, "/search?q=%01"]
)
def test_what_nothing_can_be_is_said_on_the_page(place: Place, query: str) -> None:
    """In German too, and the form is still there."""
    with place.as_person("qa-1") as client:
        client.cookies.set("language", "de")
        page = client.get(query)
    assert (page.status_code, 'role="alert"' in page.text, "<form" in page.text) == (200, True, True)
    assert "schreiben" in page.text or "scannen" in page.text


@pytest.mark.parametrize("query", ["/recall?lots=K-1", "/recall?order=WO-1&order=WO-2"])
def test_a_link_that_asks_for_nothing_lists_no_unit(place: Place, query: str) -> None:
    """A mistyped word and a word that is there twice are refused, not left out."""
    with place.as_person("qa-1") as client:
        page = client.get(query).text
    assert ('role="alert"' in page, "data-count" in page) == (True, False)


def test_enter_in_a_field_asks_from_the_beginning(browser: Browser, place: Place) -> None:
    """Also where there are units behind those that are shown; its own button leads to them, to the same question."""
    for number in range(101):
        if number % 50 == 0:
            order = place.shop.order(f"MANY-{number}", place.shop.bundle(f"many{number}"), f"A{number:03d}-")
        place.shop.failed(order, f"bb{number:04d}")
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    assert context.request.post(f"{place.server.url}api/session", data=asdict(place.staff.shown("qa-1"))).ok
    page = context.new_page()
    page.goto(f"{place.server.url}recall?product=ac22")
    page.locator("[name=after]").click()
    page.wait_for_url("**/recall", timeout=60_000)
    assert page.locator('tbody a[href^="/units/"]').count() == 3
    page.goto(f"{place.server.url}recall?product=ac22")
    page.locator("[name=order]").fill("MANY-0")
    page.keyboard.press("Enter")
    page.locator('[data-count="50"]').wait_for(timeout=60_000)
    assert page.locator('tbody a[href^="/units/"]').count() == 50
    context.close()


async def _asked(bodies: Sequence[bytes]) -> tuple[list[str], list[int]]:
    """Send recalls of which none is answered before an upload is; return what came through, and all statuses."""
    reached, begun, done = [], [], asyncio.Event()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])
        if scope["path"] == "/recall":
            await done.wait()
        await PlainTextResponse("ok")(scope, receive, send)

    async def endless() -> AsyncIterator[bytes]:
        begun.append("/recall")
        yield b"begun"
        await done.wait()

    transport = httpx.ASGITransport(app=Guard(answer))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
        waiting = []
        async with asyncio.timeout(30):
            for body in bodies:
                waiting.append(asyncio.create_task(client.post("/recall", content=body or endless())))
                while len(reached) + len(begun) < len(waiting) and not waiting[-1].done():
                    await asyncio.sleep(0.01)
            upload = await client.post("/api/results/x", content=b"x")
        done.set()
        return reached, [each.status_code for each in (upload, *await asyncio.gather(*waiting))]


def test_slow_recalls_keep_no_results_out() -> None:
    """What counts is how many bodies are received at a time, not how many answers are waited for; each for itself."""
    with ThreadPoolExecutor(1) as aside:  # browsers keep a loop in this thread
        reached, answered = aside.submit(asyncio.run, _asked([b"lot=K-1"] * (MOST_LARGE + 1))).result(60)
        _, begun = aside.submit(asyncio.run, _asked([b""] * MOST_LARGE)).result(60)
    assert (len(reached), set(answered), set(begun)) == (MOST_LARGE + 2, {200}, {200})


def test_a_scan_into_the_field_opens_the_unit(browser: Browser, place: Place) -> None:
    """As a hand scanner types: the field has the focus, Enter ends the code."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    assert context.request.post(f"{place.server.url}api/session", data=asdict(place.staff.shown("qa-1"))).ok
    page = context.new_page()
    page.goto(f"{place.server.url}search")
    page.keyboard.type("SN:AC22-000001")
    page.keyboard.press("Enter")
    page.wait_for_url("**/units/AC22-000001", timeout=60_000)
    assert page.locator("[data-run]").count() == 2
    context.close()
