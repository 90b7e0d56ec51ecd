"""Files that are there whole or not at all."""

from pathlib import Path


def write_whole(target: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all.

    Raises:
        OSError: It can't be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(target)
