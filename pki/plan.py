"""What one ceremony makes, read from its reviewed file, and where its results lie.

`pki.toml` in a PKI directory is that file, byte for byte: what was reviewed is what the factory runs on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pki.errors import ProfileError
from pki.table import read_toml

FILE = "pki.toml"
HOST_NAME = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


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
    problem = next(_problems(plan), None)
    if problem:
        raise ProfileError(f"{path}: {problem}")
    return plan


def _problems(plan: Plan) -> Iterator[str]:
    """Yield what would let a ceremony fail half-way, or make a PKI that contradicts itself."""
    authorities = {
        "test.root": plan.test.root,
        "test.issuing": plan.test.issuing,
        "ship.root": plan.ship.root,
        "ship.issuing": plan.ship.issuing,
        "bench.root": plan.bench.root,
        "records": plan.records,
    }
    if len({authority.common_name for authority in authorities.values()}) < len(authorities):
        yield "two CAs have the same common_name"
    texts = {f"{where}.common_name": authority.common_name for where, authority in authorities.items()}
    texts |= {"organization": plan.organization, "test.owner": plan.test.owner, "ship.owner": plan.ship.owner}
    yield from (f"{where} is not 1 to 64 printable characters" for where, text in texts.items() if not _printable(text))
    yield from (f"{where}.years is not 1 to 50" for where, found in authorities.items() if not 0 < found.years <= 50)
    for where, hierarchy in (("test", plan.test), ("ship", plan.ship)):
        yield from _hierarchy_problems(where, hierarchy)
    if set(plan.test.server.names) & set(plan.ship.server.names):
        yield "test.server.names and ship.server.names overlap"
    if not 0 < plan.token.sessions <= 64:
        yield "token.sessions is not 1 to 64"


def _hierarchy_problems(where: str, hierarchy: HierarchyPlan) -> Iterator[str]:
    if hierarchy.issuing.years > hierarchy.root.years:
        yield f"{where}.issuing.years is longer than {where}.root.years"
    if not hierarchy.server.names:
        yield f"{where}.server.names is empty"
    if not 0 < hierarchy.server.days <= 3650:
        yield f"{where}.server.days is not 1 to 3650"
    for name in hierarchy.server.names:
        if len(name) > 64 or not HOST_NAME.fullmatch(name):
            yield f"{where}.server.names: '{name}' is no host name"


def _printable(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isprintable() and text == text.strip()


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
