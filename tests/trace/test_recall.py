"""Where-used and recall: every question gives what a plain look through all rows gives (F-I8)."""

import sqlite3
from pathlib import Path

import pytest

from station.errors import ConfigError
from station.model import Outcome
from station.records import Records, UnitState
from station.trace.recall import ask, page_of
from station.trace.recall_contents import Bundles, Component, contents_of
from tests.trace.search_world import IMAGE, ROOTS, Shop

OLD_CA = "CN=Ship Issuing CA 1,O=Example Chargers"
LAST_RUN = "r.started_at = (SELECT max(started_at) FROM run x WHERE x.unit = r.unit)"
PLAIN = {
    "firmware now": ({"firmware": "1.2.0"}, f"SELECT unit FROM run r WHERE +firmware = '1.2.0' AND {LAST_RUN}"),
    "recipe": (
        {"recipe": "dc60-eu", "revision": "3"},
        "SELECT unit FROM run WHERE recipe || recipe_revision = 'dc60-eu3'",
    ),
    "who and where": (
        {"station": "line2", "slot": "3", "operator": "operator-1"},
        "SELECT unit FROM run WHERE station || slot || operator = 'line23operator-1'",
    ),
    "when": (
        {"since": "2025-03-01", "until": "2025-04-01T00:00:00Z"},
        "SELECT unit FROM run WHERE substr(started_at, 1, 7) = '2025-03'",
    ),
    "CA": ({"issuer": OLD_CA}, f"SELECT unit FROM passport WHERE instr(CAST(document AS TEXT), '{OLD_CA}')"),
    "expires in the warehouse": (
        {"expires_before": "2029-01-01", "state": "warehouse"},
        "SELECT p.unit FROM passport p JOIN unit u ON u.serial = p.unit WHERE u.state IN ('released', 'packable') AND"
        " substr(CAST(document AS TEXT), instr(CAST(document AS TEXT), '\"not_after\"') + 13, 4) < '2029'",
    ),
    "lot": ({"lot": "RCD-00000"}, "SELECT unit FROM component WHERE lot || '' = 'RCD-00000'"),
    "SIM batch": (
        {"sim": "8949020000000000100..8949020000000000199"},
        "SELECT unit FROM identifier WHERE CAST(substr(value, 8) AS INTEGER) BETWEEN 100 AND 199 AND kind = 'iccid'",
    ),
    "customer": (
        {"customer": "Customer 7"},
        "SELECT serial FROM unit WHERE work_order IN (SELECT id FROM work_order WHERE customer = 'Customer 7')",
    ),
    "combined": (
        {"lot": "K-00000", "firmware": "1.3.0", "operator": "operator-2", "product": "ac22"},
        f"SELECT r.unit FROM run r JOIN unit u ON u.serial = r.unit WHERE +r.firmware = '1.3.0' AND {LAST_RUN} AND"
        " u.serial LIKE 'AC22%' AND EXISTS (SELECT 1 FROM run o WHERE o.unit = r.unit AND o.operator = 'operator-2')",
    ),
    "everything": ({}, "SELECT serial FROM unit"),
    "nothing": ({"order": "%' OR 1=1"}, "SELECT serial FROM unit WHERE 0"),
}


def found(records: Records, **words: str) -> list[str]:
    """Return the serials that a question finds, page by page."""
    recall, after, units = ask(records, words), "", []
    while page := page_of(records, recall, after, 70):
        units += [unit.serial for unit in page.units]
        assert page.count >= len(units)
        if not page.next:
            return units
        after = page.next
    return units


@pytest.mark.parametrize("name", PLAIN)
def test_a_question_finds_what_a_look_through_all_rows_finds(history: Records, history_file: Path, name: str) -> None:
    """Count, pages and the stream agree with a plain query that uses none of our code."""
    words, query = PLAIN[name]
    with sqlite3.connect(history_file) as database:
        expected = sorted({row[0] for row in database.execute(query)})
    assert found(history, **words) == expected
    wanted = ask(history, words).filter
    assert [unit.serial for chunk in history.stream_recalled(wanted) for unit in chunk] == expected
    assert history.count_recalled(wanted) == len(expected)
    assert bool(expected) == (name != "nothing")


def test_what_was_rebuilt_is_what_it_is_now(shop: Shop) -> None:
    """A run that passed takes away what earlier ones built; one that failed after it does not."""
    old, new = shop.bundle("old"), shop.bundle("new")
    order = shop.order("WO-1", old, "AC22-")
    unit = shop.failed(order, "aa01", firmware="1.3.0")
    assert (found(shop.records, firmware="1.3.0"), new) == ([unit], new)
    shop.released(order, "aa01", firmware="1.4.0")
    assert found(shop.records, firmware="1.3.0") == []
    assert found(shop.records, firmware="1.3.0", ever="yes") == [unit] == found(shop.records, firmware="1.4.0")
    assert found(shop.records, firmware="1.4.0", operator="operator-1") == [unit]


def test_what_was_taken_out_counts_only_with_ever(shop: Shop) -> None:
    """A part belongs to the unit that has it."""
    order = shop.order("WO-1", shop.bundle("r"), "AC22-")
    unit = shop.failed(order, "aa01")
    shop.part(unit, "K-1")
    assert found(shop.records, part="K-1", part_kind="contactor") == [unit]
    shop.records.detach(unit, "contactor", "K1", "it welded", "rework-1")
    assert (found(shop.records, part="K-1"), found(shop.records, part="K-1", ever="yes")) == ([], [unit])


def test_component_of_the_firmware_is_answered_by_the_bundles(shop: Shop) -> None:
    """By name, by version and by package URL; what nobody kept is told apart from what is not concerned (CRA)."""
    app, safety = shop.bundle("app", "application"), shop.bundle("safety", "safety")
    units = {name: shop.failed(shop.order(f"WO-{name}", digest, f"{name}-"), uid) for name, digest, uid in (
        ("APP", app, "aa01"), ("SAFE", safety, "aa02"), ("DRAFT", "d" * 64, "aa03"),
    )}  # fmt: skip
    for wanted in ("mbedtls", "MbedTLS@3.6.4", "pkg:github/Mbed-TLS/mbedtls", "pkg:github/Mbed-TLS/mbedtls@3.6.4"):
        assert found(shop.records, component=wanted) == [units["APP"]]
    assert found(shop.records, component="zephyr") == sorted([units["APP"], units["SAFE"]])
    assert found(shop.records, component="mbedtls@9") == []
    assert ask(shop.records, {"component": "mbedtls"}).unjudged == 1
    assert found(shop.records, image=IMAGE.upper()) == sorted([units["APP"], units["SAFE"]])
    assert ask(shop.records, {"image": IMAGE}).unjudged == 1
    assert ask(shop.records, {"image": IMAGE, "order": "WO-APP"}).unjudged == 0
    assert found(shop.records, definition=app[:12]) == [units["APP"]]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("pkg:npm/%40scope/x", True), ("pkg:npm/%40scope/x@3.6.4", True), ("pkg:npm/%40scope/x@3.6.4?arch=arm", True),
        ("pkg:npm/%40scope/x@3.6", False), ("@scope/x", True), ("@Scope/X@3.6.4", True), ("@scope/x@3.6", False),
        ("@scope", False), ("x", False),
    ],
)  # fmt: skip
def test_part_of_the_firmware_by_any_of_its_names(wanted: str, fits: bool) -> None:
    """Qualifiers and subpath of a package URL are no part of its name, the @ of a scope is."""
    part = Component("@scope/x", "3.6.4", "pkg:npm/%40scope/x@3.6.4?vcs_url=git%2Bhttps#src")
    assert part.fits(wanted) is fits


def test_part_is_found_in_the_forms_in_which_a_search_finds_it(shop: Shop) -> None:
    """In small letters, with separators: as somebody reads it off."""
    unit = shop.failed(shop.order("WO-1", shop.bundle("r"), "AC22-"), "aa01")
    shop.part(unit, "1EMH0012345678")
    for text in ("1EMH0012345678", "1emh0012345678", "1 EMH 0012 345678"):
        assert found(shop.records, part=text) == [unit]


def test_trust_anchor_that_ends_is_answered_by_the_passports(shop: Shop) -> None:
    """By fingerprint in any spelling, by name, and by the day before which it ends."""
    unit = shop.released(shop.order("WO-1", shop.bundle("r"), "AC22-"), "aa01")
    colons = ":".join(["AA"] * 32)
    assert found(shop.records, anchor=colons) == found(shop.records, anchor=str(ROOTS[0]["subject"])) == [unit]
    assert found(shop.records, anchor_ends_before="2031-01-02") == [unit]
    assert found(shop.records, anchor_ends_before="2031-01-01") == []


def test_certificate_finds_its_unit_by_serial_and_fingerprint(history: Records, history_file: Path) -> None:
    """As tools write them: with colons, in capitals."""
    query = (
        "SELECT unit, certificate_serial, substr(CAST(body AS TEXT), 12, 64) FROM certificate_event LIMIT 1 OFFSET 77"
    )
    with sqlite3.connect(history_file) as database:
        unit, serial, digest = database.execute(query).fetchone()
    colons = ":".join(digest[at : at + 2] for at in range(0, 64, 2)).upper()
    assert [found(history, certificate=text) for text in (serial.lower(), digest, colons)] == [[unit]] * 3


def test_ten_thousand_pasted_serials(history: Records) -> None:
    """Those that exist are found, each once; those that don't are named."""
    known = [unit.serial for unit in history.recalled(ask(history, {}).filter, limit=30)]
    pasted = "\n".join([*known, *known, *(f"nope-{number}" for number in range(10_000))]).lower()
    recall = ask(history, {"serials": pasted})
    assert [unit.serial for unit in history.recalled(recall.filter)] == known
    assert (len(recall.unknown), recall.unknown[0]) == (10_000, "NOPE-0")


@pytest.mark.parametrize("word", ["issuer", "expires_before"])
def test_certificate_without_a_passport_is_unjudged_and_never_left_out(shop: Shop, word: str) -> None:
    """Its CA may be the one that is asked for; a unit that got only a test certificate is not concerned."""
    order, asked = shop.order("WO-1", shop.bundle("r"), "AC22-"), {"issuer": "CN=CA 1", "expires_before": "2028-06-01"}
    units = [shop.released(order, "aa01")]
    for number, environment in ((2, "ship"), (3, "test")):
        run = shop.run(order, f"aa0{number}")
        shop.records.certificate_event(run, environment, f"0{number}", "installed", {"sha256": "c" * 64})
        shop.records.close_run(run, Outcome.FAIL, fault="lock", reason="It did not lock.")
    found_now = ask(shop.records, {word: asked[word], "order": order})
    assert [unit.serial for unit in shop.records.recalled(found_now.filter)] == units
    assert found_now.unjudged == 1
    assert ask(shop.records, {word: asked[word], "state": "warehouse"}).unjudged == 0


def test_what_bundles_are_made_of_is_kept_up_to_a_bound(shop: Shop) -> None:
    """A bundle is read once while there is room, and the oldest makes room; answers stay the same."""
    digests = [shop.bundle(f"r{number}") for number in range(4)]
    for number, digest in enumerate(digests):
        shop.failed(shop.order(f"WO-{number}", digest, f"A{number}-"), f"aa0{number}")
    definitions, bundles = list(shop.records.definitions()), Bundles(most=6)
    told = [contents_of(one, bundles) for one in definitions for _ in range(2)]
    assert told[0].components
    assert told[::2] == told[1::2]
    assert 0 < bundles.parts <= 6
    assert ask(shop.records, {"component": "mbedtls"}, bundles).filter.definitions == tuple(sorted(digests))


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("since", "0000-01-01"), ("until", "0001-01-01T00:00:00+14:00"),
        ("expires_before", "9999-12-31T23:59:59-14:00"),
        ("since", "yesterday"), ("revision", "-1"), ("state", "lost"), ("sim", "89..x"), ("certificate", "' OR 1=1"),
        ("ever", "perhaps"), ("lot", "x" * 201), ("lot", "a\x00b"), ("password", "x"), ("serials", "A " * 20_001),
        ("serials", "A" * 999_999), ("serials", " , ;"), ("revision", "0"), ("revision", "00"),
        ("lot", ""), ("lot", " "),
    ],
)  # fmt: skip
def test_what_nothing_can_be_is_refused(history: Records, word: str, text: str) -> None:
    """Each with a sentence that names the word."""
    text = " ".join(f"A{number}" for number in range(20_001)) if text.startswith("A ") else text
    with pytest.raises(ConfigError, match=word):
        ask(history, {word: text})


def test_particulars_are_of_the_latest_run_and_passport(shop: Shop) -> None:
    """A list tells of each unit how it was built last."""
    order = shop.order("WO-1", shop.bundle("r"), "AC22-")
    shop.failed(order, "aa01", operator="operator-9")
    unit = shop.released(order, "aa01", operator="operator-2")
    (row,) = shop.records.recalled(ask(shop.records, {"operator": "operator-9"}).filter)
    assert (row.serial, row.operator, row.outcome, row.passport_revision) == (unit, "operator-2", "PASS", 1)
    assert (row.state, row.certificate_not_after[:4]) == (UnitState.RELEASED, "2028")
