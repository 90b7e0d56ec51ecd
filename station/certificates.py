"""What a certificate vouches for: the name it goes by, and whether its key signed something."""

from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate


def fingerprint(certificate: Certificate) -> str:
    """Return the SHA-256 of a certificate."""
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def demand_signed(certificate: Certificate, message: bytes, signature: bytes) -> None:
    """Verify a signature: ECDSA with SHA-256 in DER, or Ed25519, as the certificate's key is.

    Raises:
        InvalidSignature: Its key did not sign this.
        TypeError: Its key is of another kind.
    """
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(SHA256()))
    elif isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
    else:
        raise TypeError("the signer's key is neither ECDSA nor Ed25519")


def has_signed(certificate: Certificate, message: bytes, signature: bytes) -> bool:
    """Tell whether a certificate's key signed a message."""
    try:
        demand_signed(certificate, message, signature)
    except (InvalidSignature, TypeError):
        return False
    return True
