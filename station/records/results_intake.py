"""How one batch of imported results is judged: what could be mistaken for another unit or time is refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.clock import iso, utc_now
from station.records import tables
from station.records.database import Database
from station.records.genealogy import changed_at
from station.records.results_rows import Answer, Reported, Result, ResultSource, SubjectKind, Taken, Verdict, failure
from station.records.values import FINAL

MOST_AHEAD = timedelta(minutes=2)
"""How far a tester's clock may be ahead of ours."""
LONGEST_SUBJECT, LONGEST_TEST = 64, 100
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_HARDWARE = re.compile(r"[0-9a-f]{4,64}")


@dataclass
class ResultIntake:
    """One batch of results in one transaction, with what was looked up for it."""

    session: Session
    database: Database
    source: ResultSource
    who: str
    now: datetime = field(default_factory=utc_now)
    fresh: list[tables.Result] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _refusals: dict[tuple[SubjectKind, str], str] = field(default_factory=dict)
    _last: dict[tuple[SubjectKind, str, str], datetime | None] = field(default_factory=dict)
    _changes: dict[tuple[SubjectKind, str, str], datetime | None] = field(default_factory=dict)

    def answers(self, batch: Sequence[Reported]) -> tuple[Answer, ...]:
        """Judge results, oldest first, and add to those that are kept what is neither known nor refused."""
        digests = [reported.result.digest for reported in batch]
        known = select(tables.Result.digest).where(tables.Result.digest.in_(digests))
        self._known.update(self.session.scalars(known))
        return tuple(self._answer(reported, digest) for reported, digest in zip(batch, digests, strict=True))

    def _answer(self, reported: Reported, digest: str) -> Answer:
        result = reported.result
        if digest in self._known:
            return self._told(reported, Taken.KNOWN, "It was taken before.")
        reason = _malformed(result) or self._refused_subject(result) or self._refused_time(result)
        if reason:
            return self._told(reported, Taken.REFUSED, reason)
        self.fresh.append(_table_row(reported, digest, self))
        self._known.add(digest)
        self._last[(result.kind, result.subject, result.instrument)] = result.taken_at
        return self._told(reported, Taken.TAKEN, _remark(result))

    def keep(self) -> None:
        """Add what was taken."""
        if self.fresh:
            self.database.append(self.session, *self.fresh)

    def _told(self, reported: Reported, taken: Taken, sentence: str) -> Answer:
        return Answer(reported.line, taken, sentence, reported.result.subject, reported.result.test)

    def _refused_subject(self, result: Result) -> str:
        key = (result.kind, result.subject)
        if key not in self._refusals:
            self._refusals[key] = _why_not_subject(self.session, *key)
        return self._refusals[key]

    def _refused_time(self, result: Result) -> str:
        """Refuse what a wrong clock, or an old file, would put in the place of something newer."""
        if result.taken_at > self.now + MOST_AHEAD:
            return f"It was taken at {iso(result.taken_at)}, which is still to come: correct the tester's clock."
        last = self._taken_last(result)
        if last is not None and result.taken_at < last:
            return f"The same instrument reported this subject at {iso(last)} already; time can't run backwards."
        changed = self._changed(result)
        if changed is not None and result.taken_at <= changed:
            return f"The hardware was changed at {iso(changed)}; measure again."
        return ""

    def _changed(self, result: Result) -> datetime | None:
        """Return when the hardware of a subject last changed; a device may be no unit yet, and a part never changes."""
        key = (result.kind, result.subject, result.test)
        if key not in self._changes:
            unit = _unit_of(self.session, result.kind, result.subject)
            self._changes[key] = None if unit is None else changed_at(self.session, unit.serial, result.test)
        return self._changes[key]

    def _taken_last(self, result: Result) -> datetime | None:
        key = (result.kind, result.subject, result.instrument)
        if key not in self._last:
            query = select(func.max(tables.Result.taken_at)).filter_by(
                kind=result.kind, subject=result.subject, instrument=result.instrument
            )
            self._last[key] = self.session.scalar(query)
        return self._last[key]


def _malformed(result: Result) -> str:
    """Refuse texts that no row could hold or no screen could show."""
    for name, text, most in (("subject", result.subject, LONGEST_SUBJECT), ("test", result.test, LONGEST_TEST)):
        if not text:
            return f"The {name} is missing."
        if len(text) > most or not _PRINTABLE.fullmatch(text):
            return f"The {name} is longer than {most} characters, or holds control characters."
    if result.kind is SubjectKind.HARDWARE and not _HARDWARE.fullmatch(result.subject):
        return "The hardware UID is not 4 to 64 hexadecimal digits."
    return ""


def _why_not_subject(session: Session, kind: SubjectKind, subject: str) -> str:
    """Tell why there can be no result for a subject; boards and devices are tested before they are units."""
    if kind is SubjectKind.COMPONENT:
        return ""
    unit = _unit_of(session, kind, subject)
    if unit is not None:
        return f"Unit {unit.serial} is {unit.state.value}." if unit.state in FINAL else ""
    if kind is SubjectKind.HARDWARE or _is_printed(session, subject):
        return ""
    return "No unit has this serial, and no order's block holds it."


def _unit_of(session: Session, kind: SubjectKind, subject: str) -> tables.Unit | None:
    if kind is SubjectKind.COMPONENT:
        return None
    column = tables.Unit.serial if kind is SubjectKind.SERIAL else tables.Unit.hardware_uid
    return session.scalar(select(tables.Unit).where(column == subject))


def _is_printed(session: Session, serial: str) -> bool:
    """Tell whether a serial without a unit belongs to an order: the traveller may be tested before it is plugged in."""
    prefixed = select(tables.WorkOrder).where(func.instr(serial, tables.WorkOrder.serial_prefix) == 1)
    return any(serial in order.serials for order in session.scalars(prefixed))


def _remark(result: Result) -> str:
    """Tell why a result that is kept is no pass."""
    return f"It is kept and does not count: {failure(result)}" if result.verdict is Verdict.FAIL else ""


def _table_row(reported: Reported, digest: str, intake: ResultIntake) -> tables.Result:
    result = reported.result
    reported_as = {one.name: getattr(result, one.name) for one in fields(Result) if one.name != "calibration_due"}
    return tables.Result(
        **reported_as,
        verdict=result.verdict,
        calibration_due=result.calibration_due.isoformat() if result.calibration_due else "",
        digest=digest,
        source=intake.source.sha256,
        source_name=intake.source.name,
        format=intake.source.format,
        line=reported.line,
        imported_at=intake.now,
        who=intake.who,
    )
