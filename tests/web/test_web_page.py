"""The operator's page in a real browser (F-N1, F-N2)."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from station.clock import utc_now
from station.model import ScanReply, SlotState, StepView
from station.web.app import create_app
from station.web.server import serve

Scan = Callable[..., None]


def test_scan_without_focus_selects_a_slot(page: Page, line, scan: Scan) -> None:
    """Nothing is focused: the scan still arrives, is echoed and marks the slot."""
    scan("SL-B")
    expect(page.locator("#echo")).to_have_text("\u2713 Slot B selected.")
    expect(page.locator('[data-slot="B"].selected')).to_be_visible()
    expect(page.locator("#sound")).to_be_hidden()
    scan("AC22-0001")
    expect(page.locator('[data-slot="B"] .tile-serial')).to_have_text("AC22-0001")
    assert line.scans == ["SL-B", "AC22-0001"]


def test_scan_does_not_press_the_focused_button(page: Page, line, scan: Scan) -> None:
    """Enter at the end of a scan must not be a click on whatever has the focus."""
    line.put("A", SlotState.ALREADY_RELEASED, actions=("rework",))
    page.get_by_role("button", name="Rework").focus()
    scan("SL-A")
    expect(page.locator("#echo")).to_have_text("\u2713 Slot A selected.")
    assert (line.scans, line.acts) == (["SL-A"], [])


def test_slow_keys_are_no_scan_and_the_same_code_counts_once(page: Page, line, scan: Scan) -> None:
    """A person at the keyboard is not a scanner; a scanner that reads twice is one scan."""
    scan("SL-A", pause=0.2)
    scan("SL-C")
    scan("SL-C")
    expect(page.locator("#echo")).to_have_text("\u2713 Slot C selected.")
    assert line.scans == ["SL-C"]


def test_scans_reach_the_station_in_the_order_in_which_they_were_read(page: Page, line, scan: Scan) -> None:
    """F-N2: the second waits for the first one's answer, however fast the scanner is."""
    under_way: list[Route] = []

    def hold_the_first(route: Route) -> None:
        under_way.append(route)
        if len(under_way) > 1:
            route.continue_()

    page.route("**/api/scan", hold_the_first)
    for code in ("SL-1", "AC22-0001"):
        scan(code)
    while not under_way:
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)
    assert len(under_way) == 1
    under_way[0].continue_()
    expect(page.locator("#echo.taken")).to_contain_text("AC22-0001 read")
    assert line.scans == ["SL-1", "AC22-0001"]


def test_control_characters_in_a_barcode_are_refused_with_a_reason(page: Page, line, scan: Scan) -> None:
    """BadBarcode: control characters arrive as Ctrl+letter."""
    scan("AC22\n0001")
    expect(page.locator("#echo")).to_contain_text("no code of ours has")
    assert line.scans == []


def test_typing_by_hand(page: Page, line) -> None:
    """A code that no scanner can read is typed, at any speed."""
    page.get_by_label("By hand").press_sequentially("SL-D", delay=120)
    page.keyboard.press("Enter")
    expect(page.locator("#echo")).to_contain_text("Slot D selected.")
    expect(page.get_by_label("By hand")).to_have_value("")


def test_what_the_stations_own_scanner_read_is_answered_on_the_page(page: Page, line) -> None:
    """The page that brought no scan shows its answer all the same, with sign, sound and slot; each one anew."""
    line.change(echo=ScanReply(True, "Slot B selected.", "B"), echoes=1)
    expect(page.locator("#echo.taken")).to_have_text("\u2713 Slot B selected.")
    expect(page.locator('[data-slot="B"].selected')).to_be_visible()
    page.evaluate("document.getElementById('echo').textContent = ''")
    line.change(echo=ScanReply(True, "Slot B selected.", "B"), echoes=2)
    expect(page.locator("#echo.taken")).to_have_text("\u2713 Slot B selected.")
    line.change(echo=ScanReply(False, "No slot waits for a scan."), echoes=3)
    expect(page.locator("#echo.refused")).to_have_text("\u2717 No slot waits for a scan.")
    expect(page.locator("html")).to_have_attribute("data-sound", "refused")


def test_an_answer_of_before_is_not_given_again(page: Page, line) -> None:
    """Whoever opens the page does not hear what a scan before was answered."""
    line.change(echo=ScanReply(True, "Slot B selected.", "B"), echoes=1)
    expect(page.locator("#echo")).not_to_be_empty()
    page.reload()
    page.wait_for_selector("#beat time")
    line.put("A", SlotState.CONNECTING)
    expect(page.locator('[data-slot="A"] .tile-state')).to_contain_text("Connecting")
    expect(page.locator("#echo")).to_be_empty()


def test_refused_scan_says_why(page: Page, scan: Scan) -> None:
    """The line's own sentence, with a sign and a sound of its own."""
    scan("AC22-0001")
    expect(page.locator("#echo.refused")).to_have_text("\u2717 No slot waits for a scan.")
    expect(page.locator("html")).to_have_attribute("data-sound", "refused")


def test_steps_in_words(page: Page, line) -> None:
    """Title, state in words, attempt; and the time counts without a word from the station."""
    steps = (StepView("identify", "Identify", "PASS", 3.0), StepView("flash", "Write firmware", "running", 61.0, 2))
    line.put("A", SlotState.RUNNING, steps=steps, started=utc_now(), seconds=64.0, progress=0.5)
    tile = page.locator('[data-slot="A"].frame')
    expect(tile.locator(".step").nth(0)).to_contain_text(re.compile(r"Identify\s+done"))
    expect(tile.locator(".step").nth(1)).to_contain_text(re.compile(r"Write firmware attempt 2\s+running"))
    expect(tile.locator(".tile-now")).to_contain_text("Step 2 of 2: Write firmware")
    expect(tile.locator(".tile-time")).to_have_text("1:06")


VERDICTS = [
    (SlotState.PASS, "PASS", "pass", "rgb(0, 114, 178)"),
    (SlotState.FAIL, "FAIL", "fail", None),
    (SlotState.ERROR, "ERROR", "error", None),
    (SlotState.ABORTED, "ABORTED", "aborted", "rgb(223, 227, 231)"),
]


@pytest.mark.parametrize(("state", "word", "sign", "colour"), VERDICTS)
def test_verdict_by_word_sign_colour_and_sound(
    page: Page, line, state, word: str, sign: str, colour: str | None
) -> None:
    """Giant, with what happened and what to do; never colour alone."""
    line.put("C", state, serial="AC22-0007", sentence="This happened.", hint="Do that.")
    band = page.locator(".verdict")
    expect(band.locator(".verdict-word")).to_have_text(word)
    expect(band.locator("use").first).to_have_attribute("href", f"/static/icons.svg#{sign}")
    expect(band.locator(".verdict-text")).to_contain_text("AC22-0007")
    expect(band).to_contain_text("This happened.")
    expect(band).to_contain_text("Do that.")
    expect(page.locator("html")).to_have_attribute("data-sound", sign)
    box = band.bounding_box()
    assert box is not None
    assert box["width"] == 1280
    assert box["height"] > 240
    if colour:
        expect(band).to_have_css("background-color", colour)
    else:
        expect(band).to_have_css("background-image", re.compile("repeating-linear-gradient"))


def acknowledge_by_scan(page: Page, scan: Scan) -> None:
    """Scan the command sheet."""
    scan("CMD-ACK")


def acknowledge_by_key(page: Page, scan: Scan) -> None:
    """Press the key."""
    page.keyboard.press("Escape")


def acknowledge_by_button(page: Page, scan: Scan) -> None:
    """Touch the button."""
    page.get_by_role("button", name="Seen").click()


@pytest.mark.parametrize("way", [acknowledge_by_scan, acknowledge_by_key, acknowledge_by_button])
def test_fail_stays_until_acknowledged(page: Page, line, way, scan: Scan) -> None:
    """Other slots go on, other scans come in: FAIL stays until a person has seen it."""
    line.put("A", SlotState.FAIL, serial="AC22-0001", sentence="Bad flash.", hint="Rework.")
    line.put("B", SlotState.PASS, serial="AC22-0002")
    scan("SL-D")
    expect(page.locator("#echo")).to_contain_text("Slot D selected.")
    expect(page.locator(".verdict-word")).to_have_text("FAIL")
    expect(page.locator(".verdict-more")).to_contain_text("Slot B PASS")
    way(page, scan)
    expect(page.locator(".verdict-word")).to_have_text("PASS")
    expect(page.locator('[data-slot="A"] .tile.fail')).to_be_visible()


def test_pass_goes_with_the_unit(page: Page, line) -> None:
    """An unplugged slot shows no verdict of the unit that was in it."""
    line.put("A", SlotState.PASS, serial="AC22-0001")
    expect(page.locator(".verdict-word")).to_have_text("PASS")
    line.put("A", SlotState.EMPTY, serial="")
    expect(page.locator(".verdict")).to_have_count(0)


def test_a_silent_station_covers_the_verdict_and_comes_back(page: Page, line) -> None:
    """Never leave a stale PASS on the screen."""
    line.put("A", SlotState.PASS, serial="AC22-0001")
    expect(page.locator(".verdict-word")).to_have_text("PASS")
    line.deaf.set()
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator("#stale")).to_contain_text("STATION NOT RESPONDING")
    covering = page.evaluate("document.elementFromPoint(640, 200).closest('#stale') !== null")
    assert (covering, page.locator("#stale").bounding_box()["width"]) == (True, 1280)
    line.put("A", SlotState.FAIL, serial="AC22-0001")
    line.deaf.clear()
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator(".verdict-word")).to_have_text("FAIL")


def test_a_restarted_station_gets_a_fresh_page(page: Page, line, server, door) -> None:
    """The daemon comes back, perhaps with other slots: the page finds it by itself."""
    line.put("A", SlotState.PASS, serial="AC22-0001")
    expect(page.locator(".verdict-word")).to_have_text("PASS")
    server.stop()
    expect(page.locator("#stale")).to_be_visible()
    line.change(slots=line.view().slots[1:3])
    again = serve(create_app(line, title="Line 2", door=door), server.host, server.port)
    expect(page.locator("h1")).to_have_text("Line 2")
    expect(page.locator(".frame")).to_have_count(2)
    expect(page.locator(".verdict")).to_have_count(0)
    page.goto("about:blank")
    again.stop()


def test_scan_at_a_silent_server_is_not_lost_in_silence(page: Page, server, scan: Scan) -> None:
    """A scan that nobody took is said to be so."""
    server.stop()
    scan("SL-A")
    expect(page.locator("#echo.refused")).to_contain_text("Nothing was taken")


def test_alarms_outbox_and_links_are_visible(page: Page, line) -> None:
    """What is away, how much waits to be sent, and where else to look."""
    line.change(waiting_messages=7, alarms=("The CPMS does not answer.",), links=(("Bench", "http://127.0.0.1:1/"),))
    expect(page.locator("#outbox")).to_have_text("7")
    expect(page.get_by_role("alert", name="Alarms")).to_contain_text("The CPMS does not answer.")
    expect(page.get_by_role("link", name="Bench")).to_have_attribute("href", "http://127.0.0.1:1/")


def test_prompt_names_the_slot_that_waits(page: Page, line) -> None:
    """One thing to do at a time; a printed label comes before a new unit."""
    line.put("B", SlotState.WAITING_FOR_SERIAL)
    expect(page.locator("#prompt")).to_have_text(re.compile(r"Slot B\s+Scan the serial number\."))
    line.put("D", SlotState.WAITING_FOR_LABEL)
    expect(page.locator("#prompt")).to_have_text(re.compile(r"Slot D\s+Scan the printed label\."))


def test_landmarks_for_those_who_do_not_see(page: Page) -> None:
    """Header, main, footer; verdict and echo are announced."""
    for role in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    assert page.locator("#band").get_attribute("aria-live") == "assertive"
    assert page.locator("#echo").get_attribute("role") == "status"
