"""A unit that came back: its seal is changed, what was found in it is held once, and it is built again (F-M4, F-M5)."""

from datetime import timedelta

import pytest

from fixtures.demo.place import CATALOG
from station.catalog.products import load_product
from station.catalog.source import Folder
from station.clock import utc_now
from station.errors import ConfigError, UnitError
from station.records import (
    Disposition,
    DispositionKind,
    HoldScope,
    LifecycleEvent,
    LifecycleKind,
    OrderState,
    Part,
    Registration,
    Reported,
    Result,
    ResultSource,
    SubjectKind,
)
from station.rework import quarantine
from station.steps.field import Difference
from tests.genealogy.conftest import ONE, Shop

TEST = "metering accuracy"


def seal(number: str) -> Part:
    """Return a seal with what the product says that it opens."""
    (rule,) = (part for part in load_product(Folder(CATALOG), "dc60").component if part.title == "seal meter A")
    return Part(ONE, rule.kind, rule.position, serial=number, opens=rule.opens)


def measured(shop: Shop) -> None:
    """Bring in a result of the metering bench."""
    taken = utc_now() - timedelta(minutes=5)
    result = Result(SubjectKind.SERIAL, ONE, TEST, taken, 0.2, "0.2", "%", -1.0, 1.0, "PASS", program="meter")
    shop.records.add_results(ResultSource("f" * 64, "a.csv", "meter r1"), (Reported(1, result),), "service:meter")


def returned(shop: Shop) -> None:
    """Release a unit, ship it and take it back."""
    shop.release(ONE)
    shop.records.registered(ONE, Registration("cpms", 1, b"{}", b"{}"))
    for kind, facts in (
        (LifecycleKind.SHIPPED, {"party": "Example"}),
        (LifecycleKind.RETURNED, {"reference": "RMA-1"}),
    ):
        shop.records.happened(LifecycleEvent(kind, ONE, "lead-1", reason="broken seal", **facts))  # type: ignore[arg-type]


def test_seal_of_a_returned_unit_is_changed_only_in_rework_and_opens_its_metrology(shop: Shop) -> None:
    shop.records.attach(seal("S-0001"), "operator-1", shop.runs[ONE])
    measured(shop)
    returned(shop)
    with pytest.raises(UnitError, match="is returned: its parts can't be changed"):
        shop.records.swap(seal("S-0002"), "broken", "rework-1")
    assert [row.test for row in shop.records.counting_results(ONE)] == [TEST]
    shop.records.dispose(Disposition(DispositionKind.REWORK, ONE, "RC-REPAIR", "broken seal", "rework-1"))
    shop.records.swap(seal("S-0002"), "broken", "rework-1")
    assert [row.serial for row in shop.records.components(ONE)] == ["S-0002"]
    assert [row.serial for row in shop.records.components(ONE, gone=True)] == ["S-0001", "S-0002"]
    assert TEST in {row.name for row in shop.records.reopened(ONE)}
    assert shop.records.counting_results(ONE) == ()


def test_what_quality_looked_at_is_not_held_against_a_returned_unit_again(shop: Shop) -> None:
    """F-M4: each comparison finds the same; only what is new, or came with another report, keeps the unit back."""
    returned(shop)
    found = (Difference("lock", "locked", "open", grave=True), Difference("max_current", "32", "16"))
    quarantine(shop.records, ONE, found[1:])
    assert shop.records.holds(HoldScope.UNIT, ONE) == ()
    quarantine(shop.records, ONE, found)
    (hold,) = shop.records.holds(HoldScope.UNIT, ONE)
    assert hold.reason == "Its lock is 'open' and was 'locked'."
    shop.records.lift(hold.ref, "qa-1", "looked at it")
    quarantine(shop.records, ONE, found)
    assert shop.records.holds(HoldScope.UNIT, ONE) == ()
    quarantine(shop.records, ONE, (*found, Difference("model", "AC22", "AC11", grave=True)))
    assert len(shop.records.holds(HoldScope.UNIT, ONE)) == 1


def test_unit_of_a_closed_order_is_not_sent_to_rework(shop: Shop) -> None:
    """A closed order opens no run, so nobody could ever build it again; scrap it may be."""
    returned(shop)
    shop.records.set_order_state("WO-1", OrderState.CLOSED)
    with pytest.raises(ConfigError, match="can't be built again: its order WO-1 is closed"):
        shop.records.dispose(Disposition(DispositionKind.REWORK, ONE, "RC-REPAIR", "broken seal", "rework-1"))
    shop.records.dispose(Disposition(DispositionKind.SCRAP, ONE, "RC-DAMAGE", "broken seal", "rework-1"))
