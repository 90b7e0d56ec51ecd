"""Environments: where a unit is proven, and where it will live.

An environment is one object: endpoint, names of the network, trust anchors, the CA that issues for it, and the CPMS.
No address stands anywhere else (F-F5, F-K5), so choosing another environment changes all of them at once.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from urllib.parse import SplitResult, urlsplit

from station.catalog.denials import refuse_samples
from station.catalog.products import Files, Product
from station.catalog.roots import Roots, Use, ending_before, read_roots
from station.catalog.source import Source
from station.errors import ConfigError
from station.model import Environment, RenewalDuty
from station.strict import parse, toml_table

LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*")
ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}")
FINGERPRINT = re.compile(r"[0-9a-f]{64}")
ENDPOINT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True)
class EnvironmentFile:
    """An environment as its file says it."""

    name: str
    kind: Environment
    endpoint: str
    """OCPP endpoint, without the charger's identity."""
    owner: str
    """Organisation that stands as O in the station certificate (OCPP 2.0.1 A00.FR.509)."""
    ntp: tuple[str, ...]
    cpms: str
    """Where its units are registered: `staging+https://host`, `file:DIR` in the station directory, `none:`, or the
    address of another system (`station cpms list`)."""
    ca: str
    """SHA-256 of the root certificate of the CA that issues its units' certificates; no other factory builds for it."""
    anchors: str
    """File beside this one (PEM): the roots by which a charger knows the server at its endpoint."""
    v2g: str = ""
    """File of the roots of vehicles' chains, for chargers that speak ISO 15118."""
    mo: str = ""
    """File of the roots of mobility operators' contracts."""
    update: str = ""
    """File of the roots by which a charger knows its manufacturer's firmware."""
    renewal: RenewalDuty | None = None
    """Who renews the certificates of units that live here, by which way and when; a ship environment always says it."""
    dns: tuple[str, ...] = ()
    """Addresses of name servers; empty where the network tells them."""
    time_zone: str = "UTC"
    values: Mapping[str, str] = field(default_factory=dict)
    """Layer of configuration values above a recipe's profiles, by canonical name."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """Layer of feature flags above a recipe's profiles."""

    def __post_init__(self) -> None:
        """Refuse what no charger could use."""
        problems = tuple(_problems(self))
        if problems:
            raise ValueError(*problems)

    @property
    def host(self) -> str:
        """Return the host name of the endpoint."""
        return urlsplit(self.endpoint).hostname or ""


@dataclass(frozen=True)
class EnvironmentDefinition(EnvironmentFile):
    """An environment with the roots that it names."""

    digest: str = ""
    """SHA-256 over the digests of its files."""
    roots: Mapping[Use, Roots] = field(default_factory=dict)

    def trusted(self, use: Use) -> Roots:
        """Return the roots of a use; none where it names no file for it."""
        return self.roots.get(use, Roots(b"", ()))


@dataclass(frozen=True)
class _Table:
    environment: EnvironmentFile


def load_environment(source: Source, name: str, kind: Environment) -> EnvironmentDefinition:
    """Read `environments/<name>.toml` with its roots, and check that it is of the kind that the recipe needs it for.

    Raises:
        ConfigError: A file is wrong, of the other kind, or says what must not ship.
    """
    path = f"environments/{name}.toml"
    raw = source.read(path)
    found = parse(_Table, toml_table(raw, path), path).environment
    if found.name != name:
        raise ConfigError(f"{path}: environment: name: '{found.name}' differs from the file's name")
    if found.kind is not kind:
        raise ConfigError(f"{path}: environment: kind: '{found.kind}' can't be used where '{kind}' is needed")
    if kind is Environment.SHIP and found.renewal is None:
        hint = 'Write renewal = { owner = "operator", method = "ocpp", lead_days = 90 } as it was agreed.'
        message = f"{path}: environment: renewal: nobody has the duty to renew the certificates of units that live here"
        raise ConfigError(message, hint=hint)
    if kind is Environment.SHIP:
        refuse_samples({"endpoint": found.endpoint, "ntp": " ".join(found.ntp), "owner": found.owner}, path)
    roots = {use: _roots(source, file, use, path) for use, file in _root_files(found).items() if file}
    said = vars(found) | {"ca": _digits(found.ca)}
    digests = (sha256(raw).hexdigest(), *(sha256(each.pem).hexdigest() for each in roots.values()))
    digest = sha256("\n".join(digests).encode()).hexdigest()
    return EnvironmentDefinition(**said, digest=digest, roots=roots)


def device_file(files: Files, use: Use) -> str:
    """Return where a device keeps the roots of a use; empty where it has no such place."""
    paths = {Use.CSMS: files.anchors, Use.V2G: files.v2g_anchors, Use.MO: files.mo_anchors}
    return paths.get(use, files.update_anchor)


def device_roots(environment: EnvironmentDefinition, files: Files) -> dict[str, Roots]:
    """Return what each file of roots on a device must hold, by its path."""
    return {path: environment.trusted(use) for use in Use if (path := device_file(files, use))}


def check_trust(environment: EnvironmentDefinition, product: Product) -> None:
    """Refuse roots that end inside the support period, or that the device needs and are not there (F-D5, P09).

    Raises:
        ConfigError: Names the environment, the root and the date.
    """
    where = f"environments/{environment.name}.toml: environment"
    for use in (use for use in Use if device_file(product.files, use)):
        if use not in environment.roots:
            raise ConfigError(f"{where}: {use}: product {product.name} needs these roots and the environment has none")
        if environment.kind is Environment.SHIP:
            _refuse_early_end(environment.roots[use], product.support_until, f"{where}: {use}", product.name)


def check_apart(test: EnvironmentDefinition, ship: EnvironmentDefinition, where: str) -> None:
    """Refuse two environments that share a host, a CA or a root of their servers: nothing of the test may ship (F-K6).

    Raises:
        ConfigError: Names what they share; `where` is the recipe's file.
    """
    told = f"{where}: test_environment and ship_environment"
    if test.host == ship.host:
        raise ConfigError(f"{told} have the same host '{ship.host}'")
    if test.ca == ship.ca:
        raise ConfigError(f"{told} have the same ca: a test certificate would be good for the field (F-D8)")
    shared = {*test.trusted(Use.CSMS).each} & {*ship.trusted(Use.CSMS).each}
    if shared:
        raise ConfigError(f"{told} share the anchor {min(root.subject for root in shared)}")


def _refuse_early_end(roots: Roots, until: date, where: str, product: str) -> None:
    early = ending_before(roots.each, until)
    if early:
        told = f"{early.subject} ends on {early.not_after}, before the support of {product} does on {until}"
        raise ConfigError(f"{where}: {told}", hint="Name a root that lives longer.")


def _root_files(found: EnvironmentFile) -> dict[Use, str]:
    return {Use.CSMS: found.anchors, Use.V2G: found.v2g, Use.MO: found.mo, Use.UPDATE: found.update}


def _roots(source: Source, file: str, use: Use, path: str) -> Roots:
    if not file.endswith(".pem") or "/" in file:
        raise ConfigError(f"{path}: environment: {use}: '{file[:80]}' is not the name of a .pem file beside it")
    where = f"environments/{file}"
    return read_roots(source.read(where), where, ca=use is not Use.UPDATE)


def _problems(found: EnvironmentFile) -> Iterator[str]:
    if not _usable(found.endpoint):
        yield f"endpoint: '{found.endpoint}' is not a wss:// address with a plain path"
    if not found.ntp or not all(HOST.fullmatch(name) for name in found.ntp):
        yield f"ntp: {list(found.ntp)} is not one or more host names"
    if not all(_is_address(address) for address in found.dns):
        yield f"dns: {list(found.dns)} is not a list of IP addresses"
    if not ZONE.fullmatch(found.time_zone):
        yield f"time_zone: '{found.time_zone}' is not a name such as Europe/Berlin"
    if not FINGERPRINT.fullmatch(_digits(found.ca)):
        yield "ca: it is the SHA-256 of a root certificate, 64 digits of 0-9 and a-f"
    if not found.cpms or "@" in found.cpms or not found.cpms.isprintable() or " " in found.cpms:
        yield "cpms: it is an address without spaces, names or passwords, or 'none:'"
    if not 0 < len(found.owner) <= 64 or not found.owner.isprintable():
        yield "owner: it is 1 to 64 printable characters"


def _digits(fingerprint: str) -> str:
    """Return a fingerprint as it is compared: openssl writes it in capitals, with colons."""
    return fingerprint.replace(":", "").lower()


def _usable(endpoint: str) -> bool:
    """Tell whether a charger can be given this endpoint."""
    try:
        parts = urlsplit(endpoint)
        return _plain(parts) and parts.port != 0
    except ValueError:
        return False


def _plain(parts: SplitResult) -> bool:
    more = parts.username is not None or parts.query or parts.fragment
    named = HOST.fullmatch(parts.hostname or "") and ENDPOINT_PATH.fullmatch(parts.path)
    return parts.scheme == "wss" and named is not None and not more


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
