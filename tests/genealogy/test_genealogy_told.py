"""What `station unit` tells of a unit: who built it, what it is made of, what was measured and decided (F-I6, F-I8)."""

import json
import re
from typing import Any

import pytest

from station.clock import utc_now
from station.describe import unit_lines
from station.identifiers import Kind, parse
from station.model import Outcome
from station.records import (
    Disposition,
    DispositionKind,
    Hold,
    HoldScope,
    MeterFacts,
    Reported,
    Result,
    ResultSource,
    RunRequest,
    SubjectKind,
)
from station.trace.unit import plain, unit_file
from tests.genealogy.conftest import ONE, PLAN, TWO, Shop, module


@pytest.fixture
def told(shop: Shop) -> Shop:
    """A unit of which everything is known, and another of which as much could be mixed up with it."""
    records = shop.records
    shop.attach(ONE)
    shop.attach(TWO, "PM-7")
    records.meter_proven(shop.runs[ONE], MeterFacts(1, "DCM-200", "2EXC0112345678", "M26 0102", "3059ab"))
    records.claim(ONE, parse(Kind.IMEI, "490154203237518"), "modem")
    hipot = Result(SubjectKind.SERIAL, ONE, "hipot", utc_now(), 3.2, "3.2", "mA", high=5.0, instrument="HP-4")
    records.add_results(ResultSource("f" * 64, "a.csv", "eol r1"), (Reported(1, hipot),), "service:eol")
    shop.abort(ONE)
    records.swap(module(ONE, "PM-2"), "fan does not start", "rework-1")
    records.dispose(Disposition(DispositionKind.REWORK, ONE, "RC-REPAIR", "Fan exchanged.", "lead-1", "accept"))
    noisy = records.hold(Hold(HoldScope.UNIT, ONE, "Noise at start.", "lead-1"))
    records.lift(noisy.ref, "qa-1", "Heard again: quiet.")
    records.hold(Hold(HoldScope.ORDER, "WO-1", "Wrong colour.", "qa-1"))
    return shop


def lines(shop: Shop, serial: str) -> str:
    found = unit_file(shop.records, serial)
    assert found is not None
    return "\n".join(unit_lines(found))


@pytest.mark.parametrize(
    "part",
    [
        r"Component power module M1: PM-1, \S+ by operator-1; taken out \S+ by rework-1: fan does not start",
        r"Component power module M1: PM-2, \S+ by rework-1$",
        r"Meter of outlet 1: DCM-200 2EXC0112345678, MID M26 0102, public key 3059ab",
        r"Identifier imei 490154203237518 \(modem\), \S+$",
        r"Result hipot: 3.2 mA \[ … 5\] pass, \S+, instrument HP-4",
        r"Disposition rework RC-REPAIR \S+ by lead-1, from step accept: Fan exchanged.",
        r"Hold line1/\d+ since \S+: Order WO-1 is on hold by qa-1: Wrong colour.$",
        r"Hold .* by lead-1: Noise at start. Lifted \S+ by qa-1: Heard again: quiet.",
    ],
)
def test_unit_is_told_with_all_that_it_is_and_had(told: Shop, part: str) -> None:
    assert len(re.findall(part, lines(told, ONE), re.MULTILINE)) == 1


def test_run_is_told_with_who_did_it(shop: Shop) -> None:
    """F-K3: also in the list of runs, which writes the same line."""
    run = shop.records.open_run(RunRequest("WO-1", "aa03", "3", PLAN, "2.1.0", operator="operator-3"))
    shop.records.close_run(run, Outcome.ABORTED)
    assert re.search(r"^Run .* slot 3 +operator-3 +ABORTED$", lines(shop, "DC60-000003"), re.MULTILINE)


def test_unit_as_json_has_all_of_it(told: Shop) -> None:
    """A script finds the same, each part under its name, and nothing of another unit."""
    found: dict[str, Any] = json.loads(json.dumps(unit_file(told.records, ONE), default=plain))
    assert [row["serial"] for row in found["components"]] == ["PM-1", "PM-2"]
    assert [row["kind"] for row in found["dispositions"]] == ["rework"]
    assert [row["lifted_by"] for row in found["holds"]] == ["", "qa-1"]
    assert (found["meters"][0]["public_key"], found["identifiers"][0]["value"]) == ("3059ab", "490154203237518")
    assert [(row["test"], row["value"]) for row in found["results"]] == [("hipot", 3.2)]
    assert "PM-7" not in json.dumps(found)


def test_nothing_is_told_of_a_unit_that_is_not_known(shop: Shop) -> None:
    assert unit_file(shop.records, "DC60-000099") is None
    assert not re.search("^(Component|Meter|Identifier|Result|Hold|Disposition) ", lines(shop, TWO), re.MULTILINE)
