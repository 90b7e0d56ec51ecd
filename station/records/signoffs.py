"""What two people sign for: the first article of an order, a line that was cleared, a shift that hands over.

Who signs first and who second does not matter; that they are two does. What was signed stands in the row, so that a
signature says years later what its person saw.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.errors import Interlocked
from station.model import Outcome
from station.person import Person, Role
from station.records import tables
from station.records.canonical import canonical, sentence
from station.records.holds import note
from station.records.orders import Section, value
from station.records.quality_rows import SignOffKind, SignOffRow

ANSWERABLE = (Role.LINE_LEAD, Role.QA)
"""Of the two people who sign, one has one of these roles."""
AFTER_RUN = "after_run"
"""Number of the station's latest run when somebody signed: what was cleared before a later run counts no longer."""


class SignOffs(Section):
    """Signatures of people."""

    def sign_first_article(self, order: str, person: Person, remark: str = "") -> SignOffRow:
        """Sign that the first unit of an order is as it must be, so that the second may begin.

        Raises:
            Interlocked: No unit of the order was released yet, it was signed for before, or the person built the unit
                or may not sign.
        """
        with self.database.write() as session:
            run = session.scalar(_first_released(order))
            if run is None:
                raise Interlocked(f"No unit of order {order} was released yet.", hint="Build the first unit.")
            if first_article_signed(session, order):
                raise Interlocked(f"The first unit of order {order} was signed for before.", hint="Build the next one.")
            _require_answerable(person)
            if person.id == run.operator:
                message = f"{person.id} built unit {run.unit}; a second person signs for it."
                raise Interlocked(message, hint="Let the line lead or quality sign.")
            body = {"unit": run.unit, "run": str(run.ref), "operator": run.operator}
            return self._sign(session, SignOffKind.FIRST_ARTICLE, order, person, remark, body)

    def sign_clearance(self, product: str, person: Person, remark: str = "") -> SignOffRow:
        """Sign that the line was cleared for a product: slots empty, labels of the one before destroyed.

        Raises:
            Interlocked: A unit is in work, the person signed already, or nobody of the two is answerable.
        """
        station = self.database.station
        with self.database.write() as session:
            run = tables.Run
            live = session.scalar(select(run).where(run.station == station, run.closed_at.is_(None)).limit(1))
            if live is not None:
                message = f"Unit {live.unit} is in work in slot {live.slot}; the line is not clear."
                raise Interlocked(message, hint="Wait until the slots are empty, then sign.")
            after = last_run(session, station)
            _require_second(session, product, person, after)
            body = {AFTER_RUN: after}
            return self._sign(session, SignOffKind.CLEARANCE, product, person, remark, body)

    def why_not_cleared(self, product: str) -> str:
        """Say what the line built last, for which it has to be cleared, and whose signature it has; else nothing."""
        with self.database.read() as session:
            why = not_cleared(session, product, self.database.station)
            signed = clearances(session, product, last_run(session, self.database.station)) if why else ()
            return f"{why} Signed by {signed[0].who}; the second signature is missing." if signed else why

    def sign_handover(self, report: Mapping[str, Any], person: Person, remark: str = "") -> SignOffRow:
        """Sign the report with which a shift hands over; who takes over signs the same report.

        Raises:
            Interlocked: The person signed this report before.
            ValueError: The report is no JSON, or too large.
        """
        digest = sha256(canonical(dict(report))).hexdigest()
        with self.database.write() as session:
            if any(row.who == person.id for row in _signatures(session, SignOffKind.HANDOVER, digest)):
                raise Interlocked(f"{person.id} signed this handover before.", hint="Let the next shift sign.")
            return self._sign(session, SignOffKind.HANDOVER, digest, person, remark, dict(report))

    def sign_offs(self, kind: SignOffKind, subject: str = "", limit: int = 100) -> tuple[SignOffRow, ...]:
        """List signatures of one kind, newest first."""
        query = select(tables.SignOff).filter_by(kind=kind).order_by(tables.SignOff.at.desc())
        query = query.order_by(tables.SignOff.sequence.desc()).limit(limit)
        query = query.where(tables.SignOff.subject == subject) if subject else query
        with self.database.read() as session:
            return tuple(value(SignOffRow, row) for row in session.scalars(query))

    def _sign(
        self, session: Session, kind: SignOffKind, subject: str, person: Person, remark: str, body: dict[str, Any]
    ) -> SignOffRow:
        row = tables.SignOff(
            kind=kind, subject=subject, who=person.id, roles=tuple(sorted(person.roles)), remark=sentence(remark),
            body=body, at=utc_now(),
        )  # fmt: skip
        self.database.append(session, row)
        told = {"remark": row.remark} | ({} if kind is SignOffKind.HANDOVER else body)
        note(self.database, session, kind.value, subject, person.id, told)
        return value(SignOffRow, row)


def clearances(session: Session, product: str, after: int) -> tuple[tables.SignOff, ...]:
    """Return who signed that the line was cleared for a product since the station's run of this number."""
    found = _signatures(session, SignOffKind.CLEARANCE, product)
    return tuple(row for row in found if row.body.get(AFTER_RUN, -1) >= after)


def is_cleared(session: Session, product: str, station: str) -> bool:
    """Tell whether two people, one of them answerable, signed since the station's latest run."""
    signed = clearances(session, product, last_run(session, station))
    return len({row.who for row in signed}) > 1 and any(map(_is_answerable, signed))


def not_cleared(session: Session, product: str, station: str) -> str:
    """Say that the station built another product last and is not cleared for this one; nothing if it is."""
    last = session.get(tables.Run, (station, last_run(session, station)))
    before = session.get_one(tables.WorkOrder, last.work_order).product if last else product
    if before == product or is_cleared(session, product, station):
        return ""
    return f"The line built {before} last and is not cleared for {product}."


def last_run(session: Session, station: str) -> int:
    """Return the number of the station's latest run; 0 before its first."""
    return session.scalar(select(func.max(tables.Run.sequence)).where(tables.Run.station == station)) or 0


def _first_released(order: str) -> Select[tables.Run]:
    run = tables.Run
    passed = select(run).where(run.work_order == order, run.outcome == Outcome.PASS)
    return passed.order_by(run.closed_at, run.sequence).limit(1)


def first_article_signed(session: Session, order: str) -> bool:
    """Tell whether somebody signed for the first unit of an order."""
    return bool(_signatures(session, SignOffKind.FIRST_ARTICLE, order))


def _signatures(session: Session, kind: SignOffKind, subject: str) -> tuple[tables.SignOff, ...]:
    query = select(tables.SignOff).filter_by(kind=kind, subject=subject)
    return tuple(session.scalars(query.order_by(tables.SignOff.sequence)))


def _is_answerable(row: tables.SignOff) -> bool:
    return any(role in row.roles for role in ANSWERABLE)


def _require_second(session: Session, product: str, person: Person, after: int) -> None:
    """Refuse a second signature of the same person, and one with which nobody of the two is answerable."""
    signed = clearances(session, product, after)
    if any(row.who == person.id for row in signed):
        raise Interlocked(f"{person.id} signed this clearance before.", hint="Let a second person sign.")
    if signed and not any(map(_is_answerable, signed)):
        _require_answerable(person)


def _require_answerable(person: Person) -> None:
    if not person.has(*ANSWERABLE):
        message = f"{person.id} is neither line lead nor of quality."
        raise Interlocked(message, hint="Let the line lead or quality sign.")
