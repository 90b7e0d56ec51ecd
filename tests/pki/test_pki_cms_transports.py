"""Key packages for EC transports and batch keys, against vectors that openssl makes; what is refused as a transport.

The keys are wrapped in software here, by openssl and `cryptography`; that tokens wrap alike is the keystore's test.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.der import decoder, encoder
from pyasn1_alt_modules import rfc3565, rfc5652, rfc5753

from pki.cms import key_identifier, key_package, recipient_of
from pki.errors import RequestRefused
from pki.keystore.wrapped import BatchKek, EcTransport, RsaTransport, WrappedKey

CONTENT_KEY, BATCH_KEY, LABEL = bytes(range(32)), bytes(range(64, 96)), "batch-2026-07"
SHARED_INFO = bytes.fromhex("3015 300b06096086480165030401 2d a206 0404 00000100".replace(" ", ""))
"""ECC-CMS-SharedInfo of RFC 5753 section 7.2 by hand: id-aes256-wrap, no ukm, 256 bits."""
ENVELOPE = """
asn1 = SEQUENCE:info
[info]
type = OID:1.2.840.113549.1.7.3
content = EXPLICIT:0,SEQUENCE:enveloped
[enveloped]
version = INTEGER:2
recipients = SET:recipients
content = SEQUENCE:content
[recipients]
one = IMPLICIT:{tag},SEQUENCE:recipient
[content]
type = OID:1.2.840.113549.1.7.1
algorithm = SEQUENCE:pad
content = IMPLICIT:0,FORMAT:HEX,OCTETSTRING:{key}
[pad]
oid = OID:2.16.840.1.101.3.4.1.48
[wrap]
oid = OID:2.16.840.1.101.3.4.1.45
"""
AGREEMENT = """
[recipient]
version = INTEGER:3
originator = EXPLICIT:0,IMPLICIT:1,SEQUENCE:originator
algorithm = SEQUENCE:agreement
keys = SEQUENCE:keys
[originator]
algorithm = SEQUENCE:ec
point = FORMAT:HEX,BITSTRING:{point}
[ec]
oid = OID:1.2.840.10045.2.1
[agreement]
oid = OID:1.3.132.1.11.1
wrap = SEQUENCE:wrap
[keys]
one = SEQUENCE:encrypted
[encrypted]
recipient = IMPLICIT:0,SEQUENCE:identifier
key = FORMAT:HEX,OCTETSTRING:{content_key}
[identifier]
ski = FORMAT:HEX,OCTETSTRING:{identifier}
"""
BATCH = """
[recipient]
version = INTEGER:4
kekid = SEQUENCE:kekid
algorithm = SEQUENCE:wrap
key = FORMAT:HEX,OCTETSTRING:{content_key}
[kekid]
identifier = FORMAT:HEX,OCTETSTRING:{identifier}
"""
DIRECT = """
asn1 = SEQUENCE:info
[info]
type = OID:1.2.840.113549.1.7.6
content = EXPLICIT:0,SEQUENCE:encrypted
[encrypted]
version = INTEGER:2
content = SEQUENCE:content
attributes = IMPLICIT:1,SET:attributes
[attributes]
one = SEQUENCE:attribute
[attribute]
oid = OID:2.16.840.1.101.2.1.5.66
values = SET:values
[values]
one = FORMAT:HEX,OCTETSTRING:{identifier}
[content]
type = OID:1.2.840.113549.1.7.1
algorithm = SEQUENCE:pad
content = IMPLICIT:0,FORMAT:HEX,OCTETSTRING:{key}
[pad]
oid = OID:2.16.840.1.101.3.4.1.48
"""


def openssl(*arguments: str | Path, data: bytes = b"") -> bytes:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, input=data, check=True, capture_output=True, timeout=30).stdout


@dataclass(frozen=True)
class Charger:
    """A device key in clear, and a P-256 transport key, as files for openssl."""

    folder: Path

    @property
    def transport(self) -> Path:
        return self.folder / "transport.pem"

    @property
    def transport_spki(self) -> bytes:
        return openssl("pkey", "-in", self.transport, "-pubout", "-outform", "DER")

    @property
    def spki(self) -> bytes:
        return openssl("pkey", "-inform", "DER", "-in", self.folder / "key.der", "-pubout", "-outform", "DER")

    def wrapped_key(self, key: bytes) -> bytes:
        clear = (self.folder / "key.der").read_bytes()
        return openssl("enc", "-e", "-id-aes256-wrap-pad", "-K", key.hex(), "-iv", "A65959A6", data=clear)

    def opened(self, package: bytes, *how: str | Path) -> bytes:
        """Let openssl open a package; its exit code proves nothing, so return the SPKI of what came out."""
        command = ["openssl", "cms", *map(str, how), "-inform", "DER", "-binary"]
        clear = subprocess.run(command, input=package, check=False, capture_output=True, timeout=30).stdout
        shown = ["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"]
        return subprocess.run(shown, input=clear, check=False, capture_output=True, timeout=30).stdout


@pytest.fixture(scope="module")
def charger(tmp_path_factory: pytest.TempPathFactory) -> Charger:
    folder = tmp_path_factory.mktemp("charger")
    curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    openssl("genpkey", *curve, "-out", folder / "transport.pem")
    key = openssl("genpkey", *curve, "-outform", "DER")
    (folder / "key.der").write_bytes(
        openssl("pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-outform", "DER", data=key)
    )
    return Charger(folder)


def for_transport(charger: Charger) -> WrappedKey:
    """What a token does that can run X9.63 inside: here in software."""
    one_time = ec.generate_private_key(ec.SECP256R1())
    transport = load_der_public_key(charger.transport_spki)
    assert isinstance(transport, ec.EllipticCurvePublicKey)
    agreed = X963KDF(hashes.SHA256(), 32, SHARED_INFO).derive(one_time.exchange(ec.ECDH(), transport))
    ephemeral = one_time.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    content_key = keywrap.aes_key_wrap(agreed, CONTENT_KEY)
    key = charger.wrapped_key(CONTENT_KEY)
    return WrappedKey(charger.spki, key, EcTransport(charger.transport_spki), content_key, ephemeral=ephemeral)


def for_batch(charger: Charger) -> WrappedKey:
    content_key = keywrap.aes_key_wrap(BATCH_KEY, CONTENT_KEY)
    return WrappedKey(charger.spki, charger.wrapped_key(CONTENT_KEY), BatchKek(LABEL), content_key)


def for_batch_directly(charger: Charger) -> WrappedKey:
    return WrappedKey(charger.spki, charger.wrapped_key(BATCH_KEY), BatchKek(LABEL))


def assembled(folder: Path, recipe: str, **parts: bytes) -> bytes:
    """Let openssl put the same parts together from a description of the standard's structure."""
    (folder / "recipe.cnf").write_text(recipe.format(**{name: part.hex() for name, part in parts.items()}))
    openssl("asn1parse", "-genconf", folder / "recipe.cnf", "-noout", "-out", folder / "package.der")
    return (folder / "package.der").read_bytes()


def test_agreement_is_byte_for_byte_what_openssl_builds(charger, tmp_path):
    """Golden vector: RFC 5753 section 3.1.1."""
    wrapped = for_transport(charger)
    identifier = openssl("dgst", "-sha1", "-binary", data=charger.transport_spki[-65:])
    parts = {"point": wrapped.ephemeral[-65:], "content_key": wrapped.content_key, "key": wrapped.key}
    recipe = ENVELOPE.replace("{tag}", "1") + AGREEMENT
    assert key_package(wrapped) == assembled(tmp_path, recipe, identifier=identifier, **parts)


def test_batch_is_byte_for_byte_what_openssl_builds(charger, tmp_path):
    """Golden vector: RFC 5652 section 6.2.3."""
    wrapped = for_batch(charger)
    parts = {"identifier": LABEL.encode(), "content_key": wrapped.content_key, "key": wrapped.key}
    assert key_package(wrapped) == assembled(tmp_path, ENVELOPE.replace("{tag}", "2") + BATCH, **parts)


def test_direct_batch_is_byte_for_byte_what_openssl_builds(charger, tmp_path):
    """Golden vector: RFC 5652 section 8, the key named as in RFC 6032."""
    wrapped = for_batch_directly(charger)
    assert key_package(wrapped) == assembled(tmp_path, DIRECT, identifier=LABEL.encode(), key=wrapped.key)


def test_another_parser_reads_every_package_to_the_last_byte(charger, device):
    """pyasn1 knows the modules of RFC 5652 and RFC 5753; DER has one form, so what it writes is what it read."""
    oaep = WrappedKey(charger.spki, b"k" * 152, RsaTransport(device.transport_spki), b"c" * 256, "sha256")
    wrapped = [oaep, for_transport(charger), for_batch(charger), for_batch_directly(charger)]
    for package in map(key_package, wrapped):
        outer = reread(package, rfc5652.ContentInfo())
        kind = rfc5652.EncryptedData() if outer["contentType"] == rfc5652.id_encryptedData else rfc5652.EnvelopedData()
        reread(bytes(outer["content"]), kind)
    assert reread(SHARED_INFO, rfc5753.ECC_CMS_SharedInfo())["keyInfo"]["algorithm"] == rfc3565.id_aes256_wrap


def reread(encoded: bytes, kind):
    value, rest = decoder.decode(encoded, asn1Spec=kind)
    assert (encoder.encode(value), rest) == (encoded, b"")
    return value


def test_openssl_opens_an_agreement(charger, tmp_path):
    package = key_package(for_transport(charger))
    assert charger.opened(package, "-decrypt", "-inkey", charger.transport) == charger.spki
    stranger = tmp_path / "stranger.pem"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", stranger)
    assert charger.opened(package, "-decrypt", "-inkey", stranger) == b""


def test_openssl_opens_a_batch_package(charger):
    package = key_package(for_batch(charger))
    named = ("-decrypt", "-secretkeyid", LABEL.encode().hex(), "-secretkey")
    assert charger.opened(package, *named, BATCH_KEY.hex()) == charger.spki
    assert charger.opened(package, *named, CONTENT_KEY.hex()) == b""
    assert charger.opened(package, "-decrypt", "-secretkeyid", "00", "-secretkey", BATCH_KEY.hex()) == b""


def test_openssl_opens_a_direct_batch_package(charger):
    package = key_package(for_batch_directly(charger))
    assert charger.opened(package, "-EncryptedData_decrypt", "-secretkey", BATCH_KEY.hex()) == charger.spki
    assert charger.opened(package, "-EncryptedData_decrypt", "-secretkey", CONTENT_KEY.hex()) == b""


def test_a_transport_becomes_its_recipient(charger, device):
    """F-D2: what group 64's identity announces, as is."""
    assert recipient_of("rsa-oaep", device.transport_spki) == RsaTransport(device.transport_spki)
    assert recipient_of("ecdh-p256", charger.transport_spki) == EcTransport(charger.transport_spki)
    assert recipient_of("kek", LABEL.encode()) == BatchKek(LABEL)
    assert key_identifier(charger.transport_spki).hex() in openssl_text(charger)


def openssl_text(charger: Charger) -> str:
    """The subject key identifier that openssl writes into a certificate of the transport key."""
    words = ("-new", "-x509", "-key", charger.transport, "-subj", "/CN=x", "-addext", "subjectKeyIdentifier=hash")
    text = openssl("x509", "-noout", "-ext", "subjectKeyIdentifier", data=openssl("req", *words)).decode()
    return text.replace(":", "").lower()


def public(*words: str) -> bytes:
    key = openssl("genpkey", *words)
    return openssl("pkey", "-pubout", "-outform", "DER", data=key)


def rsa(bits: int, exponent: int = 65537) -> bytes:
    options = ("-pkeyopt", f"rsa_keygen_bits:{bits}", "-pkeyopt", f"rsa_keygen_pubexp:{exponent}")
    return public("-algorithm", "RSA", *options)


def curve(name: str) -> bytes:
    return public("-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{name}")


def off_curve() -> bytes:
    spki = curve("P-256")
    return spki[:-1] + bytes([spki[-1] ^ 1])


WEAK = {
    "small": ("rsa-oaep", lambda: rsa(1024), "2048"),
    "exponent": ("rsa-oaep", lambda: rsa(2048, 3), "exponent"),
    "ec-for-rsa": ("rsa-oaep", lambda: curve("P-256"), "not RSA"),
    "rsa-for-ec": ("ecdh-p256", lambda: rsa(2048), "not on P-256"),
    "koblitz": ("ecdh-p256", lambda: curve("secp256k1"), "not on P-256"),
    "ed25519": ("ecdh-p256", lambda: public("-algorithm", "ED25519"), "not on P-256"),
    "empty": ("ecdh-p256", lambda: b"", "can't be read"),
    "trailing": ("ecdh-p256", lambda: curve("P-256") + b"\0", "can't be read"),
    "long": ("rsa-oaep", lambda: b"\x30" * 5000, "longer than"),
    "off-curve": ("ecdh-p256", off_curve, "can't be read"),
    "no-label": ("kek", lambda: b"", "identifier"),
    "odd-label": ("kek", lambda: b"a\nb", "identifier"),
    "long-label": ("kek", lambda: b"k" * 65, "identifier"),
    "unknown": ("dh", lambda: b"", "none of rsa-oaep, ecdh-p256, kek"),
    "hostile": ("\x1b[2J", lambda: b"", "transport '…'"),
}


@pytest.mark.parametrize("case", WEAK)
def test_weak_or_unknown_transports_are_refused_with_the_way_out(case):
    """Issue: the sentence says what can be done instead."""
    algorithm, key, cause = WEAK[case]
    with pytest.raises(RequestRefused, match=cause) as refusal:
        recipient_of(algorithm, key())
    for way in ("RSA", "P-256", "batch", "'device'"):
        assert way in refusal.value.hint


def test_a_compressed_transport_key_is_refused(charger):
    """Its identifier would be another one than the device's."""
    compressed = openssl("ec", "-in", charger.transport, "-pubout", "-conv_form", "compressed", "-outform", "DER")
    with pytest.raises(RequestRefused, match="one DER form"):
        recipient_of("ecdh-p256", compressed)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(algorithm=st.sampled_from(["rsa-oaep", "ecdh-p256", "kek"]), key=st.binary(max_size=200))
def test_any_bytes_are_a_recipient_or_a_refusal(algorithm, key):
    assert judged(algorithm, key) in {"refused", "BatchKek"}


def judged(algorithm: str, key: bytes) -> str:
    try:
        return type(recipient_of(algorithm, key)).__name__
    except RequestRefused:
        return "refused"
