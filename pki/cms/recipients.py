"""Whom a CMS message is for: RecipientInfo of every kind, around a content key that was encrypted elsewhere.

Ref: RFC 5652 section 6.2 (the three kinds), RFC 4055 section 4.1 (OAEP parameters), RFC 5753 sections 3.1.1 and 7.1.4
(ephemeral-static ECDH with the KDF of X9.63), RFC 3565 section 2.3.2 (AES key wrap, whose parameters are absent).
"""

import hashlib
from dataclasses import dataclass
from typing import Self

from asn1crypto import keys, parser
from cryptography import x509

from pki.cms.der import NULL, algorithm, integer, octets, tagged, tagged_octets
from pki.der import bit_string, sequence

_OAEP, _MGF1 = "1.2.840.113549.1.1.7", "1.2.840.113549.1.1.8"
_SHA256 = algorithm("2.16.840.1.101.3.4.2.1", NULL)
OAEP_ALGORITHMS = {
    "sha1": algorithm(_OAEP, sequence()),  # SHA-1 is the default of every field, which DER leaves out
    "sha256": algorithm(_OAEP, sequence(tagged(0, _SHA256), tagged(1, algorithm(_MGF1, _SHA256)))),
}
_AES256_WRAP = algorithm("2.16.840.1.101.3.4.1.45")
_STD_DH_SHA256_KDF = algorithm("1.3.132.1.11.1", _AES256_WRAP)
_EC_PUBLIC_KEY = algorithm("1.2.840.10045.2.1")
_CONTENT = 4
"""Place of an element's content in what asn1crypto's parser returns."""


def key_identifier(spki: bytes) -> bytes:
    """Return the key identifier of RFC 5280 section 4.2.1.2, method 1."""
    info: bytes = parser.parse(spki)[_CONTENT]
    public: bytes = parser.parse(info[parser.peek(info) :])[_CONTENT]  # what follows the algorithm
    return hashlib.sha1(public[1:], usedforsecurity=False).digest()


@dataclass(frozen=True)
class Name:
    """How a recipient's key is named, and the version that a KeyTransRecipientInfo has for it."""

    in_transport: bytes
    in_agreement: bytes
    version: int

    @classmethod
    def of_key(cls, spki: bytes) -> Self:
        """Name a bare key by its identifier."""
        identifier = key_identifier(spki)
        return cls(tagged_octets(0, identifier), tagged(0, octets(identifier)), 2)

    @classmethod
    def of_certificate(cls, certificate: x509.Certificate) -> Self:
        """Name a certificate's key by issuer and serial number."""
        issuer = certificate.issuer.public_bytes()
        name = sequence(issuer, integer(certificate.serial_number))
        return cls(name, name, 0)


def key_transport(name: Name, oaep_hash: str, encrypted: bytes) -> bytes:
    """Return the RecipientInfo of a content key under RSAES-OAEP."""
    return sequence(integer(name.version), name.in_transport, OAEP_ALGORITHMS[oaep_hash], octets(encrypted))


def key_agreement(name: Name, ephemeral_spki: bytes, wrapped: bytes) -> bytes:
    """Return the RecipientInfo of a content key under id-aes256-wrap by an ephemeral-static agreement."""
    point = keys.PublicKeyInfo.load(ephemeral_spki)["public_key"].contents[1:]
    originator = tagged(0, tagged(1, _EC_PUBLIC_KEY, bit_string(point)))
    recipients = sequence(sequence(name.in_agreement, octets(wrapped)))
    return tagged(1, integer(3), originator, _STD_DH_SHA256_KDF, recipients)


def key_encryption_key(identifier: bytes, wrapped: bytes) -> bytes:
    """Return the RecipientInfo of a content key under id-aes256-wrap by a key that both sides have."""
    return tagged(2, integer(4), sequence(octets(identifier)), _AES256_WRAP, octets(wrapped))
