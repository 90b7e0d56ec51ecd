"""Cells that no spreadsheet runs, whatever a device or a file put into them (F-G8).

A cell that a spreadsheet would take for a formula gets an apostrophe before it, also what follows a semicolon, where
some spreadsheets part cells; control characters become blanks. Doing it twice changes nothing more.
"""

import re

FORMULAS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""What a cell begins with that a spreadsheet runs, also in full width (OWASP, CSV Injection)."""
FIRST = frozenset(FORMULAS)
RUN = re.compile(f"(^|;)(?=[{re.escape(''.join(FORMULAS))}])")
"""Before what a spreadsheet would run; one that is set to part cells at semicolons runs what follows them."""


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet runs, without control characters."""
    if cell[:1] not in FIRST and ";" not in cell and cell.isprintable():
        return cell  # nearly all are, so they are told apart first
    clean = cell if cell.isprintable() else "".join(c if c.isprintable() else " " for c in cell).strip()
    return RUN.sub(r"\1'", clean)
