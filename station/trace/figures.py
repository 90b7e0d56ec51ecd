"""The figures of a line: units an hour, yields, what fails where, how long steps take, how well values keep (F-I6).

They are exact: counted in the records by SQL, never kept beside them. What a first pass is, `records.first_pass` says.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import prod

from station.model import Outcome
from station.model.figures import Bar, FailingSlot, FigureSheet, Period, StepFigures, Stretch
from station.records import Records
from station.records.figures import ALARMING, FAILURES
from station.records.figures_rows import End, Span, StepTime
from station.records.first_pass import VERDICTS
from station.trace.figures_capability import capabilities, times
from station.trace.figures_cells import Cell, Cells
from station.trace.figures_time import LONG, Calendar

SAMPLE = 500
"""Newest released units of a period, of which times and capabilities are."""
BY = ("step", "fault", "slot", "firmware", "operator")
"""What failures are counted by."""
OF_RUNS = ("slot", "firmware", "operator")
"""What runs that pass have too."""


class LineFigures:
    """The figures of one station; safe from all threads."""

    def __init__(self, records: Records, calendar: Calendar) -> None:
        """Count in these records by the factory's calendar."""
        self._records = records
        self._calendar = calendar
        self._cells = Cells(records)

    def sheet(self, period: str, now: datetime, order: str = "") -> FigureSheet:
        """Return the figures of a period: `shift`, `today`, `yesterday`, `week` or `month`.

        Args:
            period: Its name.
            now: When it is asked.
            order: Only of this work order; empty for all.

        Raises:
            ConfigError: There is no such period.
        """
        found = self._calendar.period(period, now)
        cell = self._counted(found, order)
        hours = _stretches(cell, self._calendar.hours(found.since, found.until))
        whole = Span(found.since, found.until, order)
        course = hours if period not in LONG else _stretches(cell, self._calendar.days(found.since, found.until))
        runs, steps = self._records.run_times(whole, SAMPLE), self._records.step_times(whole, SAMPLE)
        figures = _steps(cell, steps)
        shifts = [max(begin, found.since) for begin in self._calendar.shifts(found.since, found.until)]
        return FigureSheet(
            period=found, order=order, now=now, zone=self._calendar.zone, per="day" if period in LONG else "hour",
            course=course, shifts=_stretches(cell, shifts),
            total=_stretches(cell, (found.since,))[0],
            aborted=sum(count for end, count in cell.ends.items() if end.outcome is Outcome.ABORTED),
            per_hour=_per_hour(hours, min(now, found.until)), rolled=_rolled(figures),
            cycle=times((run.closed_at - run.started_at).total_seconds() for run in runs),
            waited=times(_waited(steps, (run.run for run in runs))),
            paretos=tuple((by, _pareto(cell.ends, by)) for by in BY), steps=figures,
            capabilities=capabilities(self._records.sampled(whole, SAMPLE)), failing=self.failing(), sample=SAMPLE,
        )  # fmt: skip

    def count_days(self, now: datetime) -> Iterator[datetime]:
        """Count the days of the longest period, the newest first, and yield when each began: pages then need not."""
        period = self._calendar.period(max(LONG, key=LONG.__getitem__), now)
        borders = (*self._calendar.days(period.since, period.until), period.until)
        for since, until in reversed([*pairwise(borders)]):
            self._cells.total([Span(since, until, "")])
            yield since

    def first_pass(self, now: datetime) -> Stretch:
        """Return today in short."""
        today = self._calendar.period("today", now)
        return _stretches(self._counted(today, ""), (today.since,))[0]

    def failing(self) -> tuple[FailingSlot, ...]:
        """Return the slots that fail run after run now."""
        found = (FailingSlot(one.slot, one.runs, one.units, one.since) for one in self._records.streaks())
        return tuple(slot for slot in found if slot.runs >= ALARMING)

    def _counted(self, period: Period, order: str) -> Cell:
        borders = (*self._calendar.days(period.since, period.until), period.until)
        return self._cells.total(Span(since, until, order) for since, until in pairwise(borders))


def _stretches(cell: Cell, begins: Sequence[datetime]) -> tuple[Stretch, ...]:
    """Add the quarters of an hour up to stretches by when these begin."""
    rows: dict[datetime, Counter[str]] = {begin: Counter() for begin in begins}
    for name in ("released", "failed", "first", "at_once"):
        for quarter, count in getattr(cell, name).items():
            rows[begins[bisect_right(begins, quarter) - 1]][name] += count
    return tuple(Stretch(at, row["released"], row["failed"], row["first"], row["at_once"]) for at, row in rows.items())


def _per_hour(hours: Sequence[Stretch], until: datetime) -> float | None:
    """Return the units released an hour, of the hours in which anything ended, up to now."""
    ends = [hour.since for hour in hours[1:]] + [until]
    spans = zip(hours, ends, strict=True)
    worked = [(hour, min(end, until) - hour.since) for hour, end in spans if hour.released or hour.failed]
    whole = sum((span for _, span in worked), timedelta())
    return sum(hour.released for hour, _ in worked) / (whole / timedelta(hours=1)) if whole else None


def _rolled(steps: Iterable[StepFigures]) -> float | None:
    shares = [step.first_time for step in steps if step.first_time is not None]
    return prod(shares) if shares else None


def _pareto(ends: Mapping[End, int], by: str) -> tuple[Bar, ...]:
    """Count failures by something, the most frequent first."""
    failures: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    for end, count in ends.items():
        name = getattr(end, by)
        failures[name] += count if end.outcome in FAILURES else 0
        runs[name] += count if end.outcome in VERDICTS and by in OF_RUNS else 0
    whole, bars, above = failures.total(), list[Bar](), 0
    for name, count in sorted(failures.items(), key=lambda one: (-one[1], one[0])):
        if count:
            above += count
            bars.append(Bar(name, count, count / whole, above / whole, runs[name]))
    return tuple(bars)


def _steps(cell: Cell, sample: Iterable[StepTime]) -> tuple[StepFigures, ...]:
    """Return the steps in the order in which they come."""
    rows: dict[str, list[StepTime]] = defaultdict(list)
    for row in sample:
        rows[row.step].append(row)
    place = {name: min(row.position for row in found) for name, found in rows.items()}
    names = sorted({*cell.entered, *rows}, key=lambda name: (place.get(name, len(place)), -cell.entered[name], name))
    return tuple(
        StepFigures(
            name, cell.entered[name], cell.passed[name], times(row.seconds - row.waited for row in rows[name]),
            times(row.waited for row in rows[name] if row.waited),
        )
        for name in names
    )  # fmt: skip


def _waited(steps: Iterable[StepTime], runs: Iterable[tuple[str, int]]) -> Iterable[float]:
    waited = dict.fromkeys(runs, 0.0)
    for step in steps:
        waited[step.run] = waited.get(step.run, 0.0) + step.waited
    return waited.values()
