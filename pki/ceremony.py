"""Hold the key ceremony: one reviewed file in, keys in the token and certificates in a directory out.

Every act looks first at what is there, so a second run changes nothing and a run that died is completed. The reviewed
file is kept byte for byte as `pki.toml`, durable before the first key is made; another file is then refused.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from pki.authority import SERIAL_BYTES, Authority, authority_of, random_serial, self_signer, spki_of, validity
from pki.errors import ProfileError
from pki.issue import BENCH_ROOT, PIN, RECORDS, SERVER_PASSPHRASE, SOON
from pki.keystore import Keystore, open_keystore
from pki.ledger import create_ledger
from pki.plan import AuthorityPlan, HierarchyPlan, Layout, Plan, read_plan
from pki.profile import Claim, Profile, load_profile
from pki.secret import secret, write_secret

DAYS_A_YEAR = 365


def hold_ceremony(file: Path, directory: Path) -> list[str]:
    """Make what the reviewed file says and is not there yet; return what was done, one sentence each.

    Raises:
        ProfileError: The file is wrong, or the directory belongs to another ceremony.
        KeystoreError: The token is away, or lost a key whose certificate exists.
    """
    plan = read_plan(file)
    layout = Layout(directory)
    done = _adopt_file(file, layout)
    keystore = open_keystore(plan.token, directory, secret(PIN, directory))
    try:
        ceremony = _Ceremony(plan, layout, keystore, done)
        ceremony.hold()
    finally:
        keystore.close()
    if not layout.ledger.exists():
        create_ledger(layout.ledger)
        done.append("created the ledger")
    return done


@dataclass(frozen=True)
class _Ceremony:
    """One run of the ceremony."""

    plan: Plan
    layout: Layout
    keystore: Keystore
    done: list[str]

    def hold(self) -> None:
        for name, hierarchy in (("test", self.plan.test), ("ship", self.plan.ship)):
            root = self._self_signed(f"{name}-root", "root", hierarchy.root)
            self._issuing(f"{name}-issuing", hierarchy.issuing, root)
        self._self_signed(BENCH_ROOT, "bench-root", self.plan.bench.root)
        self._self_signed(RECORDS, "records", self.plan.records)
        self._server("test-server", self.plan.test, "test-issuing", sends_issuer=True)
        # No factory computer holds a server key that a customer's network would trust: the stand-in has its own root.
        self._server("ship-server", self.plan.ship, BENCH_ROOT, sends_issuer=False)

    def _self_signed(self, name: str, profile_name: str, authority: AuthorityPlan) -> x509.Certificate:
        existing = self._existing(name)
        if existing:
            return existing
        profile = load_profile(profile_name)
        claim = self._claim(authority, self._key(name), None)
        return self._issue(name, Authority(name, self_signer(profile, claim), self.keystore), profile, claim)

    def _issuing(self, name: str, authority: AuthorityPlan, root: x509.Certificate) -> None:
        if not self._existing(name):
            signer = self._bound(name.replace("issuing", "root"), root)
            claim = self._claim(authority, self._key(name), root.not_valid_after_utc)
            self._issue(name, signer, load_profile("issuing"), claim)

    def _existing(self, name: str) -> x509.Certificate | None:
        """Return the certificate that is there, after its key proved to be in the token."""
        path = self.layout.certificate(name)
        if not path.exists():
            return None
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        self._bound(name, certificate)
        return certificate

    def _bound(self, name: str, certificate: x509.Certificate) -> Authority:
        self.keystore.bind(name, spki_of(certificate))
        return authority_of(name, certificate, self.keystore)

    def _key(self, name: str) -> bytes:
        spki = self.keystore.public_key(name)
        if spki is None:
            spki = self.keystore.create(name)
            self.done.append(f"made key {name}")
        self.keystore.bind(name, spki)
        return spki

    def _claim(self, authority: AuthorityPlan, spki: bytes, latest: datetime | None) -> Claim:
        start, end = validity(authority.years * DAYS_A_YEAR, latest)
        return Claim(authority.common_name, self.plan.organization, spki, self._serial(), start, end)

    def _serial(self) -> int:
        return random_serial(self.keystore.random(SERIAL_BYTES))

    def _issue(self, name: str, signer: Authority, profile: Profile, claim: Claim) -> x509.Certificate:
        certificate = signer.issue(profile, claim)
        _write(self.layout.certificate(name), certificate.public_bytes(Encoding.PEM))
        self.done.append(f"issued certificate {name}")
        return certificate

    def _server(self, name: str, hierarchy: HierarchyPlan, signer_name: str, *, sends_issuer: bool) -> None:
        path = self.layout.certificate(name)
        if path.exists() and _ends(path) > datetime.now(UTC) + SOON:
            return
        issuer = x509.load_pem_x509_certificate(self.layout.certificate(signer_name).read_bytes())
        signer = self._bound(signer_name, issuer)
        names = hierarchy.server.names
        start, end = validity(hierarchy.server.days, issuer.not_valid_after_utc)
        claim = Claim(names[0], hierarchy.owner, self._server_key(name), self._serial(), start, end, names)
        chain = signer.issue(load_profile("server"), claim).public_bytes(Encoding.PEM)
        _write(path, chain + (issuer.public_bytes(Encoding.PEM) if sends_issuer else b""))
        self.done.append(f"issued certificate {name}")

    def _server_key(self, name: str) -> bytes:
        """Return the SPKI of a server's key: born in software because a TLS server needs it, and encrypted at rest."""
        path = self.layout.server_key(name)
        passphrase = self._passphrase()
        if path.exists():
            key = load_pem_private_key(path.read_bytes(), passphrase)
        else:
            key = ec.generate_private_key(ec.SECP256R1())
            _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)))
            self.done.append(f"made key {name}")
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def _passphrase(self) -> bytes:
        if not (self.layout.directory / "secrets" / SERVER_PASSPHRASE).exists():
            write_secret(SERVER_PASSPHRASE, self.layout.directory, self.keystore.random(24).hex())
        return secret(SERVER_PASSPHRASE, self.layout.directory).encode()


def _adopt_file(file: Path, layout: Layout) -> list[str]:
    reviewed = file.read_bytes()
    if not layout.plan.exists():
        _write(layout.plan, reviewed)
        return [f"adopted {file.name}"]
    if layout.plan.read_bytes() != reviewed:
        raise ProfileError(f"{layout.directory} belongs to another ceremony file", hint="Use an empty directory.")
    return []


def _ends(path: Path) -> datetime:
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc


def _write(path: Path, data: bytes) -> None:
    """Write a file that is either whole and durable, or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
