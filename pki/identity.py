"""Who a station or service of the factory is: a short-lived certificate of the Plant world that renews itself (F-K9).

Its key is born in software, because a TLS library has to use it, and lies encrypted in a file of its own for each
certificate. What an officer revoked does not come back by itself: a next identity needs his reason.
"""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import NameOID

from pki.algorithm import spki_bytes
from pki.authority import spki_of
from pki.environment import Certificate, Key, Plant
from pki.errors import RequestRefused
from pki.files import write_file
from pki.issuer import Issuer
from pki.ledger import Ledger, Owner

PROFILE = "station-identity"
LEFT = 3
"""It is renewed when a third of its life is left."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Identity:
    """The files of one name's identity, and who issues its certificates."""

    name: str
    folder: Path
    issuer: Issuer[Plant]
    ledger: Ledger
    passphrase: bytes

    def current(self, reason: str = "") -> tuple[Path, Path]:
        """Return chain and key (PEM) of a certificate that is good for a while; make or renew it if need be.

        Raises:
            RequestRefused: It was revoked and no reason is given for a next one, or its key is lost, or the name is
                unfit.
            KeystoreError: The HSM is away, and a certificate is needed now.
        """
        if not _NAME.fullmatch(self.name):
            raise RequestRefused(f"{self.name!r} is no name of a station", hint="Use letters, digits, '.', '_', '-'.")
        with _alone(self.folder):
            certificate = self._living(reason)
            if _due(certificate):
                certificate = self._renewed(certificate)
            return self._chain(certificate), self._key_file(_spki(certificate))

    def _living(self, reason: str) -> Certificate[Plant]:
        key = self.issuer.current(self.name, PROFILE) or self._first(reason)
        if not self._key_file(key.spki).exists():
            hint = "Revoke it with 'pki revoke', then give a reason for the next one with 'pki identity'."
            raise RequestRefused(f"the key of station {self.name} is not in {self.folder}", hint=hint)
        return self.issuer.issue(key)

    def _first(self, reason: str) -> Key[Plant]:
        if self.ledger.get(Owner(self.name, Plant.name, PROFILE), 1) is not None:
            if not reason:
                hint = f"A PKI officer may allow a next one: 'pki identity {self.name} --reason …'."
                raise RequestRefused(f"the identity of station {self.name} was revoked", hint=hint)
            self.ledger.record("identity-allowed", self.name, reason=reason)
        return self.issuer.adopt(self.name, PROFILE, self._request(), self.name, "")

    def _renewed(self, certificate: Certificate[Plant]) -> Certificate[Plant]:
        return self.issuer.issue(self.issuer.renew(certificate, self._request(), "renewed by itself"))

    def _request(self) -> bytes:
        """Return a certificate request (DER) for a new key, which is durable before anybody knows of it."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self.passphrase))
        write_file(self._key_file(spki_bytes(key.public_key())), pem, 0o600)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        return request.public_bytes(Encoding.DER)

    def _chain(self, certificate: Certificate[Plant]) -> Path:
        path = self._key_file(_spki(certificate)).with_suffix(".pem")
        if not path.exists():
            write_file(path, certificate.chain_pem.encode())
        return path

    def _key_file(self, spki: bytes) -> Path:
        return self.folder / f"{sha256(spki).hexdigest()[:24]}.key"


def _spki(certificate: Certificate[Plant]) -> bytes:
    return spki_of(x509.load_der_x509_certificate(certificate.der))


def _due(certificate: Certificate[Plant]) -> bool:
    life = certificate.not_after - certificate.not_before
    return datetime.now(UTC) > certificate.not_after - life / LEFT


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
