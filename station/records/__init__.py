"""What happened: work orders, units, runs, steps, labels, releases and the messages that follow them.

The record is the product: rows are written before and after each act, history is only ever added to, and every answer
is a frozen value. `open_records` gives the one object through which all threads of a station write and read.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from station.records.database import Database, upgrade
from station.records.journal import Journal
from station.records.labels import Labels
from station.records.orders import Orders
from station.records.outbox import REVOKED, Outbox
from station.records.passports import Passports
from station.records.reading import Reading
from station.records.rows import (
    Attempts,
    CertificateEventRow,
    EventRow,
    LabelRow,
    OrderCounts,
    OutboxRow,
    PassportRow,
    RegistrationRow,
    RunDetail,
    RunRow,
    SnapshotRow,
    StepRow,
    UnitHistory,
    UnitRow,
)
from station.records.values import (
    LabelJob,
    LabelState,
    Message,
    OrderState,
    Registration,
    RegistrationState,
    RevokedCertificate,
    RowRef,
    RunFilter,
    RunRef,
    RunRequest,
    SerialBlock,
    StepRef,
    StepResult,
    UnitState,
    WorkOrder,
)

__all__ = [
    "REVOKED",
    "Attempts",
    "CertificateEventRow",
    "EventRow",
    "LabelJob",
    "LabelRow",
    "LabelState",
    "Message",
    "OrderCounts",
    "OrderState",
    "OutboxRow",
    "PassportRow",
    "Records",
    "Registration",
    "RegistrationRow",
    "RegistrationState",
    "RevokedCertificate",
    "RowRef",
    "RunDetail",
    "RunFilter",
    "RunRef",
    "RunRequest",
    "RunRow",
    "SerialBlock",
    "SnapshotRow",
    "StepRef",
    "StepResult",
    "StepRow",
    "UnitHistory",
    "UnitRow",
    "UnitState",
    "WorkOrder",
    "open_records",
    "upgrade",
]


class Records(Orders, Journal, Labels, Passports, Outbox, Reading):
    """The records of one station; safe from all threads."""


@contextmanager
def open_records(url: str, station: str, *, after_commit: Callable[[], None] = lambda: None) -> Iterator[Records]:
    """Open the records of a station, after a check of schema and file.

    Args:
        url: SQLAlchemy URL of the database, which `upgrade` has made.
        station: Name of the station; part of the id of every row that it writes.
        after_commit: Called after every commit of a write, on the writing thread.

    Raises:
        ServiceError: The database is missing, of another version, damaged or can't be opened.
    """
    database = Database(url, station, after_commit=after_commit)
    try:
        database.check()
        yield Records(database)
    finally:
        database.close()
