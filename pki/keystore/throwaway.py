"""Recipients whose keys are in software, to see what a token really wraps: a mechanism's name does not tell its format.

They open keys that were made for this test alone.
"""

import functools
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, ed448, padding, rsa
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from pki.algorithm import spki_bytes
from pki.errors import KeystoreError
from pki.keystore.wrapped import EcTransport, RsaTransport, WrappedKey

SHARED_INFO = bytes.fromhex("3015300b060960864801650304012da206040400000100")
"""DER of ECC-CMS-SharedInfo for id-aes256-wrap: no user keying material, 256 bits (RFC 5753 section 7.2)."""
OAEP_DIGESTS: dict[str, type[hashes.SHA1 | hashes.SHA256]] = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}


@dataclass(frozen=True)
class Throwaway:
    """A recipient in software."""

    content_key: Callable[[WrappedKey], bytes]
    """Get the key that the device key is wrapped under."""

    def check(self, wrapped: WrappedKey) -> None:
        """Open a wrapped key and compare it with its public half.

        Raises:
            KeystoreError: It does not open, or is another key.
        """
        try:
            clear = keywrap.aes_key_unwrap_with_padding(self.content_key(wrapped), wrapped.key)
            private = load_der_private_key(clear[: _der_length(clear)], None)
        except (ValueError, UnsupportedAlgorithm, keywrap.InvalidUnwrap) as error:
            raise KeystoreError("the token wraps keys in a format that devices can't open") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey):
            raise KeystoreError("the token wrapped a key of another kind than it made")
        if spki_bytes(private.public_key()) != wrapped.spki:
            raise KeystoreError("the token wrapped another key than it made")


@functools.cache
def rsa_throwaway() -> tuple[RsaTransport, Throwaway]:
    """Return an RSA transport that software can open; one for the process because making it takes long."""
    key = rsa.generate_private_key(65537, 2048)

    def content_key(wrapped: WrappedKey) -> bytes:
        digest = OAEP_DIGESTS[wrapped.oaep_hash]()
        return key.decrypt(wrapped.content_key, padding.OAEP(padding.MGF1(digest), digest, None))

    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return RsaTransport(public), Throwaway(content_key)


def ec_throwaway() -> tuple[EcTransport, Throwaway]:
    """Return a P-256 transport that software can open."""
    key = ec.generate_private_key(ec.SECP256R1())

    def content_key(wrapped: WrappedKey) -> bytes:
        ephemeral = load_der_public_key(wrapped.ephemeral)
        if not isinstance(ephemeral, ec.EllipticCurvePublicKey):
            raise KeystoreError("the token's one-time key is of another kind")
        agreed = X963KDF(hashes.SHA256(), 32, SHARED_INFO).derive(key.exchange(ec.ECDH(), ephemeral))
        return keywrap.aes_key_unwrap(agreed, wrapped.content_key)

    return EcTransport(spki_bytes(key.public_key())), Throwaway(content_key)


def kek_throwaway() -> tuple[bytes, Throwaway]:
    """Return an AES-256 key to be put into the token, and who else knows it."""
    key = secrets.token_bytes(32)
    return key, Throwaway(lambda wrapped: keywrap.aes_key_unwrap(key, wrapped.content_key))


def _der_length(data: bytes) -> int:
    """Return where the SEQUENCE at the start of `data` ends; short form and one or two length bytes."""
    if len(data) < 4 or data[0] != 0x30:
        raise ValueError("no DER SEQUENCE")
    if data[1] < 0x80:
        return 2 + data[1]
    size = data[1] & 0x7F
    return 2 + size + int.from_bytes(data[2 : 2 + size], "big")
