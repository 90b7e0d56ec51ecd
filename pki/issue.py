"""Open a factory's PKI: `open_factory(directory)` gives issuers, anchors, server files and the record signature.

The directory was made by a ceremony. Opening logs in to the tokens of daily work and proves every key there against its
certificate; the token of the roots may lie in a safe.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.authority import Authority, authority_of, spki_of
from pki.ceremony.parts import (
    BENCH_ROOT,
    RECORDS,
    SERVER_PASSPHRASE,
    Part,
    Parts,
    all_parts,
    current,
    family_of,
    read_renewals,
)
from pki.ceremony.purpose import fingerprint, is_development
from pki.environment import E, Environment, Plant, Ship, Test
from pki.errors import PkiError, ProfileError, RequestRefused
from pki.identity import Identity
from pki.issuer import Hierarchy, Issuer
from pki.keystore import Keystore
from pki.ledger import KeyRecord, Ledger, PasswordOwner, Quota, QuotaKey, Reason, Revocation, open_ledger
from pki.passwords import Kind, PaperSecrets, Passwords, Safe, kept_by, open_passwords, open_safe
from pki.passwords.hashing import open_hash
from pki.passwords.paper import FOLDER as PAPER
from pki.passwords.paper import waiting
from pki.plan import HierarchyPlan, Layout, Plan, PlantPlan, read_plan
from pki.roles import APPROVER, ISSUER, OFFICER, caller, require
from pki.secret import secret
from pki.tokens import Tokens

LATEST_WARNING = timedelta(days=365)
LIST_WARNING = timedelta(days=30)
SHARE_WARNING = 10
"""An end is announced when a tenth of the life is left, but no earlier than `LATEST_WARNING`."""
_FINGERPRINT = b"evfactory/fingerprint/1\0"


class ServerFiles(NamedTuple):
    """What a TLS server or client loads to show who it is."""

    chain: Path
    """PEM, leaf first."""
    key: Path
    """Encrypted PKCS#8, PEM."""
    passphrase: str


@dataclass(frozen=True)
class Factory:
    """A factory's PKI with the tokens of daily work logged in; safe from many threads."""

    layout: Layout
    plan: Plan
    parts: Parts
    keystores: dict[str, Keystore]
    """The tokens of daily work by the name that the plan gives them."""
    ledger: Ledger
    certificates: dict[str, x509.Certificate]
    """Every CA and signer that exists, by name."""
    safe: Safe | None
    """What opens passwords of units that the factory keeps; None where the ceremony made no sealing key."""
    development: bool
    """Whether its CAs say that it is a development factory; no setting does (F-K7)."""

    @property
    def keystore(self) -> Keystore:
        """Return the token in which device keys are made."""
        return self.keystores[self.plan.keys.devices]

    def issuer(self, environment: type[E]) -> Issuer[E]:
        """Return the issuer of one environment.

        Raises:
            RequestRefused: The plan has roles, and the caller is no issuer.
        """
        require(self.plan, ISSUER)
        return self._issuer(environment)

    def revoke(self, environment: type[Environment], unit: str, profile: str, reason: Reason, detail: str) -> str:
        """Revoke a unit's living certificate and return its serial number; the unit may get a next version.

        Raises:
            RequestRefused: The plan has roles and the caller is no officer, or the unit has no living certificate.
        """
        require(self.plan, OFFICER)
        issuer = self._issuer(environment)
        certificate = issuer.certificate(unit, profile)
        if certificate is None:
            hint = "Check the name, the environment and the profile."
            raise RequestRefused(f"{unit} has no living {environment.name} certificate of {profile}", hint=hint)
        issuer.revoke(certificate, reason, detail)
        return certificate.serial

    def station_identity(self, name: str) -> ServerFiles:
        """Return what a station or service shows as a TLS client: asked again, it is renewed when its time comes.

        Raises:
            RequestRefused: It was revoked, its key is lost, or the plan has roles and the caller is no issuer.
            KeystoreError: The HSM is away, and a certificate is needed now.
        """
        require(self.plan, ISSUER)
        return self._identity(name, "")

    def allow_identity(self, name: str, reason: str) -> ServerFiles:
        """Make a station's next identity after its last was revoked.

        Raises:
            RequestRefused: The plan has roles and the caller is no officer.
            KeystoreError: The HSM is away.
        """
        require(self.plan, OFFICER)
        return self._identity(name, reason)

    def _identity(self, name: str, reason: str) -> ServerFiles:
        passphrase = secret(SERVER_PASSPHRASE, self.layout.directory)
        folder = self.layout.identity(name)
        identity = Identity(name, folder, self._issuer(Plant), self.ledger, passphrase.encode())
        return ServerFiles(*identity.current(reason), passphrase)

    def _issuer(self, environment: type[E]) -> Issuer[E]:
        issuing = self.current(f"{environment.name}-issuing")
        hierarchy = Hierarchy(
            environment=environment,
            owner=self._hierarchy_plan(environment).owner,
            root=self.certificates[f"{environment.name}-root"],
            issuing=self.certificates[issuing],
            authority=self.authority(issuing),
            chain=self._below_root(environment),
        )
        return Issuer(hierarchy, self.ledger, self.keystore)

    @cached_property
    def passwords(self) -> Passwords:
        """Return the passwords of units.

        Raises:
            KeystoreError: The HSM is away, or has lost the key that passwords are hashed with.
            PkiError: The ledger's passwords were hashed with another key.
        """
        return open_passwords(self.keystore, self.ledger, self.layout.directory, self.safe)

    @property
    def paper(self) -> PaperSecrets:
        """Return the secrets that are not on paper yet."""
        return PaperSecrets(self.passwords, self.layout.directory / PAPER)

    def forget_paper(self, unit: str) -> None:
        """Delete what opens the secrets of a unit that will never be on paper: its credentials ended.

        Raises:
            PkiError: One can't be deleted.
        """
        for kind in waiting(self.layout.directory / PAPER, unit):
            self.paper.forget(unit, kind)

    def keeps_password(self, unit: str, environment: type[Environment], kind: Kind) -> bool:
        """Tell whether a unit has a password that the factory can open itself; asks the ledger alone, never the HSM."""
        record = self.ledger.password(PasswordOwner(unit, environment.name, kind))
        return record is not None and kept_by(self.safe, record.recipient)

    def authority(self, name: str) -> Authority:
        """Return a CA or signer whose key is in a token of daily work."""
        part = self.parts.key(name)
        urls = self.plan.urls.of(name, online=part.online)
        return authority_of(name, self.certificates[name], self.keystores[part.token], *urls)

    def authorities(self, environment: type[Environment]) -> tuple[Authority, ...]:
        """Return every generation of an environment's issuing CA, oldest first: each answers for what it issued."""
        names = self.parts.family(f"{environment.name}-issuing")
        return tuple(self.authority(name) for name in names if name in self.certificates)

    def current(self, family: str) -> str:
        """Return the name of the newest generation of a CA, signer or server."""
        return current(self.layout, self.parts, family)

    def root_sha256(self, environment: type[Environment]) -> str:
        """Return the fingerprint of the root that an environment's certificates are under."""
        return fingerprint(self.certificates[f"{environment.name}-root"])

    def bench_anchors(self) -> bytes:
        """Return the root (PEM) of the stand-in server; a device may trust it on the bench only."""
        return self.certificates[BENCH_ROOT].public_bytes(Encoding.PEM)

    def server_files(self, environment: type[Environment]) -> ServerFiles:
        """Return certificate and key of a TLS server: the acceptance server's persona, or the plant's services.

        Raises:
            ProfileError: The ceremony made no such server, or the passphrase is missing.
        """
        self.server_names(environment)
        name = self.current(f"{environment.name}-server")
        passphrase = secret(SERVER_PASSPHRASE, self.layout.directory)
        return ServerFiles(self.layout.certificate(name), self.layout.server_key(name), passphrase)

    def server_names(self, environment: type[Environment]) -> tuple[str, ...]:
        """Return the host names in that server's certificate.

        Raises:
            ProfileError: The ceremony made no such server.
        """
        server = self._hierarchy_plan(environment).server
        if server is None:
            hint = f"Add {environment.name}.server to the ceremony file and hold the ceremony."
            raise ProfileError(f"this PKI has no {environment.name} server", hint=hint)
        return server.names

    def client_roots(self, environment: type[Environment]) -> bytes:
        """Return the CAs (PEM) by which a server verifies its clients; CAs below the root for those that send none."""
        names = (self.certificates[f"{environment.name}-root"], *self._below_root(environment))
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in names)

    def _below_root(self, environment: type[Environment]) -> tuple[x509.Certificate, ...]:
        families = [f"{environment.name}-{layer}" for layer in ("intermediate", "issuing")]
        names = [name for family in families for name in self.parts.family(family)]
        return tuple(self.certificates[name] for name in names if name in self.certificates)

    def sign(self, data: bytes) -> bytes:
        """Return the record key's signature over `data`: ECDSA P-256 with SHA-256, DER.

        Raises:
            KeystoreError: The HSM is away.
        """
        return self.keystores[self.plan.keys.authorities].sign(RECORDS, data)

    @property
    def record_certificate(self) -> str:
        """Return the certificate (PEM) by which record signatures are verified."""
        return self.certificates[RECORDS].public_bytes(Encoding.PEM).decode()

    def random(self, size: int) -> bytes:
        """Return `size` bytes of the HSM's random generator.

        Raises:
            KeystoreError: The HSM is away.
        """
        return self.keystore.random(size)

    def fingerprint(self, data: bytes) -> str:
        """Return a keyed hash of a secret, in hex: alike are seen to be alike, and nobody can try them out (F-E7).

        Raises:
            KeystoreError: The HSM is away, or has lost the hash's key.
            ProfileError: The hash's secret is missing, or others may read it.
        """
        return open_hash(self.keystore, self.ledger, self.layout.directory)(_FINGERPRINT + data).hex()

    def rows(self) -> list[KeyRecord]:
        """Return every key the ledger knows, oldest first, for a checker."""
        return self.ledger.rows()

    def check(self) -> list[str]:
        """Return what is wrong now, one sentence each: HSM, keys against certificates, wrapping, ends of validity."""
        problems = _complaints(self.keystore.self_test)
        for part in self.daily_keys():
            proof = partial(self.keystores[part.token].prove, part.name, spki_of(self.certificates[part.name]))
            problems += _complaints(proof)
        problems += self._safe_problems()
        for name, certificate in (self.certificates | self.servers()).items():
            problems += self._end(name, certificate)
        undone = [part.name for part in self.parts.keys if part.name not in self.certificates]
        problems += [f"the renewal {name} was ordered and is not made: hold the ceremony" for name in undone]
        return problems + (self.ledger_problems() or self._list_problems())

    def _safe_problems(self) -> list[str]:
        if self.safe is None:
            return ["the key sealing was planned and is not made: hold the ceremony"] if self.parts.sealing else []
        return _complaints(self.safe.prove)

    def daily_keys(self) -> tuple[Part, ...]:
        """Return the keys that daily work needs; roots and the firmware signer sleep between ceremonies."""
        return tuple(part for part in daily_keys(self.parts) if part.name in self.certificates)

    def servers(self) -> dict[str, x509.Certificate]:
        """Return the newest certificate of each TLS server, by name."""
        names = dict.fromkeys(self.current(f"{server.environment}-server") for server in self.parts.servers)
        return {name: self.layout.load(name) for name in names}

    def _end(self, name: str, certificate: x509.Certificate) -> list[str]:
        end = certificate.not_valid_after_utc
        notice = min(LATEST_WARNING, (end - certificate.not_valid_before_utc) / SHARE_WARNING)
        return [f"certificate {name} ends on {end:%Y-%m-%d}"] if end < datetime.now(UTC) + notice else []

    def _list_problems(self) -> list[str]:
        problems = []
        for part in self.parts.keys:
            newest = self.ledger.newest_crl(part.name)
            notice = LIST_WARNING if part.lists else timedelta(0)
            if newest and newest.next_update < datetime.now(UTC) + notice:
                step = "'pki crl --roots' with the token of the roots" if part.lists else "'pki crl'"
                problems.append(f"the CRL of {part.name} ends on {newest.next_update:%Y-%m-%d}: run {step}")
        return problems

    def revoke_part(self, name: str, reason: Reason, detail: str) -> str:
        """Revoke the certificate of a CA or TLS server that another CA signed; return its serial number.

        The list of the CA above tells it: 'pki crl', or 'pki crl --roots' if that CA sleeps.

        Raises:
            RequestRefused: The plan has roles and the caller is no officer, or nothing above could tell it.
        """
        require(self.plan, OFFICER)
        if name not in self.parts.names() or self.parts.issuer(name) in (name, BENCH_ROOT):
            able = [one for one in self.parts.names() if self.parts.issuer(one) not in (one, BENCH_ROOT)]
            raise RequestRefused(f"'{name}' can't be revoked", hint=f"These can: {', '.join(able)}.")
        found = self.layout.load(name)
        serial = f"{found.serial_number:X}"
        end = found.not_valid_after_utc
        self.ledger.revoke_once(Revocation(self.parts.issuer(name), serial, reason, detail, end))
        return serial

    def ledger_problems(self) -> list[str]:
        """Return what is missing or damaged in the ledger, one sentence each."""
        try:
            return self.ledger.check()
        except PkiError as error:
            return [error.message]

    def close(self) -> None:
        """Log out of the HSM and close the ledger; session objects are gone."""
        for keystore in self.keystores.values():
            keystore.close()
        self.ledger.close()

    def _hierarchy_plan(self, environment: type[Environment]) -> HierarchyPlan | PlantPlan:
        return self.plan.hierarchies[environment.name]


def open_factory(directory: Path, actor: str = "") -> Factory:
    """Open the PKI that a ceremony made in `directory`, for an actor whose name stands in its audit entries.

    The actor is the operating system user, unless a service that serves several people names one.

    Raises:
        ProfileError: A file of the ceremony or a secret is missing or wrong.
        KeystoreError: The HSM, its PIN, or a key is not as it must be.
        PkiError: The ledger is missing or damaged.
    """
    layout = Layout(directory)
    plan = read_plan(layout.plan)
    parts = all_parts(plan, read_renewals(layout))
    certificates = _certificates(layout, parts)
    development = is_development(certificates, plan)
    with ExitStack() as opened:
        ledger = open_ledger(layout.ledger, actor or caller())
        opened.callback(ledger.close)
        tokens = Tokens(plan, directory)
        opened.callback(tokens.close)
        keystores = {name: tokens.open(name) for name in plan.daily}
        if not all(tokens.is_open(name) for name in keystores):
            hint = "Put the daily tokens under one configuration of the module, or give one of them another module."
            raise ProfileError("the tokens of daily work can't be open at the same time", hint=hint)
        for part in daily_keys(parts):
            if part.name in certificates:
                keystores[part.token].bind(part.name, spki_of(certificates[part.name]))
        safe = open_safe(keystores[parts.sealing.token], parts.sealing.name, layout) if parts.sealing else None
        opened.pop_all()
    return Factory(layout, plan, parts, keystores, ledger, certificates, safe, development)


def daily_keys(parts: Parts) -> tuple[Part, ...]:
    """Return the keys that daily work needs."""
    return tuple(part for part in parts.keys if part.online)


def grant_quota(directory: Path, work_order: str, units: int, rework: int | None) -> None:
    """Set how many station certificates a work order may have in each environment; no HSM is needed (F-D12).

    Args:
        directory: Where the PKI lives.
        work_order: Id of the order.
        units: How many units it may build.
        rework: Certificates beyond them; None keeps what was granted before.

    Raises:
        PkiError: The ledger is missing or can't be written.
        RequestRefused: A number is negative, the work order has no name, or the plan has roles and the caller is
            neither officer nor approver.
    """
    layout = Layout(directory)
    ledger = open_ledger(layout.ledger, require(read_plan(layout.plan), OFFICER, APPROVER))
    try:
        granted = {quota.key: quota.rework for quota in ledger.quotas()} if rework is None else {}
        for environment in (Test, Ship):
            key = QuotaKey(work_order, environment.name, "station")
            ledger.grant(Quota(work_order, environment.name, "station", units, granted.get(key, rework or 0)))
    finally:
        ledger.close()


def _certificates(layout: Layout, parts: Parts) -> dict[str, x509.Certificate]:
    """Return what exists; only a renewal may be still to come."""
    found = {}
    for part in parts.keys:
        if layout.certificate(part.name).exists() or family_of(part.name) == part.name:
            found[part.name] = layout.load(part.name)
    return found


def _complaints(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except PkiError as error:
        return [error.message]
    return []
