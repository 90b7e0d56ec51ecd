"""kill -9 of the station at random points of a line of four: no unit is lost, and nothing exists twice (F-B3, F-L1)."""

import pytest

from fixtures.campaign import kill_at_random


@pytest.mark.timeout(900)
def test_kills_at_random_points_of_a_line_of_four() -> None:
    assert kill_at_random(kills=30, units=8, seed=64) == []
