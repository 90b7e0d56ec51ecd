"""kill -9 of the station at random points of a line of four: no unit is lost, and nothing exists twice (F-B3, F-L1)."""

import os

import pytest

from fixtures.campaign import kill_at_random

KILLS = int(os.environ.get("LINE_KILLS", "22"))
SEED = int(os.environ.get("LINE_KILLS_SEED", "64"))


@pytest.mark.timeout(300 + 30 * KILLS)
def test_kills_at_random_points_of_a_line_of_four() -> None:
    units, found = kill_at_random(KILLS, SEED)
    assert found == []
    assert units >= 4
