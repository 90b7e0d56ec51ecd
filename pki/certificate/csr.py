"""Certificate requests of devices: proof of possession is checked, and nothing but the key is taken over.

Subject and extensions come from the profile. Parsed with asn1crypto, because mbedTLS 3.4 writes NULL parameters into
ecdsa-with-SHA256, which stricter parsers refuse.

Ref: RFC 2986 (PKCS#10), RFC 7468 (PEM), RFC 5758 section 3.2 (parameters absent), RFC 8410 (Ed448).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass

from asn1crypto import csr, x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from pki.algorithm import Algorithm, PublicKey, algorithm_of, load_public_key, spki_bytes
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
ED448 = "ed448"
NAMES = {Algorithm.P256: "P-256", Algorithm.P384: "P-384", Algorithm.P521: "P-521", Algorithm.ED448: "Ed448"}
_PEM = re.compile(r"\s*-----BEGIN ((?:NEW )?CERTIFICATE REQUEST)-----([A-Za-z0-9+/=\s]+)-----END \1-----\s*")


@dataclass(frozen=True)
class CertificateRequest:
    """What a request says, read leniently; who asked for it judges it."""

    der: bytes
    names: tuple[str, ...]
    """Common names, or serial numbers where there is none, as IEEE 802.1AR has it."""
    organizations: tuple[str, ...]
    spki: bytes
    algorithm: Algorithm | None
    """Of the key; None if it is none of ours."""
    signed_by: str
    proven: bool
    """Whether its signature proves possession of the key."""

    @property
    def common_name(self) -> str:
        """Return the name; a request that names two, or nobody, is nobody's."""
        return self.names[0] if len(self.names) == 1 else ""

    @property
    def organization(self) -> str:
        """Return the organisation, if there is exactly one."""
        return self.organizations[0] if len(self.organizations) == 1 else ""

    @property
    def curve(self) -> str:
        """Return the key's curve, as `P-256`; empty if it is none of ours."""
        return NAMES[self.algorithm] if self.algorithm else ""

    @property
    def key_sha256(self) -> str:
        """Return the SHA-256 of the SubjectPublicKeyInfo."""
        return hashlib.sha256(self.spki).hexdigest()


def requested_key(
    request: bytes,
    common_name: str,
    *,
    algorithms: Collection[Algorithm] = (Algorithm.P256,),
    organization: str = "",
) -> bytes:
    """Return the SPKI of a PKCS#10 request (DER) whose signature proves possession of the key.

    Names are compared exactly; the organisation is compared only if one is given, as for a renewal (OCPP A02,
    A00.FR.509).

    Raises:
        RequestRefused: It can't be parsed, asks for another name, its key is of no algorithm that is wanted, or it
            proves nothing.
    """
    found = read_request(request)
    if found.names != (common_name,):
        raise RequestRefused(f"the certificate request is not for '{common_name}'", hint=HINT)
    if organization and found.organizations != (organization,):
        raise RequestRefused(f"the certificate request is not of organisation '{organization}'", hint=HINT)
    if found.algorithm not in algorithms:
        wanted = " or ".join(NAMES[algorithm] for algorithm in algorithms)
        raise RequestRefused(f"the public key is not on {wanted}", hint=HINT)
    if found.signed_by not in HASHES and found.signed_by != ED448:
        raise RequestRefused("the certificate request is not signed by ECDSA with SHA-256", hint=HINT)
    if not found.proven:
        raise RequestRefused("the certificate request does not prove possession of its key", hint=HINT)
    return spki_bytes(load_public_key(found.spki))


def read_request(request: bytes) -> CertificateRequest:
    """Read a PKCS#10 request (DER).

    Raises:
        RequestRefused: It is too long, or is not exactly one request.
    """
    if len(request) > MAX_BYTES:
        raise RequestRefused(f"the certificate request is longer than {MAX_BYTES} bytes", hint=HINT)
    try:
        parsed = csr.CertificationRequest.load(request, strict=True)
        info = parsed["certification_request_info"]
        subject, spki = info["subject"], info["subject_pk_info"].dump()
        signed_by, signature = parsed["signature_algorithm"]["algorithm"].native, parsed["signature"].native
        names = _texts(subject, "common_name") or _texts(subject, "serial_number")
        organizations = _texts(subject, "organization_name")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:  # asn1crypto given garbage
        raise RequestRefused("the certificate request is not PKCS#10", hint=HINT) from error
    key = _key(spki)
    algorithm = algorithm_of(spki) if key else None
    proven = key is not None and _proves(key, signed_by, signature, info.dump())
    return CertificateRequest(request, names, organizations, spki, algorithm, signed_by, proven)


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


def _texts(name: x509.Name, kind: str) -> tuple[str, ...]:
    """Return every value of an attribute; a request that names two people is nobody's."""
    parts = (part for group in name.chosen for part in group)
    return tuple(part["value"].native for part in parts if part["type"].native == kind)


def _key(spki: bytes) -> PublicKey | None:
    try:
        return load_public_key(spki)
    except RequestRefused:
        return None


def _proves(key: PublicKey, signed_by: str, signature: bytes, signed: bytes) -> bool:
    try:
        if isinstance(key, ed448.Ed448PublicKey) and signed_by == ED448:
            key.verify(signature, signed)
        elif isinstance(key, ec.EllipticCurvePublicKey) and signed_by in HASHES:
            key.verify(signature, signed, ec.ECDSA(HASHES[signed_by]))
        else:
            return False
    except InvalidSignature:
        return False
    return True
