"""A unit is found by every number that it, a part or a paper of it bears, exactly and by how it begins (F-I6)."""

import sqlite3
from pathlib import Path

import pytest

from station.errors import ConfigError
from station.records import Part, Records
from station.trace.search import MOST, look_up
from tests.trace.conftest import UNITS
from tests.trace.search_world import Shop

NUMBER = 123
NUMBERS = {
    "serial": "SELECT serial FROM unit WHERE serial = :unit",
    "hardware uid": "SELECT upper(hardware_uid) FROM unit WHERE serial = :unit",
    "label": "SELECT code FROM label WHERE unit = :unit",
    "MAC": "SELECT value FROM identifier WHERE unit = :unit AND kind = 'mac'",
    "ICCID with check digit": "SELECT written FROM identifier WHERE unit = :unit AND kind = 'iccid'",
    "ICCID without": "SELECT value FROM identifier WHERE unit = :unit AND kind = 'iccid'",
    "meter": "SELECT serial FROM meter WHERE unit = :unit",
    "part": "SELECT serial FROM component WHERE unit = :unit AND kind = 'pcb'",
    "certificate": "SELECT certificate_serial FROM certificate_event WHERE unit = :unit AND environment = 'ship'",
    "fingerprint": "SELECT substr(CAST(body AS TEXT), 12, 64) FROM certificate_event WHERE unit = :unit"
    " AND environment = 'ship'",
    "fingerprint of the test": "SELECT upper(substr(CAST(body AS TEXT), 12, 64)) FROM certificate_event"
    " WHERE unit = :unit AND environment = 'test'",
}


@pytest.fixture(scope="module")
def unit(history_file: Path) -> str:
    """Return the serial of one released unit."""
    with sqlite3.connect(history_file) as database:
        return str(database.execute("SELECT unit FROM passport ORDER BY unit LIMIT 1 OFFSET 99").fetchone()[0])


@pytest.mark.parametrize("kind", NUMBERS)
def test_every_number_finds_its_unit(history: Records, history_file: Path, unit: str, kind: str) -> None:
    """Exactly, and by how it begins."""
    with sqlite3.connect(history_file) as database:
        number = str(database.execute(NUMBERS[kind], {"unit": unit}).fetchone()[0])
    assert look_up(history, number).unit == unit
    assert unit in {hit.unit for hit in look_up(history, number[:-1], MOST).hits}


def test_mac_is_found_however_it_is_written(history: Records) -> None:
    """With colons, hyphens or dots, in small letters."""
    ways = ("0050C200007B", "00:50:c2:00:00:7b", "00-50-C2-00-00-7B", "0050.c200.007b")
    assert {look_up(history, way).unit for way in ways} == {look_up(history, "0050C200007B").unit} != {""}


def test_lot_finds_its_units_and_tells_that_there_are_more(history: Records) -> None:
    """A lot of all units is no single unit."""
    answer = look_up(history, "K-00000", 20)
    assert (len(answer.hits), answer.more, answer.unit) == (20, True, "")
    assert {(hit.kind, hit.exact) for hit in answer.hits} == {("lot", True)}


def test_parts_of_one_unit_in_many_places_leave_room_for_other_units(shop: Shop) -> None:
    """What is counted is what is told, not how often a lot is in a unit."""
    order = shop.order("WO-1", shop.bundle("r"), "AC22-")
    for number in range(4):
        unit = shop.failed(order, f"aa0{number}")
        for place in range(4):
            shop.records.attach(Part(unit, "contactor", f"K{place}", lot="LOT-4"), "operator-1")
    some, all_ = look_up(shop.records, "LOT-4", 3), look_up(shop.records, "LOT-4", 4)
    assert (len(some.hits), some.more, len(all_.hits), all_.more) == (3, True, 4, False)


def test_order_is_found(history: Records) -> None:
    """An order stands for itself, not for a unit."""
    order = history.orders()[0].id
    (hit,) = (hit for hit in look_up(history, order).hits if hit.exact)
    assert (hit.kind, hit.unit, hit.order) == ("order", "", order)


@pytest.mark.parametrize("text", ["%' OR 1=1", "%", "_", "'; DROP TABLE unit;--", "x" * 128, "日本"])
def test_a_text_is_no_pattern(history: Records, text: str) -> None:
    """What no number is finds nothing, and breaks nothing."""
    assert look_up(history, text).hits == ()
    assert len(history.runs(limit=UNITS)) == UNITS


@pytest.mark.parametrize("text", ["", "   ", "x" * 129, "a\x00b", "SN:\n1"])
def test_what_no_code_is_is_refused(history: Records, text: str) -> None:
    """Empty, too long, or with control characters."""
    with pytest.raises(ConfigError, match="1 to 128 printable"):
        look_up(history, text)


def test_part_that_was_taken_out_leads_to_where_it_is(shop: Shop) -> None:
    """The unit that has it comes first, the one that had it says that it is so no longer."""
    order = shop.order("WO-1", shop.bundle("r"), "AC22-")
    first, second = shop.failed(order, "aa01"), shop.failed(order, "aa02")
    shop.part(first, "K-77")
    shop.records.detach(first, "contactor", "K1", "it goes to another", "rework-1")
    shop.part(second, "K-77")
    answer = look_up(shop.records, "K-77")
    assert [(hit.unit, hit.ended) for hit in answer.hits] == [(second, False), (first, True)]
    assert answer.unit == second
