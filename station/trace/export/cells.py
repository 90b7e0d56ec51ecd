"""Rows in the one form that all formats share, so that one digest stands for what they say.

A row's cells, as CSV has them, joined by U+001F and ended by a line feed, in UTF-8: the SHA-256 over all rows, without
the heads, is the same for every format and can be made again from each of them and from the records.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from operator import itemgetter
from typing import Any

from station.records.export_sets import DIGITS
from station.spreadsheet import FORMULAS, harmless
from station.trace.export.columns import Kind, Table

JOINT, END = "\x1f", "\n"
RISK = re.compile(f"[;{JOINT}{END}][{re.escape(''.join(FORMULAS))}]")
Rows = Sequence[Sequence[str]]


class Canon:
    """Takes rows, makes them harmless, and keeps their digest."""

    def __init__(self, table: Table) -> None:
        """Begin without rows."""
        self.rows = 0
        self._width = len(table.column)
        self._texts = frozenset(table.places(*(kind for kind in Kind if kind is not Kind.NUMBER)))
        self._pick = itemgetter(*sorted(self._texts)) if table.places(Kind.NUMBER) else None
        self._digest = sha256()

    @property
    def sha256(self) -> str:
        """Return the digest of the rows so far."""
        return self._digest.hexdigest()

    def take(self, rows: Rows) -> Rows:
        """Return the rows as a spreadsheet may have them; numbers stay as they are."""
        joined = END.join(map(JOINT.join, rows))
        if self._is_risky(rows, joined):
            rows = [self._harmless(row) for row in rows]
            joined = END.join(map(JOINT.join, rows))
        self.rows += len(rows)
        self._digest.update((joined + END).encode() if rows else b"")
        return rows

    def _is_risky(self, rows: Rows, joined: str) -> bool:
        """Tell whether a cell of the rows may need a change; all are looked at in one go, as hardly any does."""
        lines, joints = max(0, len(rows) - 1), len(rows) * (self._width - 1)
        if joined.count(END) != lines or joined.count(JOINT) != joints:
            return True
        texts = END.join(JOINT.join(self._pick(row)) for row in rows) if self._pick else joined
        return not joined.replace(JOINT, "").replace(END, "").isprintable() or bool(RISK.search(END + texts))

    def _harmless(self, row: Sequence[str]) -> Sequence[str]:
        return [harmless(cell) if place in self._texts else cell for place, cell in enumerate(row)]


def told(kind: Kind, value: Any) -> str:
    """Return a cell as text, of a value as a format gives it back."""
    if value is None:
        return ""
    if kind is Kind.BOOLEAN:
        return "yes" if value else "no"
    return f"{value:.{DIGITS}g}" if kind is Kind.NUMBER else str(value)
