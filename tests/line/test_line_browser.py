"""A person at the line: a real browser on the page of a whole real station (F-N1)."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from fixtures.charger.options import Options
from fixtures.charger.process import SimulatedCharger
from fixtures.demo.world import World
from fixtures.printer_picture import scan_label
from tests.line.conftest import QUICK
from tests.web import conftest as web

pytestmark = pytest.mark.timeout(300)

browser, scan = web.browser, web.scan
Scan = Callable[..., None]
RUN_MS = 90_000
LOST = ("net::ERR_", "[object Event]")
"""What the browser itself reports while the station is away."""


@pytest.fixture
def faults() -> list[str]:
    """What no page may do: ask another host, break the content policy, or fail in a script."""
    return []


@pytest.fixture
def page(browser: Browser, world: World, faults: list[str]) -> Iterator[Page]:
    """The operator page, open and connected, the operator signed in; any fault fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    watch(context, world.url, faults)
    session = next(cookie for cookie in world.client.cookies.jar if cookie.value)
    context.add_cookies([{"name": session.name, "value": str(session.value), "url": world.url}])
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(world.url)
    page.wait_for_selector("#beat time")
    yield page
    context.close()
    assert faults == []


def watch(context: BrowserContext, home: str, faults: list[str]) -> None:
    """Note every request that leaves the station, every console error and every script that fails."""
    inside = (home, "chrome-extension://", "chrome://resources/")  # the browser shows a PDF with a page of its own
    context.on("request", lambda request: None if request.url.startswith(inside) else faults.append(request.url))
    context.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: faults.append(str(error.error)))


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


def newest_label(world: World) -> str:
    """Read the code on the label that came out last, like a hand scanner."""
    return scan_label(max(world.place.labels.glob("[0-9]*.zpl")).read_bytes())[0]


def test_from_plug_and_scan_to_released(page: Page, world: World, scan: Scan) -> None:
    """F-N1, F-J2, F-B7: the label is scanned back before PASS; the same unit comes back and is left alone."""
    serial = world.place.serial(1)
    with charger(world, 1, 1):
        plugged = time.monotonic()
        expect(tile(page, 1, "empty")).to_have_count(0)
        print(f"on the page {time.monotonic() - plugged:.2f} s after the port was there")
        until(page, 1, "scan serial")
        scan(serial)
        expect(page.locator("#echo")).to_have_text(f"\u2713 {serial} read for slot 1.")
        until(page, 1, "scan label")
        scan("SN:AC22-000777")
        expect(page.locator("#echo.refused")).to_contain_text("This is not label 1")
        scan(newest_label(world))
        expect(page.locator(".verdict-word")).to_have_text("PASS")
        expect(page.locator(".verdict-where .code")).to_have_text(serial)
        assert passport(page).startswith(b"%PDF-")
    until(page, 1, "empty")
    expect(page.locator(".verdict")).to_have_count(0)
    with charger(world, 1, 1):
        until(page, 1, "already released")


def passport(page: Page) -> bytes:
    """Open the passport from the verdict, as a person does, and return what its address holds."""
    with page.context.expect_page() as opened:
        page.locator(".verdict").get_by_role("link", name="Passport").click()
    address = opened.value.url
    opened.value.close()
    return page.request.get(address).body()


def test_fail_stays_until_somebody_saw_it(page: Page, world: World, scan: Scan) -> None:
    """F-N1: what happened, what to do, and not gone with the plug."""
    with charger(world, 2, 2, fault="wrong-hardware"):
        until(page, 2, "scan serial")
        scan(world.place.serial(2))
        until(page, 2, "FAIL")
        expect(page.locator(".verdict-happened")).to_contain_text("Hardware rev-x")
        expect(page.locator(".verdict-todo")).to_contain_text("Take the unit to the line that builds its variant.")
    time.sleep(2)
    expect(page.locator(".verdict-word")).to_have_text("FAIL")
    scan("CMD-ACK")
    expect(page.locator(".verdict")).to_have_count(0)
    until(page, 2, "empty")


def test_acknowledged_unit_that_stays_plugged_is_not_tried_again(page: Page, world: World, scan: Scan) -> None:
    """A charger that restarted just before its verdict has not been plugged anew."""
    with charger(world, 4, 4, fault="bad-flash"):
        until(page, 4, "scan serial")
        scan(world.place.serial(4))
        until(page, 4, "FAIL")
        page.keyboard.press("Escape")
        expect(page.locator(".verdict")).to_have_count(0)
        time.sleep(2)
        expect(tile(page, 4, "FAIL")).to_be_visible()
    until(page, 4, "empty")


def test_charger_taken_out_before_its_serial_leaves_an_empty_slot(page: Page, world: World) -> None:
    """F-C1: a device that vanishes leaves no question behind."""
    with charger(world, 2, 5):
        until(page, 2, "scan serial")
    until(page, 2, "empty")


def test_killed_station_is_covered_and_goes_on(
    page: Page,
    world: World,
    scan: Scan,
    faults: list[str],
) -> None:
    """F-L1, F-N1: no stale picture stays; after the restart the same unit comes to its end by itself."""
    with charger(world, 3, 3):
        until(page, 3, "scan serial")
        scan(world.place.serial(3))
        expect(page.locator('[data-slot="3"] .tile-now')).to_contain_text(re.compile("Step [3-8] of"), timeout=RUN_MS)
        world.kill("station")
        expect(page.locator("#stale")).to_be_visible()
        covering = page.evaluate("document.elementFromPoint(640, 200).closest('#stale') !== null")
        world.start_station()
        expect(page.locator("#stale")).to_be_hidden()
        until(page, 3, "scan label")
        scan(newest_label(world))
        expect(page.locator(".verdict-word")).to_have_text("PASS")
    assert covering
    faults[:] = [fault for fault in faults if not any(lost in fault for lost in LOST)]
