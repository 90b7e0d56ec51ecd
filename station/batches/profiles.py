"""The files that a CPMS's own importer takes: which columns, in whose numbers and dates, is data (F-G8).

A value that a column can't hold is never cut: the file is left out then, and the manifest says why. No profile has a
secret in it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from station.batches.layout import NAME, PROFILE
from station.batches.tables import PLAIN, Culture, Spool, written
from station.batches.units import Facts, outlets
from station.errors import ConfigError
from station.spreadsheet import RUN
from station.strict import load

PROFILES = Path(__file__).resolve().parents[2] / "templates" / "batch" / "profiles"


class Rows(StrEnum):
    """What there is a row for."""

    UNIT = "unit"
    OUTLET = "outlet"


class Form(StrEnum):
    """How a fact is written."""

    TEXT = "text"
    NUMBER = "number"
    """With the culture's decimal sign, and nothing between thousands."""
    DAY = "day"
    """A time as its day, in the culture's order."""


@dataclass(frozen=True)
class Column:
    """One column: a fact by its name, or the same text in every row."""

    name: str
    fact: str = ""
    text: str = ""
    form: Form = Form.TEXT
    longest: int = 200
    """Characters that the importer takes."""
    required: bool = False

    def __post_init__(self) -> None:
        """Refuse a column that is two things."""
        if self.fact and self.text:
            raise ValueError(f"column {self.name}: it has a fact or a text, not both")


@dataclass(frozen=True)
class Profile:
    """The import file of one CPMS."""

    name: str
    title: str
    source: str
    """Where its columns were read, and whether it was tried against a live system."""
    rows: Rows
    column: tuple[Column, ...]
    culture: tuple[Culture, ...] = (PLAIN,)
    """One file is made for each."""

    def __post_init__(self) -> None:
        """Refuse names that no file could have."""
        for culture in self.culture:
            if not NAME.fullmatch(self.file(culture)):
                raise ValueError(f"'{self.file(culture)}' can't be a name in an archive")

    def file(self, culture: Culture) -> str:
        """Return the file's name in the archive."""
        return PROFILE.format(name=".".join(part for part in (self.name, culture.name) if part))


@dataclass(frozen=True)
class _File:
    profile: Profile


def load_profiles(*folders: Path) -> tuple[Profile, ...]:
    """Return our profiles and those of other folders; one of a later folder takes the place of one of its name.

    Raises:
        ConfigError: A file is wrong, or two files of a folder have the same name.
    """
    found: dict[str, Profile] = {}
    for folder in (PROFILES, *folders):
        profiles = [load(_File, path).profile for path in sorted(folder.glob("*.toml"))]
        if len({profile.name for profile in profiles}) != len(profiles):
            raise ConfigError(f"{folder}: two profiles have the same name")
        found |= {profile.name: profile for profile in profiles}
    return tuple(found.values())


class Unfit(ValueError):
    """A value that a profile has no place for."""


def cell(column: Column, facts: Mapping[str, Any], culture: Culture) -> str:
    """Return one cell.

    Raises:
        Unfit: It is empty and must not be, too long, or would be run by a spreadsheet.
        ConfigError: There is no such fact.
    """
    if column.fact and column.fact not in facts:
        raise ConfigError(f"column {column.name} of a profile: there is no fact '{column.fact}'")
    fact = facts[column.fact] if column.fact else column.text
    text = _FORMS[column.form](fact, culture) if fact != "" else ""
    if column.required and not text:
        raise Unfit(f"unit {facts['serial']} has no {column.fact}, which {column.name} needs")
    if len(text) > column.longest:
        raise Unfit(f"{column.name} of unit {facts['serial']} has {len(text)} characters, {column.longest} are taken")
    if RUN.search(text) or not text.isprintable():
        raise Unfit(f"{column.name} of unit {facts['serial']} is nothing that may stand in a spreadsheet")
    return text


class ProfileFile:
    """The file of one profile and culture, being filled."""

    def __init__(self, profile: Profile, culture: Culture, folder: Path) -> None:
        self.name, self.refusal = profile.file(culture), ""
        self._profile, self._culture = profile, culture
        self.spool = Spool([column.name for column in profile.column], culture, folder)

    def add(self, unit: Facts, facts: Facts) -> None:
        """Add a unit's rows; what does not fit leaves the whole file out."""
        if self.refusal:
            return
        try:
            for row in self._rows(unit, facts):
                self.spool.add([cell(column, row, self._culture) for column in self._profile.column])
        except Unfit as unfit:
            self.refusal = str(unfit)

    def _rows(self, unit: Facts, facts: Facts) -> Iterator[Facts]:
        if self._profile.rows is Rows.OUTLET:
            return outlets(unit, facts)
        return iter((facts,))


def _text(fact: Any, _: Culture) -> str:
    return written(fact)


def _number(fact: Any, culture: Culture) -> str:
    return written(float(fact)).replace(".", culture.decimal)


def _day(fact: Any, culture: Culture) -> str:
    return datetime.fromisoformat(str(fact)).strftime(culture.date)


_FORMS: Mapping[Form, Callable[[Any, Culture], str]] = {Form.TEXT: _text, Form.NUMBER: _number, Form.DAY: _day}
