"""The screen *Figures*: its numbers are those of the records, its charts show them, its clock is the factory's."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from station.clock import utc_now
from station.model import Outcome
from station.records import Records
from station.steps import STEPS
from station.trace.figures import LineFigures
from station.trace.figures_time import Calendar
from station.web.app import create_app
from station.web.figures import figure_routes
from station.web.server import RunningServer, serve
from station.web.session import Door
from tests.people.staff import Staff
from tests.trace.figures_history import made_up, opened_with
from tests.web.conftest import Open, SmallLine, come_in, signed_in, visiting

CALENDAR = Calendar("Asia/Tokyo", ("06:00", "18:00"))
TITLES = {name: step.title for name, step in STEPS.items()}


@dataclass
class Screen:
    """A station with its figures, and their page."""

    figures: LineFigures
    server: RunningServer
    staff: Staff


@pytest.fixture(params=[200])
def screen(tmp_path: Path, staff: Staff, door: Door, request: pytest.FixtureRequest) -> Iterator[Screen]:
    """Yield the page of a line that built so many units lately."""
    history = made_up(4, utc_now() - timedelta(hours=70), 48, request.param)
    at = utc_now() - timedelta(hours=2)
    for unit in range(3 if request.param else 0):
        at = history.run(9000 + unit, at, Outcome.FAIL, "<7>", ends=1)
    with opened_with(tmp_path / "books.db", history) as records:
        yield from _served(records, staff, door)


def _served(records: Records, staff: Staff, door: Door) -> Iterator[Screen]:
    figures = LineFigures(records, CALENDAR)
    routes = partial(figure_routes, figures.sheet, TITLES, lambda: tuple(order.id for order in records.orders()))
    running = serve(create_app(SmallLine(1), title="Line", door=door, screens=[routes]), "127.0.0.1", 0)
    yield Screen(figures, running, staff)
    running.stop()


@pytest.fixture
def opened(browser: Browser, screen: Screen) -> Iterator[Open]:
    """Return a function that opens the page; whatever the console calls an error fails the test, too."""
    url = screen.server.url.rstrip("/")

    def figures(query: str = "", language: str = "en") -> Page:
        return opening(f"/figures{query}", "qa-1", language)

    enter = partial(signed_in, url, screen.staff)
    with visiting(browser, url, enter, fault=lambda message: message.type == "error") as opening:
        yield figures


def test_numbers_are_those_of_the_records(opened: Open, screen: Screen) -> None:
    page, sheet = opened("?period=week"), screen.figures.sheet("week", utc_now())
    assert page.locator("#total .first dd").inner_text() == str(sheet.total.released)
    yields = page.locator("#total dd").all_inner_texts()[1]
    assert sheet.total.first_pass is not None
    assert yields.split()[0] == f"{100 * sheet.total.first_pass:.1f}"
    counts = dict(sheet.paretos)
    for by in ("step", "slot", "operator"):
        assert page.locator(f"#by-{by} strong").all_inner_texts() == [str(bar.count) for bar in counts[by]]
    assert page.locator("#steps tbody tr").count() == len(sheet.steps)


def test_charts_are_drawn_from_what_stands_beside_them(opened: Open, screen: Screen) -> None:
    """Each has ink on it: the course with its bars, and one chart for each measured value."""
    page = opened("?period=week")
    page.wait_for_selector("#values canvas")
    inked = (
        """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(one => one)"""
    )
    assert all(canvas.evaluate(inked) for canvas in page.locator("canvas").all())
    values = len(screen.figures.sheet("week", utc_now()).capabilities)
    assert page.locator("canvas").count() == 1 + values == 3
    assert page.locator("#total .u-legend tr").count() == 4


def test_slot_that_fails_in_a_row_stands_at_the_top(opened: Open) -> None:
    """Its name is told as it is, and runs nothing."""
    alarm = opened().locator(".alarms li").inner_text()
    assert alarm == "Slot <7> failed 3 times in a row, with 3 units."


def test_screen_speaks_german_and_keeps_the_factory_s_clock(opened: Open, screen: Screen) -> None:
    page, sheet = opened("?period=today&order=WO-2", "de"), screen.figures.sheet("today", utc_now(), "WO-2")
    assert "Ausbeute" in page.locator("#total").inner_text()
    assert "Asia/Tokyo" in page.locator(".asked").inner_text()
    assert "00:00" in page.locator(".asked .by").inner_text()
    assert page.locator("#total .first dd").inner_text() == str(sheet.total.released)
    assert page.locator("select[name=order]").input_value() == "WO-2"


@pytest.mark.parametrize("screen", [0], indirect=True)
def test_line_that_built_nothing_has_a_page_too(opened: Open) -> None:
    page = opened("?period=shift")
    assert page.locator("#total dd").all_inner_texts()[:3] == ["0", "–", "–"]
    assert page.locator("#steps .nothing").count() == 1


@pytest.mark.parametrize(
    ("query", "status"),
    [("period=year", 409), ("period=%27%20OR%201%3D1", 422), ("order=%27%3B--", 422), ("order=WO-9", 200)],
)
def test_what_is_no_period_or_order_is_refused(screen: Screen, query: str, status: int) -> None:
    with httpx.Client(base_url=screen.server.url, timeout=60) as client:
        assert come_in(client, screen.staff, "lead-1").get(f"/figures?{query}").status_code == status
        assert come_in(client, screen.staff, "operator-1").get("/figures").status_code == 403
