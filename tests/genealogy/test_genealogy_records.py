"""Parts and meters in the records: in one unit at a time, never removed, and what a change of them re-opens."""

import sqlite3

import pytest

from station.errors import ConfigError, Defect, UnitError
from station.identifiers import Kind, parse
from station.model import Outcome
from station.records import HoldKind, MeterFacts, Part
from tests.genealogy.conftest import ONE, PLAN, TWO, Shop, module

KEY = "3059" + "ab" * 89
METER = MeterFacts(1, "DCM-200", "2EXC0112345678", "M26 0102", KEY, "OCMF|…", printed=True)


def held(shop: Shop) -> set[tuple[str, HoldKind]]:
    return {(hold.subject, hold.kind) for hold in shop.records.holds()}


BOTH = {(ONE, HoldKind.QUARANTINE), (TWO, HoldKind.QUARANTINE)}


def test_part_is_attached_once_and_asked_twice_changes_nothing(shop: Shop) -> None:
    """F-I1: who put it in, and in which run."""
    shop.attach(ONE)
    shop.attach(ONE)
    (row,) = shop.records.components(ONE)
    assert (row.kind, row.position, row.serial, row.attached_by) == ("power module", "M1", "PM-1", "operator-1")
    assert shop.records.reopened(ONE) == ()


def test_part_that_is_in_another_unit_quarantines_both(shop: Shop) -> None:
    """F-B4: it stays where it was first, and nobody builds on either unit."""
    shop.attach(ONE)
    with pytest.raises(UnitError, match="PM-1 is in unit DC60-000001 already") as caught:
        shop.attach(TWO)
    assert (caught.value.defect, held(shop)) == (Defect.GENEALOGY, BOTH)
    assert shop.records.components(TWO) == ()


def test_part_can_not_be_in_two_places_of_one_unit(shop: Shop) -> None:
    shop.attach(ONE)
    with pytest.raises(UnitError, match="is in another place of unit DC60-000001"):
        shop.attach(ONE, position="M2")
    assert held(shop) == set()


def test_lot_is_in_many_units_and_found_by_its_number(shop: Shop) -> None:
    """F-I8: a recall begins with the lot."""
    for unit in (ONE, TWO):
        shop.records.attach(Part(unit, "rcd", "F1", lot="L-7"), "operator-1", shop.runs[unit])
    assert [row.unit for row in shop.records.units_with("L-7")] == [ONE, TWO]
    assert held(shop) == set()


def test_taken_place_is_told(shop: Shop) -> None:
    shop.attach(ONE)
    with pytest.raises(UnitError, match="has power module M1 PM-1, not PM-2") as caught:
        shop.attach(ONE, "PM-2")
    assert "component swap" in caught.value.hint


def test_swap_re_opens_what_the_part_affects_and_keeps_the_old_row(shop: Shop) -> None:
    """The record says what was in the unit at any time, and why it is not any more."""
    shop.attach(ONE)
    shop.abort(ONE)
    shop.records.swap(module(ONE, "PM-2"), "fan does not start", "rework-1")
    old, new = shop.records.components(ONE, gone=True)
    assert (old.serial, old.detached_by, old.reason) == ("PM-1", "rework-1", "fan does not start")
    assert (new.serial, new.detached_at) == ("PM-2", None)
    assert [row.name for row in shop.records.reopened(ONE)] == ["", "accept", "hipot"]
    assert len({row.at for row in shop.records.reopened(ONE)}) == 1


def test_part_that_comes_later_re_opens_too(shop: Shop) -> None:
    shop.attach(ONE)
    shop.abort(ONE)
    shop.records.detach(ONE, "power module", "M1", "fan does not start", "rework-1")
    (*_, taken_out) = shop.records.reopened(ONE)
    shop.records.attach(module(ONE, "PM-2"), "rework-1")
    again = shop.records.reopened(ONE)[3:]
    assert [row.name for row in again] == ["", "accept", "hipot"]
    assert all(row.at >= taken_out.at for row in again)


def test_step_that_was_re_opened_has_no_evidence_any_more(shop: Shop) -> None:
    """An earlier PASS of other hardware must not count; of steps that the part does not affect it does."""
    shop.attach(ONE)
    for name in PLAN:
        shop.step(ONE, name)
    shop.abort(ONE)
    second = shop.open(1)
    assert all(shop.records.evidence(second, name) for name in PLAN)
    shop.records.close_run(second, Outcome.ABORTED)
    shop.records.swap(module(ONE, "PM-2"), "fan does not start", "rework-1")
    third = shop.open(1)
    assert [bool(shop.records.evidence(third, name)) for name in PLAN] == [True, False, True]


def test_nothing_changes_while_the_unit_is_in_work(shop: Shop) -> None:
    """A run that has looked at a part must not release another one."""
    shop.attach(ONE)
    with pytest.raises(UnitError, match="is in work in slot 1"):
        shop.records.swap(module(ONE, "PM-2"), "fan does not start", "rework-1")
    with pytest.raises(UnitError, match="is in work in slot 2"):
        shop.records.attach(module(TWO, "PM-3"), "operator-1")
    assert [row.serial for row in shop.records.components(ONE)] == ["PM-1"]


def test_released_unit_keeps_its_parts(shop: Shop) -> None:
    """Its passport names them: first it goes to rework."""
    shop.attach(ONE)
    shop.release(ONE)
    with pytest.raises(UnitError, match="is released: its parts can't be changed") as caught:
        shop.records.detach(ONE, "power module", "M1", "fan does not start", "rework-1")
    assert caught.value.hint == "Send it to rework first."


def test_part_taken_out_may_serve_in_another_unit_and_a_broken_seal_in_none(shop: Shop) -> None:
    """F-I3: the number of a seal is used once for ever."""
    shop.attach(ONE)
    seal = Part(ONE, "seal", "cover", serial="S-1", opens=("metering accuracy",))
    shop.records.attach(seal, "operator-1", shop.runs[ONE])
    shop.abort(ONE)
    for kind, position in (("power module", "M1"), ("seal", "cover")):
        shop.records.detach(ONE, kind, position, "opened for repair", "rework-1")
    shop.attach(TWO)
    assert shop.records.components(TWO)[0].serial == "PM-1"
    for unit, run in ((TWO, shop.runs[TWO]), (ONE, None)):
        with pytest.raises(UnitError, match="The seal S-1 is in"):
            shop.records.attach(Part(unit, "seal", "cover", serial="S-1", opens=("x",)), "operator-1", run)


def test_numbers_leave_with_their_part(shop: Shop) -> None:
    """A SIM that was replaced takes its subscription with it; the modem's number stays."""
    sim = Part(ONE, "sim", "modem", serial="89882110000000000010", opens=("iccid", "imsi"))
    shop.records.attach(sim, "operator-1", shop.runs[ONE])
    for kind, number, source in (
        (Kind.ICCID, "89882110000000000010", "sim"),
        (Kind.IMSI, "901880000000001", "sim"),
        (Kind.IMEI, "490154203237518", "modem"),
    ):
        shop.records.claim(ONE, parse(kind, number), source)
    shop.abort(ONE)
    shop.records.detach(ONE, "sim", "modem", "does not register", "rework-1")
    assert [row.kind for row in shop.records.identifiers(ONE)] == [Kind.IMEI]
    gone = [row for row in shop.records.identifiers(ONE, gone=True) if row.until]
    assert {(row.ended_by, row.reason) for row in gone} == {("rework-1", "does not register")}


def test_latest_meter_of_each_outlet_counts_and_all_are_kept(shop: Shop) -> None:
    for meter in (METER, MeterFacts(2, "DCM-200", "2EXC0112345679"), METER):
        shop.records.meter_proven(shop.runs[ONE], meter)
    first, second = shop.records.meters(ONE)
    assert (first.evse, first.public_key, first.mid, first.run) == (1, KEY, "M26 0102", shop.runs[ONE])
    assert (second.serial, second.public_key, second.printed) == ("2EXC0112345679", "", False)


def test_one_public_key_in_two_units_quarantines_both(shop: Shop) -> None:
    """F-B4: two meters that sign alike are one meter, or a copied key."""
    shop.records.meter_proven(shop.runs[ONE], METER)
    with pytest.raises(UnitError, match="2EXC0112345679 is in unit DC60-000001 already"):
        shop.records.meter_proven(shop.runs[TWO], MeterFacts(2, "DCM-200", "2EXC0112345679", public_key=KEY))
    assert (held(shop), shop.records.meters(TWO)) == (BOTH, ())


@pytest.mark.parametrize("reason", ["", "  ", "no", "x" * 201, "two\nlines", "\x1b[2J away"])
def test_change_needs_a_reason_that_can_be_read(shop: Shop, reason: str) -> None:
    shop.attach(ONE)
    shop.abort(ONE)
    with pytest.raises(ConfigError, match="a reason has 3 to 200 printable characters"):
        shop.records.detach(ONE, "power module", "M1", reason, "rework-1")
    assert shop.records.components(ONE)[0].detached_at is None


def test_history_of_parts_is_never_rewritten(shop: Shop, url: str) -> None:
    """Also not by a program that does not go through the station (F-I6)."""
    shop.attach(ONE)
    shop.abort(ONE)
    shop.records.swap(module(ONE, "PM-2"), "fan does not start", "rework-1")
    shop.records.meter_proven(shop.runs[TWO], METER)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        for change in (
            "UPDATE component SET serial = 'PM-9'",
            "UPDATE component SET reason = 'other' WHERE detached_at IS NOT NULL",
            "DELETE FROM component",
            "UPDATE meter SET public_key = ''",
            "DELETE FROM reopened",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(change)


def test_unit_that_is_not_known_has_no_parts(shop: Shop) -> None:
    with pytest.raises(UnitError, match="no unit DC60-000099"):
        shop.records.attach(module("DC60-000099"), "operator-1")
    with pytest.raises(UnitError, match="has no power module M1 in these records"):
        shop.records.detach(ONE, "power module", "M1", "never there", "rework-1")
    with pytest.raises(ValueError, match="either a serial number or a lot"):
        Part(ONE, "rcd", "F1")
