"""Proof that a log has an entry, in one text that is verified offline: entry, path, checkpoint (c2sp.org/tlog-proof).

The entry itself stands in the proof as its extra data. Nothing is believed of it before its hash led to the root.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from hashlib import sha256

from pki.errors import RequestRefused
from pki.log.note import HINT, Checkpoint, open_note
from pki.log.tree import HASH_BYTES, leaf_hash, root_of

FIRST = "c2sp.org/tlog-proof@v1"
MOST_BYTES = 131_072
"""Largest proof that is read."""


@dataclass(frozen=True)
class Inclusion:
    """A proof as it is written; nothing of it is verified."""

    entry: bytes
    index: int
    path: tuple[bytes, ...]
    note: bytes
    """The signed checkpoint."""

    def __bytes__(self) -> bytes:
        """Return the proof as text."""
        lines = [FIRST, f"extra {_text(self.entry)}", f"index {self.index}", *map(_text, self.path), ""]
        return "\n".join(lines).encode() + b"\n" + self.note


@dataclass(frozen=True)
class Included:
    """What a proof proved."""

    entry: bytes
    index: int
    checkpoint: Checkpoint


def read_proof(proof: bytes) -> Inclusion:
    """Return a proof's parts.

    Raises:
        RequestRefused: It is none.
    """
    head, _, note = proof[:MOST_BYTES].partition(b"\n\n")
    try:
        first, extra, index, *path = head.decode("ascii").split("\n")
        found = Inclusion(
            _bytes(extra.removeprefix("extra ")), int(index.removeprefix("index ")), tuple(map(_bytes, path)), note
        )
    except (ValueError, binascii.Error) as error:
        raise RequestRefused("this is no proof of a log", hint=HINT) from error
    if first != FIRST or bytes(found) != proof or any(len(one) != HASH_BYTES for one in found.path):
        raise RequestRefused("this is no proof of a log", hint=HINT)
    return found


def prove(proof: bytes, spki: bytes) -> Included:
    """Return what a proof proves: this entry stood at this place when the checkpoint was signed by this key.

    Raises:
        RequestRefused: It proves nothing; one sentence says why.
    """
    found = read_proof(proof)
    checkpoint = open_note(found.note, spki)
    if root_of(found.index, checkpoint.size, leaf_hash(found.entry), found.path) != checkpoint.root:
        raise RequestRefused("the proof does not lead to the root of its checkpoint", hint=HINT)
    return Included(found.entry, found.index, checkpoint)


def prove_document(proof: bytes, document: bytes, spki: bytes) -> Included:
    """Return what a proof proves of a document, whose SHA-256 its entry names.

    Raises:
        RequestRefused: It proves nothing, or is the proof of something else.
    """
    found = prove(proof, spki)
    try:
        named = json.loads(found.entry)["document"]
    except (ValueError, KeyError, TypeError) as error:
        raise RequestRefused("the log's entry names no document", hint=HINT) from error
    if named != sha256(document).hexdigest():
        raise RequestRefused("the proof is that of another document", hint="Ask for the proof of this one.")
    return found


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
