"""Tables as CSV that no spreadsheet runs: UTF-8, one version for all columns, a digest in each row (F-G8).

The first column is the version of the table, the last the SHA-256 of the row's other cells, joined by U+001F. A cell
that a spreadsheet would take for a formula has an apostrophe before it, also what follows a semicolon, where some
spreadsheets part cells.
"""

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from station.batches.container import BLOCK, Writer
from station.batches.layout import VERSION
from station.spreadsheet import harmless

JOINT = "\x1f"
FIRST, LAST = "version", "row_sha256"
Row = Sequence[str]


@dataclass(frozen=True)
class Culture:
    """How numbers and days are written, and cells are parted."""

    name: str = ""
    decimal: str = "."
    date: str = "%Y-%m-%d"
    delimiter: str = ","

    def __post_init__(self) -> None:
        """Refuse a culture whose numbers would fall apart."""
        if self.decimal not in (".", ",") or self.delimiter not in (",", ";", "\t") or self.decimal == self.delimiter:
            raise ValueError("decimal is '.' or ',', and delimiter another one of ',', ';' or a tab")


PLAIN = Culture()


class Spool:
    """Rows that wait on disk until their turn in the archive comes; gone with the process."""

    def __init__(self, columns: Row, culture: Culture, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._line = io.StringIO()
        self._csv = csv.writer(self._line, delimiter=culture.delimiter, lineterminator="\r\n")
        self.rows = 0
        self._write(columns)

    def add(self, cells: Row) -> None:
        """Add a row."""
        self._write(cells)
        self.rows += 1

    def _write(self, cells: Row) -> None:
        self._csv.writerow(cells)
        self._file.write(self._line.getvalue().encode())
        self._line.seek(0)
        self._line.truncate()

    def into(self, writer: Writer, name: str) -> None:
        """Put the rows into an archive."""
        size = self._file.tell()
        self._file.seek(0)
        writer.add_stream(name, iter(lambda: self._file.read(BLOCK), b""), size)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Table:
    """One of our own tables, being filled."""

    def __init__(self, columns: Sequence[str], folder: Path) -> None:
        self._columns = columns
        self._spool = Spool((FIRST, *columns, LAST), PLAIN, folder)

    def add(self, facts: Mapping[str, Any]) -> None:
        """Add a row of the facts that have a column; a fact that is missing is a mistake of ours."""
        cells = [str(VERSION), *(harmless(written(facts[name])) for name in self._columns)]
        self._spool.add((*cells, row_digest(cells)))

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return self._spool.rows

    def into(self, writer: Writer, name: str) -> None:
        """Put the table into an archive."""
        self._spool.into(writer, name)

    def close(self) -> None:
        """Let go of the rows."""
        self._spool.close()


def written(fact: Any) -> str:
    """Return a fact as our own tables write it: ISO 8601, a dot in numbers, `yes` and `no`."""
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return f"{fact:.12g}" if isinstance(fact, float) else str(fact)


def row_digest(cells: Row) -> str:
    """Return the digest that stands at the end of a row."""
    return sha256(JOINT.join(cells).encode()).hexdigest()


def rows_of(lines: Iterable[str], columns: Row) -> Iterator[Row]:
    """Yield the rows of one of our tables, each as its digest says.

    Raises:
        ValueError: The columns are others, or a row is another than its digest says.
    """
    reader = csv.reader(lines)
    if tuple(next(reader, ())) != (FIRST, *columns, LAST):
        raise ValueError("a table has other columns")
    for cells in reader:
        if not cells or cells[-1] != row_digest(cells[:-1]):
            raise ValueError("a row is another than its digest says")
        yield cells
