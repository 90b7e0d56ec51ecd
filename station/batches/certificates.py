"""Certificates of units with the CAs above them: found by name, and believed only by signature."""

from collections.abc import Iterable
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

LONGEST_CHAIN = 5


class Chains:
    """The CAs of an environment, by which chains are put together; each CA's PEM is made once."""

    def __init__(self, authorities: Iterable[x509.Certificate]) -> None:
        self._by_name: dict[bytes, list[x509.Certificate]] = {}
        for authority in authorities:
            self._by_name.setdefault(authority.subject.public_bytes(), []).append(authority)
        self._above: dict[bytes, bytes] = {}

    def chain(self, der: bytes) -> bytes:
        """Return a certificate with the CAs above it below the root (PEM), each signed by the next.

        Raises:
            ValueError: It is no certificate, or no CA here signed it.
        """
        leaf = x509.load_der_x509_certificate(der)
        signer = self._signer(leaf)
        fingerprint = sha256(signer.tbs_certificate_bytes).digest()
        if fingerprint not in self._above:
            self._above[fingerprint] = b"".join(one.public_bytes(Encoding.PEM) for one in self._upward(signer))
        return leaf.public_bytes(Encoding.PEM) + self._above[fingerprint]

    def _upward(self, signer: x509.Certificate) -> Iterable[x509.Certificate]:
        """Yield a CA and those above it, without the root."""
        for _ in range(LONGEST_CHAIN):
            if signer.issuer == signer.subject:
                return
            yield signer
            signer = self._signer(signer)
        raise ValueError("the chain does not end at a root")

    def _signer(self, certificate: x509.Certificate) -> x509.Certificate:
        for candidate in self._by_name.get(certificate.issuer.public_bytes(), ()):
            if signed_by(certificate, candidate):
                return candidate
        raise ValueError(f"no CA here signed certificate {certificate.serial_number:X}")


def signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Tell whether a CA's key signed a certificate that names it."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def roots_of(authorities: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """Return those that signed themselves."""
    return [one for one in authorities if one.issuer == one.subject and signed_by(one, one)]
