"""The shape of a ceremony file."""

from dataclasses import dataclass, field
from enum import StrEnum

from pki.algorithm import Algorithm


@dataclass(frozen=True)
class TokenPlan:
    """One PKCS#11 token."""

    module: str
    """Path of the PKCS#11 module."""
    label: str
    """Label of the token."""
    environment: dict[str, str] = field(default_factory=dict)
    """Environment variables that the module reads its configuration from; relative paths start at the directory."""
    pin: str = "hsm-pin"
    """Name of the secret that is the PIN."""
    sessions: int = 4
    """Sessions that work at the same time."""


@dataclass(frozen=True)
class KeysPlan:
    """Which token holds what, by the name that the plan gives it; each may be left out if there is only one."""

    roots: str = ""
    """Roots and intermediate CAs: needed in ceremonies only."""
    authorities: str = ""
    """Issuing CAs, the bench root, and the signers of records and audit."""
    devices: str = ""
    """Where device keys are made and wrapped."""
    firmware: str = ""
    """The firmware signer; by default with the roots."""


@dataclass(frozen=True)
class AuthorityPlan:
    """One CA or signer."""

    common_name: str
    years: int
    algorithm: str = Algorithm.P256
    """Of its key."""


@dataclass(frozen=True)
class ServerPlan:
    """A TLS server's certificate."""

    names: tuple[str, ...]
    """DNS names; the first is the common name too."""
    days: int = 398


@dataclass(frozen=True)
class SealingPlan:
    """The key in the token of `keys.devices` that opens the passwords which the factory keeps for its units' CPMS."""

    bits: int = 3072
    """Of the RSA key."""


@dataclass(frozen=True)
class HierarchyPlan:
    """The CAs of one environment, and for whom their certificates are."""

    owner: str
    """Organisation that owns the charging stations (OCPP A00.FR.509)."""
    root: AuthorityPlan
    issuing: AuthorityPlan
    server: ServerPlan
    """The acceptance server's persona."""
    intermediate: AuthorityPlan | None = None
    """A CA between root and issuing CA."""


@dataclass(frozen=True)
class PlantPlan:
    """The CAs by which stations and services of the factory know each other."""

    owner: str
    root: AuthorityPlan
    issuing: AuthorityPlan
    server: ServerPlan | None = None
    """The factory's own services: enrolment, revocation lists."""
    intermediate: AuthorityPlan | None = None


@dataclass(frozen=True)
class BenchPlan:
    """The root that only this bench's stand-in server is trusted by."""

    root: AuthorityPlan


@dataclass(frozen=True)
class UrlsPlan:
    """Where certificates say that their revocation is told; plain http, as RFC 5280 section 8 advises."""

    crl: str = ""
    """Folder of the CRLs; each CA's is `<name>.crl` in it."""
    ocsp: str = ""
    """The responder; it answers for CAs whose keys are in tokens of daily work."""

    def of(self, name: str, *, online: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return where the revocations of a CA are told: its CRL's and its responder's URLs."""
        crls = (f"{self.crl}/{name}.crl",) if self.crl else ()
        return crls, ((self.ocsp,) if self.ocsp and online else ())


@dataclass(frozen=True)
class RolesPlan:
    """Operating system users by what they may do."""

    officers: tuple[str, ...]
    """Hold ceremonies, revoke, set quotas, hand out enrolment codes, make batch keys."""
    approvers: tuple[str, ...] = ()
    """Set quotas."""
    issuers: tuple[str, ...] = ()
    """Issue certificates: the stations' users."""


class Purpose(StrEnum):
    """What a factory's PKI is for; its CAs bear it in their names, so that it is no setting (F-K7)."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


@dataclass(frozen=True)
class Plan:
    """The whole ceremony."""

    organization: str
    """Organisation that runs the CAs."""
    tokens: dict[str, TokenPlan]
    test: HierarchyPlan
    ship: HierarchyPlan
    plant: PlantPlan
    bench: BenchPlan
    records: AuthorityPlan
    """The key that signs records and passports."""
    audit: AuthorityPlan
    """The key that signs the transcripts of ceremonies and the audit log."""
    firmware: AuthorityPlan
    """The key that signs firmware; a manufacturer's, apart from every CA (OCPP A00.FR.603)."""
    keys: KeysPlan = field(default_factory=KeysPlan)
    urls: UrlsPlan = field(default_factory=UrlsPlan)
    sealing: SealingPlan | None = None
    """Without it the factory keeps no passwords of units; it may be added to a factory that exists."""
    roles: RolesPlan | None = None
    purpose: str = Purpose.PRODUCTION
    """`production`, or `development` for a factory whose units never leave the laboratory."""

    @property
    def development(self) -> bool:
        """Tell whether its CAs are those of a development factory."""
        return self.purpose == Purpose.DEVELOPMENT

    @property
    def token(self) -> TokenPlan:
        """Return the token in which device keys are made."""
        return self.tokens[self.keys.devices]

    @property
    def hierarchies(self) -> dict[str, HierarchyPlan | PlantPlan]:
        """Return the hierarchies by the name of their environment."""
        return {"test": self.test, "ship": self.ship, "plant": self.plant}

    @property
    def daily(self) -> tuple[str, ...]:
        """Return the names of the tokens that daily work needs."""
        return tuple(dict.fromkeys((self.keys.authorities, self.keys.devices)))
