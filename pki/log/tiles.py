"""Names and contents of the files in which a log is published: tiles of 256 hashes, and bundles of 256 entries."""

from collections.abc import Iterable, Iterator

TILE = 256
"""Hashes of a whole tile, and entries of a whole bundle."""


def tile_name(level: int, number: int, width: int = TILE) -> str:
    """Return the path of a tile; `width` is less than `TILE` for the one at the right edge."""
    return f"tile/{level}/{_number(number)}{_part(width)}"


def bundle_name(number: int, width: int = TILE) -> str:
    """Return the path of a bundle of entries."""
    return f"tile/entries/{_number(number)}{_part(width)}"


def bundle(entries: Iterable[bytes]) -> bytes:
    """Return a bundle: each entry behind its length in two bytes, big-endian.

    Raises:
        OverflowError: An entry is longer than 65,535 bytes.
    """
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def widths(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, number, width) of the tile at the right edge of each level, where it is not whole."""
    level = 0
    while size:
        if size % TILE:
            yield level, size // TILE, size % TILE
        level, size = level + 1, size // TILE


def _number(number: int) -> str:
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03d}")
    return "/".join(reversed(groups))


def _part(width: int) -> str:
    return "" if width == TILE else f".p/{width}"
