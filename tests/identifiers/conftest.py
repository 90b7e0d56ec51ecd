"""Records with two units of one order, for the tests of identifiers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from station.records import Records, RunRequest, SerialBlock, WorkOrder, open_records, upgrade

ORDER = WorkOrder("WO-1", "ac22", "ac22-eu", 7, "a" * 64, 12, "", SerialBlock("AC22-", 1, 99), "test", "field")


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    """Yield records in which AC22-000001 and AC22-000002 are at work."""
    url = f"sqlite:///{tmp_path / 'station.db'}"
    upgrade(url)
    with open_records(url, "line1") as records:
        records.create_order(ORDER)
        for uid in ("aa", "bb"):
            records.open_run(RunRequest("WO-1", uid, uid, ("identify",), "3.4.1"))
        yield records
