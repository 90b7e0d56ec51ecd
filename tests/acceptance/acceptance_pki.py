"""Throwaway CAs and certificates for the tests of the acceptance server."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Credential:
    """A certificate with its key, as files."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain_file: Path
    key_file: Path

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def sha256(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def serial(self) -> str:
        return f"{self.certificate.serial_number:X}"


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def issue(
    directory: Path,
    common_name: str,
    issuer: Credential | None = None,
    *,
    days: int = 30,
    password: bytes = b"",
    number: int = 0,
) -> Credential:
    """Make a CA (no issuer) or a leaf that also serves localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer.certificate.subject if issuer else name(common_name))
        .public_key(key.public_key())
        .serial_number(number or x509.random_serial_number())
        .not_valid_before(now - 40 * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    return _store(directory, Credential(certificate, key, *_files(directory, certificate)), password)


def _files(directory: Path, certificate: x509.Certificate) -> tuple[Path, Path]:
    stem = certificate.fingerprint(hashes.SHA256()).hex()
    return directory / f"{stem}.pem", directory / f"{stem}.key"


def _store(directory: Path, made: Credential, password: bytes) -> Credential:
    made.chain_file.write_bytes(made.pem)
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    made.key_file.write_bytes(made.key.private_bytes(serialization.Encoding.PEM, form, encryption))
    return made
