"""Tables as XLSX, by xlsxwriter, which only this module knows: texts as texts, so that no number loses its digits."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from station.errors import ConfigError
from station.trace.export.cells import Rows
from station.trace.export.columns import Kind, Table

LONGEST_CELL = 32_767
WIDTH, WIDEST = 18, 60
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""When all of them say to be made, so that the same rows give the same file."""


class Workbook:
    """Writes rows into one sheet, and what its columns mean into another."""

    def __init__(self, file: IO[bytes], table: Table, *, anew: bool) -> None:
        """Begin a file; a workbook can't go on."""
        del anew
        self._book = xlsxwriter.Workbook(file, OPTIONS)
        self._book.use_zip64()
        self._book.set_properties({"title": table.title, "created": EPOCH.replace(tzinfo=None)})
        self._sheet = self._begin(table.title, table.names)
        self._explain(table)
        self._write = [_writer(self._sheet, column.type) for column in table.column]
        self._row = 0

    def _begin(self, title: str, names: tuple[str, ...]) -> Worksheet:
        sheet: Worksheet = self._book.add_worksheet(title)
        sheet.set_column(0, len(names) - 1, WIDTH)
        sheet.freeze_panes(1, 0)
        head = self._book.add_format({"bold": True})
        for place, name in enumerate(names):
            sheet.write_string(0, place, name, head)
        return sheet

    def _explain(self, table: Table) -> None:
        sheet = self._begin("Columns", ("column", "type", "meaning"))
        sheet.set_column(2, 2, WIDEST)
        for row, column in enumerate(table.column, 1):
            for place, text in enumerate((column.name, column.type.value, column.about)):
                sheet.write_string(row, place, text)

    def write(self, rows: Rows, safe: Rows) -> None:
        """Write rows, harmless ones: they may be copied into another program.

        Raises:
            ConfigError: A cell is too long for a sheet.
        """
        del rows
        for row in safe:
            self._row += 1
            for place, (write, cell) in enumerate(zip(self._write, row, strict=True)):
                if cell:
                    write(self._row, place, cell)

    def close(self) -> None:
        """End the file.

        Raises:
            OSError: The disk refuses.
        """
        try:
            self._book.close()
        except FileCreateError as error:
            raise OSError(f"the disk refuses: {error}") from error


def _writer(sheet: Worksheet, kind: Kind) -> Callable[[int, int, str], Any]:
    if kind in (Kind.INTEGER, Kind.NUMBER):
        return lambda row, place, cell: sheet.write_number(row, place, float(cell))
    if kind is Kind.BOOLEAN:
        return lambda row, place, cell: sheet.write_boolean(row, place, cell == "yes")
    return lambda row, place, cell: sheet.write_string(row, place, _bounded(cell))


def _bounded(cell: str) -> str:
    if len(cell) > LONGEST_CELL:
        raise ConfigError(f"a cell has {len(cell)} characters; a sheet takes {LONGEST_CELL}", hint="Export as CSV.")
    return cell
