"""Units that are connected and silent, and a crowd at once: the bench's own measurements, small (issue numbers)."""

from fixtures.bench.acceptance import crowd
from fixtures.bench.idle import measure_idle
from fixtures.bench.replay import replay
from station.model import OcppVersion


def test_idle_connections_stay_and_are_cheap() -> None:
    """Every connection is alive at the end, and a thousand of them fit into the memory that is allowed."""
    whole, each = measure_idle(60)
    assert whole.met
    assert 0 < each.value < 500


def test_a_small_crowd_passes_beside_a_unit_that_stands_by() -> None:
    """Each of them on threads and processes of its own, as on a bench; all frames are known to the floor."""
    run = crowd(OcppVersion.V21, 4)
    assert run.passed == 4
    assert len(run.reactions) > 5
    assert replay(run.scripts) > 0
    assert all(set(unit) == {result.name for result in run.results[0]} for unit in run.ours)
