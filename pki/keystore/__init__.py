"""Keys in the HSM: the only package that speaks PKCS#11."""

from pki.keystore.store import Keystore, open_keystore
from pki.keystore.wrapped import BatchKek, EcTransport, Recipient, RsaTransport, WrappedKey

__all__ = [
    "BatchKek",
    "EcTransport",
    "Keystore",
    "Recipient",
    "RsaTransport",
    "WrappedKey",
    "open_keystore",
]
