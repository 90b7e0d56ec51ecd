"""Prove a batch offline: first that the archive is whole and signed, then that its parts say the same.

`prove_batch` needs no database and no network; it says what it showed, and what nobody can see from the file alone.
"""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from station.batches.certificates import signed_by
from station.batches.container import BLOCK
from station.batches.contents import COLUMNS
from station.batches.layout import (
    MOST_CERTIFICATES,
    MOST_PASSPORT,
    MOST_SIGNATURE,
    MOST_TABLE,
    ROOTS,
    UNITS,
    UNITS_CSV,
    UNITS_SCHEMA,
    VERSION,
    UnitFiles,
)
from station.batches.sealed import DAMAGED, Sealed, open_sealed
from station.batches.signer import Signers, doubt
from station.batches.tables import rows_of
from station.batches.units import described
from station.certificates import fingerprint
from station.errors import ConfigError

Progress = Callable[[int, int], None]
EVERY = 200
"""Units after which progress is told."""

NOT_PROVED = (
    "That it is the newest batch of these units: a unit that was built again has a passport of a higher revision.",
    "That a unit's certificate was not revoked since: ask the list of its issuer.",
    "That a charger before you is one of these: compare serial number and, over TLS, the certificate's SHA-256.",
    "What is in sealed secrets, and who can open them: that shows only when their key does.",
    "Anything of a site: units were tested over the factory's network.",
    "When it was signed: the time is the station's word, no authority stamped it.",
)


@dataclass(frozen=True)
class BatchProof:
    """What a check of an archive showed, each as one sentence."""

    manifest: dict[str, Any]
    proved: tuple[str, ...]
    not_proved: tuple[str, ...] = NOT_PROVED


def prove_batch(
    path: Path, anchors: Sequence[x509.Certificate], progress: Progress = lambda _done, _total: None
) -> BatchProof:
    """Judge an archive.

    Raises:
        ConfigError: The file can't be read.
        StationError: It is not what it says; one sentence tells why.
    """
    signers = Signers(anchors)
    try:
        with path.open("rb") as file:
            sealed = open_sealed(file, signers)
            return BatchProof(sealed.manifest, tuple(_Judge(sealed, signers).proved(progress)))
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", hint="Check the name of the file.") from error
    except (*DAMAGED, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise doubt("it was signed, and is not made as a batch of this version") from error


class _Judge:
    """Looks into an archive that is whole and signed."""

    def __init__(self, sealed: Sealed, signers: Signers) -> None:
        self._sealed, self._signers = sealed, signers
        self._listed = {each.name: each for each in sealed.listed}
        self._seen: set[str] = set()
        self._sound: dict[tuple[x509.Certificate, ...], bool] = {}
        self._roots = x509.load_pem_x509_certificates(self._read(ROOTS, MOST_CERTIFICATES))

    def proved(self, progress: Progress) -> Iterator[str]:
        """Check everything, and yield what that showed."""
        manifest, name = self._sealed.manifest, self._sealed.signer.subject.rfc4514_string()
        units = self._units(progress)
        self._tables(units)
        others = self._others()
        yield f"The archive ({self._sealed.size} bytes) is whole: no byte of it was changed since it was signed."
        yield f"It was signed by {name}, certificate SHA-256 {fingerprint(self._sealed.signer)}: the trust anchor."
        yield f"It is batch {manifest['batch']} of order {manifest['order']}, made {manifest['made_at']}."
        yield (
            f"It has {units} units; each has its signed passport, and a certificate that the passport names and a CA"
            " of the archive signed."
        )
        yield "What units.json says of each unit is what its passport says."
        yield f"All {len(self._listed)} files have the SHA-256 of the manifest; {others} of them are of no single unit."
        if manifest["sealed_for"]:
            yield f"The factory says that secrets are sealed for certificate SHA-256 {manifest['sealed_for']}."
        if manifest["development"]:
            yield "A development factory made units of it: they are not for sale."

    def _units(self, progress: Progress) -> int:
        manifest, connectors, count = self._sealed.manifest, 0, 0
        for count, unit in enumerate(self._lines(), 1):
            self._unit(unit)
            connectors += len(unit["connectors"])
            if count % EVERY == 0:
                progress(count, manifest["units"])
        if (count, connectors) != (manifest["units"], manifest["connectors"]):
            raise doubt(f"its manifest counts {manifest['units']} units, and there are {count}")
        folders = sum(name.startswith("units/") and name.endswith("/passport.json") for name in self._listed)
        if folders != count:
            raise doubt(f"{UNITS} has {count} units, and there are passports of {folders}")
        return count

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Yield the units of `units.json`, which stand one in a line."""
        with self._open(UNITS) as file:
            lines = io.TextIOWrapper(file, "utf-8", newline="\n")
            head = json.loads(lines.readline(MOST_PASSPORT).rstrip() + "]}")
            if (head["schema"], head["version"], head["batch"]) != (
                UNITS_SCHEMA, VERSION, self._sealed.manifest["batch"],
            ):  # fmt: skip
                raise doubt(f"{UNITS} is of another batch or version")
            while (line := lines.readline(MOST_PASSPORT)) and not line.startswith("]"):
                yield json.loads(line.rstrip().rstrip(","))

    def _unit(self, unit: dict[str, Any]) -> None:
        """Check a unit's three files against each other and against what is said of it."""
        serial = str(unit["serial"])
        names = UnitFiles(serial)
        document = self._read(names.passport, MOST_PASSPORT)
        passport = self._signers.passport(serial, document, self._read(names.signature, MOST_SIGNATURE))
        if described(passport, unit["revision"], sha256(document).hexdigest()) != unit:
            raise doubt(f"{UNITS} says of {serial} what its passport does not")
        chain = x509.load_pem_x509_certificates(self._read(names.certificate, MOST_CERTIFICATES))
        if chain[0].fingerprint(SHA256()).hex() != passport["certificate"]["sha256"]:
            raise doubt(f"the certificate of {serial} is another than its passport names")
        signers = chain[1:2] or self._roots
        if not self._is_sound(tuple(chain[1:])) or not any(signed_by(chain[0], signer) for signer in signers):
            raise doubt(f"the chain of {serial} does not lead to a root of the archive")

    def _is_sound(self, chain: tuple[x509.Certificate, ...]) -> bool:
        """Tell whether each CA was signed by the next, and the last by a root; looked at once for all units."""
        if chain not in self._sound:
            signed = all(map(signed_by, chain, chain[1:]))
            self._sound[chain] = signed and (not chain or any(signed_by(chain[-1], root) for root in self._roots))
        return self._sound[chain]

    def _tables(self, units: int) -> None:
        """Check every row of our own tables by its digest."""
        for name in COLUMNS:
            with self._open(name) as file:
                rows = rows_of(io.TextIOWrapper(file, "utf-8", newline=""), COLUMNS[name])
                count = sum(1 for _ in rows)
            if name == UNITS_CSV and count != units:
                raise doubt(f"{name} has {count} rows for {units} units")

    def _others(self) -> int:
        """Check the digests of the files that were not looked into yet, and return how many are of no unit."""
        for name in self._listed.keys() - self._seen:
            self._digest(name)
        return sum(not name.startswith(("units/", "secrets/")) for name in self._listed)

    def _read(self, name: str, most: int) -> bytes:
        listed = self._listed.get(name)
        if listed is None or listed.bytes > most:
            raise doubt(f"{name} is missing, or too long")
        content = self._sealed.archive.read(name)
        self._compare(name, sha256(content).hexdigest())
        return content

    def _open(self, name: str) -> IO[bytes]:
        self._digest(name)
        return self._sealed.archive.open(name)

    def _digest(self, name: str) -> None:
        digest = sha256()
        if name not in self._listed or self._listed[name].bytes > MOST_TABLE:
            raise doubt(f"{name} is missing, or too long")
        with self._sealed.archive.open(name) as file:
            while block := file.read(BLOCK):
                digest.update(block)
        self._compare(name, digest.hexdigest())

    def _compare(self, name: str, digest: str) -> None:
        if digest != self._listed[name].sha256:
            raise doubt(f"{name} is not what the manifest says")
        self._seen.add(name)
