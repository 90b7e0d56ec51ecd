"""The log as files that anybody may have: tiles, bundles of entries and the newest checkpoint (c2sp.org/tlog-tiles).

All of it can be made again from the records. The checkpoint is written last: whoever reads it finds all that it covers.
"""

import shutil
from pathlib import Path

from pki.errors import PkiError
from pki.files import write_file
from pki.log import HASH_BYTES, TILE, Checkpoint, bundle, bundle_name, open_note, tile_name, widths
from station.records import Records
from station.records.log import TreeReader

CHECKPOINT = "checkpoint"


def write_tiles(records: Records, folder: Path, note: bytes, spki: bytes) -> None:
    """Bring a folder to the state of a checkpoint; what it has already is left as it is.

    Raises:
        OSError: The folder can't be written.
    """
    size, there = open_note(note, spki).size, newest(folder, spki)
    before = there.size if there and there.size <= size else 0
    with records.log_tree() as tree:
        _write_whole(tree, folder, before, size)
        for level, number, width in widths(size):
            hashes = tree.tile(level, number)[: width * HASH_BYTES]
            _put(folder / tile_name(level, number, width), hashes)
    for number in range(before // TILE, size // TILE):
        entries = records.log_entries(number * TILE, (number + 1) * TILE)
        _put(folder / bundle_name(number), bundle(entries), whole=True)
    if size % TILE:
        entries = records.log_entries(size // TILE * TILE, size)
        _put(folder / bundle_name(size // TILE, size % TILE), bundle(entries))
    write_file(folder / CHECKPOINT, note)


def _write_whole(tree: TreeReader, folder: Path, before: int, size: int) -> None:
    """Write the tiles that became whole, on each level."""
    level = 0
    while size := size // TILE:
        before //= TILE
        for number in range(before, size):
            _put(folder / tile_name(level, number), tree.tile(level, number), whole=True)
        level += 1


def newest(folder: Path, spki: bytes) -> Checkpoint | None:
    """Return how far a folder is; nothing is believed of a checkpoint that the key did not sign."""
    try:
        return open_note((folder / CHECKPOINT).read_bytes(), spki)
    except (OSError, PkiError):
        return None


def _put(path: Path, data: bytes, *, whole: bool = False) -> None:
    """Write a file that outlasts a power cut; parts of a tile that is whole now are not needed any more."""
    write_file(path, data)
    if whole:
        shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)
