"""Certificate requests of devices: proof of possession is checked, and nothing but the key is taken over.

Subject and extensions come from the profile. Parsed with asn1crypto, because mbedTLS 3.4 writes NULL parameters into
ecdsa-with-SHA256, which stricter parsers refuse.

Ref: RFC 2986 (PKCS#10), RFC 7468 (PEM), RFC 5758 section 3.2 (parameters absent), RFC 8410 (Ed448).
"""

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass

from asn1crypto import csr, x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from pki.algorithm import Algorithm, PublicKey, load_public_key, spki_bytes
from pki.errors import RequestRefused

MAX_BYTES = 4096
MAX_PEM = 5500
"""Characters of a request in OCPP 2.0.1, SignCertificateRequest."""
HINT = "Plug the charger in again; if it repeats, put it aside for rework."
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256_ecdsa": hashes.SHA256(),
    "sha384_ecdsa": hashes.SHA384(),
    "sha512_ecdsa": hashes.SHA512(),
}
"""The proof's hash may be stronger or weaker than the curve: it is used once, here."""
NAMES = {Algorithm.P256: "P-256", Algorithm.P384: "P-384", Algorithm.P521: "P-521", Algorithm.ED448: "Ed448"}
_PEM = re.compile(r"\s*-----BEGIN ((?:NEW )?CERTIFICATE REQUEST)-----([A-Za-z0-9+/=\s]+)-----END \1-----\s*")


def requested_key(
    request: bytes,
    common_name: str,
    *,
    algorithms: Collection[Algorithm] = (Algorithm.P256,),
    organization: str = "",
) -> bytes:
    """Return the SPKI of a PKCS#10 request (DER) whose signature proves possession of the key.

    Names are compared exactly, and an attribute that stands twice is no name; the organisation is compared only if one
    is given, as for a renewal (OCPP A02, A00.FR.509).

    Raises:
        RequestRefused: It can't be parsed, asks for another name, its key is of no algorithm that is wanted, or it
            proves nothing.
    """
    if len(request) > MAX_BYTES:
        raise RequestRefused(f"the certificate request is longer than {MAX_BYTES} bytes", hint=HINT)
    parsed = _parse(request)
    if parsed.names != (common_name,):
        raise RequestRefused(f"the certificate request is not for '{common_name}'", hint=HINT)
    if organization and parsed.organizations != (organization,):
        raise RequestRefused(f"the certificate request is not of organisation '{organization}'", hint=HINT)
    key = _key(parsed.spki, algorithms)
    if not _proves(key, parsed):
        raise RequestRefused("the certificate request does not prove possession of its key", hint=HINT)
    return spki_bytes(key)


def request_of_pem(text: str) -> bytes:
    """Return the DER of a PEM request, as OCPP carries it.

    Raises:
        RequestRefused: It is longer than OCPP allows, or is not one PEM block of a request.
    """
    if len(text) > MAX_PEM:
        raise RequestRefused(f"the certificate request is longer than {MAX_PEM} characters", hint=HINT)
    block = _PEM.fullmatch(text)
    try:
        return base64.b64decode("".join(block[2].split()), validate=True) if block else _not_pem()
    except binascii.Error:
        return _not_pem()


def _not_pem() -> bytes:
    raise RequestRefused("the certificate request is not PEM", hint=HINT)


@dataclass(frozen=True)
class _Request:
    """The parts of a request that are looked at."""

    algorithm: str
    names: tuple[str, ...]
    """Common names, or serial numbers where there is none, as IEEE 802.1AR has it."""
    organizations: tuple[str, ...]
    spki: bytes
    signed: bytes
    signature: bytes


def _parse(request: bytes) -> _Request:
    try:
        parsed = csr.CertificationRequest.load(request, strict=True)
        info = parsed["certification_request_info"]
        return _Request(
            algorithm=parsed["signature_algorithm"]["algorithm"].native,
            names=_texts(info["subject"], "common_name") or _texts(info["subject"], "serial_number"),
            organizations=_texts(info["subject"], "organization_name"),
            spki=info["subject_pk_info"].dump(),
            signed=info.dump(),
            signature=parsed["signature"].native,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # asn1crypto given garbage
        raise RequestRefused("the certificate request is not PKCS#10", hint=HINT) from error


def _texts(name: x509.Name, kind: str) -> tuple[str, ...]:
    """Return every value of an attribute; a request that names two people is nobody's."""
    parts = (part for group in name.chosen for part in group)
    return tuple(part["value"].native for part in parts if part["type"].native == kind)


def _key(spki: bytes, algorithms: Collection[Algorithm]) -> PublicKey:
    try:
        key = load_public_key(spki)
    except RequestRefused as error:
        raise _unwanted(algorithms) from error
    if not any(_is(key, algorithm) for algorithm in algorithms):
        raise _unwanted(algorithms)
    return key


def _is(key: PublicKey, algorithm: Algorithm) -> bool:
    if isinstance(key, ed448.Ed448PublicKey):
        return algorithm is Algorithm.ED448
    return algorithm.curve is not None and key.curve.name == algorithm.curve.name


def _unwanted(algorithms: Collection[Algorithm]) -> RequestRefused:
    wanted = " or ".join(NAMES[algorithm] for algorithm in algorithms)
    return RequestRefused(f"the public key is not on {wanted}", hint=HINT)


def _proves(key: PublicKey, request: _Request) -> bool:
    try:
        if isinstance(key, ed448.Ed448PublicKey):
            if request.algorithm != "ed448":
                return False
            key.verify(request.signature, request.signed)
        else:
            if request.algorithm not in HASHES:
                raise RequestRefused("the certificate request is not signed by ECDSA with SHA-256", hint=HINT)
            key.verify(request.signature, request.signed, ec.ECDSA(HASHES[request.algorithm]))
    except InvalidSignature:
        return False
    return True
