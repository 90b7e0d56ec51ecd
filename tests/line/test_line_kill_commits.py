"""kill -9 of the station after journal commits of one unit's run (F-B3, F-L1)."""

import os

import pytest

from fixtures.campaign import kill_after_every_commit

STEP = int(os.environ.get("KILL_COMMITS_STEP", "3"))
"""Every third commit here; `KILL_COMMITS_STEP=1` for every one of them, by hand (the README's *Measured*)."""


@pytest.mark.timeout(3600)
def test_kill_after_commits_of_a_run() -> None:
    """Wherever the plug is pulled, the unit ends released, with one of everything that exists once."""
    kills, found = kill_after_every_commit(1, STEP)
    assert found == []
    assert kills >= 45 // STEP  # of some 54 commits, 16 of them the ledger's
