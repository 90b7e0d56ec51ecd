"""A small history of a factory for whoever asks of it; made once, never written to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.bench.record_history import begin_log, make_history
from station.records import Records, open_records
from tests.trace.search_world import Shop

UNITS = 600


@pytest.fixture(scope="session")
def history_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two years of 600 units."""
    path = tmp_path_factory.mktemp("history") / "history.db"
    make_history(f"sqlite:///{path}", UNITS)
    begin_log(path)
    return path


@pytest.fixture(scope="session")
def history(history_file: Path) -> Iterator[Records]:
    """Yield the history's records."""
    with open_records(f"sqlite:///{history_file}", "line1") as records:
        yield records


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Yield a small shop that builds real units in its records."""
    with Shop.opened(tmp_path) as shop:
        yield shop
