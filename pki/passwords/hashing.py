"""The keyed hash by which a password is recognised, and by which two alike are found without keeping either.

Its key is in the token where the token can hash: whoever steals the ledger can't try out PINs. Else it is a secret of
the PKI directory. A key that is missing later is never replaced: with another one, nothing would be known of the
passwords before.
"""

import hmac
from dataclasses import dataclass
from pathlib import Path

from pki.keystore import Keystore
from pki.ledger import Ledger
from pki.ledger.passwords import HashMark
from pki.secret import secret, write_secret

NAME = "password-hash"
"""Label of the key in the token, or name of the secret."""
KEY_BYTES = 32
_CONSTANT = b"evfactory/password-hash/1"


@dataclass(frozen=True)
class TokenHash:
    """HMAC-SHA-256 inside the token."""

    keystore: Keystore

    @property
    def place(self) -> str:
        """Return where the key is."""
        return f"token {self.keystore.name}"

    def __call__(self, data: bytes) -> bytes:
        """Return the hash of `data`.

        Raises:
            KeystoreError: The HSM is away, or has lost the key.
        """
        return self.keystore.keyed_hash(NAME, data)


class SecretHash:
    """HMAC-SHA-256 under a secret of the PKI directory."""

    place = f"secret {NAME}"

    def __init__(self, directory: Path) -> None:
        """Read the key.

        Raises:
            ProfileError: The secret is missing, or others may read it.
        """
        self._key = bytes.fromhex(secret(NAME, directory))

    def __call__(self, data: bytes) -> bytes:
        """Return the hash of `data`."""
        return hmac.digest(self._key, data, "sha256")


KeyedHash = TokenHash | SecretHash


def open_hash(keystore: Keystore, ledger: Ledger, directory: Path) -> KeyedHash:
    """Return the hash of this ledger's passwords; the first time its key is made, in the token if that can hash.

    Raises:
        KeystoreError: The HSM is away, or has lost the key.
        ProfileError: The secret is missing although the ledger's passwords were hashed with it, or others may read it.
        PkiError: The ledger can't be used.
    """
    mark = ledger.hash_mark(lambda: mark_of(_first(keystore, directory)))
    return SecretHash(directory) if mark.place == SecretHash.place else TokenHash(keystore)


def mark_of(keyed_hash: KeyedHash) -> HashMark:
    """Return by what a hash's key is recognised."""
    return HashMark(keyed_hash.place, keyed_hash(_CONSTANT).hex())


def _first(keystore: Keystore, directory: Path) -> KeyedHash:
    if keystore.create_hash_key(NAME):
        return TokenHash(keystore)
    if not (directory / "secrets" / NAME).exists():
        write_secret(NAME, directory, keystore.random(KEY_BYTES).hex())
    return SecretHash(directory)
