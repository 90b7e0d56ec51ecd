"""Certificate requests of devices: proof of possession is checked, and nothing but the key is taken over.

Subject and extensions come from the profile. Parsed with asn1crypto, because mbedTLS 3.4 writes NULL parameters into
ecdsa-with-SHA256, which stricter parsers refuse.

Ref: RFC 2986 (PKCS#10), RFC 5758 section 3.2 (parameters absent).
"""

from dataclasses import dataclass

from asn1crypto import csr
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from pki.errors import RequestRefused

MAX_BYTES = 4096
HINT = "Plug the charger in again; if it repeats, put it aside for rework."


def requested_key(request: bytes, common_name: str) -> bytes:
    """Return the SPKI of a PKCS#10 request whose signature proves possession of the key.

    Raises:
        RequestRefused: It can't be parsed, asks for another name, is not P-256 with SHA-256, or proves nothing.
    """
    if len(request) > MAX_BYTES:
        raise RequestRefused(f"the certificate request is longer than {MAX_BYTES} bytes", hint=HINT)
    parsed = _parse(request)
    if parsed.algorithm != "sha256_ecdsa":
        raise RequestRefused("the certificate request is not signed by ECDSA with SHA-256", hint=HINT)
    if parsed.common_name != common_name:
        raise RequestRefused(f"the certificate request is not for '{common_name}'", hint=HINT)
    key = p256_key(parsed.spki)
    try:
        key.verify(parsed.signature, parsed.signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise RequestRefused("the certificate request does not prove possession of its key", hint=HINT) from error
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True)
class _Request:
    """The parts of a request that are looked at."""

    algorithm: str
    common_name: object
    """Text; a list if there are several, None if there is none."""
    spki: bytes
    signed: bytes
    signature: bytes


def _parse(request: bytes) -> _Request:
    try:
        parsed = csr.CertificationRequest.load(request, strict=True)
        info = parsed["certification_request_info"]
        return _Request(
            algorithm=parsed["signature_algorithm"]["algorithm"].native,
            common_name=info["subject"].native.get("common_name"),
            spki=info["subject_pk_info"].dump(),
            signed=info.dump(),
            signature=parsed["signature"].native,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # what asn1crypto raises for garbage
        raise RequestRefused("the certificate request is not PKCS#10", hint=HINT) from error


def p256_key(spki: bytes) -> ec.EllipticCurvePublicKey:
    """Parse a P-256 public key.

    Raises:
        RequestRefused: It is something else.
    """
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RequestRefused("the public key can't be read", hint=HINT) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestRefused("the public key is not on P-256", hint=HINT)
    return key
