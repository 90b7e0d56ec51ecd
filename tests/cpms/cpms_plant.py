"""A plant's CAs for the tests: a root, an issuing CA with its revocation list, and identities of stations."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOUR = timedelta(hours=1)


class Plant:
    """Root and issuing CA, writing what they make into a directory."""

    def __init__(self, directory: Path, name: str = "Plant"):
        self.directory, self.revoked = directory, []
        directory.mkdir(parents=True)
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._sign(f"{name} root", self.root_key.public_key(), f"{name} root", self.root_key, ca=True)
        self.issuing = self._sign(f"{name} issuing", self.key.public_key(), f"{name} root", self.root_key, ca=True)
        (directory / "root.pem").write_bytes(pem(self.root))
        self.publish()

    def _sign(self, name, public, issuer, key, *, ca=False):
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(named(issuer), named(name), public, x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + 24 * HOUR)
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        if not ca:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(usage, critical=False)
        return builder.sign(key, hashes.SHA256())

    def identity(self, name, passphrase=b"", *, revoked=False):
        """Write chain and key of a station into a directory of its own and return that."""
        key, place = ec.generate_private_key(ec.SECP256R1()), self.directory / name
        made = self._sign(name, key.public_key(), self.issuing.subject.rfc4514_string()[3:], self.key)
        place.mkdir(exist_ok=True)
        (place / "chain.pem").write_bytes(pem(made) + pem(self.issuing))
        encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        (place / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        if revoked:
            self.revoked.append(made.serial_number)
            self.publish()
        return place

    def publish(self):
        """Write the issuing CA's revocation list."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(self.issuing.subject, now - HOUR, now + HOUR)
        for number in self.revoked:
            entry = x509.RevokedCertificateBuilder(number, now - HOUR).build()
            builder = builder.add_revoked_certificate(entry)
        (self.directory / "crl.pem").write_bytes(pem(builder.sign(self.key, hashes.SHA256())))


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def pem(made):
    return made.public_bytes(Encoding.PEM)
