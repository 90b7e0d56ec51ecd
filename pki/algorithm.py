"""Key algorithms by their names in profiles and plans: how a public key is read and how its signatures are verified.

Each curve has the one hash that fits its strength (RFC 5480 section 4, BSI TR-02102-1), so no caller chooses a hash.
"""

import functools
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from pki.errors import RequestRefused

MAX_SPKI_BYTES = 1024
MAX_CACHED = 256
"""Keys that were parsed: one key is looked at several times on its way to a certificate."""
PublicKey = ec.EllipticCurvePublicKey | ed448.Ed448PublicKey


class Algorithm(StrEnum):
    """What kind of key pair it is."""

    P256 = "p256"
    P384 = "p384"
    P521 = "p521"
    ED448 = "ed448"

    @property
    def digest(self) -> hashes.HashAlgorithm | None:
        """Return the hash that is signed; None where the scheme takes the message itself (RFC 8032)."""
        return _DIGESTS.get(self)

    @property
    def curve(self) -> ec.EllipticCurve | None:
        """Return the NIST curve; None for Ed448."""
        return _CURVES.get(self)


_CURVES: dict[Algorithm, ec.EllipticCurve] = {
    Algorithm.P256: ec.SECP256R1(),
    Algorithm.P384: ec.SECP384R1(),
    Algorithm.P521: ec.SECP521R1(),
}
_DIGESTS: dict[Algorithm, hashes.HashAlgorithm] = {
    Algorithm.P256: hashes.SHA256(),
    Algorithm.P384: hashes.SHA384(),
    Algorithm.P521: hashes.SHA512(),
}
_SCHEMES = {curve.name: ec.ECDSA(_DIGESTS[algorithm]) for algorithm, curve in _CURVES.items()}
_BY_CURVE = {curve.name: algorithm for algorithm, curve in _CURVES.items()}


@functools.lru_cache(maxsize=MAX_CACHED)
def load_public_key(spki: bytes) -> PublicKey:
    """Parse a SubjectPublicKeyInfo (DER) of an algorithm that we use.

    Raises:
        RequestRefused: It is too long, can't be read, or is of another algorithm.
    """
    key = None
    if len(spki) <= MAX_SPKI_BYTES:
        try:
            key = load_der_public_key(spki)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise RequestRefused("the public key can't be read", hint="Let the charger make a new key.") from error
    if isinstance(key, ed448.Ed448PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _BY_CURVE:
        return key
    known = ", ".join(Algorithm)
    raise RequestRefused(f"the public key is none of {known}", hint="Let the charger make a new key.")


def algorithm_of(spki: bytes) -> Algorithm:
    """Return the algorithm of a SubjectPublicKeyInfo (DER).

    Raises:
        RequestRefused: It is none that we use.
    """
    key = load_public_key(spki)
    return Algorithm.ED448 if isinstance(key, ed448.Ed448PublicKey) else _BY_CURVE[key.curve.name]


def verify(spki: bytes, data: bytes, signature: bytes) -> bool:
    """Tell whether `signature` (DER ECDSA, or raw Ed448) over `data` is of this key.

    Raises:
        RequestRefused: The key is none that we use.
    """
    key = load_public_key(spki)
    try:
        if isinstance(key, ed448.Ed448PublicKey):
            key.verify(signature, data)
        else:
            key.verify(signature, data, _SCHEMES[key.curve.name])
    except InvalidSignature:
        return False
    return True


def spki_bytes(key: PublicKey) -> bytes:
    """Return the SubjectPublicKeyInfo (DER) of a public key."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
