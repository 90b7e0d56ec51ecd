"""Work orders as a line lead steers them: edited by one at a time, filled up for scrap, counted (F-A4, F-B3)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from station.clock import utc_now
from station.errors import ConfigError, Interlocked, UnitError
from station.identifiers import serial_with_check
from station.model import Outcome
from station.orders import Office, OrderOptions, progress
from station.records import Edit, OrderState, Records, RunRequest

OPTIONS = OrderOptions(3, "AC22-", "ac22-eu-r1", customer="Example Operator")
LEAD = Edit("lead-1", "customer waits")


def begin(records: Records, uid: str, serial: str = "", order: str = "WO-1") -> str:
    """Open a run and return the unit's serial."""
    run = records.run(records.open_run(RunRequest(order, uid, uid, ("identify",), "1.4.0", serial)))
    assert run is not None
    return run.unit


def scrap(records: Records, serial: str) -> None:
    """Set a unit's state, as scrapping does beside much else."""
    with records.database.write() as session:
        session.execute(text(f"UPDATE unit SET state = 'scrapped' WHERE serial = '{serial}'"))


@pytest.fixture
def checked(office: Office, records: Records) -> Records:
    """Return records with an order whose serials have check characters."""
    office.create("WO-1", replace(OPTIONS, check="mod37-36", serials_from="station"), "lead-1")
    return records


def test_serials_with_check_characters(checked: Records) -> None:
    """Numbers are allocated with their check character; the order says that none is scanned."""
    assert begin(checked, "aa") == serial_with_check("AC22-000001") == "AC22-000001E"
    order = checked.order("WO-1")
    assert order is not None
    assert (order.allocates, order.created_by) == (True, "lead-1")


@pytest.mark.parametrize("serial", ["AC22-000002E", "AC22-000010E", "AC22-0000Z1E", "AC22-000001"])
def test_mistyped_serial(checked: Records, serial: str) -> None:
    """P11: a serial that was mistyped is refused by itself, before anything else is asked."""
    with pytest.raises(UnitError, match="mistyped or misread"):
        begin(checked, "aa", serial)
    assert checked.refuse_serial("WO-1", serial_with_check("AC22-000002"), "aa") == ""


def test_serial_of_another_block(checked: Records) -> None:
    """A right check character does not make a serial one of the order."""
    with pytest.raises(UnitError, match="not of work order WO-1"):
        begin(checked, "aa", serial_with_check("AC22-000004"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prefix": "IC22-", "check": "mod37-36"}, "confused with digits"),
        ({"prefix": "A" * 19, "check": "mod37-36"}, "4 to 25"),
        ({"check": "luhn"}, "no check character"),
        ({"prefix": "-AC22"}, "ocpp-identity"),
        ({"product": "dc60"}, "for product ac22, not for dc60"),
        ({"environment": "bench-test"}, "not for bench-test"),
        ({"due": "31.3.2027"}, "no date"),
        ({"quantity": 0}, "1 to 1000000"),
        ({"customer": "a\nb"}, "printable"),
        ({"serials_from": "hand"}, "serials come from"),
    ],
)
def test_order_that_could_not_be_built(office: Office, records: Records, change: dict, words: str) -> None:
    """F-A7: what could only fail at the bench is refused when it is ordered, and nothing is kept."""
    with pytest.raises(ConfigError, match=words):
        office.create("WO-1", replace(OPTIONS, **change), "lead-1")
    assert records.orders() == ()


def test_blocks_with_and_without_check_characters_never_meet(checked: Records, office: Office) -> None:
    """`AC22-0000011` could be number 11 of seven digits, or number 1 with its check character."""
    with pytest.raises(ConfigError, match="belongs to work order WO-1"):
        office.create("WO-2", replace(OPTIONS, prefix="AC22-0", first=10), "lead-1")


def test_same_order_again(office: Office, records: Records) -> None:
    """Asking again changes nothing, also after the order was edited; another content is refused."""
    first = office.create("WO-1", OPTIONS, "lead-1")
    records.set_order_state("WO-1", OrderState.PAUSED, LEAD)
    assert office.create("WO-1", OPTIONS, "lead-2") == replace(first, created_by="lead-2")
    with pytest.raises(ConfigError, match="exists already"):
        office.create("WO-1", replace(OPTIONS, quantity=2), "lead-1")


def test_two_people_edit_one_order(office: Office, records: Records) -> None:
    """Who saw an older version is told, and changes nothing."""
    office.create("WO-1", OPTIONS, "lead-1")
    paused = records.set_order_state("WO-1", OrderState.PAUSED, replace(LEAD, version=1))
    with pytest.raises(ConfigError, match="changed meanwhile: it is version 2, not 1"):
        records.set_order_state("WO-1", OrderState.CLOSED, Edit("lead-2", "no parts", 1))
    assert (paused.version, records.order("WO-1")) == (2, paused)
    assert [event.kind for event in records.events(subject="WO-1")] == ["order-edited"]


def test_closed_order_stays_closed(office: Office, records: Records) -> None:
    """A paused order takes no units until it is resumed; a closed one never again."""
    office.create("WO-1", OPTIONS, "lead-1")
    records.set_order_state("WO-1", OrderState.PAUSED, LEAD)
    with pytest.raises(Interlocked, match="is paused"):
        begin(records, "aa")
    records.set_order_state("WO-1", OrderState.CLOSED, LEAD)
    with pytest.raises(ConfigError, match="is closed"):
        records.set_order_state("WO-1", OrderState.OPEN, LEAD)
    with pytest.raises(ConfigError, match="reason"):
        Edit("lead-1")


def test_scrap_is_replaced_by_a_line_lead(office: Office, records: Records) -> None:
    """F-A4: the unit beyond the quantity is refused unless a replacement was authorised; the block grows for it."""
    office.create("WO-1", OPTIONS, "lead-1")
    units = [begin(records, uid) for uid in ("aa", "bb", "cc")]
    with pytest.raises(ConfigError, match="0 scrapped units"):
        office.replace("WO-1", 1, LEAD)
    scrap(records, units[0])
    with pytest.raises(UnitError, match="full: all 3"):
        begin(records, "dd")
    assert office.replace("WO-1", 1, LEAD).allowed == 4
    assert begin(records, "dd") == "AC22-000004"
    with pytest.raises(ConfigError, match="0 scrapped units have no replacement"):
        office.replace("WO-1", 1, LEAD)


def test_block_that_can_not_grow(office: Office, records: Records) -> None:
    """The number behind the block belongs to another order: nothing is replaced."""
    office.create("WO-1", OPTIONS, "lead-1")
    office.create("WO-2", replace(OPTIONS, first=4), "lead-1")
    scrap(records, begin(records, "aa"))
    with pytest.raises(ConfigError, match="belongs to work order WO-2"):
        office.replace("WO-1", 1, LEAD)
    assert office.records.order("WO-1").replacements == 0


def test_progress(office: Office, records: Records) -> None:
    """Counts, yield of first runs, today's pace and the end that follows from it."""
    office.create("WO-1", replace(OPTIONS, quantity=10), "lead-1")
    for number, outcomes in enumerate((["PASS"], ["FAIL", "PASS"], ["ERROR", "PASS"], ["FAIL"])):
        for outcome in outcomes:
            run = records.open_run(RunRequest("WO-1", f"a{number}", "1", ("identify",), "1.4.0"))
            if outcome == "PASS":
                passed(records, run.sequence)
            else:
                records.close_run(run, Outcome(outcome), fault="lock" if outcome == "FAIL" else "link")
    now = utc_now() + timedelta(hours=2)
    found = progress(records, "WO-1", now)
    assert (found.tally.judged, found.tally.first_pass, found.first_pass, found.tally.failed_runs) == (4, 1, 0.25, 2)
    assert found.left == 7


def passed(records: Records, sequence: int) -> None:
    """Close a run PASS and release its unit, without the documents that a release needs."""
    now = utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with records.database.write() as session:
        session.execute(text(f"UPDATE unit SET state = 'released' WHERE serial IN"
                             f" (SELECT unit FROM run WHERE sequence = {sequence})"))  # fmt: skip
        session.execute(text(f"UPDATE run SET outcome = 'PASS', closed_at = '{now}' WHERE sequence = {sequence}"))


def test_numbers_that_run_low(office: Office, records: Records) -> None:
    """At a fifth left the order warns; at none, no unit begins (domain.md 5.6)."""
    office.create("WO-1", replace(OPTIONS, quantity=5), "lead-1")
    for number in range(4):
        assert progress(records, "WO-1", utc_now()).tally.low == ()
        begin(records, f"a{number}")
    (low,) = progress(records, "WO-1", utc_now()).tally.low
    assert low.sentence == "1 of 5 serial numbers is left."
    begin(records, "a4")
    with pytest.raises(UnitError, match="full"):
        begin(records, "a5")
