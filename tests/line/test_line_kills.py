"""kill -9 of the station: no unit is lost, and nothing exists twice (F-B3, F-L1)."""

import pytest

from fixtures.campaign import kill_after_every_commit, kill_at_random

pytestmark = pytest.mark.timeout(900)


@pytest.mark.xdist_group("kill-commits")
def test_kill_after_every_commit_of_a_run() -> None:
    kills, found = kill_after_every_commit()
    assert found == []
    assert kills >= 30


@pytest.mark.xdist_group("kill-random")
def test_kills_at_random_points_of_a_line_of_four() -> None:
    assert kill_at_random(kills=30, units=8, seed=64) == []
