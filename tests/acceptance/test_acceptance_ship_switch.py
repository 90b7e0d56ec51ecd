"""The switch to the ship endpoint over OCPP: told, read back, left for good, and never without TLS (facts 15 to 17)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from acceptance_station import V16, V201
from test_acceptance_charger import Device, running

from station.acceptance import Exam, Target, departure, run_checks, ship_sequence, watch_ship
from station.acceptance.sequence import ignore_progress
from station.catalog.shipping import EndpointSwitch, Method
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment, OcppVersion, Outcome

SHIP, PATHS = "wss://localhost/ship", {Environment.TEST: "/ocpp", Environment.SHIP: "/ship"}
WAYS = {
    V16: EndpointSwitch(Method.OCPP_KEY, key="CentralSystemAddress"),
    V201: EndpointSwitch(Method.SET_NETWORK_PROFILE, slot=2),
}
VERSIONS = pytest.mark.parametrize("version", [V16, V201])


class TwoWorlds(Device):
    """A charger whose name resolution leads to the one persona or the other."""

    __test__ = False

    def __init__(self, bench: Any, version: str, fault: str = "") -> None:
        self.ports = {environment: bench.server.port(environment) for environment in Environment}
        self.credential_of = {environment: bench.credential(environment=environment) for environment in Environment}
        anchors = bench.bench_root.pem + bench.roots[Environment.SHIP].pem
        super().__init__(self.credential_of[Environment.TEST], 0, anchors, version, fault)

    @property
    def world(self) -> Environment:
        return Environment.SHIP if self.settings["charger/ocpp/url"] == SHIP else Environment.TEST

    def key_path(self, slot: str) -> Any:
        return self.credential_of[self.world].key_file

    def chain_path(self, slot: str) -> Any:
        return self.credential_of[self.world].chain_file

    def resolve(self, host: str, port: int) -> tuple[str, int]:
        return "127.0.0.1", self.ports[self.world]


def target(version: str, **changes: Any) -> Target:
    return Target(WAYS[version], SHIP, 3, **changes)


@contextmanager
def visits(bench: Any, version: str, fault: str = "") -> Iterator[tuple[Any, Any, TwoWorlds]]:
    """Yield the visits of a charger at both personas, and the charger."""
    device = TwoWorlds(bench, version, fault)
    expected = {e: bench.expected(device.credential_of[e], version, environment=e, path=PATHS[e]) for e in Environment}
    with (
        bench.server.expect(expected[Environment.TEST]) as test,
        bench.server.expect(expected[Environment.SHIP]) as ship,
        running(device),
    ):
        yield test, ship, device


def leave(visit: Any, where: Target, before_reset: Any) -> tuple[Any, ...]:
    return run_checks(departure(where, before_reset), Exam(visit, {}, Deadline(20)), ignore_progress)


def switched(bench: Any, version: str, where: Target, fault: str = "") -> tuple[Any, TwoWorlds]:
    """Bring a charger to its ship endpoint; returns all results and the charger."""
    with visits(bench, version, fault) as (test, ship, device):
        told = leave(test, where, lambda: bench.server.forget(device.serial))
        sequence = ship_sequence(OcppVersion(version), where, bench.roots[Environment.SHIP].pem)
        return (*told, *watch_ship(ship, bench.bench_root.pem, Deadline(20), sequence=sequence)), device


@VERSIONS
def test_a_charger_is_told_over_ocpp_and_forgets_where_it_was(bench: Any, version: str) -> None:
    """Facts 15 to 17: read back after the restart, no profile of the test endpoint left, only ship roots."""
    results, device = switched(bench, version, target(version))
    told = {result.name: result.outcome for result in results}
    assert told.pop("owner name") is Outcome.SKIPPED
    assert set(told.values()) == {Outcome.PASS}
    assert {"tell ship endpoint", "ship endpoint read back", "plain endpoint refused"} <= set(told)
    assert device.files["/lfs/anchors.pem"] == bench.roots[Environment.SHIP].pem
    assert "wss://localhost/ocpp" not in str(device.settings)
    assert (SHIP in device.settings.get("charger/ocppvar/NetworkProfile.1", "")) is (version == V201)


@VERSIONS
def test_a_charger_that_only_says_so_is_found(bench: Any, version: str) -> None:
    """P06: it answers that its new endpoint counts after a restart, and comes back to the old one."""
    with pytest.raises(UnitError, match=r"tried the test endpoint|did not keep it") as caught:
        switched(bench, version, target(version), "keeps-endpoint")
    assert caught.value.defect is Defect.SHIP_STATE


@VERSIONS
def test_a_charger_that_takes_an_endpoint_without_tls_is_found(bench: Any, version: str) -> None:
    """F-H2: over OCPP as well as over the cable."""
    with pytest.raises(UnitError, match="accepts an endpoint without TLS"):
        switched(bench, version, target(version), "speaks-plain")


@VERSIONS
def test_what_is_not_proven_says_why(bench: Any, version: str) -> None:
    results, _ = switched(bench, version, target(version, plain_untried="Not in the sample."))
    skipped = {result.name: result.detail for result in results if result.outcome is Outcome.SKIPPED}
    assert skipped["plain endpoint refused"] == "Not in the sample."


@VERSIONS
def test_a_charger_that_refuses_its_endpoint_fails_before_it_restarts(bench: Any, version: str) -> None:
    unreachable = Target(WAYS[version], "wss://" + "x" * 600, 3)
    with visits(bench, version) as (test, _, device), pytest.raises(UnitError, match="refuses its ship endpoint"):
        leave(test, unreachable, pytest.fail)
    assert device.settings["charger/ocpp/url"] == "wss://localhost/ocpp"
