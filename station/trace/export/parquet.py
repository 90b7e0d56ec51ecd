"""Tables as Parquet, by pyarrow, which only this module knows.

Rows come through the driver that the records use. A driver that hands Arrow columns over would be faster, but it brings
a second SQLite into the process, and two of those on one file let go of each other's locks.

# Ref: https://www.sqlite.org/howtocorrupt.html section 2.2.1.
"""

from collections.abc import Iterator
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from station.trace.export.cells import Rows, told
from station.trace.export.columns import Column, Kind, Table

GROUP = 20_000
"""Rows of a row group, which is also what is in memory."""
PORTION = 1000
TYPES = {
    Kind.TEXT: pa.string(),
    Kind.TIME: pa.timestamp("ms", tz="UTC"),
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
}
WORDS = {"yes": "true", "no": "false"}


class ParquetFile:
    """Writes rows as Parquet with typed columns; what is not known is null, an empty text is empty."""

    def __init__(self, file: IO[bytes], table: Table, *, anew: bool) -> None:
        """Begin a file; a Parquet file can't go on."""
        del anew
        self._table = table
        self._schema = schema_of(table)
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._batches: list[pa.RecordBatch] = []

    def write(self, rows: Rows, safe: Rows) -> None:
        """Write rows, as the records have them."""
        del safe
        columns = zip(self._table.column, zip(*rows, strict=True), strict=True)
        self._batches.append(pa.record_batch([_array(column, cells) for column, cells in columns], self._schema))
        if len(self._batches) * PORTION >= GROUP:
            self._flush()

    def close(self) -> None:
        """End the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._batches:
            group = pa.Table.from_batches(self._batches, self._schema)
            self._writer.write_table(group, row_group_size=GROUP * 2)
            self._batches.clear()


def schema_of(table: Table) -> pa.Schema:
    """Return the columns with their types, each with what it means."""
    fields = [pa.field(one.name, TYPES[one.type], metadata={"description": one.about}) for one in table.column]
    return pa.schema(fields, {"table": table.name, "version": str(table.version), "title": table.title})


def _array(column: Column, cells: tuple[str, ...]) -> pa.Array:
    if column.type is Kind.TEXT:
        return pa.array(cells, pa.string())
    known = pa.array([WORDS.get(cell, cell) or None for cell in cells], pa.string())
    return pc.cast(known, TYPES[column.type])


def read_parquet(file: IO[bytes], table: Table) -> Iterator[Rows]:
    """Yield the rows of a Parquet file, a portion at a time.

    Raises:
        ValueError: It is damaged, or its columns are others.
    """
    source = pq.ParquetFile(file)
    if tuple(source.schema_arrow.names) != table.names:
        raise ValueError("its columns are others")
    for batch in source.iter_batches(PORTION):
        columns = [_cells(column, array) for column, array in zip(table.column, batch.columns, strict=True)]
        yield list(zip(*columns, strict=True))


def _cells(column: Column, array: pa.Array) -> list[str]:
    if column.type is Kind.TIME:
        written = pc.strftime(array, format="%Y-%m-%dT%H:%M:%SZ")
        return [cell or "" for cell in written.to_pylist()]
    return [told(column.type, value) for value in array.to_pylist()]
