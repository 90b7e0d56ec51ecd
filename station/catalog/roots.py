"""Trust anchors: the roots that a charger is given, read from PEM files that an environment names (F-D5).

What stands in such a file is what the device trusts, no more and no less, so everything but roots is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from station.errors import ConfigError

MOST = 8
"""Roots of one use; devices have little room."""


class Use(StrEnum):
    """What a device trusts a root for."""

    CSMS = "csms"
    """The server at its endpoint."""
    V2G = "v2g"
    """Vehicles' chains (ISO 15118)."""
    MO = "mo"
    """Contracts of mobility operators (ISO 15118)."""
    UPDATE = "update"
    """The manufacturer's signatures of firmware."""


@dataclass(frozen=True)
class Root:
    """One root as messages and records name it."""

    sha256: str
    """Fingerprint, hexadecimal."""
    subject: str
    not_after: date


@dataclass(frozen=True)
class Roots:
    """The roots of one use, in the order of their file."""

    pem: bytes
    """Exactly what is written to the device."""
    each: tuple[Root, ...]

    @property
    def sha256(self) -> tuple[str, ...]:
        """Return the fingerprints."""
        return tuple(root.sha256 for root in self.each)


def read_roots(raw: bytes, where: str, *, ca: bool = True) -> Roots:
    """Return the roots of a PEM file; `ca` tells whether each must be a CA.

    Raises:
        ConfigError: Something else than different roots stands in it, or too many; names the file.
    """
    if b"PRIVATE KEY" in raw:
        raise ConfigError(f"{where}: holds a private key", hint="Revoke what it belongs to, and keep keys in the HSM.")
    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError as error:
        raise ConfigError(f"{where}: not a PEM file of certificates") from error
    for certificate in found:
        _refuse_other(certificate, where, ca=ca)
    each = tuple(_root(certificate) for certificate in found)
    if not 0 < len(set(each)) == len(each) <= MOST:
        raise ConfigError(f"{where}: 1 to {MOST} different roots are expected")
    return Roots(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in found), each)


def ending_before(roots: Iterable[Root], end: date) -> Root | None:
    """Return the first root that ends before a day, or None."""
    return next((root for root in roots if root.not_after < end), None)


def _root(certificate: x509.Certificate) -> Root:
    digest = certificate.fingerprint(hashes.SHA256()).hex()
    return Root(digest, certificate.subject.rfc4514_string(), certificate.not_valid_after_utc.date())


def _refuse_other(certificate: x509.Certificate, where: str, *, ca: bool) -> None:
    name = certificate.subject.rfc4514_string()[:100]
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ConfigError(f"{where}: {name} is no root: it is not signed by itself") from error
    if ca and not _is_ca(certificate):
        raise ConfigError(f"{where}: {name} is no root: it is not a CA")


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False
