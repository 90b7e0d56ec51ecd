"""Formats of testers, as data: which columns or paths hold what, in which words, numbers and times (F-I2).

A new tester is a TOML file, no code. Paths are JMESPath, for CSV, JSON and XML alike, because each file is first read
into the same plain tree (`station.results.trees`).
"""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jmespath.exceptions import JMESPathError

from station.config import StationConfig
from station.errors import ConfigError
from station.records import SubjectKind
from station.results.paths import compiled
from station.strict import load, nearest
from station.units import why_no_unit

SHIPPED = Path(__file__).resolve().parents[2] / "templates" / "results"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class FileKind(StrEnum):
    """What a tester writes."""

    CSV = "csv"
    JSON = "json"
    XML = "xml"


@dataclass(frozen=True)
class Level:
    """One step from the whole file down to a single result."""

    name: str
    """By which paths further down call it; the whole file is called `file`."""
    of: str
    """JMESPath that gives the list of them, such as `file.phases`."""

    def __post_init__(self) -> None:
        """Refuse a name that hides the file, or a path that is none."""
        problems = ["name: 'file' is the whole file"] if self.name == "file" else []
        if why := _why_no_path(self.of):
            problems.append(f"of: {why}")
        if problems:
            raise ValueError(*problems)


@dataclass(frozen=True)
class Fields:
    """JMESPath of each part of a result; an empty one is not reported. A constant is a literal: `'HV-7731'`."""

    subject: str
    test: str
    value: str
    taken_at: str
    unit: str = ""
    low: str = ""
    high: str = ""
    verdict: str = ""
    instrument: str = ""
    model: str = ""
    calibration_due: str = ""
    program: str = ""
    version: str = ""
    bench: str = ""
    operator: str = ""

    def __post_init__(self) -> None:
        """Refuse paths that are none."""
        told = ((one.name, getattr(self, one.name)) for one in fields(self))
        problems = [f"{name}: {why}" for name, path in told if path and (why := _why_no_path(path))]
        if problems:
            raise ValueError(*problems)


@dataclass(frozen=True)
class Verdicts:
    """What a tester calls pass and fail; any other word means that nothing was decided."""

    passed: tuple[str, ...] = ("PASS", "Passed", "OK")
    failed: tuple[str, ...] = ("FAIL", "Failed", "NOK")


@dataclass(frozen=True)
class Format:
    """How the files of one tester are read."""

    name: str
    revision: int
    kind: FileKind
    subject: SubjectKind
    fields: Fields
    each: tuple[Level, ...]
    title: str = ""
    """Which tester it is, as people call it."""
    encoding: str = "utf-8"
    """Of CSV and JSON; an XML file says its own."""
    delimiter: str = ";"
    header: int = 1
    """Line of a CSV file that names the columns; pairs in the lines above it are `file.head`."""
    decimal: str = "."
    thousands: str = ""
    time: str = "iso"
    """`iso`, `unix`, `unix-ms`, or a pattern of strptime."""
    date: str = "iso"
    """The same for the day until which a calibration holds."""
    zone: str = ""
    """Time zone of times that say none, such as `Europe/Berlin`."""
    calibrated: bool = True
    """Whether its instruments need calibration; a tester that only looks needs none."""
    verdicts: Verdicts = Verdicts()
    units: Mapping[str, str] = field(default_factory=dict)
    """UCUM code by the tester's word; without any, its words are UCUM codes."""
    tests: Mapping[str, str] = field(default_factory=dict)
    """Name of a test in recipes by the tester's name; others keep theirs."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Number by the word that stands in its place, such as `true` for 1."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Regular expression by field, where only a part of the text is meant: its one group; no match is no text."""

    def __post_init__(self) -> None:
        """Refuse what could read no file."""
        problems = [] if NAME.fullmatch(self.name) else ["name: must be 1 to 40 lower-case letters, digits and hyphens"]
        problems += [f"units.{word}: {why}" for word, code in self.units.items() if (why := why_no_unit(code))]
        problems += [
            f"parts.{name}: {why}" for name, pattern in self.parts.items() if (why := _why_no_part(name, pattern))
        ]
        problems += [why for why in (_why_no_encoding(self.encoding), _why_no_zone(self.zone)) if why]
        if len(self.delimiter) != 1 or self.decimal not in (".", ",") or self.thousands == self.decimal:
            problems.append("delimiter must be one character, decimal '.' or ',', and thousands another one")
        if not 1 <= self.header <= 100:
            problems.append("header: must be a line from 1 to 100")
        if problems:
            raise ValueError(*problems)

    @property
    def label(self) -> str:
        """Return name and revision, as results keep it."""
        return f"{self.name} r{self.revision}"

    @cached_property
    def paths(self) -> Mapping[str, Any]:
        """Return the compiled path of each part that is reported."""
        told = ((one.name, getattr(self.fields, one.name)) for one in fields(self.fields))
        return {name: compiled(path) for name, path in told if path}

    @cached_property
    def patterns(self) -> Mapping[str, re.Pattern[str]]:
        """Return the compiled expression of each field of which only a part is meant."""
        return {name: re.compile(pattern) for name, pattern in self.parts.items()}

    @cached_property
    def time_zone(self) -> ZoneInfo | None:
        """Return the zone of times that say none."""
        return ZoneInfo(self.zone) if self.zone else None


def load_format(config: StationConfig, name: str) -> Format:
    """Return a format by its name, the station's own before those that come with the software.

    Raises:
        ConfigError: There is no such format, or its file is wrong; names the file and the key path.
    """
    known = _files(config)
    if name not in known:
        message = f"there is no result format '{name[:40]}'{nearest(name, list(known))}"
        raise ConfigError(message, hint="See 'station result formats'.")
    found = load(Format, known[name])
    if found.name != name:
        raise ConfigError(f"{known[name]}: name: '{found.name}' differs from the file's name")
    return found


def load_formats(config: StationConfig) -> tuple[Format, ...]:
    """Return all formats by name.

    Raises:
        ConfigError: The file of one is wrong.
    """
    return tuple(load_format(config, name) for name in sorted(_files(config)))


def _files(config: StationConfig) -> dict[str, Path]:
    """Return the file of each format; the station's own hides one that came with the software."""
    folders = (SHIPPED, config.directory / config.results.formats)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def _why_no_path(path: str) -> str:
    try:
        compiled(path)
    except JMESPathError as error:
        return f"'{path[:80]}' is no JMESPath: {type(error).__name__}"
    return ""


def _why_no_part(name: str, pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        return f"not a regular expression: {error}"
    known = [one.name for one in fields(Fields)]
    if name not in known:
        return f"no such field{nearest(name, known)}"
    return "" if groups == 1 else "needs one group, the part that is meant"


def _why_no_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        return f"encoding: '{name[:40]}' is unknown"
    return ""


def _why_no_zone(name: str) -> str:
    try:
        ZoneInfo(name or "UTC")
    except (OSError, ValueError, KeyError):
        return f"zone: '{name[:40]}' is unknown"
    return ""
