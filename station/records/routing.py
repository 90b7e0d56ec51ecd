"""The ways of a unit: whether it may begin now, and whether it may leave (F-L5, domain.md 5.1).

Each interlock looks at the records as the transaction sees them that opens a run or releases a unit, and answers with a
sentence and what to do, or with nothing. They stand in one list, so that what stops a line can be read in one place.
An interlock blames nobody: no run is opened and no unit fails for it. What is wrong with a unit is a `UnitError`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import cast

from sqlalchemy import Row, Table, bindparam, exists, func, select
from sqlalchemy.orm import Session

from station.catalog.recipes import RequiredResult
from station.clock import utc_now
from station.errors import Interlocked
from station.model import Outcome
from station.records import tables
from station.records.ending import ENDED, WITHDRAWN, is_ending
from station.records.golden import status_in
from station.records.holds import facts_of_run, holding
from station.records.orders import value
from station.records.people import training_missing
from station.records.quality_rows import DispositionKind, HoldRow, HoldScope
from station.records.results import missing, stage_missing
from station.records.signoffs import first_article_signed, not_cleared
from station.records.values import RunRequest, UnitState

LINE_LEAD = "Call the line lead."
QUALITY = "Put the unit aside; quality decides."
WAIT = "Wait; it goes on by itself."
DECIDE = "Let the line lead decide at the page 'Messages'."
SECOND_PERSON = "Let the line lead or quality look at the first unit and sign for it."
GOLDEN, HOLDS, OUTBOX = (cast("Table", kind.__table__).c for kind in (tables.GoldenUnit, tables.Hold, tables.Outbox))
STANDING = select(
    exists().where(GOLDEN.hardware_uid == bindparam("uid")).label("golden"),
    exists().where(HOLDS.lifted_at.is_(None)).label("hold"),
    exists()
    .where(OUTBOX.unit == bindparam("unit"), OUTBOX.done_at.is_(None), OUTBOX.kind.in_((ENDED, WITHDRAWN)))
    .label("ending"),
)
"""Asked at each start, so it is made once, and one question for three."""


@dataclass(frozen=True)
class Start:
    """What an interlock looks at: a unit that is about to be worked on."""

    session: Session
    unit: str
    """Its serial; empty where it would get one only now."""
    request: RunRequest
    station: str
    now: datetime

    @property
    def order(self) -> tables.WorkOrder:
        """Return the work order."""
        return self.session.get_one(tables.WorkOrder, self.request.order)

    @cached_property
    def standing(self) -> Row[bool, bool, bool]:
        """Return whether there is anything at all of what mostly is not: `golden`, `hold` and `ending`."""
        return self.session.execute(STANDING, {"uid": self.request.hardware_uid, "unit": self.unit}).one()


Refusal = tuple[str, str]
"""A sentence, and what to do."""
NONE: Refusal = ("", "")
Interlock = Callable[[Start], Refusal]


def begin(session: Session, unit: str, request: RunRequest, station: str) -> None:
    """Refuse a start that routing does not allow now; part of the caller's transaction.

    Raises:
        Interlocked: Says what stops it, and what to do.
    """
    start = Start(session, unit, request, station, utc_now())
    for interlock in INTERLOCKS:
        sentence, hint = interlock(start)
        if sentence:
            raise Interlocked(sentence, hint=hint)


def leave(session: Session, run: tables.Run, required: Sequence[RequiredResult] = ()) -> None:
    """Refuse a release that routing does not allow now; part of the caller's transaction.

    Raises:
        Interlocked: Says what stops it, and what to do.
    """
    for sentence, hint in _kept_back(session, run, required):
        raise Interlocked(sentence, hint=hint)


def _kept_back(session: Session, run: tables.Run, required: Sequence[RequiredResult]) -> Iterator[Refusal]:
    for held in holding(session, facts_of_run(run)):
        yield _told(held), QUALITY
    if session.get(tables.GoldenUnit, run.hardware_uid) is not None:
        yield _reserved(run.hardware_uid)
    for lack in missing(session, run.unit, required):
        yield f"Unit {run.unit} can't be released: {lack}", "Have it measured, then plug it in again."


def reworked_after(session: Session, unit: str) -> int:
    """Return the number of the run after which the unit was last sent to rework; 0 where it never was."""
    return max((row.after_run for row in _reworks(session, unit)), default=0)


def counts_after(session: Session, run: tables.Run, step: str) -> int:
    """Return the number of the run up to which what passed this step counts no longer, as the unit was reworked."""
    position = {name: index for index, name in enumerate(run.plan)}
    anew = (row for row in _reworks(session, run.unit) if position.get(row.return_point, 0) <= position.get(step, 0))
    return max((row.after_run for row in anew), default=0)


def _reworks(session: Session, unit: str) -> Sequence[tables.Disposition]:
    """Return how often a unit was sent to rework; each time counts, also if a later one returns to a later step."""
    row = tables.Disposition
    return session.scalars(select(row).where(row.unit == unit, row.kind == DispositionKind.REWORK)).all()


def _held(start: Start) -> Refusal:
    if not start.standing.hold:
        return NONE
    request = start.request
    facts = {
        HoldScope.UNIT: start.unit,
        HoldScope.ORDER: request.order,
        HoldScope.FIRMWARE: request.firmware_name,
        HoldScope.SLOT: request.slot,
        HoldScope.STATION: start.station,
    }
    held = holding(start.session, facts)
    if not held:
        return NONE
    return _told(held[0]), QUALITY if held[0].scope in (HoldScope.UNIT, HoldScope.LOT) else LINE_LEAD


def _is_golden(start: Start) -> Refusal:
    return _reserved(start.request.hardware_uid) if start.standing.golden else NONE


def _cooling(start: Start) -> Refusal:
    """Let a unit that failed rest as long as its recipe says."""
    seconds = start.request.gates.cool_down_seconds
    run = tables.Run
    failed = select(func.max(run.closed_at)).where(run.unit == start.unit, run.outcome == Outcome.FAIL)
    last = start.session.scalar(failed) if seconds and start.unit else None
    if last is None or start.now >= last + timedelta(seconds=seconds):
        return NONE
    left = (last + timedelta(seconds=seconds) - start.now).total_seconds()
    return f"Unit {start.unit} failed and rests for another {left:.0f} s.", "Wait, then try it again."


def _attempts(start: Start) -> Refusal:
    """Send a unit to rework whose one step fails again and again; what was before its last rework does not count."""
    limit = start.request.gates.step_attempts
    if not limit or not start.unit:
        return NONE
    step, run = tables.StepEvent, tables.Run
    of_run = (run.station == step.station) & (run.sequence == step.run_sequence)
    query = select(step.name, func.count()).join(run, of_run).where(run.unit == start.unit)
    query = query.where(step.outcome == Outcome.FAIL, run.sequence > reworked_after(start.session, start.unit))
    found = start.session.execute(query.group_by(step.name).having(func.count() >= limit)).first()
    if found is None:
        return NONE
    return f"Step {found[0]} failed {found[1]} times on unit {start.unit}.", "Take the unit to rework."


def _first_article(start: Start) -> Refusal:
    """Let one unit of an order go ahead until a second person signed for it."""
    if not start.request.gates.first_article or first_article_signed(start.session, start.request.order):
        return NONE
    unit = tables.Unit
    others = select(unit.serial).where(unit.work_order == start.request.order, unit.serial != start.unit)
    others = others.where(unit.state != UnitState.SCRAPPED).order_by(unit.reserved_at, unit.serial)
    first = start.session.scalar(others.limit(1))
    if first is None:
        return NONE
    return f"Unit {first} is the first of order {start.request.order}, and nobody signed for it yet.", SECOND_PERSON


def _previous_stage(start: Start) -> Refusal:
    """Let only those begin that passed the stage before, by numbers and not by its word (F-B2)."""
    program = start.request.gates.previous_stage
    serial = start.unit or start.request.serial
    lacks = stage_missing(start.session, start.request.hardware_uid, serial, program) if program else ()
    return (lacks[0], "Take the unit back to the stage before.") if lacks else NONE


def _training(start: Start) -> Refusal:
    """Let only people work whose training and daily checks are valid (F-K2)."""
    who, names = start.request.operator, start.request.gates.training
    lacks = training_missing(start.session, who, names, start.now) if names else ()
    if not lacks:
        return NONE
    return f"{who or 'Nobody'} has no valid training: {', '.join(lacks)}.", "Let somebody work who is trained."


def _clearance(start: Start) -> Refusal:
    """Ask two people to look at the line before another product is built on it."""
    if not start.request.gates.clearance:
        return NONE
    why = not_cleared(start.session, start.order.product, start.station)
    return (why, "Clear the line; two people sign for it.") if why else NONE


def _golden_due(start: Start) -> Refusal:
    """Stop a station that has not shown for too long that it tells a good unit from a bad one."""
    hours = start.request.gates.golden_hours
    if not hours:
        return NONE
    product = start.order.product
    status = status_in(start.session, product, start.station)
    if not status:
        return f"There is no golden unit of product {product}.", "Let the process engineer reserve one."
    problems = (one.problem(hours, start.request.software, start.now) for one in status)
    found = next((problem for problem in problems if problem), "")
    return (found, "Plug the golden unit in.") if found else NONE


def _ending(start: Start) -> Refusal:
    """Let nothing be given to a unit while what it had before is still being taken back (F-L4)."""
    message = is_ending(start.session, start.unit) if start.standing.ending else None
    if message is None:
        return NONE
    what = "ship key" if message.kind == ENDED else "CPMS record"
    error = f" {message.error}" if message.error else ""
    return f"The {what} of unit {start.unit} is being withdrawn.{error}", DECIDE if message.dead_at else WAIT


def _told(hold: tables.Hold) -> str:
    return value(HoldRow, hold).sentence


def _reserved(hardware_uid: str) -> Refusal:
    return (
        f"{hardware_uid} is a golden unit, which checks the station and is never shipped.",
        "Put it back to its place.",
    )


INTERLOCKS: tuple[Interlock, ...] = (
    _is_golden,
    _held,
    _golden_due,
    _training,
    _clearance,
    _first_article,
    _previous_stage,
    _attempts,
    _cooling,
    _ending,
)
"""What may keep a unit from beginning, in the order in which it is asked."""
