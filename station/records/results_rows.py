"""Results of test equipment as values: what was reported, what we make of it, and what a recipe demands.

A tester's word PASS counts for nothing alone; its FAIL always counts. What can't be judged does not pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256

from station.clock import iso
from station.records.canonical import canonical
from station.records.values import RowRef


class SubjectKind(StrEnum):
    """By what a tester knows what it tested."""

    SERIAL = "serial"
    HARDWARE = "hardware-uid"
    COMPONENT = "component"
    """Serial number of a board or another component."""


class Verdict(StrEnum):
    """What we make of a result by the limits that came with it."""

    PASS = "pass"
    FAIL = "fail"
    UNJUDGED = "unjudged"
    """No value or no limits: nothing that we could recompute."""


@dataclass(frozen=True)
class Result:
    """One value that a tester reported, read and normalised; nothing is believed yet."""

    kind: SubjectKind
    subject: str
    """Serial, hardware UID (lower-case hexadecimal) or component serial."""
    test: str
    taken_at: datetime
    value: float | None = None
    text: str = ""
    """The value as it was written."""
    unit: str = "1"
    """UCUM code of value and limits."""
    low: float | None = None
    high: float | None = None
    word: str = ""
    """The tester's own verdict, as it was written."""
    failed_there: bool = False
    """Whether that word means that the unit failed."""
    program: str = ""
    """Name of the test program."""
    version: str = ""
    instrument: str = ""
    """Serial number of the instrument that measured."""
    model: str = ""
    calibration_due: date | None = None
    """Last day on which the instrument's calibration holds."""
    bench: str = ""
    """The tester or test station."""
    operator: str = ""
    problem: str = ""
    """Why it can't count, as one sentence; empty if it can."""

    @property
    def verdict(self) -> Verdict:
        """Return our verdict by the limits that came with the value."""
        if self.failed_there or self.problem:
            return Verdict.FAIL
        if self.value is None or (self.low is None and self.high is None):
            return Verdict.UNJUDGED
        return Verdict.PASS if within(self.value, self.low, self.high, self.text[:1]) else Verdict.FAIL

    @property
    def digest(self) -> str:
        """Return the SHA-256 of all that was reported: the same content again is the same result."""
        due = self.calibration_due.isoformat() if self.calibration_due else ""
        numbers = [self.value, self.low, self.high]
        texts = [self.kind, self.subject, self.test, iso(self.taken_at), self.text, self.unit, self.word, self.program]
        texts += [self.version, self.instrument, self.model, due, self.bench, self.operator]
        return sha256(canonical([*texts, *numbers])).hexdigest()


@dataclass(frozen=True)
class ResultSource:
    """Where results come from: one file, as it arrived."""

    sha256: str
    name: str
    """Name of the file."""
    format: str
    """Name and revision of the format it was read by."""


@dataclass(frozen=True)
class ResultRow(Result):
    """A result as it stands in the records."""

    ref: RowRef = field(kw_only=True)
    source: str = field(kw_only=True)
    """SHA-256 of the file it came in."""
    line: int = field(kw_only=True)
    """Its place in that file, from 1."""
    imported_at: datetime = field(kw_only=True)
    who: str = field(kw_only=True)


class Taken(StrEnum):
    """What became of a reported result."""

    TAKEN = "taken"
    KNOWN = "known"
    """The same was taken before; nothing is added."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Answer:
    """The verdict on one row of a file, as the acknowledgement tells it."""

    line: int
    taken: Taken
    sentence: str = ""
    """Why it is refused, or why it does not count."""
    subject: str = ""
    test: str = ""


@dataclass(frozen=True)
class Reported:
    """A result with its place in the file."""

    line: int
    result: Result


def within(value: float, low: float | None, high: float | None, beyond: str = "") -> bool:
    """Tell whether a value lies within limits, each of which may be missing.

    `beyond` is `>` or `<` where a value was out of the instrument's range, such as `> 999`: how far, nobody knows.
    """
    below = high is None or (value <= high and beyond != ">")
    above = low is None or (low <= value and beyond != "<")
    return above and below


def latest(rows: Sequence[ResultRow]) -> dict[str, ResultRow]:
    """Return the latest result of each test: by the time it was taken, then by the order of import."""
    found: dict[str, ResultRow] = {}
    for row in sorted(rows, key=lambda one: (one.taken_at, one.imported_at, one.ref.sequence)):
        found[row.test] = row
    return found


def failure(row: Result) -> str:
    """Say why a result is no pass, as one sentence."""
    if row.problem:
        return f"{row.test}: {row.problem}"
    if row.failed_there:
        return f"{row.test}: the tester says '{row.word}'."
    return f"{row.test} is {row.value:g} {row.unit}, outside of its limits."
