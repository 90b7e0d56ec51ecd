"""What a device signs to show that it holds a key: never over bytes that the other side chooses freely (group 64)."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from pki.algorithm import verify
from pki.errors import RequestRefused

NONCE_BYTES = 32
MAX_UID_BYTES = 64
Statement = Literal["receipt", "challenge"]


@dataclass(frozen=True)
class Proof:
    """A device's signed statement, with what was asked of it."""

    kind: Statement
    uid: bytes
    nonce: bytes
    spki: bytes
    """The key that the device says it holds (SubjectPublicKeyInfo, DER)."""
    signature: bytes

    @property
    def evidence(self) -> str:
        """Return the statement as the ledger keeps it."""
        parts = {"kind": self.kind, "uid": self.uid.hex(), "nonce": self.nonce.hex()}
        return json.dumps(parts | {"signature": self.signature.hex()})

    def check(self, unit: str, version: int, spki: bytes) -> None:
        """Refuse what does not prove possession of one key of a unit.

        Raises:
            RequestRefused: It is about another key, or its signature is false.
        """
        if self.spki != spki:
            raise RequestRefused(f"{unit} holds another key than version {version}")
        if not verify(spki, statement(self.kind, self.uid, self.nonce, spki), self.signature):
            raise RequestRefused(f"{unit} does not prove that it holds its key")


def statement(kind: Statement, uid: bytes, nonce: bytes, spki: bytes) -> bytes:
    """Return the bytes a device signs (group 64, commands 4 and 5).

    Raises:
        RequestRefused: The nonce or the hardware identifier has no possible length.
    """
    if len(nonce) != NONCE_BYTES or not 0 < len(uid) <= MAX_UID_BYTES:
        raise RequestRefused("the statement's nonce or hardware identifier has a wrong length")
    return b"evfactory/" + kind.encode() + b"/1\x00" + uid + nonce + sha256(spki).digest()
