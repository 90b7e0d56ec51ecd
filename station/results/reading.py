"""A tester's file as results: each row read by the format, or refused with the reason.

What says which unit, test and time it is must be readable; a value, unit or calibration that is not becomes the
result's problem, so that a newer result that nobody could read never leaves an older PASS in force.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from jmespath.exceptions import JMESPathError

from station.records import Answer, Reported, Result, SubjectKind, Taken
from station.results.formats import Format
from station.results.paths import compiled, found
from station.results.trees import Tree, tree, unreadable
from station.units import why_no_unit

MOST_RESULTS = 20_000
"""Most results of one file."""
LONGEST_TEXT = 200
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_SEPARATORS = str.maketrans("", "", " :-")
Scope = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """A file as far as it could be read."""

    results: tuple[Reported, ...]
    refused: tuple[Answer, ...]


class _NoResult(ValueError):
    """A row that could be anybody's."""


def read_results(content: bytes, layout: Format) -> Reading:
    """Read a file by a format.

    Raises:
        StationError: The file as a whole is not what the format says; nothing of it can be used.
    """
    results: list[Reported] = []
    refused: list[Answer] = []
    try:
        for line, scope in enumerate(_scopes(tree(content, layout), layout), 1):
            if line > MOST_RESULTS:
                raise unreadable(f"the file has more than {MOST_RESULTS} results")
            try:
                results.append(Reported(line, _result(scope, layout)))
            except _NoResult as error:
                refused.append(Answer(line, Taken.REFUSED, str(error)))
    except RecursionError:
        raise unreadable("it is nested too deep") from None
    except JMESPathError as error:
        raise unreadable(f"it is not of the format {layout.label}: {str(error)[:LONGEST_TEXT]}") from error
    if not results and not refused:
        raise unreadable(f"the format {layout.label} finds no result in it")
    return Reading(tuple(results), tuple(refused))


def _scopes(file: Tree, layout: Format, outer: Scope | None = None, depth: int = 0) -> Iterator[Scope]:
    """Yield what the paths of one result can see: the file, and the item of each level down to the result."""
    scope = outer or {"file": file}
    if depth == len(layout.each):
        yield scope
        return
    level = layout.each[depth]
    items = found(compiled(level.of), scope) or []
    if not isinstance(items, list):
        raise unreadable(f"'{level.of}' is no list in it, so it is not of the format {layout.label}")
    for item in items:
        yield from _scopes(file, layout, {**scope, level.name: item}, depth + 1)


def _result(scope: Scope, layout: Format) -> Result:
    """Read one result.

    Raises:
        _NoResult: It does not say of what, which test or when.
    """
    cells = {
        name: _part(_cell(found(path, scope), name), layout.patterns.get(name)) for name, path in layout.paths.items()
    }
    if any(isinstance(item, dict) and item.get("#whole") is False for item in scope.values()):
        raise _NoResult("The row has not as many columns as the header.")
    taken_at = _moment(_needed(cells, "taken_at"), layout)
    unit, unit_problem = _unit(cells.get("unit", ""), layout)
    value, value_problem = _value(cells.get("value", ""), layout)
    low, low_problem = _limit(cells.get("low", ""), layout)
    high, high_problem = _limit(cells.get("high", ""), layout)
    word = cells.get("verdict", "")
    due, due_problem = _due(cells, layout, taken_at)
    problems = (value_problem, unit_problem, low_problem or high_problem, _undecided(word, layout), due_problem)
    test = _needed(cells, "test")
    return Result(
        layout.subject,
        _subject(_needed(cells, "subject"), layout.subject),
        layout.tests.get(test, test),
        taken_at,
        value,
        cells.get("value", ""),
        unit,
        low,
        high,
        word,
        failed_there=word in layout.verdicts.failed,
        calibration_due=due,
        problem=next((problem for problem in problems if problem), ""),
        **{name: cells.get(name, "") for name in ("program", "version", "instrument", "model", "bench", "operator")},
    )


def _cell(content: Any, name: str) -> str:
    """Return what a path found as text; a number keeps all its digits."""
    if isinstance(content, list) and len(content) == 1:
        (content,) = content
    if isinstance(content, (dict, list)):
        raise _NoResult(f"The {name} is not one value.")
    if content is None:
        return ""
    text = {True: "true", False: "false"}[content] if isinstance(content, bool) else str(content).strip()
    if len(text) > LONGEST_TEXT or not (text.isprintable()):
        raise _NoResult(f"The {name} is longer than {LONGEST_TEXT} characters, or holds control characters.")
    return text


def _part(text: str, pattern: re.Pattern[str] | None) -> str:
    if pattern is None:
        return text
    match = pattern.search(text)
    return (match[1] or "") if match else ""


def _needed(cells: dict[str, str], name: str) -> str:
    if not cells.get(name):
        raise _NoResult(f"The {name} is missing.")
    return cells[name]


def _subject(text: str, kind: SubjectKind) -> str:
    return text.translate(_SEPARATORS).lower() if kind is SubjectKind.HARDWARE else text


def _value(text: str, layout: Format) -> tuple[float | None, str]:
    """Return a value and why it is none; testers write what they can't measure as `OVL`, `---` or `n/a`."""
    if text in layout.values:
        return layout.values[text], ""
    if not text:
        return None, ""
    number = _number(text[1:].strip() if text[0] in "<>" else text, layout)
    return (number, "") if number is not None else (None, f"its value '{text}' is no number.")


def _limit(text: str, layout: Format) -> tuple[float | None, str]:
    if not text or text in ("-", "--", "---"):
        return None, ""
    number = layout.values.get(text, _number(text, layout))
    return (number, "") if number is not None else (None, f"its limit '{text}' is no number.")


def _number(text: str, layout: Format) -> float | None:
    """Read a number as the tester writes them; a grouping that is none makes no number, so that 3.5 is never 35."""
    plain = text
    if layout.thousands and layout.thousands in text:
        head, *groups = re.split(f"[{re.escape(layout.decimal)}eE]", text)[0].split(layout.thousands)
        if not re.fullmatch(r"[+-]?[0-9]{1,3}", head) or not all(re.fullmatch(r"[0-9]{3}", group) for group in groups):
            return None
        plain = text.replace(layout.thousands, "")
    if layout.decimal != ".":
        plain = "" if "." in plain else plain.replace(layout.decimal, ".")
    number = float(plain) if _NUMBER.fullmatch(plain) else math.nan
    return number if math.isfinite(number) else None


def _unit(text: str, layout: Format) -> tuple[str, str]:
    """Return the UCUM code of a tester's word for a unit."""
    if layout.units:
        code = layout.units.get(text, "")
        return (code, "") if code else ("1", f"the format does not know its unit '{text}'.")
    why = why_no_unit(text) if text else ""
    return ("1", f"its unit {why}.") if why else (text or "1", "")


def _undecided(word: str, layout: Format) -> str:
    """Tell of a word that is neither pass nor fail: the tester itself failed, or somebody broke the test off."""
    known = (*layout.verdicts.passed, *layout.verdicts.failed, "")
    return "" if word in known else f"the tester says '{word}'."


def _moment(text: str, layout: Format) -> datetime:
    """Read a time, in UTC and milliseconds; of a local hour that a clock change gives twice, the earlier one."""
    try:
        moment = _parsed(text, layout.time)
    except (ValueError, OverflowError, OSError):
        raise _NoResult(f"The time '{text}' can't be read.") from None
    if moment.tzinfo is None:
        if layout.time_zone is None:
            raise _NoResult(f"The time '{text}' says no zone, and neither does the format.")
        moment = moment.replace(tzinfo=layout.time_zone)
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _parsed(text: str, pattern: str) -> datetime:
    match pattern:
        case "iso":
            return datetime.fromisoformat(text)
        case "unix":
            return datetime.fromtimestamp(float(text), UTC)
        case "unix-ms":
            return datetime.fromtimestamp(float(text) / 1000, UTC)
    return datetime.strptime(text, pattern)  # noqa: DTZ007  # the caller adds the format's zone


def _due(cells: dict[str, str], layout: Format, taken_at: datetime) -> tuple[date | None, str]:
    """Return until when the instrument is calibrated, and why that does not hold (domain: overdue blocks)."""
    if not layout.calibrated:
        return None, ""
    instrument, text = cells.get("instrument", ""), cells.get("calibration_due", "")
    if not instrument:
        return None, "it does not say which instrument measured."
    try:
        due = _parsed(text, layout.date).date()
    except (ValueError, OverflowError, OSError):
        return None, f"it does not say until when instrument {instrument} is calibrated."
    local = taken_at.astimezone(layout.time_zone) if layout.time_zone else taken_at
    overdue = due < local.date()
    return due, f"instrument {instrument} was due for calibration on {due.isoformat()}." if overdue else ""
