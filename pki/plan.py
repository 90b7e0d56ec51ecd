"""What one ceremony makes, read from its reviewed file, and where its results lie.

`pki.toml` in a PKI directory is that file, byte for byte: what was reviewed is what the factory runs on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from pki.algorithm import Algorithm
from pki.errors import ProfileError
from pki.table import read_toml

FILE = "pki.toml"
HOST_NAME = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
TOKEN_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
SECRET_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
URL = re.compile(r"http://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*")


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


@dataclass(frozen=True)
class RolesPlan:
    """Operating system users by what they may do."""

    officers: tuple[str, ...]
    """Hold ceremonies, revoke, set quotas, hand out enrolment codes, make batch keys."""
    approvers: tuple[str, ...] = ()
    """Set quotas."""
    issuers: tuple[str, ...] = ()
    """Issue certificates: the stations' users."""


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
    roles: RolesPlan | None = None

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


def read_plan(path: Path) -> Plan:
    """Read a ceremony file.

    Raises:
        ProfileError: The file is not as it must be; the message names the key path.
    """
    plan = read_toml(path, Plan)
    problem = next(_token_problems(plan), None)
    if problem is None:
        plan = replace(plan, keys=_resolved(plan))
        problem = next(_problems(plan), None)
    if problem:
        raise ProfileError(f"{path}: {problem}")
    return plan


def _resolved(plan: Plan) -> KeysPlan:
    only = next(iter(plan.tokens))
    roots = plan.keys.roots or only
    return KeysPlan(roots, plan.keys.authorities or only, plan.keys.devices or only, plan.keys.firmware or roots)


def _token_problems(plan: Plan) -> Iterator[str]:
    if not plan.tokens:
        yield "tokens is empty"
    for name, token in plan.tokens.items():
        if not TOKEN_NAME.fullmatch(name):
            yield f"tokens.{name}: the name is not lower-case letters, digits and '-'"
        if not 0 < token.sessions <= 64:
            yield f"tokens.{name}.sessions is not 1 to 64"
        if not SECRET_NAME.fullmatch(token.pin):
            yield f"tokens.{name}.pin is no name of a secret; the PIN itself never stands here"
    places = [(token.module, token.label, *sorted(token.environment.items())) for token in plan.tokens.values()]
    if len(set(places)) < len(places):
        yield "two of tokens are the same token"
    yield from _key_problems(plan)


def _key_problems(plan: Plan) -> Iterator[str]:
    for what, token in vars(plan.keys).items():
        if not token and len(plan.tokens) > 1 and what != "firmware":
            yield f"keys.{what} is missing: there are several tokens"
        if token and token not in plan.tokens:
            near = get_close_matches(token, plan.tokens, 1)
            yield f"keys.{what}: there is no token '{token}'" + (f"; did you mean '{near[0]}'?" if near else "")


def authorities(plan: Plan) -> dict[str, AuthorityPlan]:
    """Return every CA and signer by its key path in the file."""
    found = {"bench.root": plan.bench.root}
    for name, hierarchy in plan.hierarchies.items():
        layers = (("root", hierarchy.root), ("intermediate", hierarchy.intermediate), ("issuing", hierarchy.issuing))
        found |= {f"{name}.{layer}": authority for layer, authority in layers if authority}
    return found | {"records": plan.records, "audit": plan.audit, "firmware": plan.firmware}


def _problems(plan: Plan) -> Iterator[str]:
    """Yield what would let a ceremony fail half-way, or make a PKI that contradicts itself."""
    found = authorities(plan)
    names: dict[str, str] = {}
    for where, authority in found.items():
        if authority.common_name in names:
            yield f"{where}: {names[authority.common_name]} has the same common_name"
        names[authority.common_name] = where
    texts = {f"{where}.common_name": authority.common_name for where, authority in found.items()}
    texts |= {f"{name}.owner": hierarchy.owner for name, hierarchy in plan.hierarchies.items()}
    texts["organization"] = plan.organization
    yield from (f"{where} is not 1 to 64 printable characters" for where, text in texts.items() if not _printable(text))
    yield from (f"{where}.years is not 1 to 50" for where, authority in found.items() if not 0 < authority.years <= 50)
    for where, authority in found.items():
        yield from _algorithm_problems(where, authority.algorithm)
    for name, hierarchy in plan.hierarchies.items():
        yield from _hierarchy_problems(name, hierarchy)
    yield from _overlaps(plan)
    for where, url in vars(plan.urls).items():
        if url and not URL.fullmatch(url):
            yield f"urls.{where} is no plain http URL without a '/' at its end"
    if plan.roles:
        yield from _role_problems(plan.roles)


def _algorithm_problems(where: str, name: str) -> Iterator[str]:
    if name not in set(Algorithm):
        near = get_close_matches(name, list(Algorithm), 1) or [", ".join(Algorithm)]
        yield f"{where}.algorithm: '{name}' is unknown; did you mean {near[0]}?"


def _hierarchy_problems(where: str, hierarchy: HierarchyPlan | PlantPlan) -> Iterator[str]:
    above, limit = "root", hierarchy.root.years
    if hierarchy.intermediate:
        if hierarchy.intermediate.years > limit:
            yield f"{where}.intermediate.years is longer than {where}.root.years"
        above, limit = "intermediate", hierarchy.intermediate.years
    if hierarchy.issuing.years > limit:
        yield f"{where}.issuing.years is longer than {where}.{above}.years"
    if hierarchy.server:
        yield from _server_problems(f"{where}.server", hierarchy.server)


def _server_problems(where: str, server: ServerPlan) -> Iterator[str]:
    if not server.names:
        yield f"{where}.names is empty"
    if not 0 < server.days <= 3650:
        yield f"{where}.days is not 1 to 3650"
    for name in server.names:
        if len(name) > 64 or not HOST_NAME.fullmatch(name):
            yield f"{where}.names: '{name}' is no host name"


def _overlaps(plan: Plan) -> Iterator[str]:
    # One name, one world: a client that trusts both roots must never take one persona for the other.
    taken: dict[str, str] = {}
    for where, hierarchy in plan.hierarchies.items():
        for name in set(hierarchy.server.names if hierarchy.server else ()):
            if name in taken:
                yield f"{taken[name]}.server.names and {where}.server.names overlap: '{name}'"
            taken[name] = where


def _role_problems(roles: RolesPlan) -> Iterator[str]:
    for where, users in vars(roles).items():
        yield from (f"roles.{where}: '{user}' is no user name" for user in users if not USER_NAME.fullmatch(user))
    if not roles.officers:
        yield "roles.officers is empty: nobody could hold a ceremony"
    for where in ("approvers", "officers"):
        both = sorted(set(getattr(roles, where)) & set(roles.issuers))
        if both:
            yield f"roles.{where} and roles.issuers share '{both[0]}': nobody may both approve and issue"


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

    @property
    def transcripts(self) -> Path:
        """Return the folder of the ceremonies' signed transcripts."""
        return self.directory / "transcripts"

    @property
    def renewals(self) -> Path:
        """Return the folder of the renewals that were ordered, each with its reason."""
        return self.directory / "renewals"

    def certificate(self, name: str) -> Path:
        """Return the path of a CA's or server's certificate."""
        return self.directory / "certificates" / f"{name}.pem"

    def server_key(self, name: str) -> Path:
        """Return the path of a server's encrypted private key."""
        return self.directory / "keys" / f"{name}.pem"
