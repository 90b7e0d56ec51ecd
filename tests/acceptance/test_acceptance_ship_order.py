"""The roots of the test go last: taking them away before the unit arrived cuts it off, so it can't be done (P10)."""

from typing import Any

import pytest
from acceptance_pki import hash_data
from acceptance_station import V16, V201

from station.acceptance import DELETE_ROOTS, SHIP_WATCH, Arrival, Exam, ship_sequence, watch_ship
from station.acceptance.ship import leave_roots
from station.acceptance.switch import Target
from station.catalog.shipping import EndpointSwitch
from station.clock import Deadline
from station.errors import UnitError
from station.model import Environment, OcppVersion, Outcome

VERSIONS = pytest.mark.parametrize("version", [V16, V201])


@VERSIONS
def test_a_sequence_that_deletes_the_roots_first_deletes_nothing(bench: Any, version: str) -> None:
    """P10, committed: it is a bug of ours and no fault of the unit, which keeps its roots."""
    wrong = sorted(SHIP_WATCH[OcppVersion(version)], key=lambda check: check.name != DELETE_ROOTS)
    credential = bench.credential(environment=Environment.SHIP)
    roots = [hash_data(bench.bench_root.certificate)]
    with (
        bench.server.expect(bench.expected(credential, version, environment=Environment.SHIP)) as visit,
        bench.station(credential, Environment.SHIP, version=version, roots=roots, silent_at_boot=True) as station,
        pytest.raises(RuntimeError, match="not yet seen at its ship endpoint"),
    ):
        watch_ship(visit, bench.bench_root.pem, Deadline(30), sequence=wrong)
    assert station.roots == roots


def test_a_unit_at_its_test_endpoint_has_not_arrived(bench: Any) -> None:
    """However long it has been accepted there."""
    credential = bench.credential()
    with bench.server.expect(bench.expected(credential)) as visit, bench.station(credential):
        visit.accepting = True
        assert visit.until(lambda: visit.messages("StatusNotification") or None, Deadline(30))
        with pytest.raises(RuntimeError, match="not yet seen"):
            Arrival(visit)
        with pytest.raises(RuntimeError, match="not yet seen"):
            leave_roots(b"", Exam(visit, {}, Deadline(30), bench.bench_root.pem))


def test_the_roots_go_after_the_watch_and_nothing_but_a_look_comes_after() -> None:
    """Facts 16 before 17: without roots an attempt on the test endpoint would show no name any more."""
    for version in OcppVersion:
        names = [check.name for check in ship_sequence(version, Target(EndpointSwitch(), "wss://a.example", 3), b"")]
        place = names.index(DELETE_ROOTS)
        assert names.index("ship boot") < names.index("no test attempts") < place
        assert names[place + 1 :] == ["no test attempts while cleaned"]


@VERSIONS
def test_exactly_the_roots_of_the_ship_environment_are_left(bench: Any, version: str) -> None:
    """F-K6: compared with the whole list, so a root more is found as well as a root less."""
    ship, other = bench.roots[Environment.SHIP], bench.roots[Environment.TEST]
    assert _left(bench, version, [ship, bench.bench_root], ship) is Outcome.PASS
    for there in ([ship, other, bench.bench_root], [bench.bench_root]):
        with pytest.raises(UnitError, match="does not list exactly the roots"):
            _left(bench, version, there, ship)


def _left(bench: Any, version: str, there: list[Any], kept: Any) -> Outcome:
    credential = bench.credential(environment=Environment.SHIP)
    roots = [hash_data(each.certificate) for each in there]
    sequence = ship_sequence(OcppVersion(version), Target(EndpointSwitch(), "wss://a.example", 3), kept.pem)
    with (
        bench.server.expect(bench.expected(credential, version, environment=Environment.SHIP)) as visit,
        bench.station(credential, Environment.SHIP, version=version, roots=roots),
    ):
        results = watch_ship(visit, bench.bench_root.pem, Deadline(20), sequence=sequence)
    return next(result.outcome for result in results if result.name == DELETE_ROOTS)


def test_a_unit_that_tells_of_a_transaction_is_not_clean(bench: Any) -> None:
    """F-H7: what the tests began must not be told to the operator's server."""
    credential = bench.credential(environment=Environment.SHIP)
    told = '[2,"t1","StopTransaction",{"meterStop":0,"timestamp":"2026-11-21T00:00:00Z","transactionId":7}]'
    with (
        bench.server.expect(bench.expected(credential, V16, environment=Environment.SHIP)) as visit,
        bench.station(credential, Environment.SHIP, version=V16, noise=(told,)),
        pytest.raises(UnitError, match="of a transaction"),
    ):
        watch_ship(visit, b"", Deadline(20))


def test_a_unit_with_transactions_waiting_is_not_clean(bench: Any) -> None:
    credential = bench.credential(environment=Environment.SHIP)
    queued = {"GetTransactionStatus": {"messagesInQueue": True}}
    with (
        bench.server.expect(bench.expected(credential, environment=Environment.SHIP)) as visit,
        bench.station(credential, Environment.SHIP, overrides=queued),
        pytest.raises(UnitError, match="still has messages of transactions"),
    ):
        watch_ship(visit, b"", Deadline(20))
