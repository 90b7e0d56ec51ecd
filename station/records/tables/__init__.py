"""The tables, as SQLAlchemy types that SQLite and PostgreSQL understand alike.

Rows that say what happened are numbered per station and only ever added; `guards` has the triggers that hold this.
Columns hold the values of `values`; the classes here never leave `station.records`.
"""

from station.records.tables.base import Base, Numbered, OfRun
from station.records.tables.batches import Batch, BatchUnit
from station.records.tables.bundles import Bundle, BundleFile, Restriction
from station.records.tables.delivery import DeliveryDecision
from station.records.tables.documents import (
    Label,
    Outbox,
    Passport,
    PassportCertificate,
    Registration,
    Signed,
    Snapshot,
)
from station.records.tables.genealogy import Component, Meter, Reopened
from station.records.tables.identifiers import Identifier, ListedIdentifier, OrderImport
from station.records.tables.keeping import BurntSerials
from station.records.tables.lifecycle import Lifecycle
from station.records.tables.log import LogCheckpoint, LogEntry, LogTile, LogTree
from station.records.tables.mes import MesChange, MesLink, MesMessage, MesReceived, MesWord
from station.records.tables.people import Person, PersonSession, SignIn, Training
from station.records.tables.quality import Disposition, GoldenCheck, GoldenUnit, Hold, SignOff
from station.records.tables.results import Result
from station.records.tables.runs import CertificateEvent, Event, MeasurementRow, Run, StepEvent, Unit, WorkOrder
from station.records.tables.tokens import ApiToken

__all__ = [
    "ApiToken",
    "Base",
    "Batch",
    "BatchUnit",
    "Bundle",
    "BundleFile",
    "BurntSerials",
    "CertificateEvent",
    "Component",
    "DeliveryDecision",
    "Disposition",
    "Event",
    "GoldenCheck",
    "GoldenUnit",
    "Hold",
    "Identifier",
    "Label",
    "Lifecycle",
    "ListedIdentifier",
    "LogCheckpoint",
    "LogEntry",
    "LogTile",
    "LogTree",
    "MeasurementRow",
    "MesChange",
    "MesLink",
    "MesMessage",
    "MesReceived",
    "MesWord",
    "Meter",
    "Numbered",
    "OfRun",
    "OrderImport",
    "Outbox",
    "Passport",
    "PassportCertificate",
    "Person",
    "PersonSession",
    "Registration",
    "Reopened",
    "Restriction",
    "Result",
    "Run",
    "SignIn",
    "SignOff",
    "Signed",
    "Snapshot",
    "StepEvent",
    "Training",
    "Unit",
    "WorkOrder",
]
