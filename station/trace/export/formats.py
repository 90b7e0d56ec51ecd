"""In which formats tables leave, each by its name; their libraries are loaded when a file of theirs is written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Protocol

from station.trace.export.cells import Rows
from station.trace.export.columns import Table
from station.trace.export.lines import CsvWriter, JsonWriter, read_csv, read_json


class Writer(Protocol):
    """A file of rows that is being written."""

    def write(self, rows: Rows, safe: Rows) -> None:
        """Write rows, given as the records have them and as a spreadsheet may have them."""
        ...

    def close(self) -> None:
        """End the file."""
        ...


class Open(Protocol):
    """Begin a file of rows; `anew` is false for one that goes on behind its last row."""

    def __call__(self, file: IO[bytes], table: Table, *, anew: bool) -> Writer:
        """Begin."""
        ...


@dataclass(frozen=True)
class Format:
    """A format of tables."""

    suffix: str
    media_type: str
    open: Open
    read: Callable[[IO[bytes], Table], Iterator[Rows]] | None = None
    """Give the rows back; None where only the bytes are compared."""
    goes_on: bool = False
    """Whether a file that was cut off can go on."""
    most_rows: int = 0
    """What a file holds; 0 for as many as there are."""


def _parquet(file: IO[bytes], table: Table, *, anew: bool) -> Writer:
    from station.trace.export.parquet import ParquetFile

    return ParquetFile(file, table, anew=anew)


def _read_parquet(file: IO[bytes], table: Table) -> Iterator[Rows]:
    from station.trace.export.parquet import read_parquet

    return read_parquet(file, table)


def _workbook(file: IO[bytes], table: Table, *, anew: bool) -> Writer:
    from station.trace.export.workbook import Workbook

    return Workbook(file, table, anew=anew)


MOST_ROWS = 1_048_575
"""Beside the head: what a sheet of a workbook holds."""
FORMATS: Mapping[str, Format] = {
    "csv": Format(".csv", "text/csv", CsvWriter, read_csv, goes_on=True),
    "jsonl": Format(".jsonl", "application/jsonl", JsonWriter, read_json, goes_on=True),
    "parquet": Format(".parquet", "application/vnd.apache.parquet", _parquet, _read_parquet),
    "xlsx": Format(
        ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _workbook, most_rows=MOST_ROWS
    ),
}
