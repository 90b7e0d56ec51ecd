"""The structure around a signature in a PDF: CMS without the document, with one signer and its certificate alone.

Written by hand in DER, which takes a tenth of a millisecond; a library takes ten of them for the same bytes, as a test
holds against pyHanko. RFC 5652 section 5, and ETSI EN 319 122-1 clause 5 for what is signed.
"""

from collections.abc import Callable
from hashlib import sha256

from asn1crypto import x509
from asn1crypto.core import ObjectIdentifier

from pki.der import sequence, tlv


def _oid(dotted: str) -> bytes:
    return bytes(ObjectIdentifier(dotted).dump())


DATA, SIGNED_DATA = _oid("1.2.840.113549.1.7.1"), _oid("1.2.840.113549.1.7.2")
CONTENT_TYPE, MESSAGE_DIGEST = _oid("1.2.840.113549.1.9.3"), _oid("1.2.840.113549.1.9.4")
SIGNING_CERTIFICATE = _oid("1.2.840.113549.1.9.16.2.47")
SHA256 = sequence(_oid("2.16.840.1.101.3.4.2.1"), b"\5\0")
ECDSA = sequence(_oid("1.2.840.10045.4.3.2"))
VERSION = b"\2\1\1"
OCTETS, SET, EXPLICIT, DIRECTORY_NAME = 0x04, 0x31, 0xA0, 0xA4


def detached_signature(certificate: bytes, digest: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """Return the CMS of a document with this SHA-256, signed by the certificate's P-256 key; all of it is DER."""
    attributes = signed_attributes(certificate, digest)
    return signed_data(certificate, attributes, sign(tlv(SET, attributes)))


def signed_attributes(certificate: bytes, digest: bytes) -> bytes:
    """Return what is signed: that it is data, its digest, and by which certificate; the shortest first, as DER asks."""
    issuer, serial = _issuer_and_serial(certificate)
    named = sequence(sequence(tlv(DIRECTORY_NAME, issuer)), serial)
    signer = sequence(sequence(sequence(tlv(OCTETS, sha256(certificate).digest()), named)))
    attributes = ((CONTENT_TYPE, DATA), (MESSAGE_DIGEST, tlv(OCTETS, digest)), (SIGNING_CERTIFICATE, signer))
    return b"".join(sequence(name, tlv(SET, value)) for name, value in attributes)


def signed_data(certificate: bytes, attributes: bytes, signature: bytes) -> bytes:
    """Return the one structure that we make of signed attributes and their signature."""
    signer = sequence(
        VERSION,
        sequence(*_issuer_and_serial(certificate)),
        SHA256,
        tlv(EXPLICIT, attributes),
        ECDSA,
        tlv(OCTETS, signature),
    )
    data = sequence(VERSION, tlv(SET, SHA256), sequence(DATA), tlv(EXPLICIT, certificate), tlv(SET, signer))
    return sequence(SIGNED_DATA, tlv(EXPLICIT, data))


def _issuer_and_serial(certificate: bytes) -> tuple[bytes, bytes]:
    """Return issuer and serial number as they stand in the certificate."""
    body = x509.Certificate.load(certificate)["tbs_certificate"]
    return bytes(body["issuer"].dump()), bytes(body["serial_number"].dump())
