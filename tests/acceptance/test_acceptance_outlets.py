"""The outlets one by one: the right one moves, charges on remote command, and is free afterwards (F-H4, F-H5)."""

from dataclasses import replace
from typing import Any

import pytest
from acceptance_exam import PLAN, Rig, examine, reporter, simulated, values
from acceptance_station import V16, V201, Station

from station.acceptance.dialect import TOKEN
from station.acceptance.v16 import Ocpp16
from station.catalog.acceptance import Need, Terms, Unlocking
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Outcome

VERSIONS = pytest.mark.parametrize("version", [V16, V201])


@VERSIONS
def test_each_outlet_is_told_by_its_own_signal(bench: Any, version: str) -> None:
    """F-H4: a vehicle in the outlet of a letter moves the connector of that letter, and no other."""
    device = simulated(bench, version)
    rig = Rig(device)
    (result,) = examine(bench, device, "outlets", fixture=rig)
    assert (result.outcome, values(result)) == (
        Outcome.PASS,
        {"outlet_A_is_connector": 1, "outlet_B_is_connector": 2},
    )
    assert rig.plugs == [("A", True), ("A", False), ("B", True), ("B", False)]


@VERSIONS
def test_crossed_outlets_are_found(bench: Any, version: str) -> None:
    """P02, F-H4: all that OCPP alone can ask is answered rightly, and the wrong socket would charge."""
    device = simulated(bench, version, "crossed-outlets")
    rig = Rig(device)
    with pytest.raises(
        UnitError, match=r"outlet A moved connector 2, not connector 1: the outlets are mixed"
    ) as caught:
        examine(bench, device, "outlets", fixture=rig)
    assert caught.value.defect is Defect.WRONG_HARDWARE
    assert rig.plugs[-1] == ("A", False)


@VERSIONS
def test_vehicle_charges_on_remote_command(bench: Any, version: str) -> None:
    """F-H5: begun, charging, ended, and the outlet free again."""
    device = simulated(bench, version)
    (result,) = examine(bench, device, "remote start", fixture=Rig(device))
    assert result.outcome is Outcome.PASS
    assert result.seconds < 10


@VERSIONS
def test_charger_that_only_says_that_it_charges_fails(bench: Any, version: str) -> None:
    """Judged by effect: the word Accepted is not believed."""
    device = simulated(bench, version, "accepts-and-does-nothing")
    with pytest.raises(UnitError, match="accepted the remote start but nothing changed: no transaction charges"):
        examine(bench, device, "remote start", fixture=Rig(device))


def test_nobody_may_charge_but_during_the_check(bench: Any) -> None:
    """F-H7: a transaction that nobody ordered is refused, before and after the one that was."""
    unit, asked = reporter(bench, V16), {"connectorId": 1, "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}
    with bench.server.expect(bench.expected(unit.credential, V16)) as visit, unit:
        visit.until(lambda: visit.messages("BootNotification") or None, Deadline(30))
        rounds = ({}, TOKEN, "Invalid"), (Ocpp16.grants, TOKEN, "Accepted"), (Ocpp16.grants, "X", "Invalid")
        for granted, card, word in (*rounds, ({}, TOKEN, "Invalid")):
            visit.granted, before = granted, len(started(unit))
            unit.ask("StartTransaction", asked | {"idTag": card})
            unit.until(lambda: started(unit)[before:])  # noqa: B023
            assert started(unit)[-1]["idTagInfo"]["status"] == word


def started(unit: Station) -> list[dict[str, Any]]:
    """Return what the unit was answered when it began to charge; other answers may come in between."""
    return [reply for action, reply in unit.replies if action == "StartTransaction"]


def test_bench_without_a_vehicle_says_so(bench: Any) -> None:
    """F-H5: not performed, with the reason."""
    (result,) = examine(bench, simulated(bench, V201), "remote start")
    assert (result.outcome, result.detail) == (Outcome.SKIPPED, "The bench has no simulated vehicle.")


def test_product_that_leaves_a_check_out_records_why(bench: Any) -> None:
    plan = replace(PLAN, checks={"outlets": Terms(Need.LEFT_OUT, "Its outlets have one plug.")})
    device = simulated(bench, V201)
    (result,) = examine(bench, device, "outlets", plan=plan, fixture=Rig(device))
    assert (result.outcome, result.detail) == (Outcome.SKIPPED, "Its outlets have one plug.")


WORDS = [
    ({"status": "UnlockFailed"}, Unlocking.FAILED),
    ({"status": "NotSupported"}, Unlocking.NOT_SUPPORTED),
    ("NotImplemented", Unlocking.NOT_SUPPORTED),
    ({"status": "Unlocked"}, Unlocking.UNLOCKED),
]


@pytest.mark.parametrize(("answer", "wanted"), WORDS)
def test_unlocking_is_judged_as_the_product_says(bench: Any, answer: Any, wanted: Unlocking) -> None:
    for plan in (replace(PLAN, unlock=wanted), replace(PLAN, unlock=Unlocking.FAILED)):
        unit = reporter(bench, V16, overrides={"UnlockConnector": answer})
        if plan.unlock is wanted:
            assert [result.outcome for result in examine(bench, unit, "unlock", plan=plan)] == [Outcome.PASS]
        else:
            with pytest.raises(UnitError, match="answered UnlockConnector of connector 1"):
                examine(bench, unit, "unlock", plan=plan)
