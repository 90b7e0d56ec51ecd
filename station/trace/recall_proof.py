"""Is this recall package what it says? Judged anywhere, offline, with the factory's record certificate as only trust.

The signature comes first, then every byte of both lists; the certificate in the package is never believed.
"""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from cryptography import x509

from station.certificates import fingerprint
from station.errors import ConfigError, StationError
from station.trace.export.envelope import MOST_ENVELOPE, Opened, opened
from station.trace.recall_package import LIST, MANIFEST, PREDICATE, TABLE

HINT = "Do not rely on this package; ask the manufacturer for it again."
MOST_LIST = 2_000_000_000
"""Bytes of one list, unpacked: five million units, which no factory recalls."""
DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OverflowError, EOFError)
"""What reading a ZIP file raises that is none, or none that we make."""
NOT_PROVED = (
    "That these are all units that are concerned: only what the records said when they were asked.",
    "When it was signed: the time is the station's word, no authority stamped it.",
)


@dataclass(frozen=True)
class PackageProof:
    """What a check of a recall package showed, each as one sentence."""

    manifest: Mapping[str, Any]
    proved: tuple[str, ...]
    not_proved: tuple[str, ...]


def prove_package(path: Path, anchors: Sequence[x509.Certificate]) -> PackageProof:
    """Judge a recall package.

    Raises:
        ConfigError: It can't be read.
        StationError: It is not what its manifest says; one sentence tells why.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = opened(_manifest(archive), anchors)
            _demand_lists(archive, found)
        return _told(found)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", hint="Check the name of the file.") from error
    except DAMAGED as error:
        raise _doubt("it is no ZIP archive, or a damaged one") from error
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _doubt("it is not made as a recall package of this version") from error
    except ValueError as error:
        raise _doubt(str(error)) from error


def _manifest(archive: zipfile.ZipFile) -> bytes:
    if archive.getinfo(MANIFEST).file_size > MOST_ENVELOPE:
        raise ValueError("its manifest is too large")
    return archive.read(MANIFEST)


def _demand_lists(archive: zipfile.ZipFile, found: Opened) -> None:
    """Compare every byte of both lists with what was signed."""
    if found.statement["predicateType"] != PREDICATE:
        raise ValueError("what was signed is no recall package, or of another version")
    signed = {one["name"]: one["digest"]["sha256"] for one in found.statement["subject"]}
    for name in (TABLE, LIST):
        if archive.getinfo(name).file_size > MOST_LIST:
            raise ValueError(f"{name} is too large")
        with archive.open(name) as file:
            if file_digest(file, "sha256").hexdigest() != signed[name]:  # type: ignore[arg-type] # it reads as one
                raise ValueError(f"{name} was changed after it was signed: its SHA-256 is another")


def _told(found: Opened) -> PackageProof:
    said, signer = found.statement["predicate"], found.signer
    asked = ", ".join(f"{name} {text[:200]}" for name, text in said["asked"].items()) or "nothing: all units"
    proved = (
        f"{TABLE} and {LIST} are whole: no byte of them was changed since they were signed.",
        f"They were signed by {signer.subject.rfc4514_string()}, certificate SHA-256 {fingerprint(signer)}:"
        " the trust anchor.",
        f"They were made {said['made_at']} at station {said['station']} by {said['made_by']}, who asked for {asked}.",
        f"The records had {said['units']} such unit(s), says the factory.",
    )
    return PackageProof(said, proved, (*_doubts(said), *NOT_PROVED))


def _doubts(said: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the factory itself could not answer."""
    unjudged, unknown = said["units_unjudged"], said["serials_unknown"]
    return tuple(
        text
        for number, text in (
            (unjudged, f"Whether {unjudged} more unit(s) are concerned: nobody kept what they were built of."),
            (len(unknown), f"Anything of {len(unknown)} serial number(s) that no unit has."),
        )
        if number
    )


def _doubt(problem: str) -> StationError:
    return StationError(f"recall package: {problem}", hint=HINT)
