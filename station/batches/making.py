"""Make a batch: one signed archive of an order's released units, from what was stored when they were released.

Everything streams: of a unit only its name, revision and digests stay in memory. The file appears under its name when
it is whole, durable and recorded; asked again for the same units, the same archive comes out.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Any

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from station.batches.certificates import Chains, roots_of
from station.batches.commissioning import texts
from station.batches.container import Writer, digest_of
from station.batches.contents import Contents
from station.batches.keys import Keys
from station.batches.layout import (
    ISSUERS,
    MOST_UNITS,
    PACK,
    README,
    ROOTS,
    SCHEMA,
    SCHEMAS,
    SERIAL,
    SIGNER,
    STEPS_CSV,
    SUMS,
    VERSION,
)
from station.batches.pages import About, pack_pages
from station.batches.profiles import Profile, load_profiles
from station.batches.signer import Signers, doubt
from station.batches.tables import Table
from station.certificates import fingerprint
from station.clock import iso, utc_now
from station.documents.brand import Brand
from station.errors import ConfigError
from station.records import BatchFilter, BatchRow, NewBatch, Records, ReleasedUnit
from station.version import software_version
from station.whole import whole_file

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "batch"
PORTION = 200
KEPT_BACK = "it is on hold, a golden unit, or of another owner or operator by now"
"""Units whose certificates are fetched together."""
ID_DIGITS = 16
Progress = Callable[[int, int], None]
"""Told how many units were looked at, and how many there are."""


@dataclass(frozen=True)
class Wanted:
    """What archive is wanted."""

    units: BatchFilter
    who: str
    passports: Path | None = None
    """Folder of passports as PDF, of which those are taken that the records know; None takes none."""
    language: str = "en"
    """Of the commissioning pack, beside English."""
    brand: Brand = field(default_factory=Brand)
    profiles: Sequence[Profile] = field(default_factory=load_profiles)


@dataclass(frozen=True)
class MadeBatch:
    """An archive that was made."""

    row: BatchRow
    path: Path
    left_out: tuple[tuple[str, str], ...]
    """Released units that are not in it, each with the reason."""
    files_left_out: tuple[tuple[str, str], ...]
    """Files of column profiles that are not in it, each with the reason."""
    unsealed: int
    """Units whose password their CPMS needs and that is not in it, as nobody said for whom to seal it."""


def make_batch(
    records: Records, keys: Keys, wanted: Wanted, target: Path, progress: Progress = lambda _done, _total: None
) -> MadeBatch:
    """Make the archive of an order's released units.

    Raises:
        ConfigError: There is no such order, it has no released unit or too many, or the file can't be written.
        UnitError: A unit has a value that only its site or its operator may choose.
        StationError: A stored document is not as it was signed.
        ServiceError: Records, ledger or HSM are away.
    """
    total = _count(records, wanted.units)
    with whole_file(target) as file, ExitStack() as stack:
        writer = Writer(file)
        stack.callback(writer.release)
        making = _Making(keys, wanted, file, Contents(writer, wanted.profiles, target.parent, stack))
        with closing(records.released_units(wanted.units)) as units:
            for done in range(0, total, PORTION):
                making.add(list(islice(units, PORTION)))
                progress(min(done + PORTION, total), total)
        row = _finished(records, making, target.parent)
    kept = tuple((serial, KEPT_BACK) for serial in records.kept_back(wanted.units))
    return MadeBatch(row, target, (*kept, *making.left_out), making.contents.refused(), making.unsealed)


def _count(records: Records, wanted: BatchFilter) -> int:
    if records.order(wanted.order) is None:
        raise ConfigError(f"there is no work order {wanted.order}", hint="See 'station order list'.")
    total = records.count_released(wanted)
    if not total:
        raise ConfigError(f"order {wanted.order} has no released unit to hand over", hint="Release units first.")
    if total > MOST_UNITS:
        hint = "Make several batches with --first and --last."
        raise ConfigError(f"{total} units are too many for one batch; {MOST_UNITS} are allowed", hint=hint)
    return total


class _Making:
    """One archive under way: its units, and what was found of them."""

    def __init__(self, keys: Keys, wanted: Wanted, file: IO[bytes], contents: Contents) -> None:
        self.keys, self.wanted, self.file, self.contents = keys, wanted, file, contents
        self.units: list[tuple[str, int]] = []
        self.left_out: list[tuple[str, str]] = []
        self.unsealed, self.connectors, self.development = 0, 0, False
        self._digest = sha256()
        self._chains = Chains(keys.authorities)
        self._signers = Signers(x509.load_pem_x509_certificates(keys.record_certificate.encode()))

    @property
    def name(self) -> str:
        """Return the batch's name: the same units with the same passports have the same."""
        return f"{self.wanted.units.order.replace('/', '_')}-{self._digest.hexdigest()[:ID_DIGITS]}"

    def add(self, portion: Sequence[ReleasedUnit]) -> None:
        """Add units; one whose certificate does not live is left out."""
        passports = [self._passport(unit) for unit in portion]
        found = self.keys.certificates([passport["certificate"]["sha256"] for passport in passports])
        for unit, passport in zip(portion, passports, strict=True):
            der, revoked = found.get(passport["certificate"]["sha256"], (b"", ""))
            if not der or revoked:
                why = f"its certificate was revoked: {revoked}" if der else "the ledger does not have its certificate"
                self.left_out.append((unit.serial, why))
            else:
                self._add(unit, passport, der)

    def _passport(self, unit: ReleasedUnit) -> dict[str, Any]:
        if not SERIAL.fullmatch(unit.serial):
            raise doubt(f"'{unit.serial}' can't name a folder")
        return self._signers.passport(unit.serial, unit.passport, unit.signature)

    def _add(self, unit: ReleasedUnit, passport: dict[str, Any], der: bytes) -> None:
        try:
            chain = self._chains.chain(der)
        except ValueError as error:
            raise doubt(f"the certificate of {unit.serial}: {error}") from error
        self.contents.add(unit, passport, chain, self.keys.claim_code_hash(unit.serial))
        if self.wanted.passports is not None:
            self.contents.add_drawing(unit, self.wanted.passports)
        self._seal(unit.serial)
        self.units.append((unit.serial, unit.revision))
        self._digest.update(f"{unit.serial}\0{unit.revision}\0{unit.passport_sha256}\n".encode())
        self.connectors += len(passport["connectors"])
        self.development = self.development or bool(passport["production"].get("development"))

    def _seal(self, serial: str) -> None:
        if not self.keys.has_secrets(serial):
            return
        sealed = self.keys.seal(serial)
        if sealed is None:
            self.unsealed += 1
        else:
            self.contents.add_secrets(serial, sealed)

    def manifest(self, made_at: datetime) -> bytes:
        """Return the manifest, once everything else is in the archive."""
        writer = self.contents.writer
        digest, size = writer.written()
        (signer,) = x509.load_pem_x509_certificates(self.keys.record_certificate.encode())
        return rfc8785.dumps(
            {
                "schema": SCHEMA,
                "version": VERSION,
                "batch": self.name,
                "order": self.wanted.units.order,
                "made_at": iso(made_at),
                "software": software_version(),
                "units": len(self.units),
                "connectors": self.connectors,
                "development": self.development,
                "sealed_for": self.keys.sealed_for,
                "signer_sha256": fingerprint(signer),
                "before": {"bytes": size, "sha256": digest},
                "files": [asdict(each) for each in writer.listed],
                "left_out": [{"name": name, "reason": why} for name, why in self.contents.refused()],
            }
        )


def _finished(records: Records, making: _Making, folder: Path) -> BatchRow:
    """Add what stands for all units, sign, make it durable and record it; the same again is recorded once."""
    if not making.units:
        serial, why = making.left_out[0]
        raise ConfigError(f"no unit can be handed over; {serial}: {why}", hint="Ask the PKI officer.")
    before = records.batches(name=making.name)
    made_at = before[0].made_at if before else utc_now()
    _add_common(making, made_at, folder)
    manifest = making.manifest(made_at)
    digest = sha256(manifest).hexdigest()
    same = next((row for row in before if row.manifest_sha256 == digest), None)
    signature = same.signature if same else making.keys.sign(manifest)
    archive = _closed(making, manifest, signature)
    if same:
        return same
    sealed_for, wanted = making.keys.sealed_for, making.wanted
    new = NewBatch(making.name, wanted.units.order, archive, digest, signature, sealed_for, made_at, wanted.who)
    return records.batch_made(new, making.units)


def _closed(making: _Making, manifest: bytes, signature: bytes) -> str:
    """End the archive, wait until it is on the disk, and return its SHA-256."""
    making.contents.writer.close(manifest, signature)
    os.fsync(making.file.fileno())
    return digest_of(making.file, 0, os.fstat(making.file.fileno()).st_size)


def _add_common(making: _Making, made_at: datetime, folder: Path) -> None:
    writer, wanted, authorities = making.contents.writer, making.wanted, making.keys.authorities
    making.contents.finish(making.name, wanted.units.order)
    _add_steps(writer, wanted.language, folder)
    about = About(making.name, wanted.units.order, made_at, wanted.brand)
    for language in dict.fromkeys(("en", wanted.language)):
        writer.add(PACK.format(language=language), pack_pages(about, making.contents.gathered, language))
    roots = roots_of(authorities)
    writer.add(ROOTS, _pem(roots))
    writer.add(ISSUERS, _pem([each for each in authorities if each not in roots]))
    writer.add(SIGNER, making.keys.record_certificate.encode())
    for name in (*SCHEMAS, README):
        writer.add(name, (TEMPLATES / Path(name).name).read_bytes())
    writer.add(SUMS, b"".join(f"{each.sha256}  {each.name}\n".encode() for each in writer.listed))


def _add_steps(writer: Writer, language: str, folder: Path) -> None:
    table = Table(("phase", "owner", "step"), folder)
    for step in texts(language).step:
        table.add({"phase": step.phase, "owner": step.owner.value, "step": step.what})
    table.into(writer, STEPS_CSV)
    table.close()


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
