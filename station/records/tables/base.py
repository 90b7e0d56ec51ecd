"""What all tables share: one naming convention, portable types, ids of (station, sequence)."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKeyConstraint, LargeBinary, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from station.catalog.restrictions import RestrictionKind
from station.identifiers import Kind
from station.model import Outcome
from station.records.columns import UtcTime, choice
from station.records.delivery_rows import DecisionKind
from station.records.lifecycle_rows import LifecycleKind
from station.records.mes_rows import WordKind
from station.records.quality_rows import DispositionKind, HoldKind, HoldScope, SignOffKind
from station.records.results_rows import SubjectKind, Verdict
from station.records.values import LabelState, OrderState, RegistrationState, RowRef, RunRef, UnitState

RUN_KEY = ("run.station", "run.sequence")
STEP_KEY = ("step_event.station", "step_event.sequence")


class Base(DeclarativeBase):
    """All tables, with one naming convention so that migrations can name every constraint."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: UtcTime,
        bytes: LargeBinary,
        Outcome: choice(Outcome),
        OrderState: choice(OrderState),
        UnitState: choice(UnitState),
        LabelState: choice(LabelState),
        RegistrationState: choice(RegistrationState),
        RestrictionKind: choice(RestrictionKind),
        Kind: choice(Kind),
        SubjectKind: choice(SubjectKind),
        Verdict: choice(Verdict),
        HoldScope: choice(HoldScope),
        HoldKind: choice(HoldKind),
        DispositionKind: choice(DispositionKind),
        SignOffKind: choice(SignOffKind),
        WordKind: choice(WordKind),
        DecisionKind: choice(DecisionKind),
        LifecycleKind: choice(LifecycleKind),
    }


class Numbered:
    """A row with an id of (station, sequence)."""

    station: Mapped[str] = mapped_column(primary_key=True, sort_order=-3)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, sort_order=-2)

    @property
    def ref(self) -> RowRef:
        """Return the row's id."""
        return RowRef(self.station, self.sequence)


class OfRun(Numbered):
    """A numbered row that belongs to a run of the same station."""

    run_sequence: Mapped[int] = mapped_column(BigInteger, sort_order=-1)

    @property
    def run(self) -> RunRef:
        """Return the run's id."""
        return RunRef(self.station, self.run_sequence)


def to_run() -> ForeignKeyConstraint:
    """Refer to the run of a row that is `OfRun`."""
    return ForeignKeyConstraint(("station", "run_sequence"), RUN_KEY)
