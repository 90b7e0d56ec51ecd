"""Is this archive whole, and the factory's? Judged with the record certificate as only trust.

In an order that gives a stranger nothing to attack: size and table of contents first, both bounded, and whether all but
content is as the writer puts it; then the signature over the manifest, which lies unpressed at the end; then
every byte before it, against the manifest's digest. Only what the factory signed is unpacked at all.
"""

import json
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

from cryptography import x509

from station.batches.container import Listed, digest_of, entry, rest_of
from station.batches.layout import (
    MANIFEST,
    MOST_ARCHIVE,
    MOST_DIRECTORY,
    MOST_ENTRIES,
    MOST_MANIFEST,
    MOST_SIGNATURE,
    NAME,
    SCHEMA,
    SIGNATURE,
    VERSION,
)
from station.batches.signer import Signers, demand_valid, doubt
from station.certificates import fingerprint

END = struct.Struct("<4s4H2LH")
"""End of the table of contents: PKWARE APPNOTE.TXT section 4.3.16."""
END_MARK, LOCATOR_MARK = b"PK\x05\x06", b"PK\x06\x07"
WIDE = struct.Struct("<4sQ2H2L4Q")
"""The same for archives with many entries: section 4.3.14."""
LOCATOR_BYTES = 20
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, NotImplementedError, OverflowError, EOFError)
"""What reading a ZIP file that is none raises."""


@dataclass(frozen=True)
class Sealed:
    """An archive whose every byte is as it was signed, open for reading."""

    file: IO[bytes]
    archive: zipfile.ZipFile
    manifest: dict[str, Any]
    listed: tuple[Listed, ...]
    signer: x509.Certificate
    size: int


def open_sealed(file: IO[bytes], signers: Signers) -> Sealed:
    """Return an archive once it is shown to be whole and signed.

    Raises:
        StationError: It is not; one sentence tells why.
    """
    try:
        size = _measured(file)
        archive = zipfile.ZipFile(file)
        infos = archive.infolist()
        _check_names(infos)
        _check_form(file, infos, size)
        content, signature = (_plain(archive, info) for info in infos[-2:])
        signer = signers.signer_of(content, signature)
        manifest, listed = _manifest(content)
        demand_valid(signer, manifest["made_at"])
        _check_before(file, infos[-2].header_offset, manifest["before"])
    except (*DAMAGED, KeyError, TypeError, RecursionError) as error:  # a stranger's bytes
        raise doubt("it is no batch, or it is damaged") from error
    _check_listed(infos, listed)
    if manifest["signer_sha256"] != fingerprint(signer):
        raise doubt("its manifest names another signer")
    return Sealed(file, archive, manifest, listed, signer, size)


def _measured(file: IO[bytes]) -> int:
    """Return the file's size, after its table of contents was found to be small enough to be read."""
    size = file.seek(0, 2)
    if not END.size <= size <= MOST_ARCHIVE:
        raise doubt(f"it is no batch, or larger than {MOST_ARCHIVE} bytes")
    file.seek(size - END.size)
    mark, disk, start, here, entries, length, _, comment = END.unpack(file.read(END.size))
    if mark != END_MARK or comment or disk or start or here != entries:
        raise doubt("it is no batch: it does not end as one")
    wide = _read(file, max(0, size - END.size - LOCATOR_BYTES - WIDE.size), WIDE.size + LOCATOR_BYTES)
    if (
        wide[WIDE.size : WIDE.size + len(LOCATOR_MARK)] == LOCATOR_MARK
    ):  # who reads it believes it, so it is bounded too
        *_, entries, length, _ = WIDE.unpack(wide[: WIDE.size])
    if entries > MOST_ENTRIES or length > MOST_DIRECTORY:
        raise doubt(f"it has more than {MOST_ENTRIES} entries")
    return size


def _check_names(infos: Sequence[zipfile.ZipInfo]) -> None:
    names = [info.orig_filename for info in infos]
    if names[-2:] != [MANIFEST, SIGNATURE]:
        raise doubt("it is no batch: manifest and signature are not at its end")
    odd = next((name for name in names if not NAME.fullmatch(name)), None)
    if odd is not None:
        raise doubt(f"it has an entry with a name that none may have ({odd[:60]!a})")
    if len(set(names)) != len(names):
        raise doubt("it has two entries with one name")


def _plain(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return manifest or signature, which are never pressed."""
    most = MOST_MANIFEST if info.filename == MANIFEST else MOST_SIGNATURE
    if info.compress_type != zipfile.ZIP_STORED or not info.file_size == info.compress_size <= most:
        raise doubt(f"its {info.filename} is pressed, or too long")
    return archive.read(info)


def _manifest(content: bytes) -> tuple[dict[str, Any], tuple[Listed, ...]]:
    """Return what the manifest says."""
    manifest = json.loads(content)
    schema = manifest["schema"], manifest["version"]
    if schema != (SCHEMA, VERSION):
        raise doubt(f"schema {str(schema[0])[:40]} version {str(schema[1])[:10]} is not known here")
    return manifest, tuple(Listed(each["name"], each["sha256"], each["bytes"]) for each in manifest["files"])


def _check_form(file: IO[bytes], infos: Sequence[zipfile.ZipInfo], size: int) -> None:
    """Check that all but content is as the writer makes it: one entry behind the other, then their table.

    Raises:
        StationError: A byte is another.
    """
    place, again = 0, [_again(info) for info in infos]
    for info in again:
        head = info.FileHeader()
        if info.header_offset != place or _read(file, place, len(head)) != head:
            raise doubt("it was changed: an entry is not as it was written")
        place += len(head) + info.compress_size
    if place > size or _read(file, place, size - place) != rest_of(again, place):
        raise doubt("it was changed: its table of contents is another")


def _check_before(file: IO[bytes], end: int, before: dict[str, Any]) -> None:
    """Check every byte before the manifest by the digest that was signed.

    Raises:
        StationError: One is another.
    """
    if before["bytes"] != end or digest_of(file, 0, end) != before["sha256"]:
        raise doubt("it was changed after it was signed")


def _again(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Return an entry as the writer makes it; only what depends on its content is taken over."""
    made = entry(info.filename, pressed=info.filename not in (MANIFEST, SIGNATURE))
    made.CRC, made.compress_size, made.file_size = info.CRC, info.compress_size, info.file_size
    made.header_offset = info.header_offset
    return made


def _read(file: IO[bytes], place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _check_listed(infos: Sequence[zipfile.ZipInfo], listed: Sequence[Listed]) -> None:
    """Check that the manifest lists the entries that there are, with their sizes."""
    found = [(info.filename, info.file_size) for info in infos[:-2]]
    if found != [(each.name, each.bytes) for each in listed]:
        raise doubt("its manifest lists other entries than there are")
