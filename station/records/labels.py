"""Labels: an intent before the printer is touched, one living copy per unit and template, alive once scanned back.

A label that is `rendered` or `verified` was never sent to a printer, and may be sent. From `sent` on its fate is known
from the printer or from a scan alone: it is never printed again by itself, and a person declares it void. A released
unit without a label that was scanned back is not packed.
"""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.errors import Interlocked
from station.records import tables
from station.records.canonical import sentence
from station.records.live import run_of
from station.records.orders import Section, value
from station.records.packing import settle
from station.records.rows import LabelRow
from station.records.values import AS_RELEASED, FINAL, LabelJob, LabelState

UNSENT = (LabelState.RENDERED, LabelState.VERIFIED)
"""States of a label of which no printer has got a byte."""
OPEN = (*UNSENT, LabelState.SENT, LabelState.PRINTED)
"""States of a label that somebody or something still has to act on."""

LOOK_AGAIN = "Look at the unit's labels again."


class Labels(Section):
    """Print jobs and what became of them."""

    def living_label(self, unit: str, template: str) -> LabelRow | None:
        """Return the copy that is not void, whatever its fate so far."""
        with self.database.read() as session:
            query = select(tables.Label).filter_by(unit=unit, template=template)
            row = session.scalar(query.where(tables.Label.state != LabelState.VOID))
            return None if row is None else value(LabelRow, row)

    def living_labels(self, unit: str) -> tuple[LabelRow, ...]:
        """Return all copies of a unit that are not void, by their templates."""
        return self._labels(tables.Label.unit == unit, tables.Label.state != LabelState.VOID, limit=100)

    def open_labels(self, limit: int = 200) -> tuple[LabelRow, ...]:
        """Return the print queue: labels neither scanned back nor void, the oldest first."""
        return self._labels(tables.Label.state.in_(OPEN), limit=limit)

    def ended_labels(self, limit: int = 50) -> tuple[LabelRow, ...]:
        """Return the labels that were scanned back or declared void last, the newest first."""
        ended = tables.Label.state.in_((LabelState.SCANNED, LabelState.VOID))
        return self._labels(ended, limit=limit, newest=True)

    def label_rendered(self, job: LabelJob) -> LabelRow:
        """Record durably that a label was made and is about to be printed, as the next copy.

        Raises:
            Interlocked: Another copy is not void, and two labels would live; or the unit was scrapped, or sent to
                rework since the run that it is printed for.
        """
        now = utc_now()
        with self.database.write() as session:
            _refuse_disposed(session, job)
            _refuse_second(session, job)
            copies = select(func.max(tables.Label.copy)).filter_by(unit=job.unit, template=job.template)
            row = tables.Label(
                unit=job.unit, template=job.template, copy=(session.scalar(copies) or 0) + 1,
                station=self.database.station, run_sequence=job.run.sequence if job.run else None,
                state=LabelState.RENDERED, code=job.code, sha256=job.sha256, printer="",
                intended_at=now, changed_at=now, reason="", who="",
            )  # fmt: skip
            session.add(row)
            session.flush()
            return value(LabelRow, row)

    def label_verified(self, label: LabelRow) -> LabelRow:
        """Record that the label's picture was decoded to what it must say."""
        return self._move(label, LabelState.VERIFIED)

    def label_sent(self, label: LabelRow, odometer_before: int, printer: str) -> LabelRow:
        """Record durably that the label is sent now: called before its first byte (F-K4).

        Args:
            label: One that was never sent.
            odometer_before: By which its fate is told: the labels the printer has printed so far, or the number that
                the printer gave the job.
            printer: The printer's serial number; the numbers of two printers are not comparable.
        """
        return self._move(label, LabelState.SENT, odometer_before=odometer_before, printer=printer)

    def label_printed(self, label: LabelRow, odometer_after: int) -> LabelRow:
        """Record that the printer's own count proves the label."""
        return self._move(label, LabelState.PRINTED, odometer_after=odometer_after)

    def label_scanned(self, label: LabelRow, scanned: str) -> LabelRow:
        """Record that the label was scanned back; a scan also proves a label whose fate was unknown (F-J2).

        Raises:
            RuntimeError: The scan is not this label's code.
        """
        if scanned != label.code:
            raise RuntimeError(f"the scan is not the code of the {label.template} label of unit {label.unit}")
        return self._move(label, LabelState.SCANNED)

    def void_label(self, label: LabelRow, reason: str, who: str = "") -> LabelRow:
        """Record that a label is missing, spoilt or destroyed, so that the next copy may be printed."""
        if not sentence(reason):
            raise RuntimeError("a label is declared void for a reason only")
        return self._move(label, LabelState.VOID, reason=sentence(reason), who=sentence(who))

    def _labels(self, *conditions: Any, limit: int, newest: bool = False) -> tuple[LabelRow, ...]:
        at = tables.Label.changed_at.desc() if newest else tables.Label.intended_at
        query = select(tables.Label).where(*conditions).order_by(at, tables.Label.unit, tables.Label.template)
        with self.database.read() as session:
            return tuple(value(LabelRow, row) for row in session.scalars(query.limit(limit)))

    def _move(self, label: LabelRow, state: LabelState, **values: Any) -> LabelRow:
        """Move a label forward; the database refuses any step back.

        Raises:
            Interlocked: Somebody else was first: it is void, or was sent already.
        """
        with self.database.write() as session:
            row = _label(session, label)
            _refuse_overtaken(row, state)
            for name, content in {"state": state, "changed_at": utc_now(), **values}.items():
                setattr(row, name, content)
            session.flush()
            settle(session, session.get_one(tables.Unit, row.unit))
            return value(LabelRow, row)


def _refuse_disposed(session: Session, job: LabelJob) -> None:
    """Refuse a label of a unit about which somebody decided while it was in a slot: its labels are void."""
    state = session.get_one(tables.Unit, job.unit).state
    released_then = job.run is not None and run_of(session, job.run).closed_at is not None
    if state in FINAL or (released_then and state not in AS_RELEASED):
        raise Interlocked(f"Unit {job.unit} is {state} by now: it gets no label.", hint="Unplug it and put it aside.")


def _refuse_second(session: Session, job: LabelJob) -> None:
    """Refuse one more label while one lives, as after two clicks, or a page and a slot at once."""
    query = select(tables.Label.copy).filter_by(unit=job.unit, template=job.template)
    copy = session.scalar(query.where(tables.Label.state != LabelState.VOID))
    if copy is not None:
        message = f"Label {job.template} copy {copy} of unit {job.unit} is not void: somebody else just made it."
        raise Interlocked(message, hint=LOOK_AGAIN)


def _refuse_overtaken(row: tables.Label, state: LabelState) -> None:
    """Refuse what comes too late for a label."""
    if row.state is LabelState.VOID or (state is LabelState.SENT and row.state not in UNSENT):
        now = "void" if row.state is LabelState.VOID else "sent already"
        message = f"Label {row.template} copy {row.copy} of unit {row.unit} is {now}: somebody else was first."
        raise Interlocked(message, hint=LOOK_AGAIN)


def _label(session: Session, label: LabelRow) -> tables.Label:
    return session.get_one(tables.Label, (label.unit, label.template, label.copy))
