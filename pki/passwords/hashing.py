"""The keyed hash by which a password is recognised, and by which two alike are found without keeping either."""

import hmac
from collections.abc import Callable
from pathlib import Path

from pki.ledger import Ledger
from pki.secret import secret, write_secret

KeyedHash = Callable[[bytes], bytes]
"""HMAC-SHA-256 under a key that is the same as long as the ledger is."""
SECRET = "password-hash"
KEY_BYTES = 32


def secret_hash(directory: Path, ledger: Ledger, random: Callable[[int], bytes]) -> KeyedHash:
    """Return the hash whose key is a secret of the PKI directory; it is drawn by `random` for the first password.

    A key that is missing later is never replaced: with another one, nothing would be known of the passwords before.

    Raises:
        ProfileError: The secret is missing although there are passwords, or others may read it.
    """
    if not ledger.hash_adopted() and not (directory / "secrets" / SECRET).exists():
        write_secret(SECRET, directory, random(KEY_BYTES).hex())
    key = bytes.fromhex(secret(SECRET, directory))
    return lambda data: hmac.digest(key, data, "sha256")
