"""Files of work orders as rows of texts: CSV and JSON as spreadsheets and other systems really write them.

Read row by row, so that a file of any allowed length takes the same memory. What makes a file unreadable as a whole
(its encoding, its columns, an end in the middle) refuses it; what is wrong in one row is that row's own matter.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import file_digest
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

import ijson

from station.errors import ConfigError
from station.identifiers import Kind
from station.strict import shown

MOST_BYTES = 64 * 1024 * 1024
MOST_ROWS = 1_000_000
LONGEST_CELL = 128
LISTS = (Kind.MAC, Kind.ICCID, Kind.METER, Kind.IMEI, Kind.EID, Kind.IMSI, Kind.SEAL)
"""Kinds of identifiers that an order can bring."""
ORDER = (
    *("bundle", "quantity", "prefix", "first", "check", "serials_from", "customer", "due", "rework"),
    *("product", "environment"),
)
"""Columns that make an order; a row with a quantity makes one."""
COLUMNS = frozenset({"order", *ORDER, *(kind.value for kind in LISTS)})
DELIMITERS = ";,\t"
UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")
UTF16 = (b"\xff\xfe", b"\xfe\xff")
LONGEST_NUMBER = 1000
"""Digits in a row in a JSON file; from 4301 on the C parser of ijson takes the whole process down with it."""
ENDLESS = re.compile(rb"[0-9]{%d}" % LONGEST_NUMBER)
PART_BYTES = 1024 * 1024
MOST_DEPTH = 8
"""Levels of a JSON file, of which rows need two; ijson takes quadratic time in them."""
FORMULA = re.compile(r"[=+@\-]")
UTF8_HINT = "Save it as CSV UTF-8, or as JSON in UTF-8."


@dataclass(frozen=True)
class Row:
    """One row of a file."""

    line: int
    """Of a CSV file the line in which it ends, of a JSON file its number, from 1."""
    cells: Mapping[str, str]
    """Texts by column; without those that are empty."""
    problem: str = ""
    """Why it can't be read, as one sentence; empty if it can."""


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a CSV or JSON file.

    Raises:
        ConfigError: It is too large, of another encoding, cut off, or has columns that nobody knows.
    """
    with path.open("rb") as file:
        _check_file(path, file)
        rows = _json_rows(file, path.name) if path.suffix.lower() == ".json" else _csv_rows(file, path.name)
        count = 0
        for count, row in enumerate(rows, 1):
            if count > MOST_ROWS:
                raise ConfigError(f"{path.name} has more than {MOST_ROWS} rows", hint="Split it into several files.")
            yield row
        if not count:
            raise ConfigError(f"{path.name} has no row", hint="Send a file with a row for each order or number.")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, by which it is known."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def safe_name(name: str) -> str:
    """Return a file's name as it can stand in any folder; its ending stays."""
    return UNSAFE.sub("_", name)[-80:]


def _check_file(path: Path, file: BinaryIO) -> None:
    if path.stat().st_size > MOST_BYTES:
        raise ConfigError(f"{path.name} is larger than {MOST_BYTES >> 20} MiB", hint="Split it into several files.")
    start = file.read(3)
    if start[:2] in UTF16:
        raise ConfigError(f"{path.name} is UTF-16", hint=UTF8_HINT)
    file.seek(3 if start == b"\xef\xbb\xbf" else 0)


def _csv_rows(file: BinaryIO, name: str) -> Iterator[Row]:
    """Yield the rows of a CSV file; what separates its cells is seen from its first line."""
    _check_end(file, name)
    lines = TextIOWrapper(file, "utf-8", newline="")
    reader: Any = None
    try:
        first = lines.readline(MOST_BYTES)
        reader = csv.reader(_chained(first, lines), delimiter=max(DELIMITERS, key=first.count), strict=True)
        columns = _columns(next(reader, []), name)
        for cells in reader:
            if any(cells):
                yield _csv_row(reader.line_num, columns, cells)
    except UnicodeDecodeError as error:
        line = reader.line_num + 1 if reader else 1
        raise ConfigError(f"{name} is not UTF-8 from about line {line} on", hint=UTF8_HINT) from error
    except csv.Error as error:
        line = reader.line_num if reader else 1
        raise ConfigError(f"{name}: line {line} is no CSV: {error}", hint="Save the file again.") from error


def _check_end(file: BinaryIO, name: str) -> None:
    """Refuse a file whose last line has no end: nobody can tell a quantity of 20 from the start of 200."""
    at = file.tell()
    size = file.seek(0, 2)
    file.seek(max(at, size - 1))
    if file.read(1) not in (b"\n", b"\r"):
        hint = "Send the whole file; the last line ends with a line break."
        raise ConfigError(f"{name} is empty, or its last line has no end, as in a file that was cut off", hint=hint)
    file.seek(at)


def _chained(first: str, lines: Iterable[str]) -> Iterator[str]:
    yield first
    yield from lines


def _columns(header: list[str], name: str) -> tuple[str, ...]:
    columns = tuple(text.strip().lower() for text in header)
    unknown = [text for text in columns if text not in COLUMNS]
    if unknown:
        hint = f"Columns are {', '.join(sorted(COLUMNS))}."
        raise ConfigError(f"{name}: there is no column {shown(unknown[0])}", hint=hint)
    if len(set(columns)) < len(columns) or "order" not in columns:
        raise ConfigError(f"{name}: each column stands once in the first line, 'order' among them")
    return columns


def _csv_row(line: int, columns: tuple[str, ...], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        return Row(line, {}, f"It has {len(cells)} cells, the first line {len(columns)}.")
    return _row(line, zip(columns, cells, strict=True))


def _json_rows(file: BinaryIO, name: str) -> Iterator[Row]:
    """Yield the objects of a JSON list."""
    _check_numbers(file, name)
    try:
        events = ijson.parse(_shallow(ijson.basic_parse(file), name))
        for line, item in enumerate(ijson.items(events, "item"), 1):
            yield _json_row(line, item)
    except (ijson.JSONError, UnicodeDecodeError, ArithmeticError) as error:
        hint = "Send the whole file: a list of objects, in UTF-8."
        raise ConfigError(f"{name} is no JSON, or was cut off: {str(error)[:80]}", hint=hint) from error


def _check_numbers(file: BinaryIO, name: str) -> None:
    """Refuse a number without an end, before anybody reads it as one."""
    start, before = file.tell(), b""
    while part := file.read(PART_BYTES):
        if ENDLESS.search(before + part):
            raise ConfigError(f"{name} has a number of more than {LONGEST_NUMBER} digits", hint="Correct the number.")
        before = part[-LONGEST_NUMBER:]
    file.seek(start)


def _shallow(events: Iterable[tuple[str, Any]], name: str) -> Iterator[tuple[str, Any]]:
    """Pass on what is parsed, and refuse what is nested deeper than any row."""
    depth = 0
    for event, content in events:
        depth += {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}.get(event, 0)
        if depth > MOST_DEPTH:
            hint = "Send a list of objects with texts and numbers."
            raise ConfigError(f"{name} is nested deeper than {MOST_DEPTH} levels", hint=hint)
        yield event, content


def _json_row(line: int, item: object) -> Row:
    if not isinstance(item, dict):
        return Row(line, {}, "It is no object.")
    unknown = [key for key in item if key not in COLUMNS]
    if unknown:
        return Row(line, {}, f"There is no field {shown(unknown[0])}.")
    texts = {key: _text(content) for key, content in item.items()}
    wrong = [key for key, text in texts.items() if text is None]
    if wrong:
        return Row(line, {}, f"Its {wrong[0]} is no text and no number.")
    return _row(line, ((key, text or "") for key, text in texts.items()))


def _text(content: object) -> str | None:
    match content:
        case None:
            return ""
        case bool():
            return None
        case str() | int() | Decimal():
            return str(content)
    return None


def _row(line: int, cells: Iterable[tuple[str, str]]) -> Row:
    found = {column: text.strip() for column, text in cells if text.strip()}
    problem = next((words for column, text in found.items() if (words := _cell_problem(column, text))), "")
    return Row(line, found, problem)


def _cell_problem(column: str, text: str) -> str:
    if FORMULA.match(text):
        return f"Its {column} is a formula of a spreadsheet: {shown(text)}."
    if len(text) > LONGEST_CELL or not text.isprintable():
        return f"Its {column} is longer than {LONGEST_CELL} characters, or has control characters."
    return ""
