"""Every key and certificate that a plan asks for, as one table; a renewal is one more row, never a changed one.

A renewal is ordered by a small file with its reason, durable before anything is made, so that a ceremony that died
knows what it was about.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from pki.errors import ProfileError, RequestRefused
from pki.files import write_file
from pki.plan import AuthorityPlan, HierarchyPlan, Layout, Plan, PlantPlan, ServerPlan

RECORDS = "records"
AUDIT = "audit"
FIRMWARE = "firmware"
SEALING = "sealing"
BENCH_ROOT = "bench-root"
SERVER_PASSPHRASE = "server-key"
"""Secret that every private key in a file is encrypted with."""
ENDING = 3
"""A server's certificate is renewed by the next ceremony when a third of its life is left."""
MAX_REASON = 200
ROOT_CRL_PERIOD = timedelta(days=400)
"""How long the list of a CA that sleeps is good: ceremonies may be a year apart."""
_NAME = re.compile(r"[a-z-]+-[0-9]{1,4}")


@dataclass(frozen=True)
class Part:
    """A key in a token with its certificate: a CA or a signer."""

    name: str
    """Label of the key in its token, and stem of the certificate's file."""
    profile: str
    authority: AuthorityPlan
    token: str
    """Name of the token in the plan."""
    issuer: str
    """Name of the part that signs the certificate; its own if it signs itself."""

    @property
    def online(self) -> bool:
        """Tell whether daily work needs the key; the others sleep between ceremonies."""
        return self.profile in {"issuing", RECORDS, AUDIT}

    @property
    def lists(self) -> bool:
        """Tell whether it is a CA above others, which tells their revocation by a list from each ceremony."""
        return self.profile in {"root", "root-2", "intermediate"}


@dataclass(frozen=True)
class SealingPart:
    """The RSA key that opens what the factory seals for itself; it has no certificate, because nobody else uses it."""

    name: str
    """Label of the key in its token."""
    token: str
    """Name of the token in the plan."""
    bits: int


@dataclass(frozen=True)
class ServerPart:
    """A TLS server: its key is a file, born in software and encrypted at rest."""

    name: str
    server: ServerPlan
    owner: str
    issuer: str
    environment: str


@dataclass(frozen=True)
class Renewal:
    """The order to make the next key and certificate of a part before the old ones end."""

    name: str
    """Of the part that is made, as `ship-issuing-2`."""
    family: str
    """Of the part that it follows, as `ship-issuing`."""
    issuer: str
    reason: str
    actor: str
    at: str


@dataclass(frozen=True)
class Parts:
    """The whole table, in the order in which it is made."""

    keys: tuple[Part, ...]
    servers: tuple[ServerPart, ...]
    sealing: SealingPart | None = None

    def key(self, name: str) -> Part:
        """Return the row of a CA or signer."""
        return next(part for part in self.keys if part.name == name)

    def family(self, family: str) -> tuple[str, ...]:
        """Return the names of a part and its renewals, oldest first."""
        return tuple(name for name in self.names() if family_of(name) == family)

    def names(self) -> tuple[str, ...]:
        """Return the names of all rows."""
        return (*(part.name for part in self.keys), *(server.name for server in self.servers))

    def issuer(self, name: str) -> str:
        """Return the name of the CA above a row."""
        issuers = {part.name: part.issuer for part in self.keys} | {part.name: part.issuer for part in self.servers}
        return issuers[name]


def family_of(name: str) -> str:
    """Return the name without its generation: `ship-issuing` of `ship-issuing-2`."""
    return re.sub(r"-[0-9]+$", "", name)


def all_parts(plan: Plan, renewals: Iterable[Renewal]) -> Parts:
    """Return what a plan and its renewals ask for."""
    keys, servers = _planned(plan)
    for renewal in renewals:
        keys += [_renewed(part, renewal) for part in keys if part.name == renewal.family]
        servers += [
            replace(server, name=renewal.name, issuer=renewal.issuer)
            for server in servers
            if server.name == renewal.family
        ]
    sealing = SealingPart(SEALING, plan.keys.devices, plan.sealing.bits) if plan.sealing else None
    return Parts(tuple(keys), tuple(servers), sealing)


def _planned(plan: Plan) -> tuple[list[Part], list[ServerPart]]:
    keys: list[Part] = []
    servers: list[ServerPart] = []
    for name, hierarchy in plan.hierarchies.items():
        keys += _hierarchy(name, hierarchy, plan)
        # No factory computer holds a server key that a customer's network would trust: the stand-in has its own root.
        issuer = BENCH_ROOT if name == "ship" else f"{name}-issuing"
        if hierarchy.server:
            servers.append(ServerPart(f"{name}-server", hierarchy.server, hierarchy.owner, issuer, name))
    online = plan.keys.authorities
    keys += [
        Part(BENCH_ROOT, "bench-root", plan.bench.root, online, BENCH_ROOT),
        Part(RECORDS, "records", plan.records, online, RECORDS),
        Part(AUDIT, "audit", plan.audit, online, AUDIT),
        Part(FIRMWARE, "firmware", plan.firmware, plan.keys.firmware, FIRMWARE),
    ]
    return keys, servers


def _hierarchy(name: str, hierarchy: HierarchyPlan | PlantPlan, plan: Plan) -> list[Part]:
    root, vault = f"{name}-root", plan.keys.roots
    if hierarchy.intermediate is None:
        keys, above = [Part(root, "root", hierarchy.root, vault, root)], root
    else:
        above = f"{name}-intermediate"
        keys = [Part(root, "root-2", hierarchy.root, vault, root)]
        keys.append(Part(above, "intermediate", hierarchy.intermediate, vault, root))
    return [*keys, Part(f"{name}-issuing", "issuing", hierarchy.issuing, plan.keys.authorities, above)]


def _renewed(part: Part, renewal: Renewal) -> Part:
    # A CA has one key and one name: two CAs of one name confuse whoever looks for the right CRL.
    generation = renewal.name.rpartition("-")[2]
    authority = replace(part.authority, common_name=f"{part.authority.common_name} G{generation}")
    return replace(part, name=renewal.name, authority=authority, issuer=renewal.issuer)


def current(layout: Layout, parts: Parts, family: str) -> str:
    """Return the name of the newest of a family that has its certificate; the first if none has."""
    names = parts.family(family)
    made = [name for name in names if layout.certificate(name).exists()]
    return (made or list(names))[-1]


def read_renewals(layout: Layout) -> tuple[Renewal, ...]:
    """Return the renewals that were ordered, oldest first.

    Raises:
        ProfileError: A file can't be read.
    """
    found = [_read(path) for path in sorted(layout.renewals.glob("*.json"))]
    return tuple(sorted(found, key=lambda renewal: (renewal.at, renewal.name)))


def _read(path: Path) -> Renewal:
    try:
        renewal = Renewal(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise ProfileError(f"{path} is no order of a renewal", hint="Restore it from the backup.") from error
    if not _NAME.fullmatch(renewal.name) or renewal.name != path.stem:
        raise ProfileError(f"{path} is not the order that its name says", hint="Restore it from the backup.")
    return renewal


def order_renewal(layout: Layout, plan: Plan, family: str, reason: str, actor: str) -> Renewal:
    """Order the renewal of an intermediate or issuing CA or a server; one that is not done yet is returned as it is.

    Raises:
        RequestRefused: There is no such part, it can't be renewed, or the reason is missing.
    """
    renewals = read_renewals(layout)
    parts = all_parts(plan, renewals)
    names = parts.family(family)
    _refuse_unfit(parts, family, reason)
    pending = [one for one in renewals if one.family == family and not layout.certificate(one.name).exists()]
    if pending:
        return pending[-1]
    issuer = current(layout, parts, family_of(parts.issuer(names[0])))
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    renewal = Renewal(f"{family}-{len(names) + 1}", family, issuer, reason, actor, at)
    write_file(layout.renewals / f"{renewal.name}.json", json.dumps(asdict(renewal), indent=1).encode())
    return renewal


def _refuse_unfit(parts: Parts, family: str, reason: str) -> None:
    able = [part.name for part in parts.keys if part.profile in {"issuing", "intermediate"} and _first(part.name)]
    able += [server.name for server in parts.servers if _first(server.name)]
    if family not in able:
        hint = f"These can be renewed: {', '.join(able)}."
        raise RequestRefused(f"'{family}' can't be renewed: whoever trusts it would have to be told", hint=hint)
    if not reason.strip() or len(reason) > MAX_REASON or not reason.isprintable():
        hint = "Say why with --reason."
        raise RequestRefused(f"a renewal needs a reason of 1 to {MAX_REASON} printable characters", hint=hint)


def _first(name: str) -> bool:
    return family_of(name) == name


def due(layout: Layout, parts: Parts) -> dict[str, str]:
    """Return the servers that need a next certificate by themselves, with the reason."""
    found = {}
    for server in parts.servers:
        path = layout.certificate(server.name)
        if server.name != current(layout, parts, family_of(server.name)) or not path.exists():
            continue
        certificate = layout.load(server.name)
        if _names(certificate) != set(server.server.names):
            found[family_of(server.name)] = "its names have changed"
        elif _ends_soon(certificate):
            found[family_of(server.name)] = "less than a third of its life is left"
    return found


def _names(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))


def _ends_soon(certificate: x509.Certificate) -> bool:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return datetime.now(UTC) > end - (end - start) / ENDING
