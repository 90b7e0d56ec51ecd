"""What a unit lists of itself: complete, as its firmware was released, and with the right parts (F-H1, F-E6, P12)."""

from dataclasses import replace
from typing import Any

import pytest
from acceptance_exam import PLAN, examine, reporter, simulated, values
from acceptance_station import V16, V201

from station.acceptance.v201 import _address, _setting_name
from station.errors import Defect, UnitError
from station.model import Outcome

VERSIONS = pytest.mark.parametrize("version", [V16, V201])
THRESHOLD = {V16: "LocalAuthListMaxLength", V201: "OCPPCommCtrlr.OfflineThreshold"}
RIGHT = {V16: "100", V201: "600"}


def golden(version: str, **changes: Any) -> Any:
    return replace(PLAN, **{"golden": {THRESHOLD[version]: RIGHT[version]}, **changes})


@VERSIONS
def test_unit_as_its_firmware_was_released_passes(bench: Any, version: str) -> None:
    plan = golden(version, listed=("EVSE@2.AvailabilityState",) if version == V201 else ("AuthorizationKey",))
    (result,) = examine(bench, simulated(bench, version), "inventory", plan=plan)
    told = values(result)
    assert result.outcome is Outcome.PASS
    assert (told["inventory_missing"], told["inventory_deviations"]) == (0, 0)
    assert told[THRESHOLD[version]] == RIGHT[version]


@VERSIONS
def test_what_differs_from_the_golden_values_is_named(bench: Any, version: str) -> None:
    """P12: every deviation, by its name, with both values."""
    plan = golden(version, golden={THRESHOLD[version]: "7", "Nothing.Such": "1"}, listed=("Not.There",))
    with pytest.raises(UnitError) as caught:
        examine(bench, simulated(bench, version), "inventory", plan=plan)
    assert caught.value.defect is Defect.CONFIGURATION
    for told in (
        f"{THRESHOLD[version]} is '{RIGHT[version]}', not '7'",
        "Nothing.Such is missing",
        "Not.There is missing",
    ):
        assert told in caught.value.message


@VERSIONS
def test_what_the_sequence_writes_is_judged_where_it_is_written(bench: Any, version: str) -> None:
    """A unit that a first run was cut off from holds our values already."""
    heartbeat = {V16: "HeartbeatInterval", V201: "OCPPCommCtrlr.HeartbeatInterval"}[version]
    device = simulated(bench, version)
    device.settings["charger/ocppvar/HeartbeatInterval"] = "301"
    (result,) = examine(bench, device, "inventory", plan=golden(version, golden={heartbeat: "17"}))
    assert result.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("version", "name"),
    [(V16, "WifiPassphrase"), (V201, "CustomCtrlr.ApnPassword"), (V201, "SecurityCtrlr.Private_Key")],
)
def test_readable_secret_fails_and_is_not_told(bench: Any, version: str, name: str) -> None:
    """F-D2: any secret, not only the password that OCPP knows."""
    unit = reporter(bench, version, settings={name: "hunter2hunter2"})
    with pytest.raises(UnitError, match="can be read over OCPP") as caught:
        examine(bench, unit, "inventory")
    assert "hunter2" not in caught.value.message


PARTS = {"charger/hw/meter/1/serial": "2EXC0100000001", "charger/hw/meter/2/serial": "2EXC0100000002"}


@pytest.mark.parametrize("swapped", [False, True])
def test_each_outlets_meter_is_the_captured_one(bench: Any, *, swapped: bool) -> None:
    """F-I3: two meters that were exchanged count for the wrong outlet."""
    device = simulated(bench, V201)
    device.settings.update(PARTS)
    first, second = PARTS.values()
    meters = {1: second, 2: first} if swapped else {1: first, 2: second}
    if not swapped:
        assert examine(bench, device, "inventory", about={"meters": meters})[0].outcome is Outcome.PASS
        return
    with pytest.raises(UnitError, match=f"Outlet 1 says '{first}' over OCPP; '{second}' was captured there"):
        examine(bench, device, "inventory", about={"meters": meters})


NUMBERS = {"charger/hw/sim/iccid": "8988211000000000009", "charger/hw/sim/imsi": "901880000000001"}
WRONG = {
    "iccid": ({"iccid": "8988211000000000017"}, "as ICCID, ordered is"),
    "imsi": ({"imsi": "901880000000002"}, "says '901880000000001' as IMSI, ordered is '901880000000002'"),
}


@VERSIONS
@pytest.mark.parametrize("case", WRONG)
def test_boot_with_another_units_sim_card_fails(bench: Any, version: str, case: str) -> None:
    """F-H1 (3): compared with the number that was captured, field by field."""
    about, told = WRONG[case]
    device = simulated(bench, version)
    device.settings.update(NUMBERS)
    with pytest.raises(UnitError, match=told):
        examine(bench, device, about=about)


@VERSIONS
def test_boot_tells_the_parts_that_the_unit_has(bench: Any, version: str) -> None:
    """An ICCID counts with its check digit or without; OCPP 1.6 tells the main meter, 2.0.1 does not."""
    device = simulated(bench, version)
    device.settings.update({**NUMBERS, "charger/hw/meter/1/serial": "2EXC0100000001"})
    about = {"iccid": "8988211000000000009", "imsi": "901880000000001", "meters": {1: "2EXC0100000001"}}
    assert examine(bench, device, about=about) == []


def test_boot_after_a_crash_fails(bench: Any) -> None:
    """F-H1 (1): a unit that its watchdog restarted is not one that was switched on."""
    device = simulated(bench, V201)
    device.boot_reason = "Watchdog"
    with pytest.raises(UnitError, match="gives 'Watchdog' as the reason of its boot, not PowerUp or LocalReset"):
        examine(bench, device, plan=replace(PLAN, boot_reasons=("PowerUp", "LocalReset")))


@pytest.mark.parametrize(
    "name",
    [
        "A.B",
        "EVSE@1.Power",
        "Connector@2/1.ConnectorType",
        "C[x]@1.V[y.z]",
        "DeviceDataCtrlr.ItemsPerMessage[GetReport]",
    ],
)
def test_name_of_a_setting_leads_back_to_it(name: str) -> None:
    """What the inventory names can be read by that name."""
    assert _setting_name(_address(name)) == name
