"""Throwaway CAs and certificates for the tests of the acceptance server."""

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asn1crypto import csr
from asn1crypto.pem import armor
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pki.certificate.csr import CertificateRequest
from station.acceptance import Renewal, Renewed

OWNER_NAME = "Example Chargers"
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
    certificate = certify(common_name, key.public_key(), issuer, days=days, number=number, own=key)
    return _store(directory, Credential(certificate, key, *_files(directory, certificate)), password)


def certify(
    common_name: str, key: Any, issuer: Credential | None, *, days: int = 30, number: int = 0, own: Any = None
) -> x509.Certificate:
    """Sign a certificate for a public key; one without issuer signs itself with its `own` key."""
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer.certificate.subject if issuer else name(common_name))
        .public_key(key)
        .serial_number(number or x509.random_serial_number())
        .not_valid_before(now - 40 * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    return builder.sign(issuer.key if issuer else own, hashes.SHA256())


def make_request(says: dict[str, Any], key: Any) -> str:
    """Write a certificate request; `key` and `signer` replace the key that is asked for and the one that signs."""
    kinds = ((NameOID.ORGANIZATION_NAME, says["owner"]), (NameOID.COMMON_NAME, says["name"]))
    subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in kinds if value])
    asked = says.get("key", key)
    made = x509.CertificateSigningRequestBuilder(subject).sign(asked, hashes.SHA256())
    if "signer" not in says:
        return made.public_bytes(serialization.Encoding.PEM).decode()
    forged = csr.CertificationRequest.load(made.public_bytes(serialization.Encoding.DER))
    forged["signature"] = says["signer"].sign(b"something else", ec.ECDSA(hashes.SHA256()))
    return armor("CERTIFICATE REQUEST", forged.dump(force=True)).decode()


def keep(certificate: x509.Certificate, key: Any, directory: Path) -> Credential:
    """Write a renewed certificate and its key into files."""
    return _store(directory, Credential(certificate, key, *_files(directory, certificate)), b"")


@dataclass
class Office:
    """Renews certificates of one unit, and remembers what it did."""

    directory: Path
    issuer: Credential
    unit: str
    signed: list[Credential] = field(default_factory=list)
    probes: int = 0

    def renewal(self, organization: str = OWNER_NAME) -> Renewal:
        return Renewal(organization, self.probe, self.sign)

    def probe(self) -> str:
        self.probes += 1
        return issue(self.directory, self.unit, self.issuer).pem.decode()

    def sign(self, request: CertificateRequest) -> Renewed:
        key = serialization.load_der_public_key(request.spki)
        made = keep(certify(self.unit, key, self.issuer), None, self.directory)
        self.signed.append(made)
        return Renewed(made.pem.decode(), made.serial, made.sha256)


def _files(directory: Path, certificate: x509.Certificate) -> tuple[Path, Path]:
    stem = certificate.fingerprint(hashes.SHA256()).hex()
    return directory / f"{stem}.pem", directory / f"{stem}.key"


def _store(directory: Path, made: Credential, password: bytes) -> Credential:
    made.chain_file.write_bytes(made.pem)
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    if made.key is None:
        return made
    made.key_file.write_bytes(made.key.private_bytes(serialization.Encoding.PEM, form, encryption))
    return made


def hash_data(root: Any, algorithm: str = "sha256") -> dict[str, str]:
    """Compute OCPP hash data on a way of its own: the key's bits are the end of its SPKI."""
    spki = root.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "hashAlgorithm": algorithm.upper(),
        "issuerNameHash": hashlib.new(algorithm, root.subject.public_bytes()).hexdigest().upper(),
        "issuerKeyHash": hashlib.new(algorithm, spki[-65:]).hexdigest(),
        "serialNumber": f"0{root.serial_number:X}",
    }
