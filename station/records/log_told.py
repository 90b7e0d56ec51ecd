"""What the log says of itself: by which columns rows are hashed, the schema, and who signs from here on.

Such entries are found by their mark. What a migration made of the schema is told by it; another schema that a writer
meets was made by somebody else, and an entry says so for good.
"""

import base64
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from station.records.canonical import canonical
from station.records.log_form import plain
from station.records.log_rows import HandOver, LogSigner

TOLD, HANDED_OVER = "columns", "handed-over"
"""Marks of these entries."""
EDITS = "was"
"""Said once: from here on the entry of each row that was changed says what it was before."""
MARKED = "SELECT leaf FROM log_entry WHERE mark = ? ORDER BY position"
SCHEMA = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    " AND NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4', 'sqlite_sequence')) ORDER BY type, name"
)
"""Tables, indexes, triggers and views; what the database keeps for itself is left out."""
NO_ENTRY = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What comes of reading an entry that is none of these."""


@dataclass
class Told:
    """All that the log said of itself so far, or in one entry."""

    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    schema: str | None = None
    edits: bool = False
    migrated: bool = False
    """Whether a migration says so."""

    def add(self, other: "Told") -> None:
        """Go on with what a later entry says."""
        self.columns |= other.columns
        self.schema = other.schema or self.schema
        self.edits = self.edits or other.edits


def told_of(leaf: bytes) -> Told:
    """Return what an entry says.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, RecursionError: It is none of these.
    """
    said = json.loads(leaf)
    if not said.keys() & {"columns", "schema"}:
        raise ValueError("it says nothing of the log")
    columns = {table: tuple(names) for table, names in said.get("columns", {}).items()}
    schema = said.get("schema")
    return Told(columns, schema if schema is None else str(schema), said.get("edits") == EDITS, "columns" in said)


def migrated_entry(columns: Mapping[str, tuple[str, ...]], rows: Mapping[str, int], schema: str) -> bytes:
    """Return the entry of a migration: the columns by which rows are hashed, and how many rows were there before."""
    told = {table: list(names) for table, names in columns.items()}
    return canonical({"columns": told, "edits": EDITS, "rows": dict(rows), "schema": schema})


def noticed_entry(schema: str) -> bytes:
    """Return the entry that says that the schema is another, and that no migration made it so."""
    return canonical({"schema": schema})


def handed_over_entry(before: LogSigner, after: LogSigner) -> bytes:
    """Return the entry that says who signs the log from here on, and who did before."""
    return canonical({"handed-over": {"from": _said(before), "to": _said(after)}})


def handed_over_of(leaf: bytes, position: int) -> HandOver:
    """Return what an entry says of who signs.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, RecursionError: It is none that does.
    """
    said = json.loads(leaf)["handed-over"]
    return HandOver(position, _signer(said["from"]), _signer(said["to"]))


def _said(signer: LogSigner) -> dict[str, str]:
    return {"key": base64.b64encode(signer.spki).decode(), "origin": signer.origin}


def _signer(said: Any) -> LogSigner:
    return LogSigner(str(said["origin"]), base64.b64decode(said["key"], validate=True))


def read_told(connection: sqlite3.Connection) -> Told:
    """Return what the log of a database says of itself."""
    told = Told()
    for (leaf,) in connection.execute(MARKED, (TOLD,)):
        told.add(told_of(leaf))
    return told


def schema_digest(connection: sqlite3.Connection) -> str:
    """Return the SHA-256 of the database's schema."""
    rows: list[Any] = [list(row) for row in connection.execute(SCHEMA)]
    return sha256(plain(rows)).hexdigest()
