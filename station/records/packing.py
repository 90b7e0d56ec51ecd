"""When a released unit may be packed: it bears its label, its CPMS has what the passport says, nothing keeps it back.

Many units are judged with as few questions as one: an outbox that drains after a day away settles thousands.

Ref: F-C4, F-G3, F-J2.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from station.records import tables
from station.records.bundles import refusal_of_unit
from station.records.holds import facts_of, holding
from station.records.quality_rows import DispositionKind
from station.records.values import IN_WAREHOUSE, LabelState, RegistrationState, UnitState


def settle(session: Session, unit: tables.Unit) -> None:
    """Let a released unit be packable if all is as it must be, and else not; other units stay as they are."""
    settle_all(session, [unit])


def settle_all(session: Session, units: Iterable[tables.Unit]) -> None:
    """Do the same for many units."""
    released = [unit for unit in units if unit.state in IN_WAREHOUSE]
    leaving = _may_leave(session, released) if released else frozenset()
    for unit in released:
        unit.state = UnitState.PACKABLE if unit.serial in leaving else UnitState.RELEASED


def is_labelled(session: Session, unit: str) -> bool:
    """Tell whether a unit has a label, and every label of it that is not void was scanned back."""
    return unit in _labelled(session, [unit])


def _may_leave(session: Session, units: Sequence[tables.Unit]) -> frozenset[str]:
    serials = [unit.serial for unit in units]
    good = _labelled(session, serials) & _agreed(session, serials)
    golden = _golden(session, [unit.hardware_uid for unit in units])
    judged = [unit for unit in units if unit.serial in good and unit.hardware_uid not in golden]
    # Most often nothing at all is restricted or on hold, and no unit need be asked about.
    if judged and _exists(session, select(tables.Restriction.subject)):
        judged = [unit for unit in judged if not refusal_of_unit(session, unit.serial)]
    if judged and _exists(session, select(tables.Hold.sequence).where(tables.Hold.lifted_at.is_(None))):
        judged = [unit for unit in judged if not holding(session, facts_of(session, unit))]
    return frozenset(unit.serial for unit in judged)


def _labelled(session: Session, units: Collection[str]) -> set[str]:
    """Return the units whose labels were all scanned back.

    One that was declared void and not made again is lacking, unless it was made before the unit's last rework: what a
    rework ends need not come again.
    """
    label = tables.Label
    query = select(label.unit, label.template, label.state, label.intended_at).where(label.unit.in_(units))
    rows = session.execute(query).all()
    living = {(unit, template): state for unit, template, state, _ in rows if state is not LabelState.VOID}
    reworked = _reworked(session, units) if len(living) < len(rows) else {}
    made = {(unit, template) for unit, template, _, at in rows if unit not in reworked or at > reworked[unit]}
    lacking = {unit for unit, _ in made - living.keys()}
    unproven = {unit for (unit, _), state in living.items() if state is not LabelState.SCANNED}
    return {unit for unit, _ in living} - lacking - unproven


def _reworked(session: Session, units: Collection[str]) -> dict[str, datetime]:
    """Return when units were sent to rework last."""
    row = tables.Disposition
    query = select(row.unit, func.max(row.at)).where(row.unit.in_(units), row.kind == DispositionKind.REWORK)
    return dict(session.execute(query.group_by(row.unit)).all())


def _agreed(session: Session, units: Collection[str]) -> set[str]:
    """Return the units of which a CPMS holds the latest passport's data as we sent them, and none anything else."""
    registration, passport = tables.Registration, tables.Passport
    latest = select(func.max(passport.revision)).where(passport.unit == registration.unit).scalar_subquery()
    query = select(registration.unit, registration.state).where(registration.unit.in_(units))
    found = session.execute(query.where(registration.revision == latest)).all()
    return {unit for unit, _ in found} - {unit for unit, state in found if state is not RegistrationState.EQUAL}


def _golden(session: Session, hardware: Collection[str]) -> set[str]:
    reserved = select(tables.GoldenUnit.hardware_uid).where(tables.GoldenUnit.hardware_uid.in_(hardware))
    return set(session.scalars(reserved))


def _exists(session: Session, query: Select[Any]) -> bool:
    return session.scalar(query.limit(1)) is not None
