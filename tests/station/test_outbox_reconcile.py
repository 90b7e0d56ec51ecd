"""Ours against theirs: what is missing, differing, or only theirs, field by field; neither is changed (F-G3, P11)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from fixtures.bench.outbox import TOKEN, Staging
from fixtures.bench.outbox_books import ORDER, STATION, make_books, unit_of
from station.clock import utc_now
from station.cpms import Cpms, Record, Rejected, open_cpms
from station.model import UnitRecord
from station.outbox.reconcile import Reconciliation, Tally
from station.records import (
    Decision,
    DecisionKind,
    Delivered,
    Disposition,
    DispositionKind,
    Postponed,
    Records,
    SerialBlock,
    WorkOrder,
    open_records,
)

pytestmark = pytest.mark.timeout(200)
UNITS = 5


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staging]:
    """Yield a CPMS that the tests of this file share."""
    started = Staging(tmp_path_factory.mktemp("theirs") / "cpms")
    yield started
    started.kill()


@pytest.fixture
def cpms(staging: Staging) -> Iterator[Cpms]:
    """Yield the adapter, with every unit of the books registered as it is."""
    with closing(sqlite3.connect(staging.database, timeout=10)) as connection, connection:
        connection.execute("DELETE FROM registration")
    adapter = open_cpms(f"staging+{staging.url}", lambda: TOKEN)
    for number in range(1, UNITS + 1):
        adapter.register(unit_of(number), 1)
    yield adapter
    adapter.close()


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    """Yield records of released units, all told."""
    url = f"sqlite:///{tmp_path / 'station.db'}"
    make_books(url, UNITS)
    with open_records(url, STATION) as opened:
        opened.keep_deliveries([Delivered(row, b"equal") for row in opened.due(utc_now(), 100)])
        yield opened


def order(records: Records) -> WorkOrder:
    found = records.order(ORDER)
    assert found is not None
    return found


def compared(records: Records, cpms: Cpms) -> tuple[list[tuple[str, str]], str, Tally]:
    """Return kinds and serials of what differs, all details as one text, and the tally."""
    work = Reconciliation(records, lambda _: cpms)
    found = list(work.differences([order(records)]))
    return (
        [(one.kind.value, one.serial) for one in found],
        " ".join(t for one in found for t in one.details),
        work.tally,
    )


def sql(staging: Staging, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(staging.database, timeout=10)) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1


def test_two_sides_that_agree(records: Records, cpms: Cpms) -> None:
    found, _, tally = compared(records, cpms)
    assert found == []
    assert (tally.total, tally.compared, tally.equal, tally.foreign) == (UNITS, UNITS, UNITS, 0)


def test_a_field_that_differs_is_named_with_both_values(records: Records, cpms: Cpms, staging: Staging) -> None:
    """Somebody edited the CPMS's record by hand."""
    sql(
        staging,
        "UPDATE registration SET body = json_set(body, '$.firmware', '9.9.9') WHERE serial = ?",
        unit_of(2).serial,
    )
    found, details, tally = compared(records, cpms)
    assert found == [("differing", unit_of(2).serial)]
    assert 'firmware: sent "1.4.2+7", recorded "9.9.9"' in details
    assert (tally.equal, tally.compared) == (UNITS - 1, UNITS)


def test_another_revision_is_a_difference(records: Records, cpms: Cpms, staging: Staging) -> None:
    sql(staging, "UPDATE registration SET revision = 7 WHERE serial = ?", unit_of(4).serial)
    assert compared(records, cpms)[:2] == ([("differing", unit_of(4).serial)], "revision: sent 1, recorded 7")


@pytest.mark.parametrize(
    ("fate", "told"),
    [
        ("told", "it was registered once"),
        ("given up", "given up by lead-1: registered by hand"),
        ("dead", "waits for a person"),
    ],
)
def test_missing_says_what_became_of_the_registration(
    records: Records, cpms: Cpms, staging: Staging, tmp_path: Path, fate: str, told: str
) -> None:
    """Released here, and not there: told and lost, given up, or still waiting."""
    sql(staging, "DELETE FROM registration WHERE serial = ?", unit_of(3).serial)
    if fate != "told":
        make_waiting(records, unit_of(3).serial)
    if fate == "given up":
        (row,) = records.dead_letters()
        records.decide(Decision(DecisionKind.DROP, row.ref, "lead-1", "registered by hand"))
    found, details, _ = compared(records, cpms)
    assert found == [("missing", unit_of(3).serial)]
    assert told in details


def make_waiting(records: Records, unit: str) -> None:
    """Have a unit's message be as if it had never been delivered, and stand aside."""
    with records.database.write() as session:
        connection = session.connection()
        connection.exec_driver_sql("DROP TRIGGER guard_outbox_done")
        connection.exec_driver_sql("UPDATE outbox SET done_at = NULL, answer = '' WHERE unit = ?", (unit,))
    (row,) = records.due(utc_now(), 10)
    records.keep_deliveries([], [Postponed(row, "The CPMS knows it otherwise.", utc_now(), dead=True)])


def test_what_only_the_cpms_has(records: Records, cpms: Cpms) -> None:
    """A serial of ours that is not released here is told; those of other factories are counted."""
    cpms.register(
        replace(unit_of(1), serial="OTHER-000001", ocpp_identity="OTHER-000001", certificate_sha256="1" * 64), 1
    )
    records.dispose(Disposition(DispositionKind.SCRAP, unit_of(5).serial, "RC-DAMAGE", "water in the housing", "qa-1"))
    found, details, tally = compared(records, cpms)
    assert found == [("theirs-only", unit_of(5).serial)]
    assert (details, tally.foreign, tally.compared) == ("here it is scrapped", 1, UNITS - 1)


class Picky:
    """The CPMS, which has no form for one unit, and no ability to list."""

    def __init__(self, cpms: Cpms, unfit: str = "") -> None:
        self.name, self.read, self._cpms, self._unfit = cpms.name, cpms.read, cpms, unfit

    def differences(self, record: UnitRecord, remote: Record) -> tuple[str, ...]:
        if record.serial == self._unfit:
            raise Rejected("Model has 40 characters, 20 are taken.", hint="Ask the CPMS team.")
        return self._cpms.differences(record, remote)


def test_a_unit_that_can_t_be_compared_is_a_row_and_not_the_end(records: Records, cpms: Cpms) -> None:
    found, details, tally = compared(records, cast("Cpms", Picky(cpms, unit_of(2).serial)))
    assert (found, details) == ([("unreadable", unit_of(2).serial)], "Model has 40 characters, 20 are taken.")
    assert (tally.compared, tally.equal) == (UNITS, UNITS - 1)


def test_two_tenants_of_one_host_are_told_apart(records: Records, cpms: Cpms) -> None:
    """They have one name, and only one of them has this order's units."""
    others = replace(order(records), id="WO-TENANT", serials=SerialBlock("TENANT-", 1, UNITS))
    records.create_order(others)
    tenant = Picky(cpms)
    tenant.read = lambda _serial: None
    of_order = {ORDER: cpms, others.id: cast("Cpms", tenant)}
    work = Reconciliation(records, of_order.__getitem__)
    assert list(work.differences([others, order(records)])) == []
    assert (work.tally.equal, work.tally.unlisted) == (UNITS, (cpms.name,))
