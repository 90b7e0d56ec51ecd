"""The schema as it is beside the one that this version makes: a trigger of somebody else could write in our name."""

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from station.records.database import upgrade
from station.records.log_sides import Report
from station.records.log_told import SCHEMA

Schema = dict[tuple[str, str], tuple[str, ...]]
"""What each table, index, trigger and view is, by its type and name."""


def compare_schema(connection: sqlite3.Connection, report: Report) -> None:
    """Name what is in the schema of a database and not in ours, the reverse, and what is another."""
    found, ours = _schema(connection), _own_schema()
    for kind, name in sorted(found.keys() | ours.keys()):
        is_ours, is_there = (kind, name) in ours, (kind, name) in found
        if found.get((kind, name)) != ours.get((kind, name)):
            what = "is not as the station makes it" if is_ours and is_there else "is none of the station's"
            what = "is missing" if not is_there else what
            report.add("schema", f"{kind} {name}", f"In the database's schema {kind} {name[:80]} {what}.")


@cache
def _own_schema() -> Schema:
    """Return the schema that the migrations make of nothing."""
    with TemporaryDirectory(prefix="schema-") as folder:
        path = Path(folder) / "made.db"
        upgrade(f"sqlite:///{path}")
        with closing(sqlite3.connect(path)) as connection:
            return _schema(connection)


def _schema(connection: sqlite3.Connection) -> Schema:
    return {(str(kind), str(name)): _lines(str(kind), str(sql)) for kind, name, _, sql in connection.execute(SCHEMA)}


def _lines(kind: str, sql: str) -> tuple[str, ...]:
    """Return what creates something; tables that were rebuilt have their columns and constraints in any order."""
    lines = tuple(line.strip().removesuffix(",") for line in sql.splitlines())
    return tuple(sorted(lines)) if kind == "table" else lines
