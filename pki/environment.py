"""The worlds test, ship and plant as types: what belongs to one can't be handed to another.

`Key[Test]` given to an `Issuer[Ship]` is an error for mypy, and is refused again when it runs.
"""

import functools
import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import RequestRefused


class Environment:
    """A world with its own CAs, anchors and keys; used as a type only, never as an object."""

    name: ClassVar[str]


class Test(Environment):
    """Where a unit is proven."""

    __test__ = False  # pytest would take the name for a test class
    name = "test"


class Ship(Environment):
    """Where a unit will live."""

    name = "ship"


class Plant(Environment):
    """Where stations and services of the factory know each other; a unit is one of them, by its name."""

    name = "plant"


E = TypeVar("E", bound=Environment)


class Origin(StrEnum):
    """Where a private key was born."""

    HSM = "hsm"
    DEVICE = "device"


class KeyState(StrEnum):
    """How far a key has come; `lost` is final."""

    CREATED = "created"
    PROVEN = "proven"
    LOST = "lost"


@dataclass(frozen=True)
class Key(Generic[E]):
    """The public half of one unit's key, as the ledger knows it."""

    environment: type[E]
    unit: str
    profile: str
    version: int
    spki: bytes
    """SubjectPublicKeyInfo (DER)."""
    origin: Origin
    state: KeyState


@dataclass(frozen=True)
class Certificate(Generic[E]):
    """One unit's certificate with the chain it presents."""

    environment: type[E]
    unit: str
    profile: str
    version: int
    der: bytes
    above: str
    """The CAs that it presents after itself, PEM, without the root."""
    serial: str
    """Serial number, upper-case hexadecimal."""

    @property
    def pem(self) -> str:
        """Return the certificate as PEM."""
        return self._parsed.public_bytes(Encoding.PEM).decode()

    @property
    def chain_pem(self) -> str:
        """Return what is presented: leaf first, then the issuing CA; without the root."""
        return self.pem + self.above

    @property
    def sha256(self) -> str:
        """Return the fingerprint."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def subject(self) -> str:
        """Return the subject as RFC 4514 writes it."""
        return self._parsed.subject.rfc4514_string()

    @property
    def issuer(self) -> str:
        """Return the issuer as RFC 4514 writes it."""
        return self._parsed.issuer.rfc4514_string()

    @property
    def not_before(self) -> datetime:
        """Return from when on it is valid."""
        return self._parsed.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """Return until when it is valid."""
        return self._parsed.not_valid_after_utc

    @functools.cached_property
    def _parsed(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)


@dataclass(frozen=True)
class Anchors(Generic[E]):
    """The roots that a device of this world must trust."""

    environment: type[E]
    pem: bytes
    sha256: tuple[str, ...]
    """Fingerprint of each root, in the order of the bundle."""


def same_world(expected: type[E], given: type[Environment], what: str) -> None:
    """Refuse what belongs to another world.

    Raises:
        RequestRefused: `given` is not `expected`.
    """
    if given is not expected:
        raise RequestRefused(f"{what} belongs to {given.name}, not to {expected.name}", hint="Call engineering.")
