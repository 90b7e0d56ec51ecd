"""What documents say, in each language: catalogues that are data, `templates/passport/<language>.toml`.

A language is added by adding its file; every catalogue has the entries of the English one. Values come from the signed
record and are printed as they stand, unless the catalogue has a word for them.
"""

import re
import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from station.errors import ConfigError

CATALOGUES = Path(__file__).resolve().parents[2] / "templates" / "passport"


@dataclass(frozen=True)
class Wording:
    """One language."""

    language: str
    text: dict[str, str]
    months: list[str]
    date: str
    """How a date is put together of `{day}`, `{month}`, `{year}`."""
    decimal: str
    values: dict[str, str]
    """Words for values that records use everywhere: outcomes, step names, what a rating is called."""
    first_start: dict[str, str]
    """What an installer sees, for a product that does not tell its own signals."""
    site: dict[str, str]
    """What the factory leaves open, and who sets it."""
    checks: dict[str, str]
    """What the checks over OCPP are called."""
    sentences: tuple[tuple[re.Pattern[str], str], ...] = ()
    """Sentences of records in this language, with places for what differs; English ones stand as they are."""

    def __call__(self, name: str, /, **parts: object) -> str:
        """Return a text of the catalogue with its parts filled in."""
        return self.text[name].format(**parts)

    def value(self, value: object) -> str:
        """Return a value as a reader of this language writes it."""
        if isinstance(value, bool):
            return self.text["yes" if value else "no"]
        if isinstance(value, float | int):
            return f"{value:.12g}".replace(".", self.decimal)
        return self.values.get(str(value), str(value))

    def check(self, name: str) -> str:
        """Return what a check over OCPP is called."""
        return self.checks.get(name, name)

    def sentence(self, text: str) -> str:
        """Return a sentence of a record in this language, if the catalogue has it."""
        for pattern, told in self.sentences:
            if found := pattern.fullmatch(text):
                return told.format(**{name: self.check(part) for name, part in found.groupdict().items()})
        return text

    def day(self, iso: str) -> str:
        """Return the day of an ISO 8601 time in words."""
        at = datetime.fromisoformat(iso)
        return self.date.format(day=at.day, month=self.months[at.month - 1], year=at.year)

    def moment(self, iso: str) -> str:
        """Return an ISO 8601 time as day and time of day, to the second, in UTC."""
        return f"{self.day(iso)}, {datetime.fromisoformat(iso):%H:%M:%S} UTC"


def languages() -> tuple[str, ...]:
    """Return the languages there are."""
    return tuple(sorted(path.stem for path in CATALOGUES.glob("*.toml")))


@cache
def wording(language: str) -> Wording:
    """Return a language's catalogue.

    Raises:
        ConfigError: There is no such language.
    """
    if language not in languages():
        raise ConfigError(f"there is no language '{language}'", hint=f"These exist: {', '.join(languages())}.")
    raw: dict[str, Any] = tomllib.loads((CATALOGUES / f"{language}.toml").read_text())
    parts = (raw["values"], raw["first_start"], raw["site"], raw["checks"])
    sentences = tuple((_pattern(text), told) for text, told in raw.get("sentences", {}).items())
    return Wording(language, raw["text"], raw["months"], raw["date"], raw["decimal"], *parts, sentences)


def _pattern(sentence: str) -> re.Pattern[str]:
    """Return what matches a sentence with anything in its places, such as `{reason}`."""
    parts = re.split(r"\{([a-z]+)\}", sentence)
    return re.compile("".join(f"(?P<{part}>.+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)))
