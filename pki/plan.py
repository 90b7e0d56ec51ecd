"""What one ceremony makes, read from its reviewed file, and where its results lie.

`pki.toml` in a PKI directory is that file, byte for byte: what was reviewed is what the factory runs on.
"""

from dataclasses import dataclass, field
from pathlib import Path

from pki.errors import ProfileError
from pki.table import read_toml

FILE = "pki.toml"


@dataclass(frozen=True)
class TokenPlan:
    """Where the keys live."""

    module: str
    """Path of the PKCS#11 module."""
    label: str
    """Label of the token."""
    environment: dict[str, str] = field(default_factory=dict)
    """Environment variables that the module reads its configuration from; relative paths start at the directory."""
    sessions: int = 4
    """Sessions that work at the same time."""


@dataclass(frozen=True)
class AuthorityPlan:
    """One CA."""

    common_name: str
    years: int


@dataclass(frozen=True)
class ServerPlan:
    """The certificate of one persona of the acceptance server."""

    names: tuple[str, ...]
    """DNS names; the first is the common name too."""
    days: int = 398


@dataclass(frozen=True)
class HierarchyPlan:
    """The CAs of one environment, and for whom their certificates are."""

    owner: str
    """Organisation that owns the charging stations (OCPP A00.FR.509)."""
    root: AuthorityPlan
    issuing: AuthorityPlan
    server: ServerPlan


@dataclass(frozen=True)
class BenchPlan:
    """The root that only this bench's stand-in server is trusted by."""

    root: AuthorityPlan


@dataclass(frozen=True)
class Plan:
    """The whole ceremony."""

    organization: str
    """Organisation that runs the CAs."""
    token: TokenPlan
    test: HierarchyPlan
    ship: HierarchyPlan
    bench: BenchPlan
    records: AuthorityPlan
    """The key that signs records and passports."""


def read_plan(path: Path) -> Plan:
    """Read a ceremony file.

    Raises:
        ProfileError: The file is not as it must be; the message names the key path.
    """
    plan = read_toml(path, Plan)
    names = [plan.test.root, plan.test.issuing, plan.ship.root, plan.ship.issuing, plan.bench.root, plan.records]
    common_names = [authority.common_name for authority in names]
    if len(set(common_names)) < len(common_names):
        raise ProfileError(f"{path}: two CAs have the same common_name")
    if set(plan.test.server.names) & set(plan.ship.server.names):
        raise ProfileError(f"{path}: test.server.names and ship.server.names overlap")
    for where, hierarchy in (("test", plan.test), ("ship", plan.ship)):
        if not hierarchy.server.names:
            raise ProfileError(f"{path}: {where}.server.names is empty")
        if hierarchy.issuing.years > hierarchy.root.years:
            raise ProfileError(f"{path}: {where}.issuing.years is longer than {where}.root.years")
    return plan


@dataclass(frozen=True)
class Layout:
    """The files of one PKI directory."""

    directory: Path

    @property
    def plan(self) -> Path:
        """Return the path of the reviewed ceremony file."""
        return self.directory / FILE

    @property
    def ledger(self) -> Path:
        """Return the path of the ledger."""
        return self.directory / "ledger.sqlite"

    def certificate(self, name: str) -> Path:
        """Return the path of a CA's or server's certificate."""
        return self.directory / "certificates" / f"{name}.pem"

    def server_key(self, name: str) -> Path:
        """Return the path of a server's encrypted private key."""
        return self.directory / "keys" / f"{name}.pem"
