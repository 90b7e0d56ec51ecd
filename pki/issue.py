"""Open a factory's PKI: `open_factory(directory)` gives issuers, anchors, server files and the record signature.

The directory was made by a ceremony. Opening logs in to the HSM once and proves every key against its certificate.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.authority import authority_of, spki_of
from pki.environment import E, Environment, Ship, Test
from pki.errors import PkiError, ProfileError
from pki.issuer import Hierarchy, Issuer
from pki.keystore import Keystore, open_keystore
from pki.ledger import KeyRecord, Ledger, Quota, open_ledger
from pki.plan import HierarchyPlan, Layout, Plan, read_plan
from pki.secret import secret

RECORDS = "records"
BENCH_ROOT = "bench-root"
PIN = "hsm-pin"
SERVER_PASSPHRASE = "server-key"
SOON = timedelta(days=30)


class ServerFiles(NamedTuple):
    """What the acceptance server loads to play one persona."""

    chain: Path
    """PEM, leaf first."""
    key: Path
    """Encrypted PKCS#8, PEM."""
    passphrase: str


@dataclass(frozen=True)
class Factory:
    """A factory's PKI with its HSM logged in; safe from many threads."""

    layout: Layout
    plan: Plan
    keystore: Keystore
    ledger: Ledger
    certificates: dict[str, x509.Certificate]
    """Every CA and the record signer, by name."""

    def issuer(self, environment: type[E]) -> Issuer[E]:
        """Return the issuer of one environment."""
        issuing = self.certificates[f"{environment.name}-issuing"]
        hierarchy = Hierarchy(
            environment=environment,
            owner=self._hierarchy_plan(environment).owner,
            root=self.certificates[f"{environment.name}-root"],
            issuing=issuing,
            authority=authority_of(f"{environment.name}-issuing", issuing, self.keystore),
        )
        return Issuer(hierarchy, self.ledger, self.keystore)

    def bench_anchors(self) -> bytes:
        """Return the root (PEM) of the stand-in server; a device may trust it on the bench only."""
        return self.certificates[BENCH_ROOT].public_bytes(Encoding.PEM)

    def server_files(self, environment: type[Environment]) -> ServerFiles:
        """Return certificate and key of the acceptance server's persona for an environment.

        Raises:
            ProfileError: The passphrase is missing.
        """
        name = f"{environment.name}-server"
        passphrase = secret(SERVER_PASSPHRASE, self.layout.directory)
        return ServerFiles(self.layout.certificate(name), self.layout.server_key(name), passphrase)

    def server_names(self, environment: type[Environment]) -> tuple[str, ...]:
        """Return the host names in the persona's certificate."""
        return self._hierarchy_plan(environment).server.names

    def client_roots(self, environment: type[Environment]) -> bytes:
        """Return the CAs (PEM) by which the acceptance server verifies units; issuing CAs for units that send none."""
        names = (f"{environment.name}-root", f"{environment.name}-issuing")
        return b"".join(self.certificates[name].public_bytes(Encoding.PEM) for name in names)

    def sign(self, data: bytes) -> bytes:
        """Return the record key's signature over `data`: ECDSA P-256 with SHA-256, DER.

        Raises:
            KeystoreError: The HSM is away.
        """
        return self.keystore.sign(RECORDS, data)

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

    def rows(self) -> list[KeyRecord]:
        """Return every key the ledger knows, oldest first, for a checker."""
        return self.ledger.rows()

    def check(self) -> list[str]:
        """Return what is wrong now, one sentence each: HSM, keys against certificates, wrapping, ends of validity."""
        problems = _complaints(self.keystore.self_test)
        for name in online_keys():
            problems += _complaints(partial(self.keystore.prove, name, spki_of(self.certificates[name])))
        servers = {f"{name}-server": _leaf(self.layout.certificate(f"{name}-server")) for name in ("test", "ship")}
        for name, certificate in (self.certificates | servers).items():
            if certificate.not_valid_after_utc < datetime.now(UTC) + SOON:
                problems.append(f"certificate {name} ends on {certificate.not_valid_after_utc:%Y-%m-%d}")
        return problems + self.ledger_problems()

    def ledger_problems(self) -> list[str]:
        """Return what is missing or damaged in the ledger, one sentence each."""
        try:
            return self.ledger.check()
        except PkiError as error:
            return [error.message]

    def close(self) -> None:
        """Log out of the HSM and close the ledger; session objects are gone."""
        self.keystore.close()
        self.ledger.close()

    def _hierarchy_plan(self, environment: type[Environment]) -> HierarchyPlan:
        return {Test.name: self.plan.test, Ship.name: self.plan.ship}[environment.name]


def open_factory(directory: Path, actor: str = "station") -> Factory:
    """Open the PKI that a ceremony made in `directory`, for an actor whose name stands in its audit entries.

    Raises:
        ProfileError: A file of the ceremony or a secret is missing or wrong.
        KeystoreError: The HSM, its PIN, or a key is not as it must be.
        PkiError: The ledger is missing or damaged.
    """
    layout = Layout(directory)
    plan = read_plan(layout.plan)
    certificates = {name: _leaf(layout.certificate(name)) for name in (*authorities(), RECORDS)}
    with ExitStack() as opened:
        ledger = open_ledger(layout.ledger, actor)
        opened.callback(ledger.close)
        keystore = open_keystore(plan.token, directory, secret(PIN, directory))
        opened.callback(keystore.close)
        for name in online_keys():
            keystore.bind(name, spki_of(certificates[name]))
        opened.pop_all()
    return Factory(layout, plan, keystore, ledger, certificates)


def grant_quota(directory: Path, work_order: str, units: int, rework: int, actor: str) -> None:
    """Set how many station certificates a work order may have in each environment; no HSM is needed (F-D12).

    Raises:
        PkiError: The ledger is missing or can't be written.
        RequestRefused: A number is negative, or the work order has no name.
    """
    ledger = open_ledger(Layout(directory).ledger, actor)
    try:
        for environment in (Test, Ship):
            ledger.grant(Quota(work_order, environment.name, "station", units, rework))
    finally:
        ledger.close()


def authorities() -> tuple[str, ...]:
    """Return the names of all CAs."""
    return ("test-root", "test-issuing", "ship-root", "ship-issuing", BENCH_ROOT)


def online_keys() -> tuple[str, ...]:
    """Return the keys that daily work needs; roots sleep between ceremonies."""
    return ("test-issuing", "ship-issuing", RECORDS)


def _leaf(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ProfileError(f"certificate {path} can't be read", hint="Hold the ceremony again.") from error


def _complaints(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except PkiError as error:
        return [error.message]
    return []
