"""An identifier is alive on one unit in the whole database; a duplicate quarantines both units (F-B4, F-F2, P11)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from stdnum import luhn

from station.errors import ConfigError, Defect, UnitError
from station.identifiers import Identifier, Kind, Rules, parse
from station.records import HoldKind, KnownIdentifier, OrderFile, Records, SerialBlock, WorkOrder

ONE, TWO = "AC22-000001", "AC22-000002"
MAC = parse(Kind.MAC, "00:11:22:AA:BB:CC")
OTHER = parse(Kind.MAC, "001122AABBCD")
PAYLOAD = "8988303000001234567"
OTHERS = WorkOrder("WO-2", "ac22", "ac22-eu", 7, "a" * 64, 12, "", SerialBlock("AC22-", 200, 299), "test", "field")
FILE = OrderFile("0" * 64, "sims.csv", 1, "lead-1")


def test_one_unit_has_it(records: Records) -> None:
    """What was claimed is found by both ways; claiming it again adds nothing."""
    assert records.claim(ONE, MAC, "ethernet") == records.claim(ONE, MAC, "ethernet")
    assert [row.value for row in records.identifiers(ONE)] == ["001122AABBCC"]
    assert records.known_identifiers(Kind.MAC, [MAC.value, "F"]) == {MAC.value: KnownIdentifier(unit=ONE)}


def test_duplicate_quarantines_both(records: Records) -> None:
    """The second unit is refused in one sentence, both are held, and the event names them."""
    records.claim(ONE, MAC, "ethernet")
    with pytest.raises(UnitError, match=f"is on unit {ONE} already") as refusal:
        records.claim(TWO, MAC, "ethernet")
    assert refusal.value.defect is Defect.DUPLICATE_IDENTITY
    assert {(hold.subject, hold.kind) for hold in records.holds()} == {
        (ONE, HoldKind.QUARANTINE),
        (TWO, HoldKind.QUARANTINE),
    }
    assert len(records.events(subject=TWO, kind="duplicate-identifier")) == 1
    assert records.identifiers(TWO) == ()


def test_both_forms_of_an_iccid_are_one(records: Records) -> None:
    """A SIM is the same whether its check digit is told or not; the full form is kept."""
    full = PAYLOAD + luhn.calc_check_digit(PAYLOAD)
    row = records.claim(ONE, parse(Kind.ICCID, full), "modem")
    assert (row.value, row.written) == (PAYLOAD, full)
    with pytest.raises(UnitError, match="is on unit"):
        records.claim(TWO, parse(Kind.ICCID, PAYLOAD, rules=Rules(iccid_check_digit_omitted=True)), "modem")


def test_part_that_was_changed_without_a_word(records: Records) -> None:
    """Where one was read before, another is refused until its end is recorded with who and why."""
    records.claim(ONE, MAC, "ethernet")
    with pytest.raises(UnitError, match="has 001122AABBCD now"):
        records.claim(ONE, OTHER, "ethernet")
    records.end_claim(ONE, Kind.MAC, MAC.value, "rework-1", "board swapped")
    records.claim(ONE, OTHER, "ethernet")
    records.claim(TWO, MAC, "ethernet")
    assert [row.value for row in records.identifiers(ONE)] == [OTHER.value]
    before, _ = records.identifiers(ONE, gone=True)
    assert (before.value, before.ended_by) == (MAC.value, "rework-1")


@pytest.mark.parametrize("unit", [ONE, TWO])
def test_end_of_what_is_not_there(records: Records, unit: str) -> None:
    """An identifier ends once, on its own unit, and for a reason."""
    records.claim(TWO, MAC, "ethernet")
    with pytest.raises(ConfigError, match="reason"):
        records.end_claim(TWO, Kind.MAC, MAC.value, "rework-1", "")
    if unit == TWO:
        records.end_claim(TWO, Kind.MAC, MAC.value, "rework-1", "board swapped")
    with pytest.raises(UnitError, match="has no mac"):
        records.end_claim(unit, Kind.MAC, MAC.value, "rework-1", "board swapped")


def test_list_of_the_order(records: Records) -> None:
    """A SIM of another batch is refused; without lists of a kind any is taken (F-F2)."""
    records.create_order(OTHERS)
    mine, theirs, none = (parse(Kind.MAC, f"0011220000{number:02}") for number in (1, 2, 3))
    records.import_orders(FILE, (), [("WO-1", mine), ("WO-2", theirs)])
    records.claim(ONE, mine, "ethernet")
    with pytest.raises(UnitError, match="belongs to work order WO-2"):
        records.claim(TWO, theirs, "ethernet")
    with pytest.raises(UnitError, match="not of the lists of work order WO-1"):
        records.claim(TWO, none, "ethernet")
    records.claim(TWO, Identifier(Kind.SEAL, "M25-1", "M25-1"), "seal 1")


def test_race_for_one_address(records: Records) -> None:
    """Eight threads claim one address for two units: one unit has it, both are held."""

    def claim(number: int) -> bool:
        try:
            records.claim((ONE, TWO)[number % 2], MAC, "ethernet")
        except UnitError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(claim, range(16)))
    assert sum(got) == 8
    assert len(records.identifiers(ONE)) + len(records.identifiers(TWO)) == 1
    assert len(records.holds()) == 2
