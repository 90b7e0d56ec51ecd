"""A unit that a cut of power leaves on its way to the server that it must refuse is known again (design 8.1)."""

import pytest

from station.bench import Bench
from station.clock import Deadline
from station.errors import UnitError
from station.model import Phase
from station.steps.identify import derive_phase
from station.steps.refusals import PATH, is_refused_endpoint
from tests.drivers.firmware_world import Line

KEY = "charger/ocpp/url"


@pytest.fixture
def bench(product_line: Line) -> Bench:
    return product_line.bench()


@pytest.mark.parametrize(
    ("endpoint", "phase"),
    [
        (f"wss://csms.test.example:40123{PATH}", Phase.TEST),
        ("wss://csms.test.example/ocpp", Phase.TEST),
        ("wss://csms.ship.example/ocpp", Phase.SHIP),
    ],
)
def test_the_endpoint_tells_how_far_the_unit_is(bench: Bench, endpoint: str, phase: Phase) -> None:
    bench.charger.write_settings({KEY: endpoint.encode()}, Deadline(10))
    assert derive_phase(bench, Deadline(10)) is phase


def test_another_endpoint_is_nobodys(bench: Bench) -> None:
    bench.charger.write_settings({KEY: b"wss://csms.test.example:40123/ocpp"}, Deadline(10))
    with pytest.raises(UnitError, match="an endpoint that this recipe does not know"):
        derive_phase(bench, Deadline(10))
    assert not is_refused_endpoint("wss://csms.test.example/ocpp")
