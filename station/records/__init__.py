"""What happened: work orders, units, runs, steps, labels, releases and the messages that follow them.

The record is the product: rows are written before and after each act, history is only ever added to, and every answer
is a frozen value. `open_records` gives the one object through which all threads of a station write and read.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from station.records.archive import Archives
from station.records.batches import Batches, BatchFilter, BatchRow, NewBatch, ReleasedUnit
from station.records.bundles import Bundles
from station.records.cartons import Cartons
from station.records.database import Database, upgrade
from station.records.dead_letters import DeadLetters
from station.records.delivery_rows import Closed, Decision, DecisionKind, DecisionRow, Delivered, Postponed, Queue
from station.records.ending import ENDED, SCRAP_SAID, WITHDRAWN
from station.records.export import Exports, Look
from station.records.export_sets import ExportFilter, ExportSet
from station.records.figures import Figures
from station.records.figures_news import NewsOfRuns
from station.records.figures_samples import Samples
from station.records.genealogy import Genealogy
from station.records.genealogy_rows import ComponentRow, MeterFacts, MeterRow, Part, ReopenedRow
from station.records.golden import GoldenStatus
from station.records.identifiers import Identifiers
from station.records.identifiers_rows import IdentifierRow, ImportRow, KnownIdentifier, OrderTally, Supply
from station.records.imports import OrderFile
from station.records.journal import Journal
from station.records.keeping import Acceptance, Accepted, Burnt, Keeping
from station.records.labels import Labels
from station.records.lifecycle import EventsRefused, Lifecycles
from station.records.lifecycle_rows import LifecycleEvent, LifecycleKind, LifecycleRow, Revision
from station.records.log import Log
from station.records.log_rows import CheckpointRow, Deviation, HandOver, LogFindings, LogHead, LogSigner
from station.records.mes import MesMessages
from station.records.mes_rows import (
    Change,
    Consent,
    MesDraft,
    MesLinkRow,
    MesMessageRow,
    MesReceipt,
    Source,
    Word,
    WordKind,
)
from station.records.orders import Edit, Orders
from station.records.outbox import REVOKED, Outbox
from station.records.passports import Passports
from station.records.people import People
from station.records.people_rows import (
    Credential,
    Failures,
    NewPerson,
    OneTimeCode,
    PersonRow,
    SessionRow,
    TrainingRow,
)
from station.records.progress import Tallies
from station.records.quality import Quality
from station.records.quality_rows import (
    GOOD,
    Disposition,
    DispositionKind,
    DispositionRow,
    Ending,
    GoldenCheck,
    GoldenCheckRow,
    GoldenUnit,
    GoldenUnitRow,
    Hold,
    HoldKind,
    HoldRow,
    HoldScope,
    SignOffKind,
    SignOffRow,
    Withdrawal,
)
from station.records.reading import Reading
from station.records.registrations import Registrations
from station.records.results import Results
from station.records.results_rows import (
    Answer,
    Reported,
    Result,
    ResultRow,
    ResultSource,
    SubjectKind,
    Taken,
    Verdict,
)
from station.records.rows import (
    AffectedUnit,
    Attempts,
    BundleRow,
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
from station.records.search import Found, Search
from station.records.search_recall import Definition, RecalledUnit, RecallFilter, Recalls
from station.records.story import FailureCount, Story, StoryRow
from station.records.tokens import NewToken, TokenRow, Tokens
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
    "ENDED",
    "GOOD",
    "REVOKED",
    "SCRAP_SAID",
    "WITHDRAWN",
    "Acceptance",
    "Accepted",
    "AffectedUnit",
    "Answer",
    "Attempts",
    "BatchFilter",
    "BatchRow",
    "BundleRow",
    "Burnt",
    "CertificateEventRow",
    "Change",
    "CheckpointRow",
    "Closed",
    "ComponentRow",
    "Consent",
    "Credential",
    "Decision",
    "DecisionKind",
    "DecisionRow",
    "Definition",
    "Delivered",
    "Deviation",
    "Disposition",
    "DispositionKind",
    "DispositionRow",
    "Edit",
    "Ending",
    "EventRow",
    "EventsRefused",
    "ExportFilter",
    "ExportSet",
    "FailureCount",
    "Failures",
    "Found",
    "GoldenCheck",
    "GoldenCheckRow",
    "GoldenStatus",
    "GoldenUnit",
    "GoldenUnitRow",
    "HandOver",
    "Hold",
    "HoldKind",
    "HoldRow",
    "HoldScope",
    "IdentifierRow",
    "ImportRow",
    "KnownIdentifier",
    "LabelJob",
    "LabelRow",
    "LabelState",
    "LifecycleEvent",
    "LifecycleKind",
    "LifecycleRow",
    "LogFindings",
    "LogHead",
    "LogSigner",
    "Look",
    "MesDraft",
    "MesLinkRow",
    "MesMessageRow",
    "MesReceipt",
    "Message",
    "MeterFacts",
    "MeterRow",
    "NewBatch",
    "NewPerson",
    "NewToken",
    "OneTimeCode",
    "OrderCounts",
    "OrderFile",
    "OrderState",
    "OrderTally",
    "OutboxRow",
    "Part",
    "PassportRow",
    "PersonRow",
    "Postponed",
    "Queue",
    "RecallFilter",
    "RecalledUnit",
    "Records",
    "Registration",
    "RegistrationRow",
    "RegistrationState",
    "ReleasedUnit",
    "ReopenedRow",
    "Reported",
    "Result",
    "ResultRow",
    "ResultSource",
    "Revision",
    "RevokedCertificate",
    "RowRef",
    "RunDetail",
    "RunFilter",
    "RunRef",
    "RunRequest",
    "RunRow",
    "SerialBlock",
    "SessionRow",
    "SignOffKind",
    "SignOffRow",
    "SnapshotRow",
    "Source",
    "StepRef",
    "StepResult",
    "StepRow",
    "StoryRow",
    "SubjectKind",
    "Supply",
    "Taken",
    "TokenRow",
    "TrainingRow",
    "UnitHistory",
    "UnitRow",
    "UnitState",
    "Verdict",
    "Withdrawal",
    "Word",
    "WordKind",
    "WorkOrder",
    "open_records",
    "upgrade",
]


class Records(
    Orders, Tallies, Identifiers, Bundles, Journal, Labels, Cartons, Passports, Outbox, DeadLetters, Registrations,
    Reading, People, Quality, Results, Genealogy, MesMessages, Story, Batches, Log, Exports, Figures, Samples,
    NewsOfRuns, Search, Recalls, Tokens, Lifecycles, Keeping, Archives,
):  # fmt: skip
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
