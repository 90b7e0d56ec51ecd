"""TOML into frozen dataclasses: an unknown, missing or mistyped key is refused with its path in the file."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pki.errors import ProfileError

T = TypeVar("T")
MAX_FILE_BYTES = 100_000


def read_toml(path: Path, cls: type[T]) -> T:
    """Read a TOML file as `cls`.

    Raises:
        ProfileError: The file is missing, too long, not TOML, or not shaped as `cls`.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from error
    return parse_toml(raw, cls, str(path))


def parse_toml(raw: bytes, cls: type[T], where: str) -> T:
    """Parse TOML bytes as `cls`; `where` names them in messages.

    Raises:
        ProfileError: They are too long, not TOML, or not shaped as `cls`.
    """
    return parse_table(load_toml(raw, where), cls, where)


def load_toml(raw: bytes, where: str) -> dict[str, Any]:
    """Parse TOML bytes as a plain table.

    Raises:
        ProfileError: They are too long or not TOML.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise ProfileError(f"{where}: longer than {MAX_FILE_BYTES} bytes")
    try:
        return tomllib.loads(raw.decode())
    except ValueError as error:
        raise ProfileError(f"{where}: {error}") from error


def parse_table(table: Mapping[str, Any], cls: type[T], where: str) -> T:
    """Shape a plain table as `cls`; `where` names it in messages.

    Raises:
        ProfileError: A key is unknown, missing or mistyped.
    """
    return _record(cls, table, f"{where}: ")


def _record(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    hints = get_type_hints(cls)
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]  # T is always a dataclass here
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ProfileError(f"{where}{name} is unknown" + (f"; did you mean '{near[0]}'?" if near else ""))
    for name, field in known.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise ProfileError(f"{where}{name} is missing")
    return cls(**{name: _value(hints[name], value, f"{where}{name}") for name, value in table.items()})


def _value(hint: Any, value: object, where: str) -> Any:
    if get_origin(hint) is UnionType:  # `Some | None`: TOML has no null, so what stands there is a Some
        hint = next(option for option in get_args(hint) if option is not NoneType)
    if isinstance(hint, type) and is_dataclass(hint) and isinstance(value, dict):
        return _record(hint, value, f"{where}.")
    if get_origin(hint) is tuple and isinstance(value, list):
        item = get_args(hint)[0]
        return tuple(_value(item, entry, f"{where}[{index}]") for index, entry in enumerate(value))
    if get_origin(hint) is dict and isinstance(value, dict):
        return {name: _value(get_args(hint)[1], entry, f"{where}.{name}") for name, entry in value.items()}
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ProfileError(f"{where} has the wrong type: {type(value).__name__}")
