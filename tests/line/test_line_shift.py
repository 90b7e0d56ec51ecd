"""A shift by scans alone: a browser without mouse or keyboard, on a station as it ships (F-N2, F-B7, F-K2)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from fixtures.charger.options import Options
from fixtures.charger.process import SimulatedCharger
from fixtures.demo.place import Place, free_ports, prepare, tool
from fixtures.demo.shift import RECIPE, prepare_shift, uid
from fixtures.demo.world import World
from fixtures.people import pass_of
from fixtures.printer_picture import scan_label
from station.config import load_station
from station.records import Records, open_records
from tests.line.conftest import QUICK
from tests.web import conftest as web

pytestmark = pytest.mark.timeout(600)

browser, scan = web.browser, web.scan
Scan = Callable[..., None]
RUN_MS = 120_000
ORDER = 3
"""Units of the order; the gates are those of an order of any size."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A station on which every gate is closed, and nobody is signed in."""
    place = Place(tmp_path_factory.mktemp("shift"), 3, recipe=RECIPE, firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, ORDER)
    prepare_shift(place, ORDER)
    with World(place, addresses) as running:
        running.client.delete("/api/session")
        yield running


@pytest.fixture(scope="module")
def records(world: World) -> Iterator[Records]:
    """What the station wrote down."""
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as opened:
        yield opened


@pytest.fixture(scope="module")
def kiosk(browser: Browser, world: World) -> Iterator[Page]:
    """The page above the line; any violation of the content policy or script error fails the shift."""
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.on("weberror", lambda error: faults.append(str(error.error)))
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(world.url)
    page.wait_for_selector("#beat time")
    yield page
    context.close()
    assert faults == []


@pytest.fixture
def page(kiosk: Page) -> Page:
    """The page, for the scanner of the browser's tests."""
    return kiosk


def charger(world: World, slot: int, number: int, **options: object) -> SimulatedCharger:
    """Return the quick n-th charger, for a slot."""
    base = replace(Options(Path(), Path(), ""), **QUICK)
    return world.charger(number, slot, replace(base, **options))  # type: ignore[arg-type]


def tile(page: Page, slot: int, state: str) -> Locator:
    """Return a slot's tile as it looks in a state."""
    return page.locator(f'[data-slot="{slot}"] .tile[data-state="{state}"]')


def until(page: Page, slot: int, state: str) -> None:
    """Wait until a slot shows a state."""
    expect(tile(page, slot, state)).to_be_visible(timeout=RUN_MS)


def answered(page: Page, tone: str, words: str) -> None:
    """Wait for the echo of the last scan."""
    expect(page.locator(f"#echo.{tone}")).to_contain_text(words)


def sign_in(page: Page, world: World, scan: Scan, person: str) -> None:
    """Scan a badge and the digits of its PIN off the command sheet."""
    shown = pass_of(world.place.people, person)
    for code in (shown.badge, *(f"CMD-{digit}" for digit in shown.pin), "CMD-OK"):
        scan(code)
    answered(page, "taken", "Signed in")
    expect(page.locator(".present")).to_contain_text(person.replace("-", " ").capitalize())


def newest_label(world: World) -> str:
    """Read the code on the label that came out last, like a hand scanner."""
    return scan_label(max(world.place.labels.glob("[0-9]*.zpl")).read_bytes())[0]


def finish(page: Page, world: World, scan: Scan, slot: int) -> None:
    """Scan the label of the unit in a slot, and see it pass."""
    until(page, slot, "scan label")
    scan(f"SL-{slot}")
    scan(newest_label(world))
    until(page, slot, "PASS")


def test_nobody_works_before_a_badge(page: Page, world: World, scan: Scan) -> None:
    """F-K2: a charger waits for a person; the golden units prove the station before the first unit."""
    with charger(world, 1, 901, uid=uid(901)):
        until(page, 1, "sign in")
        scan("SL-1")
        answered(page, "refused", "Nobody is signed in.")
        sign_in(page, world, scan, "operator-1")
        until(page, 1, "PASS")
    until(page, 1, "empty")
    with charger(world, 1, 902, uid=uid(902), fault="wrong-hardware"):
        until(page, 1, "PASS")
        expect(tile(page, 1, "PASS")).to_contain_text("wrong-hardware, as it must be")
    until(page, 1, "empty")


def test_wrong_codes_and_doubles_are_answered_with_what_was_expected(page: Page, scan: Scan) -> None:
    """F-N2: cause and next action; a code that came twice counts once."""
    scan("SL-")
    answered(page, "refused", "A slot's code is SL- and its name, such as SL-1.")
    scan("RC-NOTHING")
    answered(page, "refused", "A reason is one of the RC- codes")
    scan("AC22-000001")
    answered(page, "refused", "No slot waits for a scan.")


def test_first_article_is_signed_for_by_a_second_person(page: Page, world: World, scan: Scan) -> None:
    """domain.md 5.2: the second unit waits until somebody else looked at the first."""
    with charger(world, 1, 1):
        until(page, 1, "scan serial")
        scan(world.place.serial(1))
        finish(page, world, scan, 1)
    until(page, 1, "empty")
    with charger(world, 2, 2):
        until(page, 2, "scan serial")
        scan(world.place.serial(2))
        until(page, 2, "blocked")
        expect(tile(page, 2, "blocked")).to_contain_text("nobody signed for it yet")
        scan("CMD-OK")
        answered(page, "refused", "operator-1")
        sign_in(page, world, scan, "lead-1")
        scan("CMD-OK")
        answered(page, "taken", "is signed off")
        sign_in(page, world, scan, "operator-1")
        scan("CMD-ACK")
        finish(page, world, scan, 2)
    until(page, 2, "empty")


def test_released_unit_goes_to_rework_for_a_reason(page: Page, world: World, scan: Scan) -> None:
    """F-B7, F-L2: only what is offered, by whom it is for; the unit is blank before it is built anew."""
    with charger(world, 2, 2):
        until(page, 2, "already released")
        scan("SL-2")
        scan("CMD-REWORK")
        answered(page, "refused", "may not rework")
        sign_in(page, world, scan, "rework-1")
        scan("SL-2")
        scan("CMD-REWORK")
        answered(page, "taken", "This needs a reason.")
        scan("RC-CONFIG")
        until(page, 2, "running")
        finish(page, world, scan, 2)
    until(page, 2, "empty")


def until_running(world: World, slot: int) -> None:
    """Wait until this very start of the station works on a slot; a page may still show what the last one did."""
    end = time.monotonic() + RUN_MS / 1000
    while (shown := world.client.get("/api/line").json()["slots"][slot - 1])["state"] != "running":
        assert time.monotonic() < end, f"slot {slot} does not run: {shown}"
        time.sleep(0.1)


def test_two_power_cuts_leave_the_choice_to_the_line_lead(page: Page, world: World, scan: Scan) -> None:
    """F-L1: safe choices only, with a reason; the serial is burnt."""
    sign_in(page, world, scan, "operator-1")
    with charger(world, 3, 3):
        until(page, 3, "scan serial")
        scan(world.place.serial(3))
        for _ in range(2):
            until_running(world, 3)
            world.kill("station")
            expect(page.locator("#stale")).to_be_visible()
            world.start_station()
            expect(page.locator("#stale")).to_be_hidden()
        until(page, 3, "blocked")
        sign_in(page, world, scan, "lead-1")
        for code in ("SL-3", "CMD-SCRAP", "RC-DAMAGE"):
            scan(code)
        expect(tile(page, 3, "blocked")).to_contain_text("is scrapped")
    until(page, 3, "empty")


def test_record_says_who_did_what_and_why(world: World, records: Records) -> None:
    """F-I7, F-K3: each act of the shift, under the name of whoever did it."""
    story = records.story(world.place.order)
    acts = {(row.kind, row.who, row.subject): row.body for row in story}
    assert ("first-article", "lead-1", world.place.order) in acts
    assert acts["rework", "rework-1", world.place.serial(2)]["reason"] == "The configuration has to be written again."
    assert acts["scrap", "lead-1", world.place.serial(3)]["reason"] == "The unit is damaged."
    passed = {(row.who, row.subject) for row in story if row.body.get("outcome") == "PASS"}
    first, second = world.place.serial(1), world.place.serial(2)
    assert passed == {("operator-1", first), ("operator-1", second), ("rework-1", second)}
    assert all(row.who for row in story)


def test_story_is_told_at_the_command_line_too(world: World) -> None:
    told = tool(world.place, "station", "order", "story", world.place.order, "--dir", str(world.place.station))
    scrapped = next(line for line in told.splitlines() if "Scrapped." in line)
    assert "lead-1" in scrapped
    assert "(The unit is damaged.)" in scrapped
