"""The passport is canonical, signed, readable by strangers' tools, and holds no secret (F-I5, F-J3, design 7.9)."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import make_dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from station.documents.passport import StepResult, passport_document, read_passport, verify_passport
from station.errors import StationError
from station.model import Measurement, UnitRecord

STEPS = (StepResult("identify", "PASS", 0.4321), StepResult("accept", "PASS", 8.4))
MEASUREMENTS = (Measurement("clock offset", 0.12, "s", -1.0, 1.0), Measurement("locked", True))
Sample = Callable[..., UnitRecord]
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def certificate(key: Key, year: int = 2026) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Station line-1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.not_valid_before(datetime(year, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(year + 1, 1, 1, tzinfo=UTC)
    )
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
    return builder.serial_number(1).sign(key, algorithm).public_bytes(Encoding.PEM)


@pytest.fixture
def passport(record: UnitRecord) -> bytes:
    return passport_document(record, STEPS, MEASUREMENTS)


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def tool(*command: str | Path) -> str:
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_an_empty_answer_is_a_measurement_too(record: UnitRecord) -> None:
    """A device that shows nothing where something is measured: its passport still tells, and can still be set."""
    empty = passport_document(record, STEPS, (Measurement("firmware in slot 1", ""),))
    assert json.loads(empty)["measurements"] == [{"name": "firmware in slot 1", "value": "", "passed": True}]


def test_document_is_canonical_and_complete(passport: bytes, record: UnitRecord) -> None:
    """RFC 8785: sorted members, no blanks; `jq -S`-like order holds for our ASCII member names."""
    content = json.loads(passport)
    assert passport == json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert content["schema"] == "charger-station/device-passport"
    assert content["acceptance"][0] == {"name": "identify", "outcome": "PASS", "seconds": 0.432}
    assert [rating["name"] for rating in content["ratings"]] == list(record.ratings)
    assert content["certificate"]["sha256"] == record.certificate_sha256


def test_every_fact_of_the_record_is_in_the_document(passport: bytes, record: UnitRecord) -> None:
    text = passport.decode()
    simple = [value for value in vars(record).values() if isinstance(value, str)]
    assert [value for value in simple if json.dumps(value, ensure_ascii=False) not in text] == []
    assert all(fact in text for fact in record.not_shown_by_hardware)


def test_password_in_the_endpoint_is_refused(sample: Sample) -> None:
    with pytest.raises(StationError, match="password") as refused:
        passport_document(sample(endpoint="wss://user:s3cret@csms.example/ocpp"), STEPS)
    assert "s3cret" not in str(refused.value)


def test_openssl_verifies_what_we_verify(passport: bytes, key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> None:
    signature = key.sign(passport, ec.ECDSA(SHA256()))
    verify_passport(passport, signature, certificate(key))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, content in (("key.pem", public), ("signature", signature), ("passport.json", passport)):
        (tmp_path / name).write_bytes(content)
    files = ("-verify", tmp_path / "key.pem", "-signature", tmp_path / "signature", tmp_path / "passport.json")
    assert "Verified OK" in tool("openssl", "dgst", "-sha256", *files)


def test_ed25519_signature_verifies(passport: bytes) -> None:
    signer = ed25519.Ed25519PrivateKey.generate()
    verify_passport(passport, signer.sign(passport), certificate(signer))


@pytest.mark.parametrize("position", [0, 50, 500, -1])
def test_flipped_byte_is_caught(passport: bytes, key: ec.EllipticCurvePrivateKey, position: int) -> None:
    signature = key.sign(passport, ec.ECDSA(SHA256()))
    damaged = bytearray(passport)
    damaged[position] ^= 1
    with pytest.raises(StationError, match="passport"):
        verify_passport(bytes(damaged), signature, certificate(key))


def test_changed_value_is_caught_by_the_signature(passport: bytes, key: ec.EllipticCurvePrivateKey) -> None:
    signature = key.sign(passport, ec.ECDSA(SHA256()))
    with pytest.raises(StationError, match="signature does not match"):
        verify_passport(passport.replace(b"AC22-000001-7", b"AC22-000002-7"), signature, certificate(key))
    with pytest.raises(StationError, match="signature does not match"):
        verify_passport(passport, signature[:-1] + bytes([signature[-1] ^ 1]), certificate(key))


def test_other_key_and_expired_certificate_are_caught(passport: bytes, key: ec.EllipticCurvePrivateKey) -> None:
    signature = key.sign(passport, ec.ECDSA(SHA256()))
    with pytest.raises(StationError, match="does not match"):
        verify_passport(passport, signature, certificate(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(StationError, match="outside the validity"):
        verify_passport(passport, signature, certificate(key, 2024))
    with pytest.raises(StationError, match="cannot be read"):
        verify_passport(passport, signature, b"no certificate")


def test_other_kinds_of_keys_are_refused(passport: bytes) -> None:
    signer = rsa.generate_private_key(65537, 2048)
    with pytest.raises(StationError, match="neither ECDSA nor Ed25519"):
        verify_passport(passport, b"", certificate(signer))


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "no device passport"),
        (b"[]", "no device passport"),
        (b"[" * 100_000, "no device passport"),
        (b"\xff", "no device passport"),
        (b" " * 2_000_000, "longer than"),
        (b'{"production":{"released_at":"2026-01-01"},"schema":"x","version":1}', "not known here"),
    ],
)
def test_what_is_no_passport_is_refused(document: bytes, problem: str) -> None:
    with pytest.raises(StationError, match=problem):
        read_passport(document)


def test_document_in_other_form_is_refused(passport: bytes) -> None:
    with pytest.raises(StationError, match="canonical"):
        read_passport(json.dumps(json.loads(passport)).encode())
    with pytest.raises(StationError, match="not known here"):
        read_passport(passport.replace(b'"version":1}', b'"version":2}'))


def test_what_later_records_know_is_told_and_unknown_facts_are_not(record: UnitRecord) -> None:
    """A field that no section names may be a secret; a field that one names appears as soon as the record has it."""
    extended = make_dataclass("Extended", [("gtin", str, ""), ("pin", str, "")], bases=(UnitRecord,), frozen=True)
    facts = {**vars(record), "gtin": "04012345678901", "pin": "31415926"}
    document = json.loads(passport_document(extended(**facts), STEPS, replaces="ab" * 32))
    assert (document["unit"]["gtin"], document["production"]["replaces"]) == ("04012345678901", "ab" * 32)
    assert "31415926" not in json.dumps(document)
