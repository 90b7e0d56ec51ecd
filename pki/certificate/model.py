"""What determines a certificate: a profile (reviewed data), a claim (who, which key, when) and a signer (which CA).

The three together determine every byte that is signed. Nothing here comes from a request but the public key.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509

from pki.algorithm import Algorithm

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The end of what has no well-defined end (RFC 5280 section 4.1.2.5)."""


@dataclass(frozen=True)
class Allowance:
    """A finding of pkilint that a profile means to have."""

    finding: str
    why: str


@dataclass(frozen=True)
class Profile:
    """One kind of certificate, its switches already set. Key usage and basic constraints are always critical."""

    name: str
    revision: int
    subject: tuple[str, ...]
    """Attributes of the subject in their order."""
    common_name: str
    """Regular expression that the whole common name matches; the subject's serialNumber has the same value."""
    sample: str
    """A common name that fits, for the certificate that is linted at load."""
    key_usage: tuple[str, ...]
    follows: tuple[str, ...] = ()
    """Rulebooks of `pki.certificate.rules` that it is held to, besides RFC 5280's."""
    key: str = "p256"
    """Algorithm of the certified key, by its name in `Algorithm`."""
    days: int = 0
    """Validity; 0 where the ceremony file says it."""
    minimum_days: int = 0
    """Shelf life: how long it must live when it is issued."""
    never_expires: bool = False
    """Whether notAfter is 99991231235959Z."""
    outlives_issuer: bool = False
    """The exception from the rule that notAfter is at most the issuer's."""
    unit: bool = False
    """Whether units may have it."""
    ca: bool = False
    path_length: int = 0
    """For a CA: how many CAs may stand below it."""
    basic_constraints: bool = True
    subject_key_identifier: bool = True
    extended_key_usage: tuple[str, ...] = ()
    alt_name: str = ""
    """What subjectAltName holds: host_names (of the claim), common_name, unit_domain, hardware_module, or nothing."""
    unit_domain: str = ""
    """For unit_domain: the DNS domain that the common name stands in."""
    hardware_type: str = ""
    """For hardware_module: hwType, an OID in the maker's own arc (RFC 4108 section 5)."""
    country: str = ""
    organizational_unit: str = ""
    domain_component: str = ""
    crl: str = "never"
    """Whether it says where its CRL is: never, known (if the signer knows), must."""
    ocsp: str = "never"
    """Whether it says where its OCSP responder is: never, known, must."""
    ocsp_no_check: bool = False
    allowed: tuple[Allowance, ...] = ()
    switches: tuple[tuple[str, bool | str], ...] = ()
    """How its switches were set, sorted, defaults left out: `load_profile(name, dict(switches))` gives it again."""

    @property
    def algorithm(self) -> Algorithm:
        """Return the algorithm of the certified key."""
        return Algorithm(self.key)

    def __str__(self) -> str:
        """Return the name with its switches, for messages."""
        words = [name if value is True else f"{name}={value}" for name, value in self.switches]
        return " ".join([self.name, *(["with", ", ".join(words)] if words else [])])


@dataclass(frozen=True)
class Claim:
    """What is decided before anything is signed; committed to the ledger first, so that it can be signed again."""

    common_name: str
    organization: str
    spki: bytes
    serial: int
    not_before: datetime
    not_after: datetime
    host_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signer:
    """Whose name and key identifier the certificate carries as its issuer, and where that CA publishes."""

    subject: x509.Name = field(hash=False)  # takes long, and the key tells signers apart
    spki: bytes
    not_after: datetime | None = None
    """End of the CA's own certificate; None for what signs itself."""
    crl_urls: tuple[str, ...] = ()
    ocsp_urls: tuple[str, ...] = ()
    path_length: int | None = None
    """How many CAs may stand below it; None for what signs itself, or has no limit."""
