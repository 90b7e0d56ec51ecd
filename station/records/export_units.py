"""The story of units, as documents about single units need it: passport, runs, parts, and how each ended."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.model import Outcome
from station.records import tables
from station.records.cartons import KIND as CARTON
from station.records.export_sets import SOURCES, ExportFilter, ExportSet
from station.records.lifecycle_rows import LifecycleRow
from station.records.orders import value
from station.records.quality_rows import DispositionKind
from station.records.values import RunRef, UnitState

PORTION = 200
"""Units that are read together."""


@dataclass(frozen=True)
class TracedRun:
    """A run that ended."""

    ref: RunRef
    slot: str
    outcome: Outcome
    fault: str
    started_at: datetime
    closed_at: datetime


@dataclass(frozen=True)
class TracedPart:
    """A part in a unit, with when it was attached and taken out."""

    kind: str
    position: str
    serial: str
    lot: str
    attached_at: datetime
    detached_at: datetime | None


@dataclass(frozen=True)
class TracedCarton:
    """The carton that a unit was packed in, from when it was numbered."""

    sscc: str
    at: datetime


@dataclass(frozen=True)
class TracedUnit:
    """What happened to a unit."""

    serial: str
    state: UnitState
    work_order: str
    product: str
    reserved_at: datetime
    passport: bytes
    """The newest; empty for a unit that was never released."""
    passport_sha256: str
    runs: tuple[TracedRun, ...]
    parts: tuple[TracedPart, ...]
    scrapped_at: datetime | None = None
    cartons: tuple[TracedCarton, ...] = ()
    life: tuple[LifecycleRow, ...] = ()
    """What happened to it after its release."""


def traced_units(session: Session, wanted: ExportFilter) -> Iterator[TracedUnit]:
    """Yield the units that a filter takes, by serial number."""
    source, unit, passport = SOURCES[ExportSet.UNITS], tables.Unit, tables.Passport
    columns = (unit.serial, unit.state, unit.work_order, tables.WorkOrder.product, unit.reserved_at,
               passport.document, passport.sha256)  # fmt: skip
    query = select(*columns).select_from(source.tables).where(*source.conditions(wanted)).order_by(*source.key)
    for portion in session.execute(query.execution_options(yield_per=PORTION)).partitions():
        serials = [row[0] for row in portion]
        runs, parts, ends = _runs(session, serials), _parts(session, serials), _ends(session, serials)
        cartons, lives = _cartons(session, serials), _lives(session, serials)
        for serial, state, order, product, at, document, digest in portion:
            told = (document or b"", digest or "", tuple(runs.get(serial, ())), tuple(parts.get(serial, ())))
            later = (tuple(cartons.get(serial, ())), tuple(lives.get(serial, ())))
            yield TracedUnit(serial, state, order, product, at, *told, ends.get(serial), *later)


def _runs(session: Session, serials: Sequence[str]) -> dict[str, list[TracedRun]]:
    run = tables.Run
    query = select(run).where(run.unit.in_(serials), run.closed_at.is_not(None))
    found: dict[str, list[TracedRun]] = {}
    for row in session.scalars(query.order_by(run.started_at, run.sequence)):
        if row.closed_at is not None and row.outcome is not None:
            told = (row.ref, row.slot, row.outcome, row.fault, row.started_at, row.closed_at)
            found.setdefault(row.unit, []).append(TracedRun(*told))
    session.expunge_all()
    return found


def _parts(session: Session, serials: Sequence[str]) -> dict[str, list[TracedPart]]:
    part = tables.Component
    found: dict[str, list[TracedPart]] = {}
    for row in session.scalars(select(part).where(part.unit.in_(serials)).order_by(part.attached_at, part.sequence)):
        told: Any = (row.kind, row.position, row.serial, row.lot, row.attached_at, row.detached_at)
        found.setdefault(row.unit, []).append(TracedPart(*told))
    session.expunge_all()
    return found


def _ends(session: Session, serials: Sequence[str]) -> dict[str, datetime]:
    """Return when units were scrapped."""
    row = tables.Disposition
    query = select(row.unit, row.at).where(row.unit.in_(serials), row.kind == DispositionKind.SCRAP)
    return dict(session.execute(query).all())


def _cartons(session: Session, serials: Sequence[str]) -> dict[str, list[TracedCarton]]:
    row = tables.Event
    query = select(row.subject, row.body, row.at).where(row.subject.in_(serials), row.kind == CARTON)
    found: dict[str, list[TracedCarton]] = {}
    for unit, body, at in session.execute(query.order_by(row.at, row.sequence)):
        found.setdefault(unit, []).append(TracedCarton(str(json.loads(body)["sscc"]), at))
    return found


def _lives(session: Session, serials: Sequence[str]) -> dict[str, list[LifecycleRow]]:
    row = tables.Lifecycle
    found: dict[str, list[LifecycleRow]] = {}
    for one in session.scalars(select(row).where(row.unit.in_(serials)).order_by(row.at, row.sequence)):
        found.setdefault(one.unit, []).append(value(LifecycleRow, one))
    session.expunge_all()
    return found
