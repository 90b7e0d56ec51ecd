"""A device trusts exactly the roots of its environment: written over the cable, read back by fingerprint (F-D5)."""

import asyncio

import pytest

from station.acceptance import Arrival, AttemptLog, Expected, Limits, Visit
from station.acceptance.visit import Received
from station.bench import Bench
from station.catalog.environments import device_file
from station.catalog.roots import Use
from station.clock import Deadline, utc_now
from station.errors import Defect, UnitError
from station.model import Environment
from station.steps.trust import fingerprints, install_roots, prove_roots
from tests.drivers.firmware_world import Line

USES = (Use.CSMS, Use.UPDATE)


@pytest.fixture
def bench(product_line: Line) -> Bench:
    return product_line.bench()


def held(bench: Bench, use: Use) -> bytes:
    """Return what the device keeps, asked over the cable."""
    return bench.charger.read_file(device_file(bench.recipe.product.files, use), Deadline(10)) or b""


def add(bench: Bench, use: Use, pem: bytes) -> None:
    """Let the device trust one more root."""
    path = device_file(bench.recipe.product.files, use)
    bench.charger.write_file(path, held(bench, use) + pem, Deadline(10))


def test_device_trusts_exactly_the_roots_of_its_environment(bench: Bench) -> None:
    """F-D5, F-C9: those of the server and of the manufacturer's updates, byte for byte, and they are recorded."""
    install_roots(bench, Environment.SHIP, Deadline(20))
    prove_roots(bench, Environment.SHIP, Deadline(20))
    ship = bench.recipe.ship
    assert [held(bench, use) for use in USES] == [ship.trusted(use).pem for use in USES]
    recorded = {one.name: one.value for one in bench.measurements}
    assert recorded["ship_anchors"] == ",".join(sorted(ship.trusted(Use.CSMS).sha256))
    assert recorded["ship_update_roots"] == ",".join(ship.trusted(Use.UPDATE).sha256)
    assert len(ship.trusted(Use.CSMS).sha256) == 2


@pytest.mark.parametrize("use", USES)
def test_one_root_more_is_found(bench: Bench, use: Use) -> None:
    """P15: a root of the test environment that stayed, wherever it stayed."""
    install_roots(bench, Environment.SHIP, Deadline(20))
    add(bench, use, bench.recipe.test.trusted(Use.CSMS).pem)
    with pytest.raises(UnitError, match=f"trusts other {use} roots than those of its ship environment") as caught:
        prove_roots(bench, Environment.SHIP, Deadline(20))
    assert caught.value.defect is Defect.SHIP_STATE
    assert not all(one.passed for one in bench.measurements)


@pytest.mark.parametrize("use", USES)
def test_one_root_less_is_found(bench: Bench, use: Use) -> None:
    install_roots(bench, Environment.SHIP, Deadline(20))
    bench.charger.write_file(device_file(bench.recipe.product.files, use), b"\n", Deadline(10))
    with pytest.raises(UnitError, match=f"other {use} roots"):
        prove_roots(bench, Environment.SHIP, Deadline(20))


def arrival(bench: Bench) -> Arrival:
    """Return the proof that the unit was accepted at the stand-in for its ship endpoint."""
    product = bench.recipe.product
    expected = Expected(
        Environment.SHIP, "AC22-1", "AC22-1", "", "", product.ocpp_version, 3, None, "", "", "", product.connector
    )
    visit = Visit(expected, Limits(), AttemptLog(), asyncio.new_event_loop())
    visit.received(Received(1, utc_now(), "BootNotification", {}, accepted=True))
    return Arrival(visit)


def test_roots_of_the_ship_environment_take_the_place_of_those_of_the_test(bench: Bench) -> None:
    """F-K6: nothing of the test environment's trust is left; asked again, nothing changes."""
    install_roots(bench, Environment.TEST, Deadline(20))
    prove_roots(bench, Environment.TEST, Deadline(20))
    for _ in range(2):
        install_roots(bench, Environment.SHIP, Deadline(20), arrival=arrival(bench))
    kept = set(fingerprints(held(bench, Use.CSMS)))
    assert not kept & set(bench.recipe.test.trusted(Use.CSMS).sha256)
    prove_roots(bench, Environment.SHIP, Deadline(20))


def test_roots_of_the_test_stay_until_the_unit_arrived(bench: Bench) -> None:
    """P10: who lost them before would reach nobody any more; a unit that never had them does not get them."""
    test, ship = (set(definition.trusted(Use.CSMS).sha256) for definition in (bench.recipe.test, bench.recipe.ship))
    install_roots(bench, Environment.SHIP, Deadline(20))
    assert set(fingerprints(held(bench, Use.CSMS))) == ship
    install_roots(bench, Environment.TEST, Deadline(20))
    for _ in range(2):
        install_roots(bench, Environment.SHIP, Deadline(20))
        assert set(fingerprints(held(bench, Use.CSMS))) == test | ship


def test_root_of_the_bench_counts_as_a_stranger_until_it_is_gone(bench: Bench) -> None:
    """Design 8.6: it is there for the stand-in only."""
    stand_in = bench.recipe.test.trusted(Use.CSMS).pem
    install_roots(bench, Environment.SHIP, Deadline(20), bench_root=stand_in)
    assert held(bench, Use.CSMS).endswith(stand_in)
    assert held(bench, Use.UPDATE) == bench.recipe.ship.trusted(Use.UPDATE).pem
    with pytest.raises(UnitError):
        prove_roots(bench, Environment.SHIP, Deadline(20))
