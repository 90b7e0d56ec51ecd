"""Results of other test benches: taken with a verdict per row, all kept, and the latest of a test counts (F-I2).

A value that can't be read, or was taken with an instrument out of calibration, is kept too: it does not pass, and it
stands before an older value that did. Refused is what could be mistaken for the result of another unit or time.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from station.catalog.recipes import RequiredResult
from station.clock import iso
from station.records import tables
from station.records.genealogy import changed_at
from station.records.orders import Section, value
from station.records.results_intake import ResultIntake
from station.records.results_rows import (
    Answer,
    Reported,
    ResultRow,
    ResultSource,
    SubjectKind,
    Verdict,
    failure,
    latest,
    within,
)
from station.units import converted

BATCH = 250
"""Rows of one transaction: an import never makes a slot wait for long."""


class Results(Section):
    """What test equipment reported, and what of it is missing."""

    def add_results(self, source: ResultSource, reported: Sequence[Reported], who: str) -> tuple[Answer, ...]:
        """Take results of one file and answer each, in the order of the file; the same again adds nothing.

        Args:
            source: The file that they come from.
            reported: The results with their places in it.
            who: On whose behalf, such as `service:hipot-2`.
        """
        answers: list[Answer] = []
        waiting = iter(sorted(reported, key=lambda one: one.result.taken_at))
        while batch := tuple(islice(waiting, BATCH)):
            with self.database.write() as session:
                intake = ResultIntake(session, self.database, source, who)
                answers += intake.answers(batch)
                intake.keep()
        return tuple(sorted(answers, key=lambda one: one.line))

    def results(self, unit: str) -> tuple[ResultRow, ...]:
        """Return all results of a unit, in the order they were taken."""
        with self.database.read() as session:
            return _results_of_unit(session, unit)

    def latest_results(self, unit: str) -> tuple[ResultRow, ...]:
        """Return the latest result of each test of a unit, by the test's name."""
        with self.database.read() as session:
            found = latest(_results_of_unit(session, unit))
            return tuple(found[test] for test in sorted(found))

    def find_results(self, subject: str = "", test: str = "", limit: int = 100) -> tuple[ResultRow, ...]:
        """List results, the newest import first."""
        table = tables.Result
        query = select(table).order_by(table.imported_at.desc(), table.sequence.desc()).limit(limit)
        query = query.where(table.subject == subject) if subject else query
        query = query.where(table.test == test) if test else query
        with self.database.read() as session:
            return tuple(_row(found) for found in session.scalars(query))

    def counting_results(self, unit: str, required: Sequence[RequiredResult] = ()) -> tuple[ResultRow, ...]:
        """Return the results that count for a unit, by test: what stands in its passport."""
        with self.database.read() as session:
            return counting(session, unit, required)

    def missing_results(self, unit: str, required: Sequence[RequiredResult]) -> tuple[str, ...]:
        """Return why required results of a unit are not fulfilled, each as one sentence."""
        with self.database.read() as session:
            return missing(session, unit, required)


def missing(session: Session, unit: str, required: Sequence[RequiredResult]) -> tuple[str, ...]:
    """Return which required results a unit lacks, each as one sentence; empty if it has all of them.

    The latest result of a test counts, recomputed from its value against the recipe's limits in one unit.
    """
    if not required:
        return ()
    found = latest(_results_of_unit(session, unit))
    sentences = (shortfall(one, found.get(one.test), changed_at(session, unit, one.test)) for one in required)
    return tuple(sentence for sentence in sentences if sentence)


def stage_missing(session: Session, hardware_uid: str, serial: str, program: str) -> tuple[str, ...]:
    """Return why a device has not passed an earlier test program, each as one sentence (F-B2).

    What counts is the program's newest version that ran on it: each of its tests by the limits that came with it.
    """
    rows = [row for row in _results_of(session, serial, hardware_uid) if row.program == program]
    if not rows:
        return (f"There is no result of {program} for this unit.",)
    newest = max(rows, key=lambda row: (row.taken_at, row.ref.sequence)).version
    found = latest([row for row in rows if row.version == newest]).values()
    failed = tuple(f"{program}: {failure(row)}" for row in found if row.verdict is Verdict.FAIL)
    if not failed and not any(row.verdict is Verdict.PASS for row in found):
        return (f"{program} reported nothing with value and limits: its word alone does not count.",)
    return failed


def counting(session: Session, unit: str, required: Sequence[RequiredResult]) -> tuple[ResultRow, ...]:
    """Return the results that count for a unit, by test: the latest of each, passed, and of its hardware as it is.

    What the recipe requires stands in the recipe's unit, with the recipe's limits; anything else as the tester told it.
    """
    demanded = {one.test: one for one in required}
    found = latest(_results_of_unit(session, unit))
    judged = (_judged(demanded.get(test), found[test], changed_at(session, unit, test)) for test in sorted(found))
    return tuple(row for row in judged if row is not None)


def _judged(required: RequiredResult | None, row: ResultRow, changed: datetime | None) -> ResultRow | None:
    """Return a result as it counts, or None."""
    if required is None:
        return row if row.verdict is Verdict.PASS and (changed is None or row.taken_at > changed) else None
    if row.value is None or shortfall(required, row, changed):
        return None
    found = converted(row.value, row.unit, required.unit)
    return replace(row, value=found, unit=required.unit, low=required.low, high=required.high)


def shortfall(required: RequiredResult, row: ResultRow | None, changed: datetime | None = None) -> str:
    """Return why a result does not fulfil what a recipe requires, as one sentence; empty if it does.

    Args:
        required: The test and its limits.
        row: The latest result of the test; None where there is none.
        changed: When the unit's hardware last changed so that the test must be done again.
    """
    if row is None:
        return f"The result {required.test} is missing."
    if changed is not None and row.taken_at <= changed:
        return f"{row.test} must be measured again: the hardware was changed at {iso(changed)}."
    if row.problem or row.failed_there:
        return failure(row)
    return _outside(required, row)


def _outside(required: RequiredResult, row: ResultRow) -> str:
    """Compare a value with the recipe's limits, in the recipe's unit."""
    if row.value is None:
        return f"{row.test}: '{row.word}' without a value does not count."
    try:
        found = converted(row.value, row.unit, required.unit)
    except ValueError as error:
        return f"{row.test}: {error}."
    if within(found, required.low, required.high, row.text[:1]):
        return ""
    beyond = row.text[:1] if row.text[:1] in ("<", ">") else ""
    return f"{row.test} is {beyond}{found:g} {required.unit}; {required.limits} is required."


def _row(found: tables.Result) -> ResultRow:
    due = found.calibration_due
    return value(ResultRow, found, calibration_due=datetime.fromisoformat(due).date() if due else None)


def _results_of_unit(session: Session, unit: str) -> tuple[ResultRow, ...]:
    row = session.get(tables.Unit, unit)
    return _results_of(session, unit, row.hardware_uid if row else "")


def _results_of(session: Session, serial: str, hardware_uid: str) -> tuple[ResultRow, ...]:
    """Return all results of a unit by all its names and those of its parts, in the order they were taken."""
    table = tables.Result
    names = ((SubjectKind.SERIAL, serial), (SubjectKind.HARDWARE, hardware_uid))
    same = [(table.kind == kind) & (table.subject == subject) for kind, subject in names if subject]
    part = tables.Component
    parts = select(part.serial).where(part.unit == serial, part.serial != "", part.detached_at.is_(None))
    same.append((table.kind == SubjectKind.COMPONENT) & table.subject.in_(parts))
    query = select(table).where(or_(*same)).order_by(table.taken_at, table.imported_at, table.sequence)
    return tuple(_row(found) for found in session.scalars(query))
