"""The languages of the pages: English as it stands in the code, others from the catalogues in `templates/languages`.

A sentence is recorded, logged and raised in English, whoever looks; only what a page shows is put into its reader's
language. So the English text itself is the key: exact, or with `{places}` for what differs each time. What no
catalogue knows stays English, never empty.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from station.errors import ConfigError

CATALOGUES = Path(__file__).resolve().parents[2] / "templates" / "languages"
ABOUT = "language.toml"
"""File of a catalogue that says what the language is called and how it writes numbers."""
ENGLISH = "en"
COOKIE = "language"
_REMEMBERED = 4096
"""Sentences whose translation is kept; a line says far fewer, a stranger's text never grows the memory."""
_PLACE = re.compile(r"\{(\w+)\}")
_ENDS = (".", "!", "?", "{sentence}")
"""How a sentence ends; texts of pages with places are no patterns for what the station says."""
_SPOKEN = ("sentence", "word")
"""Places of which the value is of the station too, and is translated in its turn."""
_NEXT_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z0-9])")


@dataclass(frozen=True)
class _Pattern:
    """A sentence with places, and what it becomes."""

    english: re.Pattern[str]
    other: str
    literal: int
    """Characters that stand for themselves; the pattern with more of them says more."""


class Language:
    """One language of the pages; safe from all threads."""

    def __init__(self, code: str, name: str = "English", decimal: str = ".", entries: Mapping[str, str] | None = None):
        """Speak a language by its entries, English text to text of this language."""
        self.code, self.name = code, name
        self.entries = dict(entries or {})
        self._decimal = decimal
        self._patterns = sorted(_patterns(self.entries), key=lambda pattern: -pattern.literal)
        self.say = lru_cache(_REMEMBERED)(self._say)

    def word(self, text: str, **values: object) -> str:
        """Return a text of our own pages, its places filled with values."""
        return _filled(self.entries.get(text, text), values)

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number with its digits after the decimal mark."""
        return f"{value:.{digits}f}".replace(".", self._decimal)

    def written(self, value: object) -> str:
        """Write a measured value: a number with the decimal mark, anything else as it is."""
        return str(value).replace(".", self._decimal) if isinstance(value, float) else str(value)

    def _say(self, sentence: str) -> str:
        """Return a text of the station: known as it is, or sentence by sentence, each as it is or by its pattern."""
        if not sentence or not self.entries:
            return sentence
        if (found := self._found(sentence)) is not None:
            return found
        parts = _NEXT_SENTENCE.split(sentence)
        if len(parts) > 1:
            return " ".join(self.say(part) for part in parts)
        return self._message(sentence)

    def _found(self, sentence: str) -> str | None:
        if sentence in self.entries:
            return self.entries[sentence]
        for pattern in self._patterns:
            if (found := pattern.english.fullmatch(sentence)) and _fits(places := found.groupdict()):
                return _filled(pattern.other, {name: self._value(name, text) for name, text in places.items()})
        return None

    def _message(self, text: str) -> str:
        """Return what is known as the end of a sentence, and shown with a capital letter or without its stop."""
        found = self._found(f"{text[:1].lower()}{text[1:].removesuffix('.')}.")
        if found is None:
            return text
        shown = found[:1].upper() + found[1:] if text[:1].isupper() else found
        return shown if text.endswith(".") else shown.removesuffix(".")

    def _value(self, name: str, text: str) -> str:
        return self.say(text) if name.startswith(_SPOKEN) else text


class Languages:
    """All languages that the pages speak, and which one a browser gets that has not chosen."""

    def __init__(self, preset: str = ENGLISH) -> None:
        """Read all catalogues.

        Raises:
            ConfigError: There is no catalogue of the preset language, or one can't be read.
        """
        english = Language(ENGLISH)
        self.all = (english, *(_read(path) for path in sorted(CATALOGUES.iterdir()) if (path / ABOUT).exists()))
        self._by_code = {language.code: language for language in self.all}
        if preset not in self._by_code:
            known = ", ".join(sorted(self._by_code))
            raise ConfigError(f"station.toml: web: language: '{preset}' is none of {known}")
        self._preset = preset

    def chosen(self, cookies: Mapping[str, str]) -> Language:
        """Return the language that a browser's cookies ask for, or the station's own."""
        return self._by_code.get(cookies.get(COOKIE, ""), self._by_code[self._preset])

    def __contains__(self, code: object) -> bool:
        """Tell whether a language is spoken."""
        return code in self._by_code


def _read(directory: Path) -> Language:
    try:
        about = tomllib.loads((directory / ABOUT).read_text())
        files = [path for path in sorted(directory.glob("*.toml")) if path.name != ABOUT]
        entries = {english: other for path in files for english, other in tomllib.loads(path.read_text()).items()}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{directory}: the catalogue of this language can't be read: {error}") from error
    return Language(directory.name, about["name"], about["decimal"], entries)


def _patterns(entries: Mapping[str, str]) -> Iterator[_Pattern]:
    for english, other in entries.items():
        pieces = _PLACE.split(english)
        if len(pieces) > 1 and english.endswith(_ENDS):
            yield _Pattern(re.compile(_expression(pieces), re.DOTALL), other, sum(map(len, pieces[::2])))


def _expression(pieces: Sequence[str]) -> str:
    """Return the regular expression of a text split at its places: literal, name, literal, name …, literal."""
    parts = [f"(?P<{piece}>.+?)" if number % 2 else re.escape(piece) for number, piece in enumerate(pieces) if piece]
    return "".join(parts)


def _fits(places: Mapping[str, str]) -> bool:
    """Tell whether no place reaches from one sentence into the next, but those that are for whole sentences."""
    return not any(_NEXT_SENTENCE.search(text) for name, text in places.items() if not name.startswith("sentence"))


def _filled(text: str, values: Mapping[str, object]) -> str:
    return _PLACE.sub(lambda place: str(values.get(place[1], place[0])), text)
