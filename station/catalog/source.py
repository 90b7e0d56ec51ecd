"""Where definitions are read from: the catalogue's folder, or what a release bundle holds of it.

Whoever loads a definition names its files by their path in the catalogue and reads each through a `Source`. So the same
code loads a draft from the folder and an approved definition from its bundle, and what a definition is made of is
exactly what was read while it was loaded.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from station.errors import ConfigError
from station.strict import read_bounded

SHIPPED = Path(__file__).resolve().parents[2] / "templates"
"""Label templates that count where the catalogue has none of the name, as `labels/<name>.zpl`."""
PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}")


class Source(Protocol):
    """Files of a catalogue by their path in it, such as `products/ac22/product.toml`."""

    def read(self, path: str) -> bytes:
        """Return a file's bytes.

        Raises:
            ConfigError: There is no such file, or it is larger than `station.strict.MAX_FILE_BYTES`.
        """
        ...

    def locate(self, path: str) -> Path:
        """Return where a binary file lies on disk, such as a firmware image; it need not exist."""
        ...

    def names(self, kind: str) -> tuple[str, ...]:
        """Return what a folder such as `products` holds, sorted, without the endings of files."""
        ...


@dataclass(frozen=True)
class Folder:
    """The catalogue as files on disk; each is read once, so that all who ask see the same bytes."""

    directory: Path
    seen: dict[str, bytes] = field(default_factory=dict)
    """What was read, by path."""
    located: dict[str, Path] = field(default_factory=dict)
    """Binary files that were asked for, by path."""

    def read(self, path: str) -> bytes:
        """Return a file's bytes."""
        if path not in self.seen:
            place = self.directory / checked(path)
            shipped = path.startswith("labels/") and not place.exists()
            place = SHIPPED / path if shipped else place
            self.seen[path] = read_bounded(place, str(place))
        return self.seen[path]

    def locate(self, path: str) -> Path:
        """Return where a binary file lies."""
        self.located[path] = self.directory / checked(path)
        return self.located[path]

    def names(self, kind: str) -> tuple[str, ...]:
        """Return what a folder holds: each directory and each TOML file is a definition, other files are not."""
        found = (entry for entry in (self.directory / checked(kind)).glob("*") if PART.fullmatch(entry.name))
        kept = (entry for entry in found if entry.is_dir() or entry.suffix == ".toml")
        return tuple(sorted(entry.name if entry.is_dir() else entry.stem for entry in kept))


@dataclass(frozen=True)
class Frozen:
    """The files that a bundle holds; binary files, which it names by digest only, lie in the catalogue's folder."""

    files: Mapping[str, bytes]
    directory: Path

    def read(self, path: str) -> bytes:
        """Return a file's bytes."""
        try:
            return self.files[checked(path)]
        except KeyError:
            raise ConfigError(f"{path} is not in the bundle", hint="Make a new bundle.") from None

    def locate(self, path: str) -> Path:
        """Return where a binary file lies."""
        return self.directory / checked(path)

    def names(self, kind: str) -> tuple[str, ...]:
        """Return what a folder holds."""
        found = (path.removeprefix(f"{kind}/") for path in self.files if path.startswith(f"{kind}/"))
        return tuple(sorted({name.split("/")[0].removesuffix(".toml") for name in found}))


def checked(path: str) -> str:
    """Return a path of the catalogue that can't lead out of it.

    Raises:
        ConfigError: A part of it is empty, hidden, too long, or not of letters, digits and `._+-`.
    """
    if not all(PART.fullmatch(part) for part in path.split("/")):
        raise ConfigError(f"'{path[:200]!s}' is not a path in the catalogue", hint="Use plain names.")
    return path
