"""The pages of the line lead, of slots and units, and of people, in a real browser (F-N2, F-K1, F-I7)."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from hashlib import sha256
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from station.errors import LinkError
from station.model import ScanReply, SlotState
from station.web.admin import admin_routes
from station.web.app import create_app
from station.web.lead import lead_routes
from station.web.orders import order_routes
from station.web.server import serve
from station.web.units import unit_routes
from tests.people.staff import Staff, door_of, staffed
from tests.web.conftest import Open, SmallLine, visiting
from tests.web.screens_world import UNIT, SmallLead, SmallUnits, SmallUploads


@dataclass(frozen=True)
class Office:
    """A station with all pages, and what stands behind them."""

    url: str
    line: SmallLine
    lead: SmallLead
    uploads: SmallUploads
    staff: Staff


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A station that is open for all tests of this file."""
    staff = staffed(tmp_path_factory.mktemp("office") / "staff")
    line, lead, uploads = SmallLine(4), SmallLead(), SmallUploads()
    with staff.records() as records:
        screens = (
            partial(lead_routes, lead, line.view),
            partial(unit_routes, SmallUnits(), line.view),
            partial(admin_routes, records),
            partial(order_routes, uploads),
        )
        running = serve(create_app(line, title="Line <1>", door=door_of(records), screens=screens), "127.0.0.1", 0)
        yield Office(running.url.rstrip("/"), line, lead, uploads, staff)
        running.stop()


@pytest.fixture
def lead(station: Office) -> SmallLead:
    """The orders, of which nothing was asked yet."""
    station.lead.asked.clear()
    return station.lead


@pytest.fixture
def line(station: Office) -> SmallLine:
    """The line, on which nothing was done yet: no test sees what one before it left in a slot."""
    station.line.acts.clear()
    station.line.away = None
    station.line.change(slots=SmallLine(4).view().slots)
    return station.line


@pytest.fixture(scope="module")
def passes(browser: Browser, station: Office) -> Callable[[str], Any]:
    """Sign each person in once, and return the cookies."""

    @cache
    def cookies(person: str) -> Any:
        context = browser.new_context()
        answer = context.request.post(f"{station.url}/api/session", data=asdict(station.staff.shown(person)))
        kept = context.cookies()
        context.close()
        assert answer.ok
        return kept

    return cookies


@pytest.fixture
def opened(browser: Browser, station: Office, passes: Callable[[str], Any]) -> Iterator[Open]:
    """Open a page as a person, in a language; everybody signed in once."""

    def enter(context: BrowserContext, person: str) -> None:
        context.add_cookies(passes(person))

    with visiting(browser, station.url, enter, height=800) as opening:
        yield opening


def test_lead_sees_how_far_the_order_is(opened: Open) -> None:
    """Progress, yield, estimate; what stands in the way; texts from files are shown, never run."""
    page = opened("/lead")
    order = page.locator(".order-now")
    expect(order.locator(".figures")).to_contain_text("13 / 20")
    expect(order.locator(".figures")).to_contain_text("92 %")
    expect(order.locator(".bar")).to_have_attribute("aria-label", "13 released, 3 in work, 1 scrapped, 4 to be built")
    expect(order).to_contain_text("Example <Operator>")
    expect(order).to_contain_text("The first article AC22-000001 waits for its sign-off.")


def test_lead_sees_holds_failures_and_golden_units(opened: Open) -> None:
    page = opened("/lead")
    expect(page.locator("[data-hold]")).to_have_count(2)
    expect(page.locator(".quarantine")).to_contain_text("AC22-000007")
    expect(page.locator(".pareto tr").first).to_contain_text("flash")
    expect(page.locator(".pareto tr").nth(1)).to_contain_text("75 %")
    expect(page.locator("#shift tbody tr").nth(1)).to_contain_text("not as expected")


def test_pause_has_a_name_a_reason_and_the_version_that_was_seen(opened: Open, lead: SmallLead) -> None:
    """Two people editing one order: the act says which version its author saw."""
    page = opened("/lead")
    page.locator(".order-now [data-act=pause] summary").click()
    form = page.locator(".order-now [data-act=pause] form")
    form.get_by_role("button").click()
    assert lead.asked == []
    form.locator("[name=reason]").fill("The meters are late.")
    form.get_by_role("button").click()
    expect(page.locator("#echo.taken")).to_contain_text("Order WO-1001 is paused.")
    ((person, order),) = lead.asked
    assert (person, order.act, order.subject, order.version) == ("lead-1", "pause", "WO-1001", 3)
    assert order.reason == "The meters are late."


def test_what_may_not_be_done_says_why_in_the_reader_s_language(opened: Open) -> None:
    page = opened("/lead", language="de")
    page.locator("#shift [data-act=clearance] summary").click()
    page.locator("#shift [data-act=clearance] [name=reason]").fill("Produktwechsel")
    page.locator("#shift [data-act=clearance] button").click()
    expect(page.locator("#echo.refused")).to_contain_text(
        "lead-1 hat diese Räumung schon unterschrieben. Eine zweite Person unterschreiben lassen."
    )


def test_page_of_orders_keeps_up_but_not_while_somebody_acts(opened: Open, line: SmallLine) -> None:
    """What goes on now is drawn anew by itself; a reason that is being typed is never lost."""
    page = opened("/lead")
    line.put("B", SlotState.BLOCKED, sentence="Lot 7 is on hold.")
    expect(page.locator("#work tbody tr").nth(1)).to_contain_text("Blocked")
    page.locator(".order-now [data-act=pause] summary").click()
    page.locator(".order-now [data-act=pause] [name=reason]").fill("Half a rea")
    line.put("B", SlotState.EMPTY)
    page.wait_for_timeout(6000)
    expect(page.locator(".order-now [data-act=pause] [name=reason]")).to_have_value("Half a rea")


def test_only_quality_lifts_a_hold(opened: Open, lead: SmallLead) -> None:
    """F-K1: the roles are checked where the act arrives, whatever the page offers."""
    for person, taken in (("lead-1", "refused"), ("qa-1", "taken")):
        page = opened("/lead", person)
        lift = page.locator('[data-hold="s1/7"] [data-act=lift]')
        lift.locator("summary").click()
        lift.locator("[name=reason]").fill("Measured again.")
        lift.get_by_role("button").click()
        expect(page.locator(f"#echo.{taken}")).to_be_visible()
    assert [(who, order.act, order.subject) for who, order in lead.asked] == [("qa-1", "lift", "s1/7")]


def test_a_hold_names_what_it_stops(opened: Open, lead: SmallLead) -> None:
    page = opened("/lead")
    place = page.locator("#holds > .acts [data-act=hold]")
    place.locator("summary").click()
    place.locator("[name=detail]").select_option("lot")
    place.locator("[name=subject]").fill("METER-7742")
    place.locator("[name=reason]").fill("Same supplier.")
    place.get_by_role("button").click()
    expect(page.locator("#echo.taken")).to_be_visible()
    assert [(order.detail, order.subject) for _, order in lead.asked] == [("lot", "METER-7742")]


def test_a_unit_goes_to_rework_with_code_reason_and_return_point(opened: Open, lead: SmallLead) -> None:
    """F-D11: nobody sends a unit anywhere without saying why, for the count and in words."""
    page = opened("/lead")
    form = page.locator("#work [data-act=rework]")
    form.locator("summary").click()
    form.locator("[name=subject]").fill("AC22-000004")
    form.locator("[name=reason]").fill("Relay exchanged.")
    form.get_by_role("button").click()
    assert lead.asked == []
    form.locator("[name=code]").select_option("RC-REPAIR")
    form.locator("[name=detail]").select_option("flash")
    form.get_by_role("button").click()
    expect(page.locator("#echo.taken")).to_be_visible()
    (order,) = [order for _, order in lead.asked]
    assert (order.act, order.subject, order.code, order.detail) == ("rework", "AC22-000004", "RC-REPAIR", "flash")
    assert order.reason == "Relay exchanged."


def test_a_unit_is_scrapped_by_those_who_may(opened: Open, lead: SmallLead) -> None:
    for person, taken in (("operator-1", "refused"), ("lead-1", "taken")):
        page = opened("/lead", person)
        form = page.locator("#work [data-act=scrap]")
        form.locator("summary").click()
        form.locator("[name=subject]").fill("AC22-000004")
        form.locator("[name=reason]").fill("Fell off the bench.")
        form.locator("[name=code]").select_option(label="The unit is damaged.")
        form.get_by_role("button").click()
        expect(page.locator(f"#echo.{taken}")).to_be_visible()
    assert [(who, order.act, order.code) for who, order in lead.asked] == [("lead-1", "scrap", "RC-DAMAGE")]


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "The line built dc60 last and is not cleared for ac22. Signed by operator-1; the second"),
        (
            "de",
            "Die Linie baute zuletzt dc60 und ist für ac22 nicht geräumt. Unterschrieben von operator-1; die zweite",
        ),
    ],
)
def test_lead_sees_for_what_the_line_is_not_cleared(opened: Open, language: str, sentence: str) -> None:
    expect(opened("/lead", language=language).locator("#shift .attention")).to_contain_text(sentence)


def test_story_says_who_did_what_and_why(opened: Open) -> None:
    page = opened("/lead/WO-1001", language="de")
    rows = page.locator(".story li")
    expect(rows).to_have_count(3)
    expect(rows.nth(2)).to_contain_text("AC22-000002 Verschrottet. Das Gerät ist beschädigt.")
    expect(rows.nth(2).locator(".story-who")).to_have_text("qa-1")


def test_unit_shows_attempts_measurements_and_what_was_taken_out(opened: Open) -> None:
    """F-I7: each attempt, also those that failed."""
    page = opened(f"/units/{UNIT.serial}", "qa-1")
    steps = page.locator(".run").first.locator("tbody tr")
    expect(steps).to_have_count(3)
    expect(steps.nth(2)).to_contain_text("attempt 2")
    expect(steps.nth(2).locator(".wrong")).to_contain_text("clock_offset 9.0 s")
    expect(page.locator("tr.ended")).to_contain_text("MTR-1101")


def test_interrupted_unit_is_decided_on_with_a_reason(opened: Open, line: SmallLine) -> None:
    """Only what the slot offers, and never without a reason."""
    line.put("A", SlotState.ABORTED, serial=UNIT.serial, actions=("continue", "scrap"))
    page = opened("/slots/A", "operator-1")
    expect(page.locator(".choice")).to_have_text([" Go on", " Scrap"])
    page.get_by_text("Scrap", exact=True).click()
    page.get_by_role("button", name="Do it").click()
    assert line.acts == []
    page.locator("[name=reason]").select_option("The unit is damaged.")
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("#echo.taken")).to_be_visible()
    assert [act[:2] for act in line.acts] == [("A", "scrap")]


def test_admin_adds_a_person_who_gets_a_code_once(opened: Open) -> None:
    """F-K1: no default password; the code stands in the answer only."""
    page = opened("/people", "admin-1")
    page.locator("[name=id]").fill("operator-7")
    page.locator("[name=name][maxlength='80']").fill("Operator 7")
    page.get_by_label("operator", exact=True).check()
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#echo.taken")).to_contain_text("one-time code")
    code = page.locator("#echo").inner_text().split("one-time code ")[1].split(":")[0]
    page.reload()
    expect(page.locator("[data-person=operator-7]")).to_contain_text("not chosen yet")
    assert code not in page.content()


def test_roles_that_check_each_other_are_nobody_s(opened: Open) -> None:
    page = opened("/people", "admin-1")
    page.locator("[name=id]").fill("both-1")
    page.locator("[name=name][maxlength='80']").fill("Both")
    page.get_by_label("qa", exact=True).check()
    page.get_by_label("operator", exact=True).check()
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#echo.refused")).to_contain_text("nobody judges what they made")


def test_a_reset_takes_two(opened: Open, station: Office) -> None:
    page = opened("/people", "admin-1")
    form = page.locator("form[data-post='/api/people/reset']")
    form.locator("[name=person]").select_option("rework-1")
    form.locator("[name=reason]").fill("The PIN is forgotten.")
    for person, expected in (("admin-1", ".refused"), ("lead-1", ".taken")):
        form.locator("[name=badge]").fill(station.staff.shown(person).badge)
        form.locator("[name=pin]").fill(station.staff.shown(person).pin)
        form.get_by_role("button").click()
        expect(page.locator(f"#echo{expected}")).to_be_visible()


def test_file_of_orders_is_looked_at_and_then_imported(opened: Open, station: Office) -> None:
    """F-A4: what is imported is what was shown, by its digest."""
    page = opened("/orders/upload")
    page.set_input_files("#file", {"name": "orders.csv", "mimeType": "text/csv", "buffer": b"WO-1003;ac22;40"})
    expect(page.locator("#orders tbody tr")).to_contain_text("Third <customer>")
    assert station.uploads.imported == []
    page.get_by_role("button", name="Import all of it").click()
    expect(page.locator("#echo.taken")).to_contain_text("One order was imported.")
    assert station.uploads.imported == [(sha256(b"WO-1003;ac22;40").hexdigest(), "lead-1")]


def test_refused_file_says_which_row_and_offers_no_import(opened: Open) -> None:
    page = opened("/orders/upload", language="de")
    page.set_input_files("#file", {"name": "orders.csv", "mimeType": "text/csv", "buffer": b"\xff"})
    expect(page.locator("#problems tbody tr")).to_contain_text("Zeile 2")
    expect(page.locator("#verdict")).to_have_text("kann nicht eingelesen werden")
    expect(page.locator("#commit")).to_be_hidden()


def test_whoever_comes_next_may_scan_what_the_one_before_scanned_last(opened: Open, station: Office) -> None:
    """A code that counts once is not swallowed when another person scans it right after signing in."""
    page = opened("/", "operator-1")
    page.wait_for_selector("#beat time")
    shown = station.staff.shown("operator-1")
    station.line.scans.clear()
    field = page.locator("#code")
    for code in ("SL-A", shown.badge, shown.pin):
        field.fill(code)
        field.press("Enter")
    expect(page.locator("#echo.taken")).to_contain_text("Signed in")
    with page.expect_response("**/api/scan"):
        field.fill("SL-A")
        field.press("Enter")
    assert station.line.scans == ["SL-A", "SL-A"]


@pytest.mark.usefixtures("line")
def test_language_is_chosen_on_the_page_and_stays(opened: Open) -> None:
    page = opened("/lead")
    page.get_by_role("link", name="DE", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("h2").first).to_contain_text("WO-1001")
    page.get_by_role("link", name="Linie", exact=True).click()
    expect(page.locator(".tile-state").nth(3)).to_have_text("Leer")
    expect(page.locator("#prompt")).to_have_text("Ladestation anstecken.")


def test_line_speaks_german_also_in_what_comes_later(opened: Open, line: SmallLine) -> None:
    """Pieces that are pushed, and echoes of scans, are in the reader's language too."""
    page = opened("/", "lead-1", "de")
    page.wait_for_selector("#beat time")
    line.put("A", SlotState.FAIL, serial="AC22-1", sentence="The charger does not answer.", hint="Call engineering.")
    expect(page.locator(".verdict-word")).to_have_text("SCHLECHT")
    expect(page.locator(".verdict-happened")).to_have_text("Die Ladestation antwortet nicht.")
    line.away = LinkError("No charger is found at the port of this slot.")
    page.locator("#code").fill("AC22-1")
    page.keyboard.press("Enter")
    expect(page.locator("#echo.refused")).to_contain_text("Am Anschluss dieses Platzes ist keine Ladestation.")
    line.change(echo=ScanReply(False, "No charger is found at the port of this slot."), echoes=1)
    expect(page.locator("#echo")).to_have_text("\u2717 Am Anschluss dieses Platzes ist keine Ladestation.")


@pytest.mark.parametrize("state", [SlotState.FAIL, SlotState.ERROR, SlotState.ABORTED])
def test_verdict_fits_the_page_in_german_too(opened: Open, line: SmallLine, state: SlotState) -> None:
    """The longest word leaves room for the sentence, the tiles and the prompt."""
    page = opened("/", "operator-1", "de")
    line.put("A", state, serial="AC22-1", sentence="The charger does not answer.", hint="Call engineering.")
    expect(page.locator(".verdict-word")).to_have_class("verdict-word long")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = [page.locator(part).bounding_box() or {} for part in (".verdict-text", "#prompt")]
    assert boxes[0]["width"] > 400
    assert boxes[1]["y"] + boxes[1]["height"] <= 800


@pytest.mark.parametrize("path", ["/lead", "/slots/A", f"/units/{UNIT.serial}", "/people"])
def test_no_page_of_the_office_without_a_person(station: Office, browser: Browser, path: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(station.url + path)
    assert "/lock" in page.url
    context.close()
