"""Evidence for people who don't trust this program: the audit log and firmware images, signed by their own keys."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pki.authority import spki_of
from pki.ceremony.parts import AUDIT, FIRMWARE, all_parts, read_renewals
from pki.ceremony.transcript import NOTHING, Transcript
from pki.errors import RequestRefused
from pki.files import write_file
from pki.issue import Factory
from pki.ledger import Ledger
from pki.plan import Layout, Plan
from pki.roles import OFFICER, require
from pki.tokens import Tokens

MAX_IMAGE_BYTES = 1 << 30


@dataclass(frozen=True)
class Signed:
    """A file with its detached signature beside it."""

    file: Path
    signature: Path
    sha256: str


def export_audit(factory: Factory, file: Path) -> Signed:
    """Write the audit log, one RFC 8785 entry a line, and its signature by the audit key as `<file>.sig`.

    The export itself is the last entry: it is durable, and so is all that is exported, before a signature can leave.

    Raises:
        KeystoreError: The HSM is away.
    """
    factory.ledger.record("audit-exported", file.name)
    data = b"".join(entry.entry + b"\n" for entry in factory.ledger.audit_entries())
    return _signed(file, data, factory.authority(AUDIT).keystore.sign(AUDIT, data))


def check_audit(ledger: Ledger, told: Sequence[Transcript]) -> list[str]:
    """Return where the audit log was changed, cut out or cut off, one sentence each.

    The chain tells of what is missing inside; the end that a transcript names tells of what is missing behind.
    """
    problems, previous, digests = [], NOTHING, {NOTHING}
    for entry in ledger.audit_entries():
        whole = sha256(entry.entry).hexdigest() == entry.sha256
        if not whole or json.loads(entry.entry)["previous"] != previous:
            problems.append(f"audit entry {entry.id} is changed, or does not follow the one before")
        previous = entry.sha256
        digests.add(previous)
    lost = [one for one in told if one.body.get("audit", NOTHING) not in digests]
    return problems + [f"the audit log lacks the entry that transcript {one.path.name} names" for one in lost]


def sign_firmware(plan: Plan, layout: Layout, ledger: Ledger, image: Path) -> Signed:
    """Sign an image with the firmware key, whose token may be the offline one, as `<image>.sig`.

    Raises:
        RequestRefused: The caller is no officer, or the image is too long.
        KeystoreError: The token is away.
    """
    require(plan, OFFICER)
    if image.stat().st_size > MAX_IMAGE_BYTES:
        raise RequestRefused(f"{image} is longer than {MAX_IMAGE_BYTES} bytes", hint="Sign its manifest.")
    data = image.read_bytes()
    part = all_parts(plan, read_renewals(layout)).key(FIRMWARE)
    tokens = Tokens(plan, layout.directory)
    try:
        keystore = tokens.open(part.token)
        keystore.bind(FIRMWARE, spki_of(layout.load(FIRMWARE)))
        # Durable before the signature can leave.
        ledger.record("firmware-signed", image.name, sha256=sha256(data).hexdigest())
        signature = keystore.sign(FIRMWARE, data)
    finally:
        tokens.close()
    write_file(image.with_name(f"{image.name}.sig"), signature)
    return Signed(image, image.with_name(f"{image.name}.sig"), sha256(data).hexdigest())


def _signed(file: Path, data: bytes, signature: bytes) -> Signed:
    write_file(file, data)
    beside = file.with_name(f"{file.name}.sig")
    write_file(beside, signature)
    return Signed(file, beside, sha256(data).hexdigest())
