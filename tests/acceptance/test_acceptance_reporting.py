"""Meter values as they were configured, and the security events of a start (F-E6, F-H1)."""

from dataclasses import replace
from typing import Any

import pytest
from acceptance_exam import PLAN, examine, reporter, simulated, values
from acceptance_station import V16, V201

from station.errors import Defect, UnitError
from station.model import Outcome

VERSIONS = pytest.mark.parametrize("version", [V16, V201])
ENERGY, POWER = "Energy.Active.Import.Register", "Power.Active.Import"
SETTING = {V16: "MeterValuesSampledData", V201: "SampledDataCtrlr.TxUpdatedMeasurands"}


def sample(version: str, measurand: str, value: Any = 7.0, unit: str = "W") -> dict[str, Any]:
    """Write one value as a version does."""
    if version == V16:
        return {"value": str(value), "measurand": measurand, "unit": unit}
    return {"value": value, "measurand": measurand, "unitOfMeasure": {"unit": unit}}


@VERSIONS
def test_every_outlet_sends_what_is_configured(bench: Any, version: str) -> None:
    """F-E6: each measurand, with its unit, of each outlet, as the unit was told just before."""
    device, wanted = simulated(bench, version), {SETTING[version]: f"{ENERGY},{POWER},Voltage"}
    _, result = examine(bench, device, "settings", "meter values", settings=wanted)
    found = values(result)
    assert result.outcome is Outcome.PASS
    assert {name for name in found if name != "measurands"} == {
        f"meter_{evse}_{name}" for evse in (1, 2) for name in (ENERGY, POWER, "Voltage")
    }
    assert {m.unit for m in result.measurements} == {"", "Wh", "W", "V"}


BAD = {
    "lacks a measurand": ((ENERGY, 0.0, "Wh"), None, "connector 1 lack Power.Active.Import, which is configured"),
    "another unit": ((POWER, 7.0, "A"), Defect.CONFIGURATION, "give Power.Active.Import in 'A', not W or kW"),
}


@VERSIONS
@pytest.mark.parametrize("case", BAD)
def test_meter_values_that_nobody_could_bill_fail(bench: Any, version: str, case: str) -> None:
    told, defect, reason = BAD[case]
    unit = reporter(bench, version, samples=(sample(version, *told),))
    with pytest.raises(UnitError, match=reason) as caught:
        examine(bench, unit, "meter values", settings={SETTING[version]: POWER})
    assert caught.value.defect is (defect or Defect.OCPP)


def test_unit_of_measure_may_be_the_products_own(bench: Any) -> None:
    """F-E6: a product may demand one of the units that OCPP allows."""
    unit = reporter(bench, V16, samples=(sample(V16, ENERGY, 1, "Wh"),))
    with pytest.raises(UnitError, match="in 'Wh', not kWh"):
        examine(bench, unit, "meter values", plan=replace(PLAN, units={ENERGY: "kWh"}), settings={SETTING[V16]: ENERGY})


@pytest.mark.parametrize(
    ("version", "samples", "told"),
    [
        (V16, ({"value": "much"},), "'much' as Energy.Active.Import.Register, which is no number"),
        (V16, ({"value": "nan"},), "no number"),
        (V16, ({"measurand": "Voltage"},), r"breaks its schema: MeterValues: .*required"),
        (V201, ({"value": "7"},), r"breaks its schema: MeterValues: .*type"),
        (V16, (), "breaks its schema: MeterValues: .*minItems"),
    ],
)
def test_values_that_are_none_fail(bench: Any, version: str, samples: Any, told: str) -> None:
    """Schema-checked, and then read as numbers."""
    with pytest.raises(UnitError, match=told):
        examine(bench, reporter(bench, version, samples=samples), "meter values")


@VERSIONS
def test_unit_that_sends_no_meter_values_fails(bench: Any, version: str) -> None:
    """Judged by effect: Accepted is not enough."""
    unit = reporter(bench, version)
    unit.overrides = {"TriggerMessage": accept_boot_only(unit)}
    with pytest.raises(UnitError, match="nothing changed: no MeterValues of connector 1 within"):
        examine(bench, unit, "meter values")


def accept_boot_only(unit: Any) -> Any:
    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        if payload["requestedMessage"] == "BootNotification":
            unit.boot()
        return {"status": "Accepted"}

    return answer


@VERSIONS
def test_security_event_of_a_start_is_received(bench: Any, version: str) -> None:
    """F-H1 (8): the simulated charger tells each start."""
    (result,) = examine(bench, simulated(bench, version), "security events")
    assert (result.outcome, values(result)) == (Outcome.PASS, {"security_event_StartupOfTheDevice": True})


@VERSIONS
def test_missing_security_event_is_named(bench: Any, version: str) -> None:
    """F-H3: says which message did not come."""
    unit = reporter(bench, version, event="TamperDetectionActivated")
    with pytest.raises(UnitError, match=r"No SecurityEventNotification\(StartupOfTheDevice\) after the restart"):
        examine(bench, unit, "security events")


def test_security_event_without_a_time_fails(bench: Any) -> None:
    unit = reporter(bench, V201, event="StartupOfTheDevice")
    unit.now = lambda: None
    with pytest.raises(UnitError, match="breaks its schema: SecurityEventNotification"):
        examine(bench, unit, "security events")
