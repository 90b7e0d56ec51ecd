"""A unit that was taken back and sent to rework by command is compared before it is wiped, at its slot (F-M4)."""

import json
import os
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.firmware import RECOVERY_KEY
from station.bench import Assignment, Services
from station.board import Board
from station.clock import Deadline
from station.desk import SlotDesk
from station.guest import Guest
from station.model import LineView, Outcome, SlotState, SlotView
from station.person import Person, Role
from station.records import (
    Disposition,
    DispositionKind,
    HoldScope,
    LifecycleEvent,
    LifecycleKind,
    Records,
    Registration,
    RunRef,
    StepResult,
)
from station.rework import bring_back
from station.steps.field import COMPARED
from tests.drivers.firmware_world import Line
from tests.drivers.test_field_step import LIMIT, OWNERS, SERIAL, URL, left
from tests.labels import stick

pytestmark = [pytest.mark.timeout(120), pytest.mark.parametrize("product_line", ["ac22"], indirect=True)]


def released(records: Records, run: RunRef, passport: dict[str, Any]) -> None:
    for position, name in enumerate(("flash", "update")):
        records.finish_step(records.start_step(run, position, name, 1), StepResult(Outcome.PASS))
    stick(records, SERIAL, SERIAL)
    records.release(run, json.dumps(passport).encode(), b"signature", "signer")
    records.registered(SERIAL, Registration("cpms", 1, b"{}", b"{}"))


def back(records: Records) -> None:
    """Report a life in the field, and the unit's return and rework, without ever plugging it in."""
    for kind, facts in (
        (LifecycleKind.SHIPPED, {"party": "Example"}),
        (LifecycleKind.RETURNED, {"reference": "RMA-1", "reason": "broken seal"}),
    ):
        records.happened(LifecycleEvent(kind, SERIAL, "lead-1", **facts))  # type: ignore[arg-type]
    records.dispose(Disposition(DispositionKind.REWORK, SERIAL, "RC-REPAIR", "broken seal", "rework-1"))


def test_unit_that_was_never_plugged_in_since_is_compared_before_it_is_wiped(product_line: Line) -> None:
    """What its owner set is known, so it can be looked for; what was found in an earlier life is not asked for."""
    bench, passport = left(product_line, {URL: OWNERS, LIMIT: b"16"}, recovery_key=product_line.images / RECOVERY_KEY)
    records = product_line.records
    passport["firmware"]["version"] = "9.9.9"
    released(records, bench.run, passport)
    records.event(COMPARED, SERIAL, {"found": [{"key": "charger/net/dns", "now": "192.0.2.1"}]}, "lead-1")
    back(records)
    order, empty = records.order("WO-1"), SlotView("1", "port", SlotState.EMPTY)
    assert order
    services = Services(records, SimpleNamespace(random=os.urandom), *[None] * 3)  # type: ignore[arg-type]
    desk = SlotDesk(empty, Board(LineView("line1", 1, (empty,))), threading.Event())
    person = Person("rework-1", "Rework", frozenset({Role.REWORK}))
    identity = bench.charger.identify(Deadline(20))
    assignment = Assignment(order, bench.recipe, services)
    gone = threading.Event().is_set
    bring_back(Guest("1", assignment, bench.charger, identity, person, desk, threading.Event(), gone))
    (wiped,) = records.events(SERIAL, "reimaged")
    looked = {name: value for name, value in json.loads(wiped.body)["measured"] if name.endswith("of its owner")}
    assert looked == {f"{name} of its owner": False for name in (URL, LIMIT, *bench.recipe.product.residue.logs)}
    (hold,) = records.holds(HoldScope.UNIT, SERIAL)
    assert hold.reason.startswith("Its firmware is ")
