"""What a day's closed runs come to, counted once: a closed run never changes, so a day with as many is still the same.

Cells are added up to periods. A page that shows a month asks for the month's days, of which only today is counted anew.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from station.model import Outcome
from station.records import Records
from station.records.figures import FAILURES
from station.records.figures_rows import End, RunCount, Span

MOST_CELLS = 400
"""Days that are remembered; the one that was not asked for longest is forgotten first."""


@dataclass
class Cell:
    """Counts of the closed runs of a span."""

    runs: int = 0
    released: Counter[datetime] = field(default_factory=Counter)
    """By the quarter of an hour, as the next three."""
    failed: Counter[datetime] = field(default_factory=Counter)
    first: Counter[datetime] = field(default_factory=Counter)
    at_once: Counter[datetime] = field(default_factory=Counter)
    ends: Counter[End] = field(default_factory=Counter)
    entered: Counter[str] = field(default_factory=Counter)
    """Units whose first run came to a step, by the step."""
    passed: Counter[str] = field(default_factory=Counter)
    """Those of them that passed it at the first try."""

    def add(self, other: "Cell") -> None:
        """Add the counts of another span."""
        self.runs += other.runs
        for name in ("released", "failed", "first", "at_once", "ends", "entered", "passed"):
            getattr(self, name).update(getattr(other, name))

    def take(self, row: RunCount) -> None:
        """Add runs that are alike."""
        self.runs += row.count
        if row.outcome is Outcome.PASS:
            self.released[row.quarter] += row.count
        if row.outcome in FAILURES:
            self.failed[row.quarter] += row.count
        if row.first:
            self.first[row.quarter] += row.count
        if row.first and row.smooth and row.outcome is Outcome.PASS:
            self.at_once[row.quarter] += row.count
            for step in row.plan:
                self.entered[step] += row.count
                self.passed[step] += row.count


class Cells:
    """The cells of one station's records; safe from all threads."""

    def __init__(self, records: Records) -> None:
        """Count in these records, when asked."""
        self._records = records
        self._kept: OrderedDict[Span, Cell] = OrderedDict()
        self._lock = Lock()

    def total(self, spans: Iterable[Span]) -> Cell:
        """Return what spans come to together."""
        whole = Cell()
        for span in spans:
            whole.add(self._cell(span))
        return whole

    def _cell(self, span: Span) -> Cell:
        with self._lock:
            kept = self._kept.get(span)
        if kept is None or kept.runs != self._records.closed_runs(span):
            kept = _counted(self._records, span)
        with self._lock:
            self._kept[span] = kept
            self._kept.move_to_end(span)
            while len(self._kept) > MOST_CELLS:
                self._kept.popitem(last=False)
        return kept


def _counted(records: Records, span: Span) -> Cell:
    cell = Cell()
    for row in records.run_counts(span):
        cell.take(row)
    cell.ends.update(records.end_counts(span))
    for step in records.rough_steps(span):
        cell.entered[step.step] += step.entered
        cell.passed[step.step] += step.passed
    return cell
