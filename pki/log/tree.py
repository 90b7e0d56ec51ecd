"""The Merkle tree of RFC 6962: grown by its right edge, and proven by a path of hashes."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from pki.errors import RequestRefused

HASH_BYTES = 32
EMPTY = sha256(b"").digest()
"""Root of a tree without entries."""
MOST_LEVELS = 63

Node = Callable[[int, int], bytes]
"""Give the root of a whole subtree of 2^level entries, by its level and its number from the left."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry as a leaf."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children."""
    return sha256(b"\1" + left + right).digest()


class Range:
    """The right edge of a tree: the roots of its whole subtrees, at most one for each power of two."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Take up a tree again, its peaks from the largest to the smallest.

        Raises:
            RequestRefused: So many peaks are not of a tree of this size.
        """
        self.size, self.peaks = size, list(peaks)
        if size < 0 or size.bit_count() != len(self.peaks) or any(len(peak) != HASH_BYTES for peak in self.peaks):
            raise RequestRefused(f"these are not the peaks of a tree of {size} entries", hint="Restore the log.")

    def append(self, leaf: bytes) -> None:
        """Add the hash of one more leaf."""
        size, peaks = self.size, self.peaks
        while size & 1:
            leaf = sha256(b"\1" + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        if not self.peaks:
            return EMPTY
        root = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            root = node_hash(peak, root)
        return root


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root of a whole subtree, from the roots of all its subtrees of one size, from the left."""
    while len(hashes) > 1:
        hashes = [node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def peaks_of(size: int, node: Node, start: int = 0) -> list[bytes]:
    """Return the peaks of the `size` entries that follow `start`."""
    found = []
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            found.append(node(level, start >> level))
            start += 1 << level
    return found


def inclusion(index: int, size: int, node: Node) -> list[bytes]:
    """Return the path that proves an entry, from the leaf's sibling upwards (RFC 6962 section 2.1.1).

    Raises:
        RequestRefused: There is no such entry in a tree of this size.
    """
    _check_index(index, size)
    path, start = [], 0
    while size > 1:
        half = 1 << (size - 1).bit_length() - 1
        if index - start < half:
            path.append(_root(start + half, size - half, node))
            size = half
        else:
            path.append(_root(start, half, node))
            start, size = start + half, size - half
    return path[::-1]


def root_of(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Return the root to which a path leads from a leaf's hash (RFC 9162 section 2.1.3.2).

    Raises:
        RequestRefused: The path is longer or shorter than that of such an entry.
    """
    _check_index(index, size)
    last = size - 1
    for sibling in path:
        if not last:
            raise RequestRefused("the proof is too long", hint="Ask for the proof again.")
        if index & 1 or index == last:
            leaf = node_hash(sibling, leaf)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            leaf = node_hash(leaf, sibling)
        index, last = index >> 1, last >> 1
    if last:
        raise RequestRefused("the proof is too short", hint="Ask for the proof again.")
    return leaf


def _root(start: int, size: int, node: Node) -> bytes:
    return Range(size, peaks_of(size, node, start)).root()


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size < 1 << MOST_LEVELS:
        raise RequestRefused(f"a log of {size} entries has no entry {index}", hint="Ask for the proof again.")
