"""What the records hold of the manufacturing execution system, as frozen values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from station.records.genealogy_rows import ComponentRow
from station.records.quality_rows import DispositionRow, HoldRow
from station.records.results_rows import ResultRow
from station.records.rows import PassportRow, RunRow, StepRow
from station.records.values import RowRef


class WordKind(StrEnum):
    """Of what the MES speaks when it is asked whether a run may begin."""

    UNIT = "unit"
    OPERATOR = "operator"


class Consent(StrEnum):
    """What a run says of the MES's word for it."""

    NONE = ""
    """There is no MES, or it is not asked."""
    CONFIRMED = "confirmed"
    DEFERRED = "deferred"
    """The MES was away; its last word counted."""


class Source(StrEnum):
    """What happened to which table, as triggers note it."""

    RUN_OPENED = "run-opened"
    RUN_CLOSED = "run-closed"
    STEP = "step"
    PASSPORT = "passport"
    HOLD_PLACED = "hold-placed"
    HOLD_LIFTED = "hold-lifted"
    DISPOSITION = "disposition"
    COMPONENT_ATTACHED = "component-attached"
    COMPONENT_DETACHED = "component-detached"
    RESULT = "result"


MesRow = RunRow | StepRow | PassportRow | HoldRow | DispositionRow | ComponentRow | ResultRow


@dataclass(frozen=True)
class Change:
    """Something that the MES is to be told of, with all that is said of it."""

    position: int
    source: Source
    row: MesRow
    run: RunRow | None = None
    """The run that it belongs to."""
    previous: RunRow | None = None
    """Of an opened run: the one before in its slot."""
    rework: DispositionRow | None = None
    """Of a run: the decision by which its unit was sent to rework last, before it."""

    @property
    def key(self) -> str:
        """Return what tells this change from every other, for ever: the source and the id of its row."""
        return f"{self.source}/{self.row.ref}"


@dataclass(frozen=True)
class MesDraft:
    """A message that is to be told, before it has its number."""

    key: str
    """What there is one message for."""
    name: str
    subject: str
    """The unit that it is about; empty for the station itself."""
    at: datetime
    body: bytes
    """CFX MessageBody as canonical JSON."""
    request: str = ""
    """Id of the message that it answers."""


@dataclass(frozen=True)
class MesMessageRow:
    """A message with what became of it so far."""

    ref: RowRef
    key: str
    name: str
    subject: str
    request: str
    at: datetime
    body: bytes
    created_at: datetime
    attempts: int
    error: str
    done_at: datetime | None
    answer: str
    """`kept`, `known`, or `refused: …`; empty while it waits."""


@dataclass(frozen=True)
class MesReceipt:
    """A message from the MES and what became of it."""

    message: str
    """Its UniqueID."""
    position: int
    name: str
    body: bytes
    accepted: bool
    sentence: str


@dataclass(frozen=True)
class Word:
    """What the MES said of a unit or a person."""

    kind: WordKind
    subject: str
    passed: bool
    sentence: str
    at: datetime


@dataclass(frozen=True)
class MesLinkRow:
    """When the MES was heard."""

    heard_at: datetime
    away_since: datetime | None
    """None while it answers and knows everything; else when it was heard before it went away."""
