"""Signing in at the pages, by hand and by scans alone; what a browser keeps and never shows (F-K1, F-K2, F-N2)."""

from collections.abc import Callable
from dataclasses import asdict

import httpx
import pytest
from playwright.sync_api import Page, expect

from station.web.server import RunningServer
from tests.people.staff import Staff

Scan = Callable[..., None]


def whoever(page: Page, server: RunningServer) -> object:
    """Return who is signed in where a page is open."""
    person = page.context.request.get(f"{server.url}api/session").json()["person"]
    return person and person["id"]


def test_a_shift_changes_by_scans_alone(page: Page, server: RunningServer, staff: Staff, scan: Scan) -> None:
    """Out, badge, digits of the sheet, in: no key of a keyboard, and no digit on the screen."""
    scan("CMD-OUT")
    expect(page.locator("#echo.taken")).to_contain_text("Signed out.")
    lead = staff.shown("lead-1")
    scan(lead.badge)
    for digit in lead.pin:
        scan(f"CMD-{digit}")
    expect(page.locator("#echo")).to_have_text("\u2022" * len(lead.pin))
    scan("CMD-OK")
    expect(page.locator("#echo.taken")).to_contain_text("Signed in: Lead 1.")
    assert whoever(page, server) == "lead-1"


def test_a_typed_pin_is_hidden_and_never_a_scan(page: Page, line, server, staff: Staff, scan: Scan) -> None:
    """After a badge the field for codes is one for secrets; what is typed there reaches no slot, right or wrong."""
    scan("SL-A")
    scan(staff.shown("lead-1").badge)
    field = page.locator("#code")
    expect(field).to_have_attribute("type", "password")
    expect(field).to_be_focused()
    page.keyboard.type("123")
    page.keyboard.press("Enter")
    expect(page.locator("#echo.refused")).to_contain_text("do not belong together")
    expect(field).to_have_attribute("type", "text")
    assert line.scans == ["SL-A"]


def test_another_code_ends_the_pin_and_goes_its_way(page: Page, line, staff: Staff, scan: Scan) -> None:
    scan(staff.shown("lead-1").badge)
    scan("SL-B")
    expect(page.locator("#echo.taken")).to_contain_text("Slot B selected.")
    expect(page.locator("#code")).to_have_attribute("type", "text")
    assert line.scans == ["SL-B"]


def test_lock_screen_leads_back_to_where_one_wanted_to_go(page: Page, server: RunningServer, staff: Staff) -> None:
    """A page that nobody may read without a person asks for one, and then opens."""
    page.context.clear_cookies()
    page.goto(f"{server.url}api/passports/AC22-0001.json")
    assert page.url == f"{server.url}lock?back=/api/passports/AC22-0001.json"
    page.keyboard.type(staff.shown("qa-1").badge)
    page.keyboard.press("Enter")
    page.keyboard.type(staff.shown("qa-1").pin)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.url}api/passports/AC22-0001.json")
    assert whoever(page, server) == "qa-1"


def test_sheet_digits_fill_the_lock_screen_too(page: Page, server: RunningServer, staff: Staff) -> None:
    page.goto(f"{server.url}lock")
    lead = staff.shown("lead-1")
    for code in (lead.badge, *(f"CMD-{digit}" for digit in lead.pin), "CMD-OK"):
        page.keyboard.type(code)
        page.keyboard.press("Enter")
    page.wait_for_url(server.url)
    assert whoever(page, server) == "lead-1"


def test_wrong_pin_says_so_and_signs_nobody_in(page: Page, server: RunningServer, staff: Staff) -> None:
    page.context.clear_cookies()
    page.goto(f"{server.url}lock")
    page.fill("#sign-in [name=badge]", staff.shown("lead-1").badge)
    page.fill("#sign-in [name=pin]", "90215")
    page.click("#sign-in button")
    expect(page.locator("#echo.refused")).to_contain_text("do not belong together")
    assert whoever(page, server) is None


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/%0d%0aX: y"])
def test_the_way_back_stays_on_the_station(client: httpx.Client, back: str) -> None:
    """A link to the lock screen can't send people elsewhere once they are in."""
    answer = client.get("/lock", params={"back": back})
    assert answer.status_code == 422 or 'data-back="/"' in answer.text


def test_the_cookie_is_for_the_server_alone(client: httpx.Client, staff: Staff) -> None:
    """No script reads it, no other site sends it, and it dies with the browser."""
    answer = client.post("/api/session", json=asdict(staff.shown("lead-1")))
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Max-Age" not in cookie
    assert "expires" not in cookie


def test_a_new_sign_in_ends_the_one_before(client: httpx.Client, staff: Staff) -> None:
    """A cookie that was copied earlier opens nothing once the browser signed in anew, or out."""
    old = dict(client.cookies)
    client.post("/api/session", json=asdict(staff.shown("lead-1")))
    assert client.get("/api/session", headers={"cookie": header(old)}).json()["person"] is None
    new = dict(client.cookies)
    assert client.delete("/api/session").status_code == 200
    assert client.get("/api/session", headers={"cookie": header(new)}).json()["person"] is None


def header(cookies: dict[str, str]) -> str:
    """Return cookies as a header."""
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def test_too_many_attempts_are_told_with_their_end(client: httpx.Client, staff: Staff) -> None:
    """Sentence and header say when the next attempt is taken; the right PIN waits too."""
    shown = asdict(staff.shown("lead-1"))
    answers = [client.post("/api/session", json=shown | {"pin": "90215"}).status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]
    locked = client.post("/api/session", json=shown)
    assert locked.status_code == 429
    assert 1 <= int(locked.headers["retry-after"]) <= 60
    assert "The next one is taken at" in locked.json()["sentence"]


def test_badge_and_pin_are_bounded(client: httpx.Client, staff: Staff) -> None:
    """Long or odd text is refused before it costs a hash."""
    for body in ({"badge": "BG-" + "A" * 99, "pin": "1"}, {"badge": "BG-\u0000AAAA", "pin": "1"},
                 {"badge": staff.shown("qa-1").badge, "pin": "1" * 65}, {"badge": "qa-1", "pin": "90215"}):  # fmt: skip
        assert client.post("/api/session", json=body).status_code == 422
