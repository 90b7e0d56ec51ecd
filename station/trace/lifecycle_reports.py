"""Events of the field as they are reported: some serial numbers with the same facts, or a table with a unit a line.

A table is CSV in UTF-8 with the columns `serial`, and where they say something `at`, `place`, `party`, `reference` and
`reason`; what a line leaves empty is what was said for all. Everything that is wrong is told, each by its line.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from station.errors import ConfigError
from station.records import LifecycleEvent, LifecycleKind
from station.trace.moments import moment

MOST_EVENTS = 500
"""All of a report are one transaction, and slots wait for it: a larger table is parted."""
MOST_BYTES = 400_000
"""Of a table."""
WORDS = ("place", "party", "reference", "reason")
COLUMNS = ("serial", "at", *WORDS)
SHOW_COLUMNS = ", ".join(COLUMNS)


@dataclass(frozen=True)
class Report:
    """What is said of all units of a report, unless a line of a table says otherwise."""

    kind: LifecycleKind
    who: str
    facts: Mapping[str, str]
    """By the names of `COLUMNS`; what is missing is empty."""


class LinesRefused(ConfigError):
    """A report of which some lines are wrong; nothing of it was recorded."""

    def __init__(self, refusals: Mapping[int, str], hint: str = "Correct the lines; nothing was recorded.") -> None:
        number, first = next(iter(refusals.items()))
        more = f", and {len(refusals) - 1} more" if len(refusals) > 1 else ""
        super().__init__(f"line {number}: {first}{more}", hint=hint)
        self.refusals = dict(refusals)
        """What is wrong, by the number of the line."""


@dataclass(frozen=True)
class Reported:
    """Events with the lines that they stand in: of the table, or the position of a serial number."""

    events: tuple[LifecycleEvent, ...]
    lines: tuple[int, ...]

    def refused(self, refusals: Mapping[int, ConfigError]) -> LinesRefused:
        """Return what the records refused, by lines."""
        said = {self.lines[position]: error.message for position, error in refusals.items()}
        return LinesRefused(said, next(iter(refusals.values())).hint)


def of_serials(report: Report, serials: Sequence[str]) -> Reported:
    """Return an event for each serial number.

    Raises:
        LinesRefused: Some are none, or too little was said.
        ConfigError: There is none, or there are too many.
    """
    return _reported(report, [(number, {"serial": serial}) for number, serial in enumerate(serials, 1)])


def of_table(report: Report, raw: bytes) -> Reported:
    """Return an event for each line of a table.

    Raises:
        LinesRefused: Some lines are wrong.
        ConfigError: It is no such table, or there are too many lines.
    """
    try:
        reader = csv.DictReader(StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"the table can't be read: {error}", hint="Write it as CSV in UTF-8.") from error
    if "serial" not in names or set(names) - set(COLUMNS) or len(set(names)) < len(names):
        raise ConfigError(
            "the table's columns are not known here, or stand there twice",
            hint=f"Name them in the first line: {SHOW_COLUMNS}.",
        )
    return _reported(report, rows)


def _reported(report: Report, rows: Sequence[tuple[int, Mapping[str | None, str | None]]]) -> Reported:
    if not 1 <= len(rows) <= MOST_EVENTS:
        raise ConfigError(f"a report has 1 to {MOST_EVENTS} units, not {len(rows)}", hint="Name the units, or part it.")
    events, refusals = [], {}
    for number, row in rows:
        try:
            events.append(_event(report, row))
        except ConfigError as error:
            refusals[number] = error.message
    if refusals:
        raise LinesRefused(refusals)
    return Reported(tuple(events), tuple(number for number, _ in rows))


def _event(report: Report, row: Mapping[str | None, str | None]) -> LifecycleEvent:
    if None in row or None in row.values():
        raise ConfigError("it has more or fewer cells than there are columns", hint="Correct the line.")
    said = {name: (row.get(name) or "").strip() or report.facts.get(name, "") for name in COLUMNS}
    at = moment(said["at"], "at")
    return LifecycleEvent(report.kind, said["serial"].upper(), report.who, at, *(said[name] for name in WORDS))
