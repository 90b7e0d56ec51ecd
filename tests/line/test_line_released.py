"""A charger is plugged in, a released unit comes out: judged by a checker that reads everybody's own books."""

import pytest

from fixtures.campaign import judged, outbox_depth
from fixtures.demo.operator import Result
from fixtures.demo.world import World
from tests.line.conftest import Make

pytestmark = pytest.mark.timeout(400)

CHARGERS = [
    {},
    {"blank": True},
    {"disturb": "lost-bytes"},
    {"disturb": "flipped-bits"},
    {"disturb": "stalls"},
    {"disturb": "slow-answers"},
    {"disturb": "unplug"},
    {"disturb": "power-cut"},
]


@pytest.fixture(scope="module")
def results(make: Make) -> dict[int, Result]:
    """Make one unit of each kind."""
    return make(*CHARGERS)


@pytest.mark.parametrize("number", range(1, len(CHARGERS) + 1), ids=[str(charger) for charger in CHARGERS])
def test_good_and_disturbed_chargers_are_released(results: dict[int, Result], number: int) -> None:
    """F-L1: lost bytes, a pulled cable and power cuts are what a good line survives."""
    assert (results[number].outcome, results[number].reason) == ("PASS", "")


def test_everybodys_books_agree(world: World, results: dict[int, Result]) -> None:
    """F-B6, F-D6, F-G2, F-J2: database, ledger, CPMS, printer and devices tell the same story."""
    import time

    for _ in range(200):
        if not outbox_depth(world):
            break
        time.sleep(0.1)
    assert judged(world, len(results)) == []
