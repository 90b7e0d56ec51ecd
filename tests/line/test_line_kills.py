"""kill -9 of the station: no unit is lost, and nothing exists twice (F-B3, F-L1)."""

import pytest

from fixtures.campaign import kill_after_every_commit, kill_at_random

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("first", [1, 2])
def test_kill_after_every_commit_of_a_run(first: int) -> None:
    """Two campaigns share the points: one kills after every odd commit, the other after every even one."""
    kills, found = kill_after_every_commit(first, step=2)
    assert found == []
    assert kills >= 15


def test_kills_at_random_points_of_a_line_of_four() -> None:
    assert kill_at_random(kills=30, units=8, seed=64) == []
