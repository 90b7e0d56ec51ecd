"""Seal a secret for a person or a service, by the certificate of its key: only they can open it, the factory can't.

The content is authenticated, so a sealed secret that was tampered with is an error for its recipient and never noise.
`openssl cms -decrypt -recip CERTIFICATE -inkey KEY` opens it.

Ref: RFC 5083 (AuthEnvelopedData), RFC 5084 section 3.2 (AES-GCM in CMS), RFC 5753 section 7.2 (ECC-CMS-SharedInfo).
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from pki.cms.der import algorithm, integer, octets, oid, set_of, tagged, tagged_octets
from pki.cms.recipients import Name, key_agreement, key_transport
from pki.cms.transports import RSA_BITS
from pki.der import sequence
from pki.errors import RequestRefused
from pki.keystore.sealing import NONCE_BYTES, TAG_BYTES, SealedContent, seal_content
from pki.keystore.throwaway import SHARED_INFO

MAX_CERTIFICATE_BYTES = 16_384
MAX_SECRET_BYTES = 16_384
AUTH_ENVELOPED_DATA = oid("1.2.840.113549.1.9.16.1.23")
_DATA = oid("1.2.840.113549.1.7.1")
_AES256_GCM = "2.16.840.1.101.3.4.1.46"
_Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
_KEY_BYTES = 32
HINT = "Give a certificate of an RSA key (2048 to 4096 bits) or a P-256 key that may encrypt and has not ended."


@dataclass(frozen=True)
class SealingKey:
    """A factory's own RSA key, in a token, which opens what is sealed for it; it needs no certificate."""

    label: str
    """Of the key in the token."""
    spki: bytes
    oaep_hash: str
    """Hash of RSAES-OAEP that the token opens, as found by trying."""


def load_recipient(encoded: bytes) -> x509.Certificate:
    """Read the certificate (PEM or DER) of whom secrets are to be sealed for.

    Raises:
        RequestRefused: It can't be read, has ended, or its key is weak, unknown or not for encryption.
    """
    if len(encoded) > MAX_CERTIFICATE_BYTES:
        raise RequestRefused(f"the recipient's certificate is longer than {MAX_CERTIFICATE_BYTES} bytes", hint=HINT)
    pem = encoded.lstrip().startswith(b"-----BEGIN")
    try:
        found = x509.load_pem_x509_certificate(encoded) if pem else x509.load_der_x509_certificate(encoded)
        _sealing_key(found)
    except ValueError as error:
        raise RequestRefused("the recipient's certificate can't be read", hint=HINT) from error
    return found


def seal(secret: bytes, recipient: x509.Certificate | SealingKey) -> bytes:
    """Return the CMS ContentInfo (DER) that only the holder of the recipient's key can open.

    Raises:
        RequestRefused: The secret is too long, the certificate has ended, or its key is weak, unknown or not for
            encryption.
    """
    if len(secret) > MAX_SECRET_BYTES:
        raise RequestRefused(f"a secret to be sealed is longer than {MAX_SECRET_BYTES} bytes", hint="Seal it in parts.")
    if isinstance(recipient, SealingKey):
        return _for_rsa(secret, Name.of_key(recipient.spki), _rsa_key(recipient), recipient.oaep_hash)
    key, name = _sealing_key(recipient), Name.of_certificate(recipient)
    if isinstance(key, rsa.RSAPublicKey):
        return _for_rsa(secret, name, key, "sha256")
    content_key, nonce = AESGCM.generate_key(256), os.urandom(NONCE_BYTES)
    info = _agreement(name, key, content_key)
    return _message(info, SealedContent(b"", "", nonce, AESGCM(content_key).encrypt(nonce, secret, None)))


def _for_rsa(secret: bytes, name: Name, key: rsa.RSAPublicKey, oaep_hash: str) -> bytes:
    sealed = seal_content(secret, key, oaep_hash)
    return _message(key_transport(name, oaep_hash, sealed.content_key), sealed)


def _message(info: bytes, sealed: SealedContent) -> bytes:
    parameters = sequence(octets(sealed.nonce), integer(TAG_BYTES))
    content = sequence(_DATA, algorithm(_AES256_GCM, parameters), tagged_octets(0, sealed.data[:-TAG_BYTES]))
    message = sequence(integer(0), set_of(info), content, octets(sealed.data[-TAG_BYTES:]))
    return sequence(AUTH_ENVELOPED_DATA, tagged(0, message))


def _agreement(name: Name, key: ec.EllipticCurvePublicKey, content_key: bytes) -> bytes:
    one_time = ec.generate_private_key(key.curve)
    agreed = X963KDF(hashes.SHA256(), _KEY_BYTES, SHARED_INFO).derive(one_time.exchange(ec.ECDH(), key))
    ephemeral = one_time.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key_agreement(name, ephemeral, keywrap.aes_key_wrap(agreed, content_key))


def _rsa_key(recipient: SealingKey) -> rsa.RSAPublicKey:
    key = load_der_public_key(recipient.spki)
    if not isinstance(key, rsa.RSAPublicKey):
        raise RequestRefused("the sealing key is not RSA", hint="Restore it from the backup of the PKI directory.")
    return key


def _sealing_key(recipient: x509.Certificate) -> _Key:
    if recipient.not_valid_after_utc <= datetime.now(UTC):
        raise RequestRefused(f"the recipient's certificate ended on {recipient.not_valid_after_utc:%F}", hint=HINT)
    key = recipient.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_BITS:
        _permitted(recipient, "key_encipherment")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        _permitted(recipient, "key_agreement")
        return key
    raise RequestRefused("the recipient's key is neither RSA of 2048 to 4096 bits nor on P-256", hint=HINT)


def _permitted(recipient: x509.Certificate, usage: str) -> None:
    try:
        usages = recipient.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not getattr(usages, usage):
        raise RequestRefused("the recipient's certificate does not allow its key to encrypt", hint=HINT)
