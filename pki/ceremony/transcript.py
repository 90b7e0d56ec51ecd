"""The transcripts of ceremonies: what exists afterwards, in canonical JSON, signed by the audit key in the HSM.

Each run that leaves something new writes `transcripts/<number>/` with `transcript.json` (RFC 8785) and `transcript.sig`
(ECDSA with SHA-256, DER), which openssl alone verifies with the key of `certificates/audit.pem`. Each names the digest
of the one before, so that none can be taken out of the middle. A run that died leaves none; the next one tells it all.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785

from pki.algorithm import verify
from pki.errors import PkiError
from pki.files import sync_folder, write_file
from pki.plan import Layout

JSON = "transcript.json"
SIGNATURE = "transcript.sig"
NOTHING = "0" * 64
"""What the first transcript names as the one before."""


@dataclass(frozen=True)
class Transcript:
    """One transcript as it lies there."""

    path: Path
    body: dict[str, Any]
    sha256: str

    @property
    def state(self) -> dict[str, Any]:
        """Return what existed after that ceremony."""
        return {name: self.body[name] for name in ("keys", "certificates", "plan")}


def read_transcripts(layout: Layout) -> list[Transcript]:
    """Return every transcript, oldest first.

    Raises:
        PkiError: One can't be read.
    """
    return [_read(path) for path in sorted(layout.transcripts.glob("[0-9][0-9][0-9][0-9]"))]


def _read(path: Path) -> Transcript:
    try:
        raw = (path / JSON).read_bytes()
        body = json.loads(raw)
        return Transcript(path, {"keys": {}, "certificates": {}, "plan": ""} | body, sha256(raw).hexdigest())
    except (OSError, ValueError, TypeError) as error:
        raise PkiError(f"{path} is no transcript", hint="Restore it from the backup.") from error


def write_transcript(layout: Layout, body: dict[str, Any], sign: Callable[[bytes], bytes]) -> Path:
    """Sign a transcript and put it behind the others, whole or not at all.

    Raises:
        KeystoreError: The audit key does not sign.
    """
    before = read_transcripts(layout)
    previous = before[-1].sha256 if before else NOTHING
    encoded = rfc8785.dumps(body | {"number": len(before) + 1, "previous": previous})
    path = layout.transcripts / f"{len(before) + 1:04d}"
    part = layout.transcripts / f".{path.name}.part"
    shutil.rmtree(part, ignore_errors=True)  # left by a run that died; it was never part of the record
    write_file(part / JSON, encoded)
    write_file(part / SIGNATURE, sign(encoded))
    part.rename(path)
    sync_folder(layout.transcripts)
    return path


def check_transcripts(layout: Layout, audit_spki: bytes) -> list[str]:
    """Return what is wrong with the transcripts, one sentence each: missing, changed, out of order, falsely signed."""
    try:
        found = read_transcripts(layout)
    except PkiError as error:
        return [error.message]
    problems = [] if found else ["there is no transcript of a ceremony"]
    previous = NOTHING
    for number, transcript in enumerate(found, 1):
        if transcript.body.get("number") != number or transcript.body.get("previous") != previous:
            problems.append(f"transcript {transcript.path.name} does not follow the one before")
        if not _signed(transcript.path, audit_spki):
            problems.append(f"transcript {transcript.path.name} is not signed by the audit key")
        previous = transcript.sha256
    return problems


def _signed(path: Path, spki: bytes) -> bool:
    try:
        return verify(spki, (path / JSON).read_bytes(), (path / SIGNATURE).read_bytes())
    except OSError:
        return False
