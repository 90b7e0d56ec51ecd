"""Where in the audit log an export stands: the newest checkpoint of the very state of the records that its rows are of.

The manifest has the whole signed note, so that a later look through the log, `station audit verify`, shows whether the
records that were exported are those that are there now. A checkpoint that was kept elsewhere shows it at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pki.errors import PkiError
from pki.log import Checkpoint, open_note
from station.errors import ConfigError
from station.strict import read_bounded

MOST_NOTE = 16_384
MOST_FILES = 1_000


@dataclass(frozen=True)
class Kept:
    """A checkpoint, or a folder of them, that was kept elsewhere, and the audit key that signs them."""

    place: Path
    spki: bytes
    """SubjectPublicKeyInfo (DER)."""


def position_told(note: bytes) -> dict[str, Any]:
    """Return what a manifest says of the newest checkpoint; nothing while none was signed."""
    if not note:
        return {}
    origin, size, root, *_ = note.decode().split("\n")
    return {"origin": origin, "size": int(size), "root": root, "checkpoint": note.decode()}


def judged(told: dict[str, Any], kept: Kept) -> str:
    """Compare what a manifest says with a checkpoint that was kept elsewhere, and return what that proves.

    Raises:
        ConfigError: The checkpoint is of another size or log, or can't be read: it tells nothing of this export.
        ValueError: They contradict each other.
    """
    if not told:
        raise ValueError("its manifest names no checkpoint, as none was signed when it was made")
    named = _opened(str(told["checkpoint"]).encode(), kept.spki)
    if position_told(str(told["checkpoint"]).encode()) != told:
        raise ValueError("its manifest says another position in the log than the checkpoint in it")
    found = [(path, _opened(note, kept.spki)) for path, note in _notes(kept.place, named)]
    same = [(path, one) for path, one in found if (one.origin, one.size) == (named.origin, named.size)]
    if not same:
        message = f"{kept.place} is no checkpoint of {named.size} entries of {named.origin}"
        raise ConfigError(message, hint=f"Name that one: where they are kept, it is '{_prefix(named)}….txt'.")
    for path, one in same:
        if one.root != named.root:
            raise ValueError(f"it is of another history than {path}: the log had other entries then")
    return (
        f"It is of records whose log had at least the {named.size} entries of checkpoint {same[0][0]}, with the same"
        " root: of the history that was witnessed there."
    )


def _opened(note: bytes, spki: bytes) -> Checkpoint:
    try:
        return open_note(note, spki)
    except PkiError as error:
        raise ValueError(error.message) from error


def _notes(place: Path, named: Checkpoint) -> Iterator[tuple[Path, bytes]]:
    """Yield the checkpoint of a file, or those of a folder that may be the one, by their names."""
    files = sorted(place.rglob(f"{_prefix(named)}*.txt"))[:MOST_FILES] if place.is_dir() else [place]
    for file in files:
        yield file, read_bounded(file, str(file), MOST_NOTE)


def _prefix(named: Checkpoint) -> str:
    return f"{named.size:012d}"
