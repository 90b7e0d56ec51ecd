"""Read TOML into frozen dataclasses, refusing what is unknown, missing or of another type.

A definition that is almost right is wrong: every refusal names the file, the key path and the nearest valid word.
"""

import difflib
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from station.errors import ConfigError

T = TypeVar("T")
MAX_FILE_BYTES = 1_000_000
"""Largest definition file that is read."""


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """Return the tables of a TOML file and the SHA-256 of its bytes.

    Raises:
        ConfigError: The file is missing, too large or not TOML.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}", hint="Create the file or correct the path.") from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return tomllib.loads(raw.decode()), sha256(raw).hexdigest()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def load(cls: type[T], path: Path) -> T:
    """Read the TOML file into the dataclass `cls`.

    Raises:
        ConfigError: Something in the file is unknown, missing, or of another type.
    """
    table, _ = read_toml(path)
    return parse(cls, table, str(path))


def parse(cls: type[T], value: object, where: str) -> T:
    """Build `cls` from a TOML value; `where` is the file and key path for messages."""
    return cast(T, _convert(cls, value, where))


def nearest(word: str, words: list[str]) -> str:
    """Return `; did you mean …?` for the nearest of the words, or the words themselves."""
    close = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(words))}"


def _convert(kind: Any, value: object, where: str) -> object:
    origin = get_origin(kind)
    if origin is tuple:
        return _array(get_args(kind)[0], value, where)
    if _is_class(origin, Mapping):
        return _mapping(get_args(kind)[1], value, where)
    if origin in (Union, types.UnionType):
        return _convert(next(part for part in get_args(kind) if part is not type(None)), value, where)
    if is_dataclass(kind):
        return _record(cast(type[Any], kind), value, where)
    return _scalar(kind, value, where)


def _is_class(kind: object, parent: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, parent)


def _record(cls: type[Any], value: object, where: str) -> object:
    table = _table(value, where)
    known = {field.name: field for field in fields(cls) if field.init}
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key '{key}'{nearest(key, list(known))}")
    hints = get_type_hints(cls)
    found = {key: _convert(hints[key], item, f"{where}: {key}") for key, item in table.items()}
    for name, field in known.items():
        if name not in found and _required(field):
            raise ConfigError(f"{where}: key '{name}' is missing")
    try:
        return cls(**found)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _table(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: a table is expected, not {value!r}")
    return value


def _array(kind: Any, value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{where}: a list is expected, not {value!r}")
    return tuple(_convert(kind, item, f"{where}[{index}]") for index, item in enumerate(value))


def _mapping(kind: Any, value: object, where: str) -> dict[str, object]:
    return {key: _convert(kind, item, f"{where}.{key}") for key, item in _table(value, where).items()}


def _scalar(kind: Any, value: object, where: str) -> object:
    if _is_class(kind, Enum):
        return _choice(kind, value, where)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where}: {getattr(kind, '__name__', kind)} is expected, not {value!r}")
    return value


def _choice(kind: type[Enum], value: object, where: str) -> Enum:
    words = [str(member.value) for member in kind]
    if str(value) not in words:
        raise ConfigError(f"{where}: unknown word '{value}'{nearest(str(value), words)}")
    return kind(value)
