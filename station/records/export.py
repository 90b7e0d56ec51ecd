"""Exports: what of the records leaves as a table, row by row out of one look at them, and that it left.

A look is one consistent state, however long it is read; the line goes on writing meanwhile. Rows come in the order of
their key, so that an export that was cut off can go on behind the last one it has.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.records import tables
from station.records.export_sets import DIGITS, SOURCES, ExportFilter, ExportSet, Source
from station.records.holds import note
from station.records.orders import Section

PORTION = 1000
"""Rows that are in memory at a time."""
EVERYTHING = ExportFilter()
EXPORTED = "export-made"
"""Kind of the event; its subject is the file."""
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Look:
    """One consistent state of a set."""

    at: datetime
    session: Session
    source: Source
    wanted: ExportFilter

    def count(self, upto: Sequence[str] = ()) -> int:
        """Count the rows, or those up to a key and with it."""
        conditions = self.source.conditions(self.wanted) + (self.source.upto(upto) if upto else [])
        query = select(func.count()).select_from(self.source.tables).where(*conditions)
        return self.session.scalar(query) or 0

    def checkpoint(self) -> bytes:
        """Return the newest signed checkpoint of the log in this state; nothing while there is none."""
        row = tables.LogCheckpoint
        return self.session.scalar(select(row.note).order_by(row.size.desc()).limit(1)) or b""

    def portions(self, beyond: Sequence[str] = ()) -> Iterator[Rows]:
        """Yield the rows, or those beyond a key, a portion at a time; each cell is text."""
        conditions = self.source.conditions(self.wanted) + self.source.beyond(beyond)
        columns = [column.label(name) for name, column in self.source.columns.items()]
        query = select(*columns).select_from(self.source.tables).where(*conditions).order_by(*self.source.key)
        found = self.session.execute(query.execution_options(yield_per=PORTION))
        shaped = self._shaper() if self.source.numbers else None
        for portion in found.partitions():
            yield list(map(shaped, portion)) if shaped else portion

    def _shaper(self) -> Callable[[Any], Sequence[str]]:
        """Return what writes numbers as text, and parts what was measured into number and text."""
        place = {name: number for number, name in enumerate(self.source.columns)}
        value, text, expected, low, high = (place[name] for name in ("value", "text", "expected", "low", "high"))

        def shaped(row: Any) -> Sequence[str]:
            cells = list(row)
            cells[value], cells[text] = _parted(cells[value])
            cells[expected] = _plain(cells[expected])
            cells[low], cells[high] = number(cells[low]), number(cells[high])
            return cells

        return shaped

    def key_of(self, row: Sequence[str]) -> tuple[str, ...]:
        """Return the key of a row."""
        return tuple(row[1 : 1 + len(self.source.key)])


class Exports(Section):
    """Tables that leave."""

    @contextmanager
    def look(self, name: ExportSet, wanted: ExportFilter = EVERYTHING) -> Iterator[Look]:
        """Yield one consistent state of a set.

        Raises:
            ServiceError: The records can't be read.
        """
        with self.database.read() as session:
            yield Look(utc_now(), session, SOURCES[name], wanted)

    def exported(self, file: str, who: str, body: Mapping[str, Any]) -> None:
        """Record that an export was made, by whom and of what."""
        with self.database.write() as session:
            note(self.database, session, EXPORTED, file, who, body)

    def was_exported(self, file: str) -> bool:
        """Tell whether a file of this name was ever made here, wherever it is now."""
        query = select(tables.Event.sequence).filter_by(kind=EXPORTED, subject=file).limit(1)
        with self.database.read() as session:
            return session.scalar(query) is not None


def number(value: float | None) -> str:
    """Return a number as exports write it; nothing is empty."""
    return "" if value is None else f"{value:.{DIGITS}g}"


def _parted(content: str) -> tuple[str, str]:
    """Return the number and the text that a measured value is: one of them is empty."""
    if content[:1] in "-0123456789":
        return (number(float(content)), "") if content else ("", "")
    return "", _plain(content)


def _plain(content: str) -> str:
    """Return a JSON value as people read it: a text without its quotation marks."""
    return str(json.loads(content)) if content.startswith('"') else content
