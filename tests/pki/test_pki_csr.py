"""Whatever a device sends as a certificate request: a refusal in one sentence, or the key that signed it."""

import base64
import subprocess
from pathlib import Path

import pytest
from asn1crypto import csr as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.software_ca import SoftwareKeys, issued, make_claim, self_signed
from pki.algorithm import Algorithm, spki_bytes
from pki.certificate.csr import request_of_pem, requested_key
from pki.certificate.profile import load_profile
from pki.errors import RequestRefused

UNIT = "AC22-000001-7"
SHA256 = hashes.SHA256()
KEY = ec.generate_private_key(ec.SECP256R1())
HASHES = {Algorithm.P256: hashes.SHA256(), Algorithm.P384: hashes.SHA384(), Algorithm.P521: hashes.SHA512()}


def subject(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


ASKED = subject((NameOID.COMMON_NAME, UNIT), (NameOID.ORGANIZATION_NAME, "Example Network"))


def request(key=KEY, name: x509.Name = ASKED, digest=SHA256, extensions=()) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key, digest).public_bytes(Encoding.DER)


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    head = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + head + content


def by_hand(null: bytes, info: bytes = b"") -> bytes:
    """A request put together byte by byte, as mbedTLS 3.4 does: NULL after ecdsa-with-SHA256."""
    name = tlv(0x30, tlv(0x31, tlv(0x30, bytes.fromhex("0603550403") + tlv(0x0C, UNIT.encode()))))
    info = info or tlv(0x30, b"\x02\x01\x00" + name + spki_bytes(KEY.public_key()) + b"\xa0\x00")
    algorithm = tlv(0x30, bytes.fromhex("06082a8648ce3d040302") + null)
    signature = KEY.sign(info, ec.ECDSA(hashes.SHA256()))
    return tlv(0x30, info + algorithm + tlv(0x03, b"\0" + signature))


def test_null_parameters_of_mbedtls_are_valid():
    """Facts 6 and issue 3: mbedTLS writes them, stricter parsers refuse them."""
    strange = by_hand(null=b"\x05\x00")
    assert b"\x04\x03\x02\x05\x00" in strange
    assert requested_key(strange, UNIT) == requested_key(by_hand(null=b""), UNIT) == spki_bytes(KEY.public_key())


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_keys_of_every_algorithm_where_they_are_wanted(algorithm):
    key = ec.generate_private_key(algorithm.curve) if algorithm.curve else ed448.Ed448PrivateKey.generate()
    sent = request(key, digest=HASHES.get(algorithm))
    assert requested_key(sent, UNIT, algorithms=(algorithm,)) == spki_bytes(key.public_key())
    for other in set(Algorithm) - {algorithm}:
        with pytest.raises(RequestRefused, match=r"the public key is not on (P-|Ed448)"):
            requested_key(sent, UNIT, algorithms=(other,))


def test_weak_and_foreign_keys_are_refused():
    """Bad input: RSA 1024, Ed25519, secp256k1; P-192 by openssl below."""
    weak = rsa.generate_private_key(65537, 1024)
    for key, digest in ((weak, hashes.SHA256()), (ed25519.Ed25519PrivateKey.generate(), None),
                        (ec.generate_private_key(ec.SECP256K1()), hashes.SHA256())):  # fmt: skip
        with pytest.raises(RequestRefused, match="the public key is not on P-256"):
            requested_key(request(key, digest=digest), UNIT)


@pytest.mark.parametrize("curve", ["prime192v1", "secp224r1", "brainpoolP256r1"])
def test_weak_curves_are_refused(tmp_path: Path, curve):
    path = tmp_path / "key.pem"
    subprocess.run(["openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", path], check=True, timeout=30)
    command = ["openssl", "req", "-new", "-key", path, "-subj", f"/CN={UNIT}", "-outform", "DER", "-sha256"]
    sent = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    with pytest.raises(RequestRefused, match="the public key is not on P-256 or P-521"):
        requested_key(sent, UNIT, algorithms=(Algorithm.P256, Algorithm.P521))


def test_explicit_curve_parameters_become_the_named_curve(tmp_path: Path):
    """A curve with another generator is the attack of CVE-2020-0601; what is certified always names its curve."""
    path = tmp_path / "key.pem"
    command = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit", "-out", path]
    subprocess.run(command, check=True, timeout=30)
    command = ["openssl", "req", "-new", "-key", path, "-subj", f"/CN={UNIT}", "-outform", "DER", "-sha256"]
    sent = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    generator = bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f2")
    assert generator in sent
    assert generator not in requested_key(sent, UNIT)
    with pytest.raises(RequestRefused, match="the public key is not on P-256"):
        requested_key(sent.replace(generator, bytes(16)), UNIT)


def test_weak_hash_is_refused():
    sent = asn1.CertificationRequest.load(request())
    sent["signature_algorithm"] = {"algorithm": "sha1_ecdsa"}
    sent["signature"] = KEY.sign(sent["certification_request_info"].dump(), ec.ECDSA(hashes.SHA1()))
    with pytest.raises(RequestRefused, match="not signed by ECDSA with SHA-256"):
        requested_key(sent.dump(), UNIT)


@pytest.mark.parametrize("place", [-1, -40, 60])
def test_proof_of_possession_must_hold(place):
    """Bad input: a bad signature, or a subject changed after it."""
    broken = bytearray(request())
    broken[place] ^= 1
    with pytest.raises(RequestRefused):
        requested_key(bytes(broken), UNIT)


def test_signature_of_another_key_proves_nothing():
    stranger = ec.generate_private_key(ec.SECP256R1())
    sent = asn1.CertificationRequest.load(request())
    sent["signature"] = stranger.sign(sent["certification_request_info"].dump(), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(RequestRefused, match="does not prove possession"):
        requested_key(sent.dump(), UNIT)


@pytest.mark.parametrize(
    "name",
    [
        subject((NameOID.COMMON_NAME, "AC22-000002-5")),
        subject((NameOID.COMMON_NAME, UNIT.lower())),
        subject((NameOID.COMMON_NAME, f"{UNIT} ")),
        subject((NameOID.COMMON_NAME, UNIT), (NameOID.COMMON_NAME, UNIT)),
        subject((NameOID.COMMON_NAME, "AC22-000002-5"), (NameOID.COMMON_NAME, UNIT)),
        subject((NameOID.COMMON_NAME, "AC22-000002-5"), (NameOID.SERIAL_NUMBER, UNIT)),
        subject((NameOID.ORGANIZATION_NAME, UNIT)),
        x509.Name([]),
    ],
)
def test_another_name_is_refused(name):
    with pytest.raises(RequestRefused, match=f"is not for '{UNIT}'"):
        requested_key(request(name=name), UNIT)


def test_request_for_an_idevid_names_the_serial_number():
    """IEEE 802.1AR: the subject's serialNumber, with or without common name."""
    assert requested_key(request(name=subject((NameOID.SERIAL_NUMBER, UNIT))), UNIT)


def test_organisation_is_compared_where_it_is_given():
    """OCPP A02: a renewal keeps the owner."""
    assert requested_key(request(), UNIT, organization="Example Network") == requested_key(request(), UNIT)
    twice = subject((NameOID.COMMON_NAME, UNIT), *[(NameOID.ORGANIZATION_NAME, "Example Network")] * 2)
    for sent, organization in ((request(), "Else"), (request(name=twice), "Example Network"),
                               (request(name=subject((NameOID.COMMON_NAME, UNIT))), "Example Network")):  # fmt: skip
        with pytest.raises(RequestRefused, match="is not of organisation"):
            requested_key(sent, UNIT, organization=organization)


def test_hostile_extensions_change_nothing():
    """Bad input: a device asks to be a CA, a server and someone else; nothing but the key is taken."""
    hostile = request(
        extensions=[
            x509.BasicConstraints(ca=True, path_length=None),
            x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]),
            x509.SubjectAlternativeName([x509.DNSName("csms.test.example")]),
        ]
    )
    keys = SoftwareKeys()
    root = self_signed(load_profile("root"), keys)
    profile = load_profile("station")
    claim = make_claim(profile, requested_key(hostile, UNIT), root.authority.signer, UNIT)
    made = root.authority.issue(profile, claim).extensions
    plain = issued(profile, root, keys).certificate.extensions
    assert [one.oid for one in made] == [one.oid for one in plain]
    assert made.get_extension_for_class(x509.BasicConstraints).value.ca is False


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"", "is not PKCS#10"),
        (b"0", "is not PKCS#10"),
        (b"\x30\x80" * 2000, "is not PKCS#10"),
        (b"-----BEGIN CERTIFICATE REQUEST-----", "is not PKCS#10"),
        (request() + b"\0", "is not PKCS#10"),
        (request() + request(), "is not PKCS#10"),
        (b"\0" * 1_000_000, "longer than 4096 bytes"),
        (request(name=subject((NameOID.COMMON_NAME, UNIT), *[(NameOID.ORGANIZATION_NAME, "x" * 60)] * 70)), "longer"),
    ],
)
def test_garbage_size_and_trailing_bytes_are_refused(sent, message):
    with pytest.raises(RequestRefused, match=message):
        requested_key(sent, UNIT)


@pytest.mark.parametrize(("tag", "depth"), [(0x30, 900), (0x2C, 900), (0x31, 300)])
def test_deep_nesting_is_refused_and_ends(tag, depth):
    """A subject whose value is nested a thousand times, rightly signed; also in an attribute that nobody looks at."""
    value = tlv(0x0C, UNIT.encode())
    for _ in range(depth):
        value = tlv(tag, value)
    for kind in ("0603550403", "06032a0304"):
        name = tlv(0x30, tlv(0x31, tlv(0x30, bytes.fromhex(kind) + value)))
        info = tlv(0x30, b"\x02\x01\x00" + name + spki_bytes(KEY.public_key()) + b"\xa0\x00")
        with pytest.raises(RequestRefused):
            requested_key(by_hand(b"", info), UNIT)


GOOD = request()


def pem(der: bytes, label: str = "CERTIFICATE REQUEST") -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


def test_pem_of_ocpp_is_read():
    """OCPP 2.0.1 SignCertificateRequest: PEM of at most 5,500 characters."""
    sent = request()
    old_label = pem(sent, "NEW CERTIFICATE REQUEST").replace("\n", "\r\n")
    assert request_of_pem(pem(sent)) == request_of_pem(old_label) == sent
    with pytest.raises(RequestRefused, match="longer than 5500 characters"):
        request_of_pem(pem(sent) + " " * 5500)


@pytest.mark.parametrize(
    "wrong", [pem(GOOD) * 2, pem(GOOD, "CERTIFICATE"), pem(GOOD)[:-9], pem(GOOD).replace("M", "=", 1), "x", ""]
)
def test_what_is_no_pem_is_refused(wrong):
    with pytest.raises(RequestRefused, match="is not PEM"):
        request_of_pem(wrong)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(place=st.integers(0, 400), value=st.integers(0, 255), cut=st.integers(0, 400), extra=st.binary(max_size=4))
def test_any_damage_is_refused_or_harmless(place, value, cut, extra):
    """Property: the answer is a refusal, or the key that signed."""
    broken = bytearray(GOOD)
    broken[place % len(broken)] = value
    for sent in (bytes(broken), GOOD[:cut], bytes(broken) + extra):
        try:
            assert requested_key(sent, UNIT) == spki_bytes(KEY.public_key())
        except RequestRefused:
            continue
