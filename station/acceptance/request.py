"""What a certificate request of a unit says, read leniently and judged strictly, before anybody signs for it.

Read with asn1crypto, because mbedTLS 3.4 writes NULL parameters into ecdsa-with-SHA256, which stricter parsers refuse.
The issuer judges the request again; what is measured here stands in the unit's record.

# Ref: RFC 2986 (PKCS#10), RFC 7468 (PEM); OCPP 2.0.1 part 2, A02 and A00.FR.5xx.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from asn1crypto import csr
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

MAX_PEM = 5_500
"""Characters of a request, as OCPP limits them."""
_PEM = re.compile(r"\s*-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----\s*")


class RequestError(Exception):
    """A text that is no certificate request."""


@dataclass(frozen=True)
class CertificateRequest:
    """The parts of a request that are looked at."""

    der: bytes
    spki: bytes
    common_name: str
    organization: str
    curve: str
    """Empty where the key is on no elliptic curve."""
    proven: bool
    """Whether its signature proves possession of the key."""

    @property
    def key_sha256(self) -> str:
        """Return the SHA-256 of the SubjectPublicKeyInfo."""
        return hashlib.sha256(self.spki).hexdigest()


def read_request(pem: str) -> CertificateRequest:
    """Read a PEM request.

    Raises:
        RequestError: It is too long, or not exactly one PKCS#10 request.
    """
    der = _unarmored(pem)
    try:
        parsed = csr.CertificationRequest.load(der, strict=True)
        info = parsed["certification_request_info"]
        subject = info["subject"].native
        spki = info["subject_pk_info"].dump()
        signed = info.dump(), parsed["signature"].native, parsed["signature_algorithm"]["algorithm"].native
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # what asn1crypto raises for garbage
        raise RequestError("it is not PKCS#10") from error
    key = _curve_key(spki)
    curve = key.curve.name if key else ""
    name, owner = (_single(subject.get(part)) for part in ("common_name", "organization_name"))
    return CertificateRequest(der, spki, name, owner, curve, key is not None and _proves(key, *signed))


def _unarmored(pem: str) -> bytes:
    found = _PEM.fullmatch(pem) if len(pem) <= MAX_PEM else None
    if found is None:
        raise RequestError(f"it is not one PEM request of at most {MAX_PEM} characters")
    try:
        return base64.b64decode("".join(found[1].split()), validate=True)
    except binascii.Error as error:
        raise RequestError("its base64 is broken") from error


def _single(value: object) -> str:
    """Return an attribute of a name that is there once; several or none are nobody's name."""
    return value if isinstance(value, str) else ""


def _curve_key(spki: bytes) -> ec.EllipticCurvePublicKey | None:
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) else None


def _proves(key: ec.EllipticCurvePublicKey, data: bytes, signature: bytes, algorithm: str) -> bool:
    if algorithm != "sha256_ecdsa":
        return False
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
