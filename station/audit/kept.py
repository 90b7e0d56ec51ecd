"""Checkpoints that were kept elsewhere, as files or folders of them; whoever owns the station does not own these."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from station.errors import ConfigError
from station.strict import read_bounded

MOST_FILES = 100_000
MOST_NOTE = 16_384


def notes_in(paths: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the checkpoints of files, and of folders what is named as one (*.txt), each with its path.

    Raises:
        ConfigError: A file can't be read, or there are too many.
    """
    files = [file for path in paths for file in (_files_below(path) if path.is_dir() else [path])]
    if len(files) > MOST_FILES:
        raise ConfigError(f"these are more than {MOST_FILES} checkpoints", hint="Name the folder of fewer days.")
    for file in files:
        yield str(file), read_bounded(file, str(file), MOST_NOTE)


def _files_below(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("[!.]*.txt")) if file.is_file()]
