"""The archive as a ZIP file in one form only: the same entries give the same bytes, and any other byte is seen.

The manifest and its signature come last and unpressed. The manifest holds the SHA-256 of every byte before it; what
comes behind it (the table of contents) can be made again from what was read, and is compared.

# Ref: PKWARE APPNOTE.TXT 6.3, sections 4.3 and 4.4.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO

from station.batches.layout import MANIFEST, NAME, SIGNATURE

BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: when it was made stands in the manifest."""
PLAIN_FILE = 0o100644 << 16
UNIX = 3
BLOCK = 2**20


@dataclass(frozen=True)
class Listed:
    """An entry as the manifest lists it."""

    name: str
    sha256: str
    bytes: int


def entry(name: str, *, pressed: bool = True) -> zipfile.ZipInfo:
    """Return an entry in the one form that archives have."""
    if not NAME.fullmatch(name):
        raise ValueError(f"'{name}' can't be a name in an archive")
    info = zipfile.ZipInfo(name, BEGINNING)
    info.create_system, info.external_attr = UNIX, PLAIN_FILE
    info.compress_type = zipfile.ZIP_DEFLATED if pressed else zipfile.ZIP_STORED
    return info


class Writer:
    """Writes an archive into a file, entry by entry; of each only name, size and digest stay in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._zip = zipfile.ZipFile(file, "w")
        self.listed: list[Listed] = []

    def add(self, name: str, content: bytes) -> str:
        """Add an entry and return its SHA-256."""
        self._zip.writestr(entry(name), content)
        digest = hashlib.sha256(content).hexdigest()
        self.listed.append(Listed(name, digest, len(content)))
        return digest

    def add_stream(self, name: str, parts: Iterable[bytes], size: int) -> None:
        """Add an entry that is too large for the memory; `size` is at least its bytes."""
        info, digest, written = entry(name), hashlib.sha256(), 0
        info.file_size = size
        with self._zip.open(info, "w") as out:
            for part in parts:
                out.write(part)
                digest.update(part)
                written += len(part)
        self.listed.append(Listed(name, digest.hexdigest(), written))

    def written(self) -> tuple[str, int]:
        """Return SHA-256 and number of the bytes so far."""
        self._file.flush()
        end = self._file.tell()
        digest = digest_of(self._file, 0, end)
        self._file.seek(end)
        return digest, end

    def close(self, manifest: bytes, signature: bytes) -> None:
        """Add the manifest and its signature, and end the archive."""
        for name, content in ((MANIFEST, manifest), (SIGNATURE, signature)):
            self._zip.writestr(entry(name, pressed=False), content)
        self.release()
        self._file.flush()

    def release(self) -> None:
        """Let go of an archive that was begun, whatever became of it."""
        self._zip.close()


def digest_of(file: IO[bytes], start: int, end: int) -> str:
    """Return the SHA-256 of a part of a file."""
    file.seek(start)
    digest, left = hashlib.sha256(), end - start
    while left > 0:
        block = file.read(min(BLOCK, left))
        if not block:
            break
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()


def rest_of(infos: Sequence[zipfile.ZipInfo], start: int) -> bytes:
    """Return the bytes of an archive's table of contents when it begins at `start`."""
    behind = _Behind(start)
    with zipfile.ZipFile(behind, "w") as archive:
        archive.filelist = list(infos)
        archive.comment = b""  # makes it write the table, though nothing was added
    return behind.getvalue()


class _Behind(io.BytesIO):
    """A file of which only what comes after a number of bytes is kept."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self._start = start

    def tell(self) -> int:
        return self._start + super().tell()

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        return self._start + super().seek(place - self._start if whence == io.SEEK_SET else place, whence)
