"""Where-used and recall: all units that something is true of, however it is combined (F-I8).

What a unit *is* counts as it is now: built by its last run that passed, or a later one that may have changed it, with
the parts that are in it. With `ever`, also what it was before. Who had it in their hands, where and when counts always.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, String, func, literal_column, or_, select, type_coerce
from sqlalchemy.orm import Session, aliased

from station.clock import iso
from station.identifiers import Kind
from station.model import Environment, Outcome
from station.records import tables
from station.records.lifecycle_rows import LifecycleKind
from station.records.orders import Section
from station.records.search import begins
from station.records.tables.runs import BODY_SHA256
from station.records.values import UnitState

UNRELEASED = (UnitState.RESERVED, UnitState.REWORK, UnitState.SCRAPPED)
"""States of a unit that may have no passport yet, and get none."""
CHUNK = 1_000
"""Units whose particulars are read at a time."""
Text = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RecallFilter:
    """What must be true of a unit; what is empty does not restrict. Of several values of one thing, any."""

    definitions: Text | None = None
    """Digests of recipes or bundles that units are built of; none at all finds nothing."""
    firmware: str = ""
    """Version of the firmware release."""
    firmware_name: str = ""
    recipe: str = ""
    revision: int = 0
    station: str = ""
    slot: str = ""
    operator: str = ""
    since: datetime | None = None
    """Runs that began then or later."""
    until: datetime | None = None
    """Runs that began before."""
    certificate: str = ""
    """Serial number (upper-case hexadecimal) or SHA-256 (lower-case) of a certificate that was ever on the unit."""
    issuer: str = ""
    """Name of the CA, as passports write it."""
    expires_before: datetime | None = None
    lot: str = ""
    part: Text = ()
    """Serial number of a part or meter, in the ways in which it may be kept."""
    part_kind: str = ""
    sim: tuple[str, str] | None = None
    """First and last ICCID without check digits; both may be only how a number begins."""
    order: str = ""
    product: str = ""
    customer: str = ""
    states: tuple[UnitState, ...] = ()
    serials: Text = ()
    serial_prefix: str = ""
    uncertified: bool = False
    """Units that have a certificate and no passport, so that nothing tells of which CA it is, and until when."""
    ever: bool = False
    """Also what was so and is not any more."""


class RecalledUnit(NamedTuple):
    """A unit that was found, with how it was built last; as text, because lists of many thousands are made of it."""

    serial: str
    state: str
    work_order: str
    product: str
    customer: str
    ocpp_identity: str
    hardware_uid: str
    recipe: str
    """Of its latest run, as all that follows."""
    recipe_revision: int
    recipe_digest: str
    firmware_name: str
    firmware: str
    station: str
    slot: str
    operator: str
    run_ended: str
    """RFC 3339 in UTC; empty while it is at work."""
    outcome: str
    passport_revision: int
    """Of its latest passport; 0 where it was never released."""
    passport_sha256: str
    certificate_not_after: str
    party: str
    """Who has it, as far as it was reported: the last that was named of consignee, owner and operator."""
    place: str
    """Where it stands, as it was reported last; as `party` empty for one that never left, and for one that is back."""


@dataclass(frozen=True)
class Definition:
    """What units are built of: everything under one digest, with a passport and the bundle that tell its content."""

    digest: str
    recipe: str
    revision: int
    firmware_name: str
    firmware: str
    passport: bytes
    """Of one unit that was built of it; empty where none was released."""
    bundle: bytes
    """The bundle's document; empty for a draft."""


class Recalls(Section):
    """Questions of which units something is true of."""

    def count_recalled(self, wanted: RecallFilter) -> int:
        """Count the units that a filter finds."""
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(_serials(wanted).subquery())) or 0

    def recalled_serials(self, wanted: RecallFilter) -> tuple[str, ...]:
        """Return the serial numbers of all units that a filter finds, in their order."""
        with self.database.read() as session:
            return tuple(session.scalars(_serials(wanted).order_by(tables.Unit.serial)))

    def recalled(self, wanted: RecallFilter, after: str = "", limit: int | None = None) -> tuple[RecalledUnit, ...]:
        """Return the units that a filter finds, by serial number: those behind one, and at most so many."""
        query = _serials(wanted).where(tables.Unit.serial > after).order_by(tables.Unit.serial)
        with self.database.read() as session:
            serials = session.scalars(query.limit(limit)).all()
            return tuple(row for chunk in _chunks(serials) for row in _told(session, chunk))

    def stream_recalled(self, wanted: RecallFilter) -> Iterator[tuple[RecalledUnit, ...]]:
        """Yield all units that a filter finds, by serial number, as they stood in one moment."""
        with self.database.read() as session:
            serials = session.scalars(_serials(wanted).order_by(tables.Unit.serial)).all()
            for chunk in _chunks(serials):
                yield _told(session, chunk)

    def unknown_serials(self, serials: Sequence[str]) -> tuple[str, ...]:
        """Return those of some serial numbers that no unit has, in their order."""
        with self.database.read() as session:
            known = set(session.scalars(select(tables.Unit.serial).where(_among(tables.Unit.serial, serials))))
        return tuple(serial for serial in dict.fromkeys(serials) if serial not in known)

    def definitions(self) -> Iterator[Definition]:
        """Yield what units were ever built of, each once; one is in memory at a time, as bundles are large."""
        with self.database.read() as session:
            for digest in _digests(session):
                yield _definition(session, digest)


def _digests(session: Session) -> Iterator[str]:
    """Yield each digest once, from one to the next over the index, and not over all runs."""
    run = tables.Run
    found = session.scalar(select(func.min(run.recipe_digest)))
    while found is not None:
        yield found
        found = session.scalar(select(func.min(run.recipe_digest)).where(run.recipe_digest > found))


def _definition(session: Session, digest: str) -> Definition:
    run, passport = tables.Run, tables.Passport
    built = session.execute(
        select(run.recipe, run.recipe_revision, run.firmware_name, run.firmware)
        .where(run.recipe_digest == digest)
        .limit(1)
    ).one()
    of_run = (passport.station == run.station) & (passport.run_sequence == run.sequence)
    document = session.scalar(select(passport.document).join(run, of_run).where(run.recipe_digest == digest).limit(1))
    bundle = session.get(tables.Bundle, digest)
    return Definition(digest, *built, passport=document or b"", bundle=bundle.document if bundle else b"")


def _serials(wanted: RecallFilter) -> Select[str]:
    unit = tables.Unit
    query = select(unit.serial).where(*_of_unit(wanted))
    if conditions := list(_of_orders(wanted)):
        query = query.where(unit.work_order.in_(select(tables.WorkOrder.id).where(*conditions)))
    for serials in _elsewhere(wanted):
        query = query.where(unit.serial.in_(serials))
    return query


def _of_unit(wanted: RecallFilter) -> Iterator[ColumnElement[bool]]:
    unit: Any = tables.Unit
    if wanted.order:
        yield unit.work_order == wanted.order
    if wanted.states:
        yield unit.state.in_(wanted.states)
    if wanted.serials:
        yield _among(unit.serial, wanted.serials)
    if wanted.serial_prefix:
        yield begins(unit.serial, wanted.serial_prefix)
    if wanted.uncertified:
        event, passport = tables.CertificateEvent, tables.Passport
        installed = (event.unit == unit.serial) & (event.environment == Environment.SHIP.value)
        yield unit.state.in_(UNRELEASED)
        yield select(event.sequence).where(installed).correlate(unit).exists()
        yield ~select(passport.sequence).where(passport.unit == unit.serial).correlate(unit).exists()


def _of_orders(wanted: RecallFilter) -> Iterator[ColumnElement[bool]]:
    order: Any = tables.WorkOrder
    if wanted.product:
        yield order.product == wanted.product
    if wanted.customer:
        yield order.customer == wanted.customer


def _elsewhere(wanted: RecallFilter) -> Iterator[Select[str]]:
    """Yield the serials that other tables give, each for what is asked of it."""
    run: Any = tables.Run
    if built := list(_built(wanted)):
        yield select(run.unit).where(*built, *([] if wanted.ever else [~_superseded()]))
    if handled := list(_handled(wanted)):
        yield select(run.unit).where(*handled)
    if wanted.certificate:
        event: Any = tables.CertificateEvent
        same = or_(event.certificate_serial == wanted.certificate, literal_column(BODY_SHA256) == wanted.certificate)
        yield select(event.unit).where(same)
    if wanted.issuer or wanted.expires_before:
        yield _of_certificates(wanted)
    yield from _of_parts(wanted)


def _built(wanted: RecallFilter) -> Iterator[ColumnElement[bool]]:
    """Say what a run built the unit of."""
    run: Any = tables.Run
    if wanted.definitions is not None:
        yield _among(run.recipe_digest, wanted.definitions)
    given = {run.firmware: wanted.firmware, run.firmware_name: wanted.firmware_name, run.recipe: wanted.recipe}
    yield from (column == content for column, content in given.items() if content)
    if wanted.revision:
        yield run.recipe_revision == wanted.revision


def _superseded() -> ColumnElement[bool]:
    """Say of a run that a later one of its unit passed: what it built is on the unit no longer."""
    run, later = tables.Run, aliased(tables.Run)
    passed = select(later.sequence).where(later.unit == run.unit, later.outcome == Outcome.PASS)
    return passed.where(later.started_at > run.started_at).correlate(run).exists()


def _handled(wanted: RecallFilter) -> Iterator[ColumnElement[bool]]:
    """Say of a run who had the unit in their hands, where and when."""
    run: Any = tables.Run
    given = {run.station: wanted.station, run.slot: wanted.slot, run.operator: wanted.operator}
    yield from (column == content for column, content in given.items() if content)
    if wanted.since:
        yield run.started_at >= wanted.since
    if wanted.until:
        yield run.started_at < wanted.until


def _of_certificates(wanted: RecallFilter) -> Select[str]:
    """Select the units whose passport names a certificate: the latest passport, or with `ever` any."""
    told, later = tables.PassportCertificate, aliased(tables.PassportCertificate)
    query = select(told.unit)
    if wanted.issuer:
        query = query.where(told.issuer == wanted.issuer)
    if wanted.expires_before:
        query = query.where(told.not_after < iso(wanted.expires_before))
    if wanted.ever:
        return query
    newer = select(later.unit).where(later.unit == told.unit, later.revision > told.revision)
    return query.where(~newer.correlate(told).exists())


def _of_parts(wanted: RecallFilter) -> Iterator[Select[str]]:
    part, number = tables.Component, tables.Identifier
    meter: Any = tables.Meter
    living = [] if wanted.ever else [part.detached_at.is_(None)]
    kind = [part.kind == wanted.part_kind] if wanted.part_kind else []
    if wanted.lot:
        yield select(part.unit).where(part.lot == wanted.lot, *kind, *living)
    if wanted.part:
        parts = select(part.unit).where(part.serial.in_(wanted.part), *kind, *living)
        yield parts if kind else parts.union(select(meter.unit).where(meter.serial.in_(wanted.part)))  # type: ignore[misc]
    elif kind and not wanted.lot:
        yield select(part.unit).where(*kind, *living)
    if wanted.sim:
        first, last = wanted.sim
        in_range = (number.value >= first) & (number.value <= last + "\U0010ffff")
        alive = [] if wanted.ever else [number.until.is_(None)]
        yield select(number.unit).where(number.kind == Kind.ICCID, in_range, *alive)


def _among(column: Any, values: Sequence[str]) -> ColumnElement[bool]:
    """Say of a column that it is one of many values, given as one parameter."""
    each = func.json_each(json.dumps(list(values))).table_valued("value")
    found: ColumnElement[bool] = column.in_(select(each.c.value))
    return found


def _chunks(serials: Sequence[str]) -> Iterator[list[str]]:
    remaining = iter(serials)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


UNIT, ORDER, RUN = tables.Unit, tables.WorkOrder, tables.Run
OF_UNIT = (
    *(UNIT.serial, type_coerce(UNIT.state, String), UNIT.work_order, ORDER.product, ORDER.customer, UNIT.ocpp_identity),
    UNIT.hardware_uid,
)
OF_RUN = (
    *(RUN.unit, RUN.recipe, RUN.recipe_revision, RUN.recipe_digest, RUN.firmware_name, RUN.firmware, RUN.station),
    *(RUN.slot, RUN.operator),
    func.coalesce(type_coerce(RUN.closed_at, String), ""),
    func.coalesce(type_coerce(RUN.outcome, String), ""),
)
NO_RUN: tuple[Any, ...] = ("", 0, "", "", "", "", "", "", "", "")
NO_PASSPORT: tuple[Any, ...] = (0, "", "")
HERE = ("", "")


def _told(session: Session, serials: list[str]) -> tuple[RecalledUnit, ...]:
    """Return the particulars of some units, in a few questions for all of them."""
    units = session.execute(
        select(*OF_UNIT).join(ORDER, ORDER.id == UNIT.work_order).where(_among(UNIT.serial, serials))
    )
    runs = session.execute(select(*OF_RUN).where(_among(RUN.unit, serials)).order_by(RUN.started_at, RUN.sequence))
    latest = {row[0]: row[1:] for row in runs}
    passports, out = _passports(session, serials), _out(session, serials)
    later = {name: (*passports.get(name, NO_PASSPORT), *out.get(name, HERE)) for name in serials}
    rows = {row[0]: (*row, *latest.get(row[0], NO_RUN), *later[row[0]]) for row in units}
    return tuple(RecalledUnit(*rows[serial]) for serial in serials)


def _out(session: Session, serials: list[str]) -> dict[str, tuple[str, str]]:
    """Return who has the units that are out, and where they stand."""
    row = tables.Lifecycle
    query = select(row.unit, row.kind, row.party, row.place).where(_among(row.unit, serials))
    found: dict[str, tuple[str, str]] = {}
    for unit, kind, party, place in session.execute(query.order_by(row.at, row.sequence)):
        before = found.get(unit, HERE)
        found[unit] = HERE if kind is LifecycleKind.RETURNED else (party or before[0], place or before[1])
    return found


def _passports(session: Session, serials: list[str]) -> dict[str, tuple[Any, ...]]:
    row, told = tables.Passport, tables.PassportCertificate
    same = (told.unit == row.unit) & (told.revision == row.revision)
    query = select(row.unit, row.revision, row.sha256, func.coalesce(told.not_after, "")).outerjoin(told, same)
    found = session.execute(query.where(_among(row.unit, serials)).order_by(row.revision))
    return {unit: (revision, digest, ends) for unit, revision, digest, ends in found}
