"""Key packages against vectors that openssl alone makes; certificate requests, good and bad."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pki.certificate.csr import requested_key
from pki.cms import key_package
from pki.environment import Ship
from pki.errors import RequestRefused
from pki.keystore import RsaTransport, WrappedKey

UNIT = "AC22-000001-7"
CONTENT_KEY = bytes(range(32))
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
SHA256_OAEP = """
parameters = SEQUENCE:oaep
[oaep]
hash = EXPLICIT:0,SEQUENCE:sha256
mask = EXPLICIT:1,SEQUENCE:mgf1
[sha256]
oid = OID:2.16.840.1.101.3.4.2.1
null = NULL
[mgf1]
oid = OID:1.2.840.113549.1.1.8
hash = SEQUENCE:sha256
"""
SHA1_OAEP = """
parameters = SEQUENCE:oaep
[oaep]
"""
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
one = SEQUENCE:recipient
[recipient]
version = INTEGER:2
identifier = IMPLICIT:0,FORMAT:HEX,OCTETSTRING:{identifier}
algorithm = SEQUENCE:rsaes
key = FORMAT:HEX,OCTETSTRING:{content_key}
[content]
type = OID:1.2.840.113549.1.7.1
algorithm = SEQUENCE:wrap
content = IMPLICIT:0,FORMAT:HEX,OCTETSTRING:{key}
[wrap]
oid = OID:2.16.840.1.101.3.4.1.48
[rsaes]
oid = OID:1.2.840.113549.1.1.7
"""


def openssl(*arguments: str | Path, data: bytes = b"") -> bytes:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, input=data, check=True, capture_output=True, timeout=30).stdout


def wrapped_by_openssl(device, digest: str) -> WrappedKey:
    transport = device.folder / "transport.pem"
    spki, _ = device.make_key(), device.transport_spki
    clear = openssl(
        "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-outform", "DER", "-in", device.folder / "key.der"
    )
    key = openssl("enc", "-e", "-id-aes256-wrap-pad", "-K", CONTENT_KEY.hex(), "-iv", "A65959A6", data=clear)
    options = ("-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", f"rsa_oaep_md:{digest}")
    content_key = openssl("pkeyutl", "-encrypt", "-inkey", transport, *options, data=CONTENT_KEY)
    return WrappedKey(spki, key, RsaTransport(device.transport_spki), content_key, digest)


@pytest.mark.parametrize(("digest", "parameters"), [("sha1", SHA1_OAEP), ("sha256", SHA256_OAEP)])
def test_package_is_byte_for_byte_what_openssl_builds(device, tmp_path, digest, parameters):
    """Golden vector: openssl wraps and assembles, we assemble the same parts."""
    wrapped = wrapped_by_openssl(device, digest)
    identifier = openssl("dgst", "-sha1", "-binary", data=device.transport_spki[24:])
    parts = {"identifier": identifier, "content_key": wrapped.content_key, "key": wrapped.key}
    recipe = tmp_path / "package.cnf"
    recipe.write_text(ENVELOPE.format(**{name: part.hex() for name, part in parts.items()}) + parameters)
    openssl("asn1parse", "-genconf", recipe, "-noout", "-out", tmp_path / "package.der")
    assert key_package(wrapped) == (tmp_path / "package.der").read_bytes()


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_openssl_opens_what_openssl_wrapped(device, digest):
    wrapped = wrapped_by_openssl(device, digest)
    assert device.open(key_package(wrapped)) == wrapped.spki


def test_package_opens_for_its_device_only(issuer, device, another_device):
    """openssl answers 0 to a wrong key and writes noise, so only the public key tells."""
    stranger = another_device()
    key, package = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
    assert stranger.transport_spki != device.transport_spki
    assert opened(stranger, package) != key.spki
    assert opened(device, package) == key.spki


def opened(device, package: bytes) -> bytes:
    try:
        return device.open(package)
    except subprocess.CalledProcessError:
        return b""


def with_null_parameters(request: bytes) -> bytes:
    """Rewrite the signature algorithm as mbedTLS 3.4 writes it."""
    assert request.count(ECDSA_SHA256) == 1
    assert request[:2] == b"\x30\x81" or request[:2] == b"\x30\x82"
    head = 3 if request[1] == 0x81 else 4
    algorithm = bytes.fromhex("300c06082a8648ce3d0403020500")
    body = request[head:].replace(ECDSA_SHA256, algorithm)
    return request[:2] + len(body).to_bytes(head - 2, "big") + body


def test_null_parameters_are_accepted(issuer, device):
    """F-D2: firmware with mbedTLS 3.4 writes them, and stricter parsers refuse it."""
    spki, request = device.make_key(), device.request(UNIT)
    strange = with_null_parameters(request)
    assert strange != request
    assert requested_key(strange, UNIT) == requested_key(request, UNIT) == spki
    assert issuer.issue(issuer.adopt(UNIT, "station", strange, UNIT, "")).subject.startswith(f"CN={UNIT}")


def test_request_without_proof_of_possession_is_refused(issuer, device):
    device.make_key()
    request = device.request(UNIT)
    with pytest.raises(RequestRefused, match="does not prove possession"):
        issuer.adopt(UNIT, "station", request[:-1] + bytes([request[-1] ^ 1]), UNIT, "")
    assert issuer.current(UNIT) is None


def test_request_for_another_name_is_refused(issuer, device):
    device.make_key()
    with pytest.raises(RequestRefused, match="is not for"):
        issuer.adopt(UNIT, "station", device.request("AC22-999999-9"), UNIT, "")


def test_nothing_but_the_key_is_taken_from_a_request(issuer, device):
    """F-D2: subject and extensions are the profile's."""
    device.make_key()
    certificate = issuer.issue(issuer.adopt(UNIT, "station", device.request(UNIT, "Evil Ltd"), UNIT, ""))
    assert certificate.subject == f"CN={UNIT},O=Example Test Network"


def test_same_request_again_is_the_same_key(issuer, device):
    device.make_key()
    request = device.request(UNIT)
    assert issuer.adopt(UNIT, "station", request, UNIT, "") == issuer.adopt(UNIT, "station", request, UNIT, "")


def test_one_key_for_two_units_or_environments_is_refused(factory, issuer, device):
    """Design section 7.1."""
    device.make_key()
    issuer.adopt(UNIT, "station", device.request(UNIT), UNIT, "")
    with pytest.raises(RequestRefused, match=f"is or was the test key of {UNIT}"):
        issuer.adopt("AC22-000002-5", "station", device.request("AC22-000002-5"), "AC22-000002-5", "")
    with pytest.raises(RequestRefused, match=f"is or was the test key of {UNIT}"):
        factory.issuer(Ship).adopt(UNIT, "station", device.request(UNIT), UNIT, "")


def test_lost_key_never_comes_back(issuer, device):
    device.make_key()
    issuer.lose(issuer.adopt(UNIT, "station", device.request(UNIT), UNIT, ""), "board replaced")
    with pytest.raises(RequestRefused, match="is or was"):
        issuer.adopt(UNIT, "station", device.request(UNIT), UNIT, "")


@pytest.mark.parametrize("curve", ["P-384", "secp256k1"])
def test_other_curves_are_refused(device, curve):
    path = device.folder / "key.der"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-outform", "DER", "-out", path)
    with pytest.raises(RequestRefused, match="not on P-256"):
        requested_key(device.request(UNIT), UNIT)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(place=st.integers(0, 400), value=st.integers(0, 255), cut=st.integers(0, 400))
def test_broken_requests_are_refused_and_nothing_else(good_request, place, value, cut):
    """Bad input: whatever a device sends, the answer is a refusal or the key that signed."""
    broken = bytearray(good_request)
    broken[place % len(broken)] = value
    for sent in (bytes(broken), good_request[:cut], bytes(broken) + b"\0"):
        assert answer(sent) in {b"refused", requested_key(good_request, UNIT)}


def answer(request: bytes) -> bytes:
    try:
        return requested_key(request, UNIT)
    except RequestRefused:
        return b"refused"


@pytest.fixture(scope="module")
def good_request(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    key = tmp_path_factory.mktemp("request") / "key.pem"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    return openssl("req", "-new", "-key", key, "-subj", f"/CN={UNIT}", "-outform", "DER", "-sha256")
