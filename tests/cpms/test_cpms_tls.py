"""The CPMS over https: its certificate is checked before the token is sent."""

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from cpms_world import TOKEN, Staging
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from station.cpms import open_cpms
from station.errors import ServiceError


def self_signed(directory):
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "staging cpms")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir()
    (directory / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (directory / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


def test_a_certificate_that_is_not_known_is_not_trusted(tmp_path, unit):
    """Only the roots that `ca=` names, or the system's, are believed."""
    self_signed(tmp_path / "tls")
    files = ("--certificate", str(tmp_path / "tls" / "cert.pem"), "--key", str(tmp_path / "tls" / "key.pem"))
    staging = Staging(tmp_path / "cpms", *files)
    try:
        known = open_cpms(f"staging+{staging.url}?ca=tls/cert.pem", lambda: TOKEN, tmp_path)
        assert known.register(unit, 1).state == "equal"
        assert known.name == f"staging+{staging.url}"
        with pytest.raises(ServiceError, match="its certificate is not trusted"):
            open_cpms(f"staging+{staging.url}", lambda: TOKEN, tmp_path).read(unit.serial)
    finally:
        staging.kill()
