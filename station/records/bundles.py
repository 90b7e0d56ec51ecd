"""Release bundles as they were approved, and the restrictions that stop what was approved before.

A bundle stays here when it is gone from the catalogue, so that a run of years ago can still be read with everything it
was built from. Restrictions are checked where they count: in the transactions that open a run and release a unit.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import cast

from sqlalchemy import Select, Table, bindparam, func, select
from sqlalchemy.orm import Session

from station.catalog.restrictions import Built, Restriction, RestrictionKind, concerns, refusal_of
from station.clock import utc_now
from station.errors import ConfigError
from station.model import Outcome
from station.records import tables
from station.records.canonical import sentence
from station.records.orders import Section, value
from station.records.rows import AffectedUnit, BundleRow
from station.records.values import StepRef, UnitState

RESTRICTIONS = cast("Table", tables.Restriction.__table__)
ALL_RESTRICTIONS = select(RESTRICTIONS).order_by(RESTRICTIONS.c.at, RESTRICTIONS.c.sequence)
RESTRICTIONS_ON = ALL_RESTRICTIONS.where(RESTRICTIONS.c.subject.in_(bindparam("subjects", expanding=True)))
"""Asked at each start and release, so they are made once."""


class Bundles(Section):
    """Approved definitions and what stops them."""

    def keep_bundle(self, name: str, revision: int, document: bytes, files: Mapping[str, bytes]) -> BundleRow:
        """Keep a bundle with its signatures; the same again adds only files that are new.

        Raises:
            ConfigError: The name and revision stand for another content already.
        """
        digest = sha256(document).hexdigest()
        with self.database.write() as session:
            known = session.scalar(select(tables.Bundle).filter_by(name=name, revision=revision))
            if known is not None and known.digest != digest:
                message = f"bundle {name} r{revision} is recorded with another content (SHA-256 {known.digest[:16]}…)"
                raise ConfigError(message, hint="Restore the recorded content, or make a new revision.")
            if known is None:
                row = tables.Bundle(digest=digest, name=name, revision=revision, document=document, kept_at=utc_now())
                session.add(row)
                session.flush()
            for file, content in sorted(files.items()):
                _keep_file(session, digest, file, content)
            session.flush()
            return _bundle_row(session, session.get_one(tables.Bundle, digest))

    def bundle(self, digest: str) -> BundleRow | None:
        """Return a bundle by its digest."""
        with self.database.read() as session:
            row = session.get(tables.Bundle, digest)
            return None if row is None else _bundle_row(session, row)

    def bundle_of(self, name: str, revision: int) -> BundleRow | None:
        """Return a bundle by its name and revision."""
        with self.database.read() as session:
            row = session.scalar(select(tables.Bundle).filter_by(name=name, revision=revision))
            return None if row is None else _bundle_row(session, row)

    def bundles(self) -> tuple[BundleRow, ...]:
        """List all bundles, by name and revision."""
        with self.database.read() as session:
            rows = session.scalars(select(tables.Bundle).order_by(tables.Bundle.name, tables.Bundle.revision)).all()
            return tuple(_bundle_row(session, row) for row in rows)

    def restrict(self, restriction: Restriction) -> Restriction:
        """Record a restriction for good, and return it with its time; the same again stays as it was first.

        What it concerns and was packable is not any more: it is kept back in the same transaction.

        Raises:
            ConfigError: It has no reason, or nobody stands for it.
        """
        if not sentence(restriction.reason) or not sentence(restriction.who):
            raise ConfigError("a restriction needs a reason and a name", hint="Say why, and who decided it.")
        with self.database.write() as session:
            same = select(tables.Restriction).filter_by(
                kind=restriction.kind, subject=restriction.subject, value=restriction.value
            )
            row = session.scalar(same) or self.database.append(session, _restriction_row(restriction))
            _keep_back(session, restriction)
            return value(Restriction, row)

    def restrictions(self) -> tuple[Restriction, ...]:
        """List all restrictions, oldest first."""
        with self.database.read() as session:
            return restrictions_in(session)

    def affected(self, restriction: Restriction) -> tuple[AffectedUnit, ...]:
        """List the units whose latest run was built of what a restriction concerns, by serial."""
        with self.database.read() as session:
            return tuple(
                AffectedUnit(unit.serial, unit.state, order.id, order.product, run.firmware, run.ref)
                for unit, order, run in session.execute(_latest_runs(restriction))
                if concerns(restriction, built_of(order, run))
            )

    def proof_of(self, recipe_digest: str, step: str) -> StepRef | None:
        """Return the first attempt at this station that passed a step of a recipe; later ones may rest on it."""
        event, run = tables.StepEvent, tables.Run
        of_run = (run.station == event.station) & (run.sequence == event.run_sequence)
        query = select(event).join(run, of_run).where(run.recipe_digest == recipe_digest, event.name == step)
        query = query.where(event.station == self.database.station, event.outcome == Outcome.PASS)
        with self.database.read() as session:
            found = session.scalar(query.order_by(event.sequence).limit(1))
            started = found.started_sequence if found else None
            return None if found is None or started is None else StepRef(found.station, started)


def restrictions_in(session: Session) -> tuple[Restriction, ...]:
    """Return all restrictions as a transaction sees them, oldest first."""
    return tuple(value(Restriction, row) for row in session.execute(ALL_RESTRICTIONS))


def built_of(order: tables.WorkOrder, run: tables.Run) -> Built:
    """Return what a run builds, by the names that restrictions use."""
    return Built(run.recipe_digest, order.product, run.firmware_name, run.firmware)


def refusal_in(session: Session, run: tables.Run) -> str:
    """Return why what a run builds may leave no longer, as one sentence, or nothing."""
    order = session.get_one(tables.WorkOrder, run.work_order)
    built = built_of(order, run)
    subjects = [built.bundle, built.firmware, built.product]
    rows = session.execute(RESTRICTIONS_ON, {"subjects": subjects})
    return refusal_of(built, (value(Restriction, row) for row in rows))


def refusal_of_unit(session: Session, unit: str) -> str:
    """Return why what a released unit was built of may leave no longer, as one sentence, or nothing."""
    runs = select(tables.Run).where(tables.Run.unit == unit, tables.Run.outcome == Outcome.PASS)
    run = session.scalar(runs.order_by(tables.Run.started_at.desc()).limit(1))
    return "" if run is None else refusal_in(session, run)


def _keep_back(session: Session, restriction: Restriction) -> None:
    packable = _latest_runs(restriction).where(tables.Unit.state == UnitState.PACKABLE)
    for unit, order, run in session.execute(packable).all():
        if concerns(restriction, built_of(order, run)):
            unit.state = UnitState.RELEASED


def _latest_runs(restriction: Restriction) -> Select[tables.Unit, tables.WorkOrder, tables.Run]:
    unit, order, run = tables.Unit, tables.WorkOrder, tables.Run
    last = select(func.max(run.started_at)).where(run.unit == unit.serial).correlate(unit).scalar_subquery()
    query = select(unit, order, run).join(order, order.id == unit.work_order)
    query = query.join(run, (run.unit == unit.serial) & (run.started_at == last)).order_by(unit.serial)
    column = {
        RestrictionKind.BUNDLE: run.recipe_digest,
        RestrictionKind.FIRMWARE: run.firmware_name,
        RestrictionKind.MINIMUM: order.product,
    }[restriction.kind]
    return query.where(column == restriction.subject)


def _keep_file(session: Session, digest: str, name: str, content: bytes) -> None:
    key = (digest, name, sha256(content).hexdigest())
    if session.get(tables.BundleFile, key) is None:
        session.add(tables.BundleFile(digest=digest, name=name, sha256=key[2], content=content, kept_at=utc_now()))


def _bundle_row(session: Session, row: tables.Bundle) -> BundleRow:
    files = select(tables.BundleFile).filter_by(digest=row.digest).order_by(tables.BundleFile.kept_at)
    return value(BundleRow, row, files={file.name: file.content for file in session.scalars(files)})


def _restriction_row(restriction: Restriction) -> tables.Restriction:
    return tables.Restriction(
        kind=restriction.kind,
        subject=restriction.subject,
        value=restriction.value,
        reason=sentence(restriction.reason),
        who=sentence(restriction.who),
        at=utc_now(),
    )
