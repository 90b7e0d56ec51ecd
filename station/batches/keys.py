"""What an archive needs of the factory's PKI, and what seals secrets for a CPMS: by its public key only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pki.cms import load_recipient
from pki.environment import Ship
from pki.issue import Factory
from pki.ledger.passwords import PasswordOwner
from pki.passwords import Kind
from station.passwords import told


def _nothing(_: str) -> None:
    return None


def _no_code(_: str) -> str:
    return ""


@dataclass(frozen=True)
class Keys:
    """The PKI as the making of an archive uses it."""

    sign: Callable[[bytes], bytes]
    """The record key's signature: ECDSA with SHA-256, DER."""
    record_certificate: str
    """By which it is verified (PEM)."""
    certificates: Callable[[Sequence[str]], Mapping[str, tuple[bytes, str]]]
    """Give certificates (DER) by SHA-256, each with why it was revoked."""
    authorities: Sequence[x509.Certificate]
    """The CAs of the ship environment, roots among them."""
    seal: Callable[[str], bytes | None] = field(default=_nothing)
    """Give a unit's secrets, sealed for the CPMS (CMS); None where it has none."""
    sealed_for: str = ""
    """SHA-256 of the certificate that secrets are sealed for; empty where nothing is sealed."""
    has_secrets: Callable[[str], bool] = field(default=bool)
    """Tell whether a unit has secrets that its CPMS needs."""
    claim_code_hash: Callable[[str], str] = field(default=_no_code)
    """Give the hash of a unit's claim code; empty where units have none."""


def keys_of(factory: Factory, cpms_key: bytes = b"") -> Keys:
    """Return what a factory gives; with the CPMS's certificate (PEM or DER), units' passwords are sealed for it.

    Raises:
        StationError: The certificate can't be used to seal.
    """
    recipient = _recipient(cpms_key) if cpms_key else None
    return Keys(
        sign=told()(factory.sign),
        record_certificate=factory.record_certificate,
        certificates=told()(factory.ledger.stored),
        authorities=x509.load_pem_x509_certificates(factory.client_roots(Ship)),
        seal=_sealer(factory, recipient) if recipient else _nothing,
        sealed_for=recipient.fingerprint(hashes.SHA256()).hex() if recipient else "",
        has_secrets=told()(lambda unit: _has_password(factory, unit)),
    )


def _recipient(cpms_key: bytes) -> x509.Certificate:
    with told():
        return load_recipient(cpms_key)


def _sealer(factory: Factory, recipient: x509.Certificate) -> Callable[[str], bytes | None]:
    passwords = factory.passwords

    def seal(unit: str) -> bytes | None:
        return passwords.reseal(unit, recipient) if factory.keeps_password(unit, Ship, Kind.OCPP) else None

    return told()(seal)


def _has_password(factory: Factory, unit: str) -> bool:
    return factory.ledger.password(PasswordOwner(unit, Ship.name, Kind.OCPP)) is not None
