"""Read TOML into frozen dataclasses, refusing what is unknown, missing or of another type.

A definition that is almost right is wrong: every refusal names the file, the key path and the nearest valid word.
"""

import codecs
import difflib
import tomllib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from hashlib import sha256
from itertools import islice
from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from station.errors import ConfigError

T = TypeVar("T")
MAX_FILE_BYTES = 1_000_000
"""Largest definition file that is read."""
MOST_DOTS = 100
"""Most dots in a line: the parser's work grows with the square of a dotted key's parts."""
MOST_UNKNOWN = 20
"""Most unknown keys of a table that are told."""
LONGEST_SHOWN, LONGEST_QUOTED = 60, 160
_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, LONGEST_SHOWN, LONGEST_SHOWN


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """Return the tables of a TOML file and the SHA-256 of its bytes.

    Raises:
        ConfigError: The file is missing, too large or not TOML.
    """
    raw = read_bounded(path, str(path))
    return toml_table(raw, str(path)), sha256(raw).hexdigest()


def read_bounded(
    place: Path, where: str, most: int = MAX_FILE_BYTES, hint: str = "Create the file or correct the path."
) -> bytes:
    """Return a file's bytes; `where` names it in messages, `hint` is what to do where it can't be read.

    Raises:
        ConfigError: It can't be read, or is larger than `most` bytes.
    """
    try:
        with place.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror or error}", hint=hint) from error
    if len(raw) > most:
        raise ConfigError(f"{where}: larger than {most} bytes")
    return raw


def toml_table(raw: bytes, where: str) -> dict[str, Any]:
    """Return the tables of TOML text; `where` names it in messages.

    Raises:
        ConfigError: It is too large, nested too deep, or not TOML.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{where}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return tomllib.loads(_text(raw, where))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not valid TOML: {_bounded(str(error))}") from error
    except RecursionError:
        raise ConfigError(f"{where}: nested too deep") from None


def utf8_text(raw: bytes, where: str) -> str:
    """Return the text of a file; `where` names it in messages.

    Raises:
        ConfigError: It is no UTF-8.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        message = f"{where}: not UTF-8 text: byte 0x{raw[error.start]:02x} at position {error.start}"
        raise ConfigError(message, hint="Save the file as UTF-8.") from error


def _text(raw: bytes, where: str) -> str:
    """Decode a file's text, and refuse what would make the parser work for minutes."""
    text = utf8_text(raw, where)
    if text.startswith(codecs.BOM_UTF8.decode()):
        raise ConfigError(f"{where}: begins with a byte order mark", hint="Save the file as UTF-8 without it.")
    if any(line.count(".") > MOST_DOTS for line in text.splitlines()):
        raise ConfigError(f"{where}: nested too deep: a line holds more than {MOST_DOTS} dots")
    return text


def load(cls: type[T], path: Path) -> T:
    """Read the TOML file into the dataclass `cls`.

    Raises:
        ConfigError: Something in the file is unknown, missing, or of another type.
    """
    table, _ = read_toml(path)
    return parse(cls, table, str(path))


def parse(cls: type[T], value: object, where: str) -> T:
    """Build `cls` from a TOML value; `where` is the file and key path for messages.

    Raises:
        ConfigError: Something is unknown, missing, or of another type; its `problems` are all that was found.
    """
    reader = _Reader([])
    found = reader.convert(cls, value, where)
    refuse(reader.problems)
    return cast(T, found)


def refuse(problems: Sequence[str], hint: str = "") -> None:
    """Raise all problems as one error, or return if there are none.

    Raises:
        ConfigError: There is a problem; the message is the first one.
    """
    if problems:
        raise ConfigError(problems[0], hint=hint, problems=tuple(problems))


class Problems:
    """Collects what is wrong in several places, so that whoever corrects it sees all of it at once."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}

    @property
    def found(self) -> tuple[str, ...]:
        """Return each problem once, in the order found."""
        return tuple(self._found)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Take note of a refusal and go on after the `with` block."""
        try:
            yield
        except ConfigError as error:
            self._found.update(dict.fromkeys(error.problems))

    def attempt(self, load: Callable[[], T]) -> T | None:
        """Return what is loaded, or take note of why it is refused and return None."""
        with self.caught():
            return load()
        return None


def nearest(word: str, words: list[str]) -> str:
    """Return `; did you mean …?` for the nearest of the words, or the words themselves."""
    close = difflib.get_close_matches(word[:LONGEST_SHOWN], words, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(words))}"


def _bounded(text: str) -> str:
    """Return a text as a sentence can hold it."""
    short = text if len(text) <= LONGEST_QUOTED else f"{text[:LONGEST_QUOTED]}…"
    return short if short.isprintable() else shown(short)


def shown(value: object) -> str:
    """Return a value as messages show it: short, and without control characters."""
    return _SHORT.repr(value)


@dataclass(frozen=True)
class _Reader:
    """Converts TOML values, and goes on after a problem to find the others."""

    problems: list[str]

    def convert(self, kind: Any, value: object, where: str) -> object:
        origin = get_origin(kind)
        if kind is object:
            return value
        if origin is tuple:
            return self._array(get_args(kind)[0], value, where)
        if _is_class(origin, Mapping):
            return self._mapping(get_args(kind)[1], value, where)
        if origin in (Union, types.UnionType):
            one = next(part for part in get_args(kind) if part is not type(None))
            return None if value is None else self.convert(one, value, where)
        if is_dataclass(kind):
            return self._record(cast(type[Any], kind), value, where)
        return self._scalar(kind, value, where)

    def _record(self, cls: type[Any], value: object, where: str) -> object:
        table, before = self._table(value, where), len(self.problems)
        if table is None:
            return None
        known = {field.name: field for field in fields(cls) if field.init}
        for key in islice((key for key in table if key not in known), MOST_UNKNOWN):
            self.problems.append(f"{where}: unknown key {shown(key)}{nearest(key, list(known))}")
        hints = get_type_hints(cls)
        found = {key: self.convert(hints[key], table[key], f"{where}: {key}") for key in table if key in known}
        for name, field in known.items():
            if name not in found and _required(field):
                self.problems.append(f"{where}: key '{name}' is missing")
        return self._built(cls, found, where) if len(self.problems) == before else None

    def _built(self, cls: type[Any], found: dict[str, object], where: str) -> object:
        try:
            return cls(**found)
        except ValueError as error:
            self.problems.extend(f"{where}: {problem}" for problem in error.args)
        return None

    def _table(self, value: object, where: str) -> dict[str, object] | None:
        if isinstance(value, dict):
            return value
        self.problems.append(f"{where}: a table is expected, not {shown(value)}")
        return None

    def _array(self, kind: Any, value: object, where: str) -> tuple[object, ...]:
        if isinstance(value, list):
            return tuple(self.convert(kind, item, f"{where}[{index}]") for index, item in enumerate(value))
        self.problems.append(f"{where}: a list is expected, not {shown(value)}")
        return ()

    def _mapping(self, kind: Any, value: object, where: str) -> dict[str, object]:
        table = self._table(value, where) or {}
        return {key: self.convert(kind, item, f"{where}.{_bounded(key)}") for key, item in table.items()}

    def _scalar(self, kind: Any, value: object, where: str) -> object:
        if _is_class(kind, Enum):
            return self._choice(kind, value, where)
        if kind is Path and isinstance(value, str):
            return Path(value)
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            self.problems.append(f"{where}: {getattr(kind, '__name__', kind)} is expected, not {shown(value)}")
        return value

    def _choice(self, kind: type[Enum], value: object, where: str) -> object:
        words = {str(member.value): member for member in kind}
        if isinstance(value, str) and value in words:
            return words[value]
        self.problems.append(
            f"{where}: unknown word {shown(value)}{nearest(value if isinstance(value, str) else '', list(words))}"
        )
        return None


def _is_class(kind: object, parent: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, parent)


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
