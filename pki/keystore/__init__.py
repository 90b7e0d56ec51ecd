"""Keys in the HSM: the only package that speaks PKCS#11."""

from pki.keystore.keys import KeyPolicy
from pki.keystore.sealing import SealedContent, seal_content
from pki.keystore.store import Capabilities, Keystore, Purpose, create_trusted_kek, open_keystore
from pki.keystore.wrapped import BatchKek, EcTransport, Recipient, RsaTransport, WrappedKek, WrappedKey

__all__ = [
    "BatchKek",
    "Capabilities",
    "EcTransport",
    "KeyPolicy",
    "Keystore",
    "Purpose",
    "Recipient",
    "RsaTransport",
    "SealedContent",
    "WrappedKek",
    "WrappedKey",
    "create_trusted_kek",
    "open_keystore",
    "seal_content",
]
