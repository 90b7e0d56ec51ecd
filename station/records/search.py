"""Finding units by whatever names them, or names a part of them: exactly, or by how it begins (F-I6).

Every question is one range of an index, so its cost does not grow with the records. Nothing here is a pattern: `%` and
`'` are characters like others.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    bindparam,
    literal,
    literal_column,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import Session

from station.records import tables
from station.records.orders import Section
from station.records.tables.runs import BODY_SHA256
from station.records.values import UnitState

LAST = "\U0010ffff"
"""Behind every character that an identifier has."""
SERIAL, ORDER, LABEL, LOT, CERTIFICATE, FINGERPRINT = "serial", "order", "label", "lot", "certificate", "fingerprint"
OCPP_IDENTITY, HARDWARE_UID, METER = "ocpp-identity", "hardware-uid", "meter"


@dataclass(frozen=True)
class Found:
    """Something that bears what was looked for."""

    kind: str
    """What it names: `serial`, `lot`, `mac` …; of a part, what the part is."""
    value: str
    unit: str
    """Serial number of the unit; empty where an order was found."""
    order: str
    state: str
    """State of the unit or the order."""
    exact: bool
    ended: bool
    """Whether it is no longer so: a part that was taken out, a SIM that was replaced, a label that is void."""


@dataclass(frozen=True)
class _Source:
    """A column that is searched."""

    kind: ColumnElement[str]
    column: ColumnElement[str]
    unit: ColumnElement[str]
    ended: ColumnElement[bool]


def _source(kind: Any, column: Any, unit: Any, ended: Any = None) -> _Source:
    named = literal(kind) if isinstance(kind, str) else kind
    return _Source(named, column, unit, literal(0) if ended is None else ended)


UNIT, IDENTIFIER, PART, METERS = tables.Unit, tables.Identifier, tables.Component, tables.Meter
LIFE, FIELD = tables.Lifecycle, ("place", "party", "reference")
CERTIFICATES, LABELS = tables.CertificateEvent, tables.Label
SOURCES: tuple[_Source, ...] = (
    _source(SERIAL, UNIT.serial, UNIT.serial),
    _source(OCPP_IDENTITY, UNIT.ocpp_identity, UNIT.serial),
    _source(HARDWARE_UID, UNIT.hardware_uid, UNIT.serial),
    _source(LABEL, LABELS.code, LABELS.unit, LABELS.state == "void"),
    _source(type_coerce(IDENTIFIER.kind, String), IDENTIFIER.value, IDENTIFIER.unit, IDENTIFIER.until.is_not(None)),
    _source(METER, METERS.serial, METERS.unit),
    _source(PART.kind, PART.serial, PART.unit, PART.detached_at.is_not(None)),
    _source(LOT, PART.lot, PART.unit, PART.detached_at.is_not(None)),
    _source(CERTIFICATE, CERTIFICATES.certificate_serial, CERTIFICATES.unit),
    *(_source(name, getattr(LIFE, name), LIFE.unit) for name in FIELD),
    _source(FINGERPRINT, literal_column(BODY_SHA256), CERTIFICATES.unit),
)


class Search(Section):
    """Questions of what bears a number."""

    def find(self, forms: Sequence[str], limit: int) -> tuple[Found, ...]:
        """Return what bears one of the forms of a text, or begins with it: what bears it first, then what begins so.

        Args:
            forms: Ways in which the text may be kept, none of them empty.
            limit: How many are returned at most; of each kind at most so many are looked at.
        """
        with self.database.read() as session:
            found = {*_orders(session, forms, limit), *_units(session, forms, limit)}
        known = {(one.unit, one.value) for one in found if one.kind == SERIAL}
        told = (one for one in found if one.kind != OCPP_IDENTITY or (one.unit, one.value) not in known)
        return tuple(sorted(told, key=lambda one: (not one.exact, one.ended, one.kind, one.value, one.unit))[:limit])


def _units(session: Session, forms: Sequence[str], limit: int) -> Iterator[Found]:
    given: dict[str, Any] = {"most": limit}
    for number, form in enumerate(forms):
        given |= {f"first{number}": form, f"last{number}": form + LAST}
    hits = {tuple(row) for row in session.execute(_statement(len(forms)), given)}
    units = _states(session, {unit for _, _, unit, _ in hits})
    for kind, value, unit, ended in hits:
        order, state = units[unit]
        yield Found(kind, value, unit, order, state.value, value in forms, bool(ended))


@cache
def _statement(forms: int) -> CompoundSelect[Any]:
    """Return one question to all sources, for so many forms; made once, as most of its cost is in making it."""
    arms = (_range(source, number).subquery() for source in SOURCES for number in range(forms))
    return union_all(*(select(*arm.c) for arm in arms))


def _range(source: _Source, number: int) -> Select[Any]:
    named: tuple[ColumnElement[Any], ...] = (source.kind, source.column, source.unit, source.ended)
    columns = [column.label(name) for column, name in zip(named, ("kind", "value", "unit", "ended"), strict=True)]
    first, last = bindparam(f"first{number}", type_=String), bindparam(f"last{number}", type_=String)
    query = select(*columns).where(source.column >= first, source.column < last).distinct()
    return query.order_by(source.column).limit(bindparam("most"))


def begins(column: ColumnElement[str], form: str) -> ColumnElement[bool]:
    """Say of a column that it begins with a text; an empty text is how all begin."""
    return (column >= form) & (column < form + LAST) if form else true()


def _states(session: Session, serials: Iterable[str]) -> dict[str, tuple[str, UnitState]]:
    query = select(UNIT.serial, UNIT.work_order, UNIT.state).where(UNIT.serial.in_(list(serials)))
    return {serial: (order, state) for serial, order, state in session.execute(query)}


def _orders(session: Session, forms: Sequence[str], limit: int) -> Iterator[Found]:
    order = tables.WorkOrder
    for form in forms:
        query = select(order.id, order.state).where(begins(cast("Any", order.id), form)).order_by(order.id).limit(limit)
        for name, state in session.execute(query):
            yield Found(ORDER, name, "", name, state.value, name in forms, ended=False)
