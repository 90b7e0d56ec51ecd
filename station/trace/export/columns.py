"""What the columns of each table mean: data in `templates/export`, which also go into the files that can hold them."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from station.records import ExportSet
from station.strict import load

TEMPLATES = Path(__file__).resolve().parents[3] / "templates" / "export"


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    TIME = "time"
    """UTC, RFC 3339 with milliseconds."""
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    type: Kind
    about: str


@dataclass(frozen=True)
class Table:
    """All columns of a table."""

    name: str
    version: int
    title: str
    about: str
    column: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(column.name for column in self.column)

    def places(self, *kinds: Kind) -> tuple[int, ...]:
        """Return where the columns of some kinds are."""
        return tuple(place for place, column in enumerate(self.column) if column.type in kinds)


@cache
def table_of(name: ExportSet) -> Table:
    """Return the columns of a set."""
    return load(Table, TEMPLATES / f"{name.value}.toml")
