"""What else lies in a station directory: certificates that settings name are copied, the rest is told by name."""

import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from station.errors import ConfigError
from station.strict import read_bounded

MOST_SETTINGS, MOST_CERTIFICATES = 1_000_000, 1_000_000
MOST_TOLD = 200
OF_A_RUN = (".lock", "-wal", "-shm", "-journal", "station.url")
"""How names end of what a station makes again when it runs."""


def certificates_named(directory: Path, settings: Collection[Path]) -> Iterator[Path]:
    """Yield the files with certificates in a station directory that settings name, as a path or behind `?ca=`.

    One with a private key in it is none of them.
    """
    for name in sorted({name for file in settings for name in _names(_read(file))}):
        path = Path(os.path.normpath(directory / name))
        if path.is_relative_to(directory) and path.is_file() and _is_public(path):
            yield path


def rest_of(directory: Path, known: Collection[Path]) -> Iterator[str]:
    """Yield what lies in a folder and is neither known nor holds what is; a folder with nothing known is one name."""
    above = {parent for path in known for parent in path.parents}
    found = (_shown(path, directory) for path in _unknown(directory, frozenset(known), above))
    for count, name in enumerate(found):
        if count == MOST_TOLD:
            return
        yield name


def _unknown(folder: Path, known: Collection[Path], above: Collection[Path]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path in known or path.name.endswith(OF_A_RUN):
            continue
        if path in above and not path.is_symlink():
            yield from _unknown(path, known, above)
        elif path not in above and not _is_empty(path):
            yield path


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(one.is_file() for one in path.rglob("*"))


def _read(file: Path) -> Mapping[str, Any]:
    """Return what settings say; nothing where they are none."""
    try:
        return tomllib.loads(read_bounded(file, str(file), MOST_SETTINGS).decode())
    except (ConfigError, ValueError, RecursionError):
        return {}


def _names(said: object) -> Iterator[str]:
    """Yield each text of settings that could name a file."""
    match said:
        case str() if said.isprintable() and len(said) < 1000:
            yield from _named(said)
        case dict():
            yield from (name for inner in said.values() for name in _names(inner))
        case list():
            yield from (name for inner in said for name in _names(inner))


def _named(text: str) -> Iterator[str]:
    try:
        yield from parse_qs(urlsplit(text).query).get("ca", [])
    except ValueError:
        return
    if ":" not in text and text:
        yield text


def _is_public(path: Path) -> bool:
    try:
        raw = read_bounded(path, str(path), MOST_CERTIFICATES)
    except ConfigError:
        return False
    return b"-----BEGIN CERTIFICATE-----" in raw and b"PRIVATE KEY" not in raw


def _shown(path: Path, directory: Path) -> str:
    name = path.relative_to(directory).as_posix()
    return name if name.isprintable() else ascii(name)
