"""A unit of the field in a slot, about which somebody decides elsewhere, or which can't be wiped there (F-M4, F-M9)."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from station.bench import Assignment, Services
from station.board import Board
from station.desk import Choice, SlotDesk
from station.errors import UnitError
from station.guest import Guest
from station.intake import DESTROY, serve_field
from station.model import DeviceIdentity, LineView, SlotState, SlotView
from station.person import Person, Role
from station.records import (
    Disposition,
    DispositionKind,
    LifecycleEvent,
    LifecycleKind,
    OrderState,
    Registration,
    SerialBlock,
)
from tests.genealogy.conftest import ONE, ORDER, Shop
from tests.station.cli_world import eventually

LEAD = Person("lead-1", "Lead", frozenset({Role.LINE_LEAD}))
NOBODYS: Any = None
"""What a slot has no use for with a unit of another product than the line builds."""
pytestmark = pytest.mark.timeout(60)


class Slot:
    """A slot of a line that builds another product, with a unit in it that was taken back."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.stopping, self.built = shop, threading.Event(), list[bool]()
        empty = SlotView("1", "port", SlotState.EMPTY)
        self.desk = SlotDesk(empty, Board(LineView("line1", 1, (empty,))), self.stopping)
        order = replace(ORDER, id="WO-2", product="ac22", serials=SerialBlock("AC22-", 1, 9))
        assignment = Assignment(order, NOBODYS, Services(shop.records, *[NOBODYS] * 4))
        identity = DeviceIdentity(bytes.fromhex("aa01"), "DC60", has_key=True, has_certificate=True, locked=True)
        gone = threading.Event().is_set
        self.guest = Guest("1", assignment, NOBODYS, identity, LEAD, self.desk, self.stopping, gone)
        self.thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        unit = self.shop.records.unit(ONE)
        assert unit
        self.built.append(serve_field(self.guest, unit))

    def offers(self) -> list[str]:
        """Return what is offered, once something is."""
        return list(eventually(lambda: self.desk.view.actions, bool))

    def left(self) -> tuple[str, str]:
        """Wait until the slot is done with the unit, and return what it says."""
        self.thread.join(30)
        assert self.built == [False]
        return self.desk.view.sentence, self.desk.view.hint


@pytest.fixture
def slot(shop: Shop) -> Iterator[Slot]:
    shop.release(ONE)
    shop.records.registered(ONE, Registration("cpms", 1, b"{}", b"{}"))
    shop.records.happened(LifecycleEvent(LifecycleKind.SHIPPED, ONE, "lead-1", party="Example"))
    shop.records.happened(LifecycleEvent(LifecycleKind.RETURNED, ONE, "lead-1", reference="RMA-1", reason="broken"))
    made = Slot(shop)
    yield made
    made.stopping.set()
    if made.thread.ident:
        made.thread.join(30)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (DispositionKind.SCRAP, (f"Unit {ONE} was decided about: scrapped.", "Unplug it and put it with the scrap.")),
        (DispositionKind.REWORK, (f"Unit {ONE} was decided about: rework.", "Unplug it, then plug it in again.")),
    ],
)
def test_unit_that_is_decided_about_while_it_is_plugged_in(
    slot: Slot, kind: DispositionKind, told: tuple[str, str]
) -> None:
    """Quality decides at a page: the slot says so, by itself, and offers nothing any more."""
    slot.thread.start()
    assert slot.offers() == ["decommission"]
    slot.shop.records.dispose(Disposition(kind, ONE, "RC-DAMAGE", "fell down", "qa-1"))
    assert slot.left() == told
    assert slot.desk.take(Choice("decommission", LEAD, "its end")).endswith("does not offer 'decommission' now.")


def test_unit_of_a_closed_order_is_not_built_again(slot: Slot) -> None:
    slot.shop.records.set_order_state("WO-1", OrderState.CLOSED)
    slot.thread.start()
    slot.offers()
    assert "Its order WO-1 is closed, so it can't be built again." in slot.desk.view.sentence


def test_decommissioned_unit_that_can_not_be_wiped_is_not_put_with_the_scrap(slot: Slot) -> None:
    """F-M9: the line builds another product, so what its owner left is still in it."""
    shop = slot.shop
    shop.records.happened(LifecycleEvent(LifecycleKind.DECOMMISSIONED, ONE, "lead-1", reason="its end"))
    unit = shop.records.unit(ONE)
    assert unit
    with pytest.raises(UnitError, match="never used again") as refused:
        serve_field(slot.guest, unit)
    assert refused.value.hint == DESTROY
