"""Tables as lines of text: CSV (RFC 4180, UTF-8) and JSON (one object a line).

Lines can be cut off anywhere between two of them, so these formats can go on where an earlier export stopped.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from json.encoder import encode_basestring
from typing import IO, Any

from station.trace.export.cells import Rows, told
from station.trace.export.columns import Kind, Table

PORTION = 1000
LONGEST_LINE = 1_000_000
DELIMITER, LINE_END = ",", "\r\n"
EMPTY = "null"


class CsvWriter:
    """Writes rows as CSV, harmless ones."""

    def __init__(self, file: IO[bytes], table: Table, *, anew: bool) -> None:
        """Begin a file with its head, or go on behind its last row."""
        self._file, self._text = file, io.StringIO()
        self._csv = csv.writer(self._text, delimiter=DELIMITER, lineterminator=LINE_END)
        if anew:
            self.write((), [table.names])

    def write(self, rows: Rows, safe: Rows) -> None:
        """Write rows."""
        del rows
        self._csv.writerows(safe)
        self._file.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()

    def close(self) -> None:
        """End the file."""


class JsonWriter:
    """Writes rows as objects, one in a line, as the records have them."""

    def __init__(self, file: IO[bytes], table: Table, *, anew: bool) -> None:
        """Begin a file, or go on behind its last row."""
        del anew
        self._file = file
        self._line = "{" + ",".join(f'"{name}":%s' for name in table.names) + "}\n"
        self._columns = [_written(column.type) for column in table.column]

    def write(self, rows: Rows, safe: Rows) -> None:
        """Write rows."""
        del safe
        columns = [map(write, cells) for write, cells in zip(self._columns, zip(*rows, strict=True), strict=True)]
        self._file.write("".join(map(self._line.__mod__, zip(*columns, strict=True))).encode())

    def close(self) -> None:
        """End the file."""


def _written(kind: Kind) -> Callable[[str], str]:
    """Return how a column writes a cell as JSON: what is not known is an empty text, or null."""
    if kind is Kind.TEXT:
        return encode_basestring
    if kind is Kind.BOOLEAN:
        return {"yes": "true", "no": "false", "": EMPTY}.__getitem__
    return (lambda cell: cell or EMPTY) if kind in (Kind.INTEGER, Kind.NUMBER) else _time


def _time(cell: str) -> str:
    return encode_basestring(cell) if cell else EMPTY


def read_csv(file: IO[bytes], table: Table) -> Iterator[Rows]:
    """Yield the rows of a CSV file, a portion at a time.

    Raises:
        ValueError: Its columns are others, or a row has more or fewer.
    """
    lines = io.TextIOWrapper(file, "utf-8", newline="")
    rows = csv.reader(_bounded(lines), delimiter=DELIMITER, strict=True)
    if tuple(next(rows, ())) != table.names:
        raise ValueError("its columns are others")
    while portion := list(islice(rows, PORTION)):
        _check_width(portion, table)
        yield portion
    lines.detach()


def read_json(file: IO[bytes], table: Table) -> Iterator[Rows]:
    """Yield the rows of a file of JSON lines, a portion at a time.

    Raises:
        ValueError: A line is no object with these members.
    """
    lines = io.TextIOWrapper(file, "utf-8", newline="\n")
    bounded = _bounded(lines)
    while portion := [_row(json.loads(line), table) for line in islice(bounded, PORTION)]:
        yield portion
    lines.detach()


def _bounded(lines: IO[str]) -> Iterator[str]:
    while line := lines.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise ValueError("a line is too long")
        yield line


def _row(members: Any, table: Table) -> Sequence[str]:
    if not isinstance(members, dict) or tuple(members) != table.names:
        raise ValueError("its columns are others")
    return [told(column.type, value) for column, value in zip(table.column, members.values(), strict=True)]


def _check_width(rows: Rows, table: Table) -> None:
    if any(len(row) != len(table.column) for row in rows):
        raise ValueError("a row has more or fewer cells than there are columns")
