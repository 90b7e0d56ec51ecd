"""From a transport key to a proven certificate, with a device made of openssl alone (F-D1 to F-D5)."""

import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.algorithm import Algorithm, algorithm_of
from pki.authority import spki_of
from pki.cms import recipient_of
from pki.environment import KeyState, Ship, Test
from pki.errors import RequestRefused
from pki.issue import Factory, open_factory
from pki.keystore import RsaTransport
from pki.ledger import Reason
from pki.proof import Proof

UNIT = "AC22-000001-7"
NONCE = bytes(range(32))
SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def prove(issuer, key, device, kind="receipt"):
    return issuer.confirm(key, Proof(kind, device.uid, NONCE, device.spki, device.sign(kind, NONCE)))


def issued(issuer, device, unit=UNIT):
    key, package = issuer.generate(unit, "station", RsaTransport(device.transport_spki), "")
    device.open(package)
    return issuer.issue(prove(issuer, key, device))


def test_package_carries_the_key_of_the_certificate(issuer, device):
    """F-D1: the public keys are compared, because openssl answers 0 to a wrong key too."""
    key, package = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
    assert device.open(package) == key.spki
    certificate = issuer.issue(prove(issuer, key, device))
    assert spki_of(x509.load_der_x509_certificate(certificate.der)) == device.spki


def test_station_certificate_is_as_ocpp_wants_it(issuer, device):
    """F-D3: CN is the serial number, O the owner, no EKU, no SAN, critical key usage, random serial number."""
    certificate = x509.load_der_x509_certificate(issued(issuer, device).der)
    extensions = {extension.oid._name: extension.critical for extension in certificate.extensions}
    assert certificate.subject.rfc4514_string() == f"CN={UNIT},O=Example Test Network"
    assert extensions == {
        "basicConstraints": True,
        "keyUsage": True,
        "subjectKeyIdentifier": False,
        "authorityKeyIdentifier": False,
    }
    assert certificate.serial_number.bit_length() == 159


def test_certificate_tells_what_a_station_needs(issuer, device):
    certificate = issued(issuer, device)
    assert certificate.serial == f"{x509.load_der_x509_certificate(certificate.der).serial_number:X}"
    assert certificate.chain_pem.startswith(certificate.pem)
    assert certificate.chain_pem.count("BEGIN CERTIFICATE") == 2
    assert len(certificate.chain_pem) < 10_000  # OCPP certificateChain
    assert len(certificate.der) <= 1024  # group 64, command 2


@pytest.mark.parametrize("purpose", ["any", "sslclient"])
def test_openssl_accepts_the_chain_strictly(factory, issuer, device, tmp_path, purpose):
    chain, roots = tmp_path / "chain.pem", tmp_path / "roots.pem"
    chain.write_text(issued(issuer, device).chain_pem)
    roots.write_bytes(issuer.anchors().pem)
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", roots, "-untrusted", chain, chain]
    assert subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0
    roots.write_bytes(factory.issuer(Ship).anchors().pem)
    assert subprocess.run(command, check=False, capture_output=True, timeout=30).returncode != 0


def test_gnutls_accepts_the_chain(issuer, device, tmp_path):
    chain, roots = tmp_path / "chain.pem", tmp_path / "roots.pem"
    chain.write_text(issued(issuer, device).chain_pem)
    roots.write_bytes(issuer.anchors().pem)
    command = ["certtool", "--verify", "--load-ca-certificate", roots, "--infile", chain]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert answer.returncode == 0
    assert "Chain verification output: Verified" in answer.stdout


def test_asking_twice_gives_the_same_certificate(issuer, device):
    """F-D5."""
    first = issued(issuer, device)
    key = issuer.current(UNIT)
    assert issuer.issue(key) == first
    assert issuer.certificate(UNIT) == first


def test_nothing_is_signed_for_a_key_that_was_not_proven(issuer, device):
    key, _ = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
    with pytest.raises(RequestRefused, match="was not proven"):
        issuer.issue(key)
    assert key.state is KeyState.CREATED
    assert issuer.certificate(UNIT) is None


def test_key_that_a_power_cut_made_unknown_is_replaced(pki_directory, device, tmp_path):
    """A first key's row is not waited for: without it the key on the device is nobody's, and the next one is proven."""
    before = tmp_path / "before"
    shutil.copytree(pki_directory, before)
    with closing(open_factory(pki_directory, "test")) as factory:
        lost, package = factory.issuer(Test).generate(UNIT, "station", RsaTransport(device.transport_spki), "")
        device.open(package)
    with closing(open_factory(before, "test")) as factory:
        issuer = factory.issuer(Test)
        assert issuer.current(UNIT) is None
        key, package = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
        with pytest.raises(RequestRefused):
            prove(issuer, key, device)
        device.open(package)
        assert spki_of(x509.load_der_x509_certificate(issuer.issue(prove(issuer, key, device)).der)) != lost.spki


def test_challenge_continues_after_a_lost_receipt(issuer, device):
    """Design 8.3: after a crash a signature by the stored public key continues."""
    key, package = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
    device.open(package)
    again = issuer.current(UNIT)
    assert again == key
    assert prove(issuer, again, device, "challenge").state is KeyState.PROVEN


def test_receipt_is_no_challenge(issuer, device):
    key, package = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
    device.open(package)
    with pytest.raises(RequestRefused, match="does not prove"):
        issuer.confirm(key, Proof("challenge", device.uid, NONCE, device.spki, device.sign("receipt", NONCE)))


@pytest.mark.parametrize("field", ["uid", "nonce", "signature"])
def test_receipt_of_another_moment_or_device_is_refused(issuer, device, field):
    key, package = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
    device.open(package)
    proof = {
        "kind": "receipt",
        "uid": device.uid,
        "nonce": NONCE,
        "spki": key.spki,
        "signature": device.sign("receipt", NONCE),
    }
    proof[field] = proof[field][:-1] + bytes([proof[field][-1] ^ 1])
    with pytest.raises(RequestRefused, match="does not prove"):
        issuer.confirm(key, Proof(**proof))


def test_receipt_by_another_key_is_refused(issuer, device):
    key, _ = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
    device.make_key()
    with pytest.raises(RequestRefused, match="holds another key"):
        prove(issuer, key, device)


def test_lost_key_is_followed_by_the_next_version(issuer, device):
    key, _ = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
    with pytest.raises(RequestRefused, match="has a test key already"):
        issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
    issuer.lose(key, "the device does not answer the challenge")
    assert issuer.current(UNIT) is None
    assert issued(issuer, device).version == 2


def test_one_living_certificate_per_unit_and_environment(factory, issuer, device):
    """Design section 7.2: losing a certified key revokes its certificate in the same breath."""
    first = issued(issuer, device)
    issuer.lose(issuer.current(UNIT), "flash erased")
    second = issued(issuer, device)
    living = [row.serial for row in factory.rows() if row.certificate and not row.revoked]
    assert living == [second.serial]
    assert first.serial != second.serial


def test_revoked_certificate_is_never_given_out_again(factory, issuer, device):
    certificate, key = issued(issuer, device), issuer.current(UNIT)
    issuer.revoke(certificate, Reason.CESSATION_OF_OPERATION, "unit scrapped")
    assert issuer.certificate(UNIT) is None
    assert [row.revoked for row in factory.rows()] == [True]
    with pytest.raises(RequestRefused, match="is lost"):
        issuer.issue(key)


def test_installed_and_proven_are_recorded_once(factory, issuer, device):
    certificate = issued(issuer, device)
    for event in ("installed", "installed", "proven"):
        issuer.record(certificate, event)
    assert {"certificate-installed", "certificate-proven"} <= factory.rows()[0].happened


def test_owner_of_the_first_call_stays(issuer, device):
    key, package = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
    device.open(package)
    key = prove(issuer, key, device)
    assert issuer.issue(key, owner="Customer Ltd").subject == f"CN={UNIT},O=Customer Ltd"
    assert issuer.issue(key).subject == f"CN={UNIT},O=Customer Ltd"
    with pytest.raises(RequestRefused, match="another owner"):
        issuer.issue(key, owner="Somebody Else")


@pytest.mark.parametrize("unit", ["", "ac22", "AC22.EXAMPLE", "A" * 26, "AC22\n0001", "*"])
def test_names_that_are_no_serial_number_are_refused(issuer, device, unit):
    with pytest.raises(RequestRefused, match="is no name for profile"):
        issuer.generate(unit, "station", RsaTransport(device.transport_spki), "")


@pytest.mark.parametrize("profile", ["root", "issuing", "server", "records"])
def test_units_never_get_a_ca_or_server_certificate(issuer, device, profile):
    with pytest.raises(RequestRefused, match="not for units"):
        issuer.generate(UNIT, profile, RsaTransport(device.transport_spki), "")


def test_transport_key_must_be_rsa(device):
    for unfit in (device.make_key(), b"", b"\x30" * 5000):
        with pytest.raises(RequestRefused, match="transport key"):
            recipient_of("rsa-oaep", unfit)


def test_key_and_certificate_of_the_other_environment_are_refused(factory, issuer, device):
    """Design section 7.4, at run time."""
    certificate, key = issued(issuer, device), issuer.current(UNIT)
    ship = factory.issuer(Ship)
    with pytest.raises(RequestRefused, match="belongs to test, not to ship"):
        ship.issue(key)
    with pytest.raises(RequestRefused, match="belongs to test, not to ship"):
        ship.record(certificate, "installed")


def test_ship_and_test_have_nothing_in_common(factory: Factory, device):
    test, ship = issued(factory.issuer(Test), device), issued(factory.issuer(Ship), device)
    assert test.issuer != ship.issuer
    assert factory.issuer(Test).anchors().sha256 != factory.issuer(Ship).anchors().sha256
    assert factory.client_roots(Test) != factory.client_roots(Ship)
    assert factory.bench_anchors() not in (factory.issuer(Test).anchors().pem, factory.issuer(Ship).anchors().pem)


def test_mixing_environments_is_a_type_error(tmp_path: Path):
    """Design section 7.4, before anything runs; the last line shows that the check can pass."""
    sample = tmp_path / "sample.py"
    sample.write_text(
        "from pki.environment import Certificate, Key, Ship, Test\n"
        "from pki.issuer import Issuer\n"
        "def mix(issuer: Issuer[Ship], key: Key[Test], certificate: Certificate[Test]) -> None:\n"
        "    issuer.issue(key)\n"
        "    issuer.record(certificate, 'installed')\n"
        "def fit(issuer: Issuer[Ship], key: Key[Ship]) -> None:\n"
        "    issuer.issue(key)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--output", "json", "--cache-dir", tmp_path / "cache", sample]
    root = Path(__file__).parents[2]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, cwd=root, timeout=110)
    errors = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    assert [error["line"] for error in errors] == [4, 5]
    assert {error["code"] for error in errors} == {"arg-type"}


def test_profile_with_switches_is_named_in_words(factory, issuer, device):
    """The words with their switches are the profile that the ledger keeps."""
    device.make_key()
    profile = "station with client_auth, key_agreement"
    key = issuer.adopt(UNIT, profile, device.request(UNIT), UNIT, "")
    text = subprocess.run(
        ("openssl", "x509", "-noout", "-text"), input=issuer.issue(key).pem, capture_output=True, text=True, check=True
    ).stdout
    assert "TLS Web Client Authentication" in text
    assert "Key Agreement" in text
    assert [row.profile for row in factory.rows()] == [profile]


def test_profile_decides_the_algorithm_of_a_delivered_key(issuer, device):
    """ISO 15118-20: the key that is born in the HSM is on P-521, and a request with another one is refused."""
    profile = "secc-20 with country=DE"
    key, package = issuer.generate("DEEXAS1234567", profile, RsaTransport(device.transport_spki), "")
    assert algorithm_of(device.open(package)) is algorithm_of(key.spki) is Algorithm.P521
    device.make_key()
    with pytest.raises(RequestRefused, match="not on P-521"):
        issuer.adopt("DEEXAS7654321", profile, device.request("DEEXAS7654321"), "DEEXAS7654321", "")
