"""A network that goes away, and power that goes away: the unit comes back, and knows the time (F-H6, F-E4)."""

import time
from dataclasses import replace
from typing import Any

import pytest
from acceptance_exam import PLAN, Rig, examine, reporter, simulated, values
from acceptance_station import V16, V201

from station.catalog.acceptance import Need, Terms
from station.errors import Defect, UnitError
from station.model import Environment, Outcome

VERSIONS = pytest.mark.parametrize("version", [V16, V201])
DARK = replace(PLAN, power_off_seconds=0.2, checks={"power cycle": Terms(Need.MANDATORY)})


@VERSIONS
def test_unit_comes_back_when_the_network_does(bench: Any, version: str) -> None:
    """F-H6: refused while the network is gone, back by itself, every outlet reported again."""
    (result,) = examine(bench, simulated(bench, version), "offline", plan=replace(PLAN, offline_seconds=2))
    told = values(result)
    assert (result.outcome, told["status_sent_again_by_itself"]) == (Outcome.PASS, True)
    refused = [a for a in bench.server.attempts.latest(Environment.TEST) if a.owner]
    assert len(refused) >= 3


@VERSIONS
def test_unit_that_stays_away_fails(bench: Any, version: str) -> None:
    """P06: it would stay away at the site too."""
    with pytest.raises(UnitError, match=r"did not come back within .* after its network was gone for 0\.3 s") as caught:
        examine(bench, reporter(bench, version, comes_back=False), "offline")
    assert caught.value.defect is Defect.OCPP


@VERSIONS
def test_unit_that_says_nothing_when_it_is_back_is_asked(bench: Any, version: str) -> None:
    """2.0.1 B04: after a short time offline only what changed has to be told."""
    (result,) = examine(bench, reporter(bench, version, boots_again=False), "offline")
    assert (result.outcome, values(result)["status_sent_again_by_itself"]) == (Outcome.PASS, False)


def test_unit_that_is_faulted_when_it_is_back_fails(bench: Any) -> None:
    unit = reporter(bench, V201, boots_again=False, breaks=True)
    with pytest.raises(UnitError, match="Not every outlet is Available after the network came back"):
        examine(bench, unit, "offline")


@VERSIONS
def test_clock_is_judged_after_the_power_was_off(bench: Any, version: str) -> None:
    """F-E4: read over the cable before the server can tell the unit the time."""
    device = simulated(bench, version)
    started = time.monotonic()
    (result,) = examine(bench, device, "power cycle", plan=DARK, fixture=Rig(device))
    told = values(result)
    assert (result.outcome, told["power_off_for"]) == (Outcome.PASS, 0.2)
    assert abs(told["clock_drift"]) < 1
    assert time.monotonic() - started < 20


@VERSIONS
def test_clock_that_the_power_keeps_is_found(bench: Any, version: str) -> None:
    """P14: the server would have told it the time, and nobody would have seen it."""
    device = simulated(bench, version)
    with pytest.raises(UnitError, match=r"clock is off by -172800000 s after 0\.2 s without power") as caught:
        examine(bench, device, "power cycle", plan=DARK, fixture=Rig(device, keeps_time=False))
    assert caught.value.defect is Defect.CLOCK


def test_bench_that_cannot_switch_the_power_says_so(bench: Any) -> None:
    """F-E4: not performed, with the reason, where the product does not say otherwise."""
    (result,) = examine(bench, simulated(bench, V201), "power cycle")
    assert (result.outcome, result.detail) == (Outcome.SKIPPED, "The bench can't switch the unit's power.")
