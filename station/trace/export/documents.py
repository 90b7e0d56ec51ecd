"""Documents about units: EPCIS events, hardware bills of materials, test attestations; each file with a manifest.

One line holds what is of one unit, or of one event; a file about one unit is a plain JSON document.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from station.clock import iso
from station.errors import StationError
from station.records import Look, Records
from station.records.export_units import TracedUnit, traced_units
from station.trace.export.attestation import attestation_of
from station.trace.export.envelope import Signer
from station.trace.export.epcis import events_of, head_of
from station.trace.export.making import Made, ProgressOf, Wanted, finished
from station.trace.export.manifest import Content, File
from station.trace.export.partial import Running, growing

VERSION = 1
"""Of how documents are made."""
EVERY = 200
"""Units after which it is told how far an export is."""
Of = Callable[[TracedUnit, Signer], Iterator[bytes]]


@dataclass(frozen=True)
class Kind:
    """A kind of document."""

    suffix: str
    media_type: str
    of: Of
    released: bool = True
    """Whether it is of released units only; others are left out and counted."""
    enclosed: bool = False
    """Whether the lines stand in one document."""


def _events(unit: TracedUnit, _: Signer) -> Iterator[bytes]:
    for event in events_of(unit):
        yield json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _hardware(unit: TracedUnit, _: Signer) -> Iterator[bytes]:
    from station.trace.export.hardware import hardware_of

    yield hardware_of(unit)


def _attested(unit: TracedUnit, signer: Signer) -> Iterator[bytes]:
    yield attestation_of(unit, signer)


DOCUMENTS: Mapping[str, Kind] = {
    "epcis": Kind(".epcis.jsonld", "application/ld+json", _events, released=False, enclosed=True),
    "hbom": Kind(".cdx.json", "application/vnd.cyclonedx+json", _hardware),
    "attestation": Kind(".intoto.jsonl", "application/jsonl", _attested),
}


def make_documents(
    records: Records, signer: Signer, wanted: Wanted, target: Path, progress: ProgressOf = lambda _done, _total: None
) -> Made:
    """Make a file of documents about units.

    Raises:
        ConfigError: The name is taken, or the file can't be written.
        StationError: A stored passport is not what the records say of it.
        ServiceError: Records or HSM are away.
    """
    with growing(target, goes_on=False) as partial, records.look(wanted.set, wanted.rows) as look:
        lines, left_out = _write(partial.file, look, signer, DOCUMENTS[wanted.format], progress)
        partial.file.flush()
        running = Running(partial.file)
        digest = running.all()
        looks = ((iso(look.at), 0),)
        content = Content(wanted.format, wanted.format, VERSION, (), lines, "", looks, left_out, look.checkpoint())
        return finished(records, signer, wanted, partial, (File(target.name, digest, running.bytes), content))


def _write(file: IO[bytes], look: Look, signer: Signer, kind: Kind, progress: ProgressOf) -> tuple[int, int]:
    """Write all documents; return how many lines they are, and how many units have none."""
    total, lines, left_out, parting = look.count(), 0, 0, b""
    file.write(_head(look) if kind.enclosed else b"")
    for number, unit in enumerate(traced_units(look.session, look.wanted), 1):
        _demand_whole(unit)
        told = [] if kind.released and not unit.passport else list(kind.of(unit, signer))
        for line in told:
            file.write((parting if kind.enclosed else b"") + line)
            parting = b",\n"
        lines, left_out = lines + len(told), left_out + (not told)
        if number % EVERY == 0 or number == total:
            progress(number, total)
    file.write(b"]}}\n" if kind.enclosed else b"")
    return lines, left_out


def _head(look: Look) -> bytes:
    head = json.dumps(head_of(look.at), separators=(",", ":"))
    return f'{head[:-1]},"epcisBody":{{"eventList":['.encode()


def _demand_whole(unit: TracedUnit) -> None:
    """Refuse to repeat, and to sign, what was changed since it was signed."""
    if unit.passport and sha256(unit.passport).hexdigest() != unit.passport_sha256:
        message = f"export: the passport of {unit.serial} is not the one that was stored"
        raise StationError(message, hint="Stop the station and run 'station audit verify'.")
