"""kill -9 of the station after every journal commit of one unit's run (F-B3, F-L1)."""

import pytest

from fixtures.campaign import kill_after_every_commit


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", [1, 2])
def test_kill_after_every_commit_of_a_run(first: int) -> None:
    """Two campaigns share the points: one kills after every odd commit, the other after every even one."""
    kills, found = kill_after_every_commit(first, step=2)
    assert found == []
    assert kills >= 15
