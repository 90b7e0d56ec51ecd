"""Secrets sealed for a certificate, opened by openssl and by nobody else."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pyasn1.codec.der import decoder, encoder
from pyasn1_alt_modules import rfc5083, rfc5652

from pki.cms import load_recipient, seal
from pki.errors import RequestRefused

SECRET = b'{"password":"correct horse"}'
P256 = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
P384 = ("ec", "-pkeyopt", "ec_paramgen_curve:P-384")
RSA = ("rsa:2048",)


def openssl(*words: str | Path, data: bytes = b"") -> bytes:
    command = ["openssl", *map(str, words)]
    return subprocess.run(command, input=data, check=True, capture_output=True, timeout=30).stdout


@dataclass(frozen=True)
class Person:
    """Whoever a secret is for, with openssl alone."""

    folder: Path

    @property
    def certificate(self) -> bytes:
        return (self.folder / "certificate.pem").read_bytes()

    def open(self, sealed: bytes) -> bytes:
        paths = ("-recip", self.folder / "certificate.pem", "-inkey", self.folder / "key.pem")
        return openssl("cms", "-decrypt", "-inform", "DER", "-binary", *paths, data=sealed)


def person(folder: Path, kind: tuple[str, ...], *more: str) -> Person:
    folder.mkdir(exist_ok=True)
    paths = ("-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
    openssl("req", "-x509", "-nodes", "-newkey", *kind, "-subj", "/O=Example Network/CN=CPMS", *paths, *more)
    return Person(folder)


@pytest.mark.parametrize("kind", [RSA, P256], ids=["rsa", "p256"])
def test_only_the_recipient_opens_it(tmp_path, kind):
    """F-D7: openssl of the recipient; a stranger's openssl refuses."""
    owner, stranger = person(tmp_path / "owner", kind), person(tmp_path / "stranger", kind)
    sealed = seal(SECRET, load_recipient(owner.certificate))
    assert owner.open(sealed) == SECRET
    with pytest.raises(subprocess.CalledProcessError):
        stranger.open(sealed)


@pytest.mark.parametrize("kind", [RSA, P256], ids=["rsa", "p256"])
def test_what_was_tampered_with_is_an_error(tmp_path, kind):
    """RFC 5083: the content is authenticated."""
    owner = person(tmp_path, kind)
    sealed = bytearray(seal(SECRET, load_recipient(owner.certificate)))
    sealed[-20] ^= 1
    with pytest.raises(subprocess.CalledProcessError):
        owner.open(bytes(sealed))


def test_openssl_reads_the_structure(tmp_path):
    owner = person(tmp_path, P256)
    text = openssl("cms", "-cmsout", "-print", "-inform", "DER", data=seal(SECRET, load_recipient(owner.certificate)))
    for part in (b"aes-256-gcm", b"dhSinglePass-stdDH-sha256kdf-scheme", b"CN=CPMS"):
        assert part in text


def test_another_parser_reads_it_to_the_last_byte(tmp_path):
    """pyasn1 with the module of RFC 5083; DER has one form, so what it writes is what it read."""
    sealed = seal(SECRET, load_recipient(person(tmp_path, P256).certificate))
    outer, _ = decoder.decode(sealed, asn1Spec=rfc5652.ContentInfo())
    inner, rest = decoder.decode(outer["content"], asn1Spec=rfc5083.AuthEnvelopedData())
    assert outer["contentType"] == rfc5083.id_ct_authEnvelopedData
    assert (encoder.encode(inner), rest) == (bytes(outer["content"]), b"")


def test_the_same_secret_is_never_sealed_alike(tmp_path):
    recipient = load_recipient(person(tmp_path, P256).certificate)
    first, second = seal(SECRET, recipient), seal(SECRET, recipient)
    assert first[-40:] != second[-40:]
    assert SECRET not in first


REFUSED = {
    "small RSA": (("rsa:1024",), (), "neither RSA of 2048"),
    "P-384": (P384, (), "neither RSA of 2048"),
    "Ed25519": (("ed25519",), (), "neither RSA of 2048"),
    "signs only": (P256, ("-addext", "keyUsage=critical,digitalSignature"), "does not allow"),
    "RSA signs only": (RSA, ("-addext", "keyUsage=critical,digitalSignature"), "does not allow"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unfit_recipients_are_refused(tmp_path, case):
    kind, more, cause = REFUSED[case]
    with pytest.raises(RequestRefused, match=cause) as refusal:
        load_recipient(person(tmp_path, kind, *more).certificate)
    assert "P-256" in refusal.value.hint


@pytest.mark.parametrize("junk", [b"", b"-----BEGIN CERTIFICATE-----", b"\x30" * 20_000, b"\xff" * 10])
def test_junk_is_refused(junk):
    with pytest.raises(RequestRefused, match="recipient's certificate"):
        load_recipient(junk)


def test_a_secret_without_end_is_refused(tmp_path):
    recipient = load_recipient(person(tmp_path, P256).certificate)
    with pytest.raises(RequestRefused, match="longer than"):
        seal(bytes(100_000), recipient)
    assert seal(bytes(16_384), recipient)


def test_der_and_allowed_usages_are_taken(tmp_path):
    owner = person(tmp_path, P256, "-addext", "keyUsage=critical,keyAgreement")
    encoded = openssl("x509", "-outform", "DER", data=owner.certificate)
    assert owner.open(seal(SECRET, load_recipient(encoded))) == SECRET


def test_a_certificate_that_has_ended_is_refused(tmp_path):
    """Written with the library, because openssl makes none that has ended."""
    living = load_recipient(person(tmp_path, P256).certificate)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(living.issuer, living.subject, living.public_key(), 1)
    ended = builder.not_valid_before(long_ago).not_valid_after(long_ago + timedelta(days=365))
    key = load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    with pytest.raises(RequestRefused, match="ended on 2020-12-31"):
        seal(SECRET, ended.sign(key, hashes.SHA256()))
