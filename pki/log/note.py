"""Checkpoints as signed notes: three lines that say how large the log is and what its root is, and a signature.

The audit key of a ceremony is P-256, so the signature is of note type 0x02: ECDSA with SHA-256 in DER over the three
lines, named by the first four bytes of the SHA-256 of the public key. openssl alone verifies it.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from pki.algorithm import verify
from pki.errors import RequestRefused
from pki.log.tree import HASH_BYTES

MOST_BYTES = 16_384
"""Largest note that is read."""
ECDSA = b"\x02"
"""Type of a P-256 key in its note form."""
KEY_ID_BYTES = 4
ORIGIN = re.compile(r"[!-*,-~]{1,100}")
"""What a log may be called: no space and no plus sign, as it names the key, too."""
SIZE = re.compile(r"0|[1-9]\d{0,17}")
HINT = "Do not rely on this log; ask its keeper."


@dataclass(frozen=True)
class Checkpoint:
    """What a log was at one moment."""

    origin: str
    """The log's own name."""
    size: int
    root: bytes

    @property
    def body(self) -> bytes:
        """Return the lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


def sign_checkpoint(checkpoint: Checkpoint, spki: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """Return the signed note of a checkpoint.

    Raises:
        RequestRefused: The origin can't stand in a note.
        KeystoreError: The HSM does not sign.
    """
    if not ORIGIN.fullmatch(checkpoint.origin):
        raise RequestRefused(f"'{checkpoint.origin}' can't name a log", hint="Use letters, digits and punctuation.")
    signature = base64.b64encode(_key_id(spki) + sign(checkpoint.body)).decode()
    return checkpoint.body + f"\n\N{EM DASH} {checkpoint.origin} {signature}\n".encode()


def open_note(note: bytes, spki: bytes) -> Checkpoint:
    """Return the checkpoint of a note, its signature verified; other people's signatures below are left alone.

    Raises:
        RequestRefused: It is no checkpoint, or not signed by this key.
    """
    body, _, below = note[: MOST_BYTES + 1].partition(b"\n\n")
    checkpoint = _read(body + b"\n", whole=len(note) <= MOST_BYTES)
    ours = f"\N{EM DASH} {checkpoint.origin} ".encode()
    for line in below.split(b"\n"):
        if line.startswith(ours) and _is_signed(line.removeprefix(ours), checkpoint.body, spki):
            return checkpoint
    raise RequestRefused(f"checkpoint {checkpoint.size} of {checkpoint.origin} is not signed by this key", hint=HINT)


def verifier_key(origin: str, spki: bytes) -> str:
    """Return the key as verifiers of signed notes write it: name, key id, and type with the public key."""
    return f"{origin}+{_key_id(spki).hex()}+{base64.b64encode(ECDSA + spki).decode()}"


def _read(body: bytes, *, whole: bool) -> Checkpoint:
    """Return what the lines say, if they say it in the one way in which we write them."""
    try:
        origin, size, root, *_ = body.decode().split("\n")
        found = Checkpoint(origin, int(size) if SIZE.fullmatch(size) else -1, base64.b64decode(root, validate=True))
    except (ValueError, binascii.Error) as error:
        raise RequestRefused("this is no checkpoint", hint=HINT) from error
    if not whole or found.body != body or len(found.root) != HASH_BYTES or not ORIGIN.fullmatch(found.origin):
        raise RequestRefused("this is no checkpoint", hint=HINT)
    return found


def _is_signed(encoded: bytes, body: bytes, spki: bytes) -> bool:
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        return False
    return raw[:KEY_ID_BYTES] == _key_id(spki) and verify(spki, body, raw[KEY_ID_BYTES:])


def _key_id(spki: bytes) -> bytes:
    return sha256(spki).digest()[:KEY_ID_BYTES]
