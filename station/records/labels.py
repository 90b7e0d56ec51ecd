"""Labels: an intent before the printer is touched, one living copy per unit and template, alive once scanned back.

A job that a crash left `intended` or `sent` has an unknown fate. It is never printed again by itself: the odometer or a
scan proves it, or a person declares it void.
"""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.records import tables
from station.records.canonical import sentence
from station.records.orders import Section, value
from station.records.rows import LabelRow
from station.records.values import LabelJob, LabelState


class Labels(Section):
    """Print jobs and what became of them."""

    def living_label(self, unit: str, template: str) -> LabelRow | None:
        """Return the copy that is not void, whatever its fate so far."""
        with self.database.read() as session:
            query = select(tables.Label).filter_by(unit=unit, template=template)
            row = session.scalar(query.where(tables.Label.state != LabelState.VOID))
            return None if row is None else value(LabelRow, row)

    def intend_label(self, job: LabelJob) -> LabelRow:
        """Record durably that a label is about to be printed, as the next copy.

        Raises:
            RuntimeError: Another copy is not void: two labels would live.
        """
        now = utc_now()
        with self.database.write() as session:
            copies = select(func.max(tables.Label.copy)).filter_by(unit=job.unit, template=job.template)
            row = tables.Label(
                unit=job.unit, template=job.template, copy=(session.scalar(copies) or 0) + 1,
                station=self.database.station, run_sequence=job.run.sequence if job.run else None,
                state=LabelState.INTENDED, code=job.code, sha256=job.sha256, printer=job.printer,
                odometer_before=job.odometer_before, intended_at=now, changed_at=now, reason="", who="",
            )  # fmt: skip
            session.add(row)
            session.flush()
            return value(LabelRow, row)

    def label_sent(self, label: LabelRow) -> LabelRow:
        """Record that the printer took the job."""
        return self._move(label, LabelState.SENT)

    def label_printed(self, label: LabelRow, odometer_after: int) -> LabelRow:
        """Record that the printer's odometer proves the label."""
        return self._move(label, LabelState.PRINTED, odometer_after=odometer_after)

    def verify_label(self, label: LabelRow, scanned: str) -> LabelRow:
        """Record that the label was scanned back; a scan also proves a label whose fate was unknown (F-J2).

        Raises:
            RuntimeError: The scan is not this label's code.
        """
        if scanned != label.code:
            raise RuntimeError(f"the scan is not the code of the {label.template} label of unit {label.unit}")
        return self._move(label, LabelState.VERIFIED)

    def void_label(self, label: LabelRow, reason: str, who: str = "") -> LabelRow:
        """Record that a label is missing, spoilt or destroyed, so that the next copy may be printed."""
        if not sentence(reason):
            raise RuntimeError("a label is declared void for a reason only")
        return self._move(label, LabelState.VOID, reason=sentence(reason), who=sentence(who))

    def _move(self, label: LabelRow, state: LabelState, **values: Any) -> LabelRow:
        """Move a label forward; the database refuses any step back and any change of a void one."""
        with self.database.write() as session:
            row = _label(session, label)
            for name, content in {"state": state, "changed_at": utc_now(), **values}.items():
                setattr(row, name, content)
            session.flush()
            return value(LabelRow, row)


def _label(session: Session, label: LabelRow) -> tables.Label:
    return session.get_one(tables.Label, (label.unit, label.template, label.copy))
