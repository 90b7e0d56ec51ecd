"""What an export may hold: for each set its columns as text, by what they are ordered, and what filters them.

Everything leaves as text, made by the database: an empty cell is what is not known, times are RFC 3339, truth is `yes`
or `no`. Numbers leave as numbers, because databases write them in their own ways. The names and their meaning stand
in `templates/export`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session, aliased

from station.identifiers import Kind
from station.model import Environment, Outcome
from station.records import tables
from station.records.first_pass import at_once, is_first
from station.records.lifecycle_rows import LifecycleKind
from station.records.values import IN_FIELD, LabelState

UNITS_VERSION, MEASUREMENTS_VERSION = 2, 1
"""Rise when a column changes its meaning or goes; the files in `templates/export` say the same."""
KEYS = 10_000
"""That are in memory at a time."""
DIGITS = 15
"""Of numbers; so many survive any spreadsheet."""
IN_SERVICE, PLACED = (LifecycleKind.COMMISSIONED,), (LifecycleKind.COMMISSIONED, LifecycleKind.MOVED)
BETWEEN = " | "
UNIT, ORDER, RUN, PASSPORT = tables.Unit, tables.WorkOrder, tables.Run, tables.Passport
STEP, TAKEN = tables.StepEvent, tables.MeasurementRow
Text_ = ColumnElement[Any]


class ExportSet(StrEnum):
    """What may be exported as a table."""

    UNITS = "units"
    MEASUREMENTS = "measurements"


@dataclass(frozen=True)
class ExportFilter:
    """Which rows are wanted; what is empty does not filter."""

    order: str = ""
    product: str = ""
    unit: str = ""
    outcome: Outcome | None = None
    """How the run ended: of a unit the newest, of a measurement its own."""
    since: datetime | None = None
    """From this time on: when the run ended, or began if it is at work, or the unit got its serial."""
    until: datetime | None = None
    """Before this time."""


@dataclass(frozen=True)
class Source:
    """Where a set comes from."""

    columns: Mapping[str, Any]
    tables: FromClause
    key: Sequence[Any]
    """By what rows are ordered; its columns are the first ones after `schema`, and are told as `key_of` says."""
    at: ColumnElement[datetime]
    key_types: Sequence[Callable[[str], Any]] = (str,)
    numbers: frozenset[str] = frozenset()
    """Columns that hold numbers."""

    def conditions(self, wanted: ExportFilter) -> list[ColumnElement[bool]]:
        """Return what a row must be to be wanted."""
        given = ((ORDER.id, wanted.order), (ORDER.product, wanted.product), (UNIT.serial, wanted.unit))
        found = [column == said for column, said in given if said]
        found += [RUN.outcome == wanted.outcome] if wanted.outcome else []
        found += [self.at >= wanted.since] if wanted.since else []
        return [*found, *([self.at < wanted.until] if wanted.until else [])]

    def beyond(self, key: Sequence[str]) -> list[ColumnElement[bool]]:
        """Return that a row comes after another, by the other's key; all rows do where there is none."""
        return [] if not key else [tuple_(*self.key) > tuple_(*map(literal, self._typed(key)))]

    def upto(self, key: Sequence[str]) -> list[ColumnElement[bool]]:
        """Return that a row comes before another or is that one."""
        return [not_(and_(*self.beyond(key)))]

    def keys(self, session: Session, wanted: ExportFilter, upto: Sequence[str]) -> Iterator[Sequence[str]]:
        """Yield the keys of the rows that come before another and of that one, as text."""
        named = list(self.columns.values())[1 : 1 + len(self.key)]
        conditions = self.conditions(wanted) + self.upto(upto)
        query = select(*named).select_from(self.tables).where(*conditions).order_by(*self.key)
        for row in session.execute(query.execution_options(yield_per=KEYS)):
            yield tuple(row)

    def _typed(self, key: Sequence[str]) -> list[Any]:
        return [kind(part) for kind, part in zip(self.key_types, key, strict=True)]


def _text(column: Any) -> Text_:
    """Return a column as the text that is stored, whatever type it has in Python."""
    return func.coalesce(type_coerce(column, Text), "")


def _whole(column: Any) -> Text_:
    return func.coalesce(cast(column, Text), "")


def _yes(condition: Any) -> Text_:
    return case((condition, "yes"), else_="no")


def _numbers(kind: Kind) -> Text_:
    """Return the living identifiers of one kind."""
    row = tables.Identifier
    alive = (row.unit == UNIT.serial, row.kind == kind, row.until.is_(None))
    query = select(func.aggregate_strings(row.value, BETWEEN)).where(*alive)
    return func.coalesce(query.correlate(UNIT).scalar_subquery(), "")


def _components() -> Text_:
    """Return the parts that are in a unit now: kind, position, and serial number or lot."""
    row = tables.Component
    told = row.kind + literal(" ") + row.position + literal("=") + row.serial + row.lot
    query = select(func.aggregate_strings(told, BETWEEN)).where(row.unit == UNIT.serial, row.detached_at.is_(None))
    return func.coalesce(query.correlate(UNIT).scalar_subquery(), "")


def _runs(*conditions: Any) -> Text_:
    row = aliased(tables.Run)
    query = select(func.count()).select_from(row).where(row.unit == UNIT.serial, *(make(row) for make in conditions))
    return cast(query.correlate(UNIT).scalar_subquery(), Text)


def _first_pass() -> Text_:
    """Return whether a unit passed at once; empty while it was not judged."""
    row = aliased(tables.Run)
    query = select(_yes(at_once(row))).where(row.unit == UNIT.serial, is_first(row)).limit(1)
    return func.coalesce(query.correlate(UNIT).scalar_subquery(), "")


def _certificate(column: Any) -> Text_:
    row = tables.CertificateEvent
    query = select(column).where(row.unit == UNIT.serial, row.environment == Environment.SHIP.value)
    newest = query.order_by(row.at.desc(), row.sequence.desc()).limit(1)
    return func.coalesce(newest.correlate(UNIT).scalar_subquery(), "")


def _configuration() -> Text_:
    row = tables.Snapshot
    same = (row.station == PASSPORT.station, row.run_sequence == PASSPORT.run_sequence)
    query = select(row.sha256).where(*same, row.environment == Environment.SHIP.value)
    return func.coalesce(query.correlate(PASSPORT).scalar_subquery(), "")


def _label() -> Text_:
    row = tables.Label
    alive = (row.unit == UNIT.serial, row.template == "unit", row.state != LabelState.VOID)
    query = select(type_coerce(row.state, Text)).where(*alive).limit(1)
    return func.coalesce(query.correlate(UNIT).scalar_subquery(), "")


def _newest_run() -> ColumnElement[bool]:
    later = aliased(tables.Run)
    order = tuple_(later.started_at, later.station, later.sequence) > tuple_(RUN.started_at, RUN.station, RUN.sequence)
    return and_(RUN.unit == UNIT.serial, not_(exists().where(later.unit == RUN.unit, order).correlate(RUN)))


def _newest_passport() -> ColumnElement[bool]:
    later = aliased(tables.Passport)
    last = select(func.max(later.revision)).where(later.unit == UNIT.serial).correlate(UNIT).scalar_subquery()
    return and_(PASSPORT.unit == UNIT.serial, PASSPORT.revision == last)


def _released_at() -> Text_:
    """Return when the newest passport's run released the unit; what happened since is signed later."""
    first = aliased(tables.Passport)
    of_run = (first.station == PASSPORT.station, first.run_sequence == PASSPORT.run_sequence)
    query = select(func.min(type_coerce(first.at, Text))).where(*of_run)
    return func.coalesce(query.correlate(PASSPORT).scalar_subquery(), "")


def _this_life(row: Any) -> ColumnElement[bool]:
    """Return that an event comes after the unit's last return."""
    back = aliased(tables.Lifecycle)
    returned = select(func.max(back.at)).where(back.unit == UNIT.serial, back.kind == LifecycleKind.RETURNED)
    return type_coerce(row.at, Text) > func.coalesce(type_coerce(returned.correlate(UNIT).scalar_subquery(), Text), "")


def _life(said: Callable[[Any], Any], kinds: Sequence[LifecycleKind], *, last: bool = False) -> Text_:
    """Return what is said of some kinds of events of a unit, or of the last of them since the last return."""
    row = tables.Lifecycle
    query = select(type_coerce(said(row), Text)).where(row.unit == UNIT.serial, row.kind.in_(kinds))
    if last:
        query = query.where(_this_life(row)).order_by(row.at.desc(), row.sequence.desc()).limit(1)
    return func.coalesce(query.correlate(UNIT).scalar_subquery(), "")


def _site() -> Text_:
    """Return where a unit stands as far as it was reported; nothing of one that is not in service."""
    there = _life(lambda row: row.place, PLACED, last=True)
    return case((type_coerce(UNIT.state, Text).in_([state.value for state in IN_FIELD]), there), else_="")


def _of_run() -> dict[str, Text_]:
    """Return the columns that say by what and where something was built."""
    texts = ("slot", "operator", "recipe", "recipe_digest", "firmware_name", "firmware", "software",
             "test_environment", "ship_environment", "outcome", "fault", "reason")  # fmt: skip
    return {
        "run": func.coalesce(RUN.station + literal("/") + cast(RUN.sequence, Text), ""),
        "station": _text(RUN.station),
        **{name: _text(getattr(RUN, name)) for name in texts},
        "recipe_revision": _whole(RUN.recipe_revision),
        "started_at": _text(RUN.started_at),
        "ended_at": _text(RUN.closed_at),
    }


def _units() -> Source:
    unit = {name: _text(getattr(UNIT, name)) for name in ("serial", "ocpp_identity", "hardware_uid", "state")}
    order = {name: _text(getattr(ORDER, name)) for name in ("customer", "product", "bundle")}
    columns = {
        "schema": literal(f"{ExportSet.UNITS}/{UNITS_VERSION}"),
        **unit,
        "work_order": _text(UNIT.work_order),
        **order,
        "reserved_at": _text(UNIT.reserved_at),
        **_of_run(),
        "runs": _runs(),
        "failed_runs": _runs(lambda row: row.outcome == Outcome.FAIL),
        "first_pass": _first_pass(),
        "released_at": _released_at(),
        "passport_revision": _whole(PASSPORT.revision),
        "passport_sha256": _text(PASSPORT.sha256),
        "configuration_sha256": _configuration(),
        "certificate_serial": _certificate(tables.CertificateEvent.certificate_serial),
        "mac": _numbers(Kind.MAC),
        "iccid": _numbers(Kind.ICCID),
        "meters": _numbers(Kind.METER),
        "seals": _numbers(Kind.SEAL),
        "components": _components(),
        "label": _label(),
        "warranty_start": _life(lambda row: func.min(row.occurred_at), IN_SERVICE),
        "warranty_end": literal(""),
        "asset_id": literal(""),
        "site": _site(),
        "installed_at": _life(lambda row: row.occurred_at, IN_SERVICE, last=True),
    }
    joined = (
        _table(UNIT)
        .join(_table(ORDER), ORDER.id == UNIT.work_order)
        .outerjoin(_table(RUN), _newest_run())
        .outerjoin(_table(PASSPORT), _newest_passport())
    )
    at = func.coalesce(RUN.closed_at, RUN.started_at, UNIT.reserved_at)
    return Source(columns, joined, (UNIT.serial,), at)


def _measurements() -> Source:
    columns = {
        "schema": literal(f"{ExportSet.MEASUREMENTS}/{MEASUREMENTS_VERSION}"),
        "taken_by": _text(TAKEN.station),
        "sequence": _whole(TAKEN.sequence),
        "serial": _text(RUN.unit),
        "step": _text(STEP.name),
        "attempt": _whole(STEP.attempt),
        "at": _text(STEP.at),
        "name": _text(TAKEN.name),
        "value": _text(TAKEN.value),
        "text": literal(""),
        "unit": _text(TAKEN.unit),
        "low": TAKEN.low,
        "high": TAKEN.high,
        "expected": _text(TAKEN.expected),
        "passed": _yes(TAKEN.passed),
        "work_order": _text(RUN.work_order),
        "product": _text(ORDER.product),
        **_of_run(),
    }
    joined = (
        _table(TAKEN)
        .join(_table(STEP), and_(STEP.station == TAKEN.station, STEP.sequence == TAKEN.step_sequence))
        .join(_table(RUN), and_(RUN.station == STEP.station, RUN.sequence == STEP.run_sequence))
        .join(_table(UNIT), UNIT.serial == RUN.unit)
        .join(_table(ORDER), ORDER.id == RUN.work_order)
    )
    at = func.coalesce(RUN.closed_at, RUN.started_at)
    numbers = frozenset(("value", "low", "high"))
    return Source(columns, joined, (TAKEN.station, TAKEN.sequence), at, (str, int), numbers)


def _table(row: Any) -> FromClause:
    found: FromClause = row.__table__
    return found


SOURCES: Mapping[ExportSet, Source] = {ExportSet.UNITS: _units(), ExportSet.MEASUREMENTS: _measurements()}


def statement_of(name: ExportSet) -> str:
    """Return the whole statement behind a set, as SQLite takes it: for measurements beside it."""
    source = SOURCES[name]
    columns = [column.label(title) for title, column in source.columns.items()]
    query = select(*columns).select_from(source.tables).order_by(*source.key)
    return str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
