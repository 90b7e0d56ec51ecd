"""OCSP answers from the HSM, judged by openssl, cryptography and pkilint (F-D8)."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pkilint.bin import lint_ocsp_response

from pki.authority import authority_of
from pki.environment import Test
from pki.issue import Factory
from pki.ledger import Reason
from pki.revocation import OCSP_PERIOD, Responder, StatusAuthority

UNIT = "AC22-000001-7"
ORDER = "WO-1"
Status = ocsp.OCSPResponseStatus


@pytest.fixture
def responder(factory: Factory) -> Responder:
    certificate = factory.certificates["test-issuing"]
    authority = authority_of("test-issuing", certificate, factory.keystore)
    return Responder([StatusAuthority(certificate, authority, factory.ledger, frozenset({"ABC"}))])


@pytest.fixture
def certificate(issuer, device):
    issuer.grant(ORDER, 5, 0)
    device.make_key()
    return issuer.issue(issuer.adopt(UNIT, "station", device.request(UNIT), UNIT, ORDER))


def asked(responder: Responder, serial: int, ca: str = "", nonce: bytes | None = None, algorithm=None) -> bytes:
    """A request as cryptography writes it."""
    issuer = ca or responder.authorities[0].certificate
    algorithm = algorithm or hashes.SHA1()
    name = hashes.Hash(algorithm)
    name.update(issuer.subject.public_bytes())
    key = hashes.Hash(algorithm)
    key.update(issuer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name.finalize(), key.finalize(), serial, algorithm)
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def answered(responder: Responder, request: bytes) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(responder.answer(request).der)


def openssl_ocsp(factory: Factory, responder: Responder, folder: Path, serial: int) -> str:
    """What openssl says of the answer to its own request."""
    issuing, roots = folder / "issuing.pem", folder / "roots.pem"
    issuing.write_bytes(factory.certificates["test-issuing"].public_bytes(Encoding.PEM))
    roots.write_bytes(factory.client_roots(Test))
    request, response = folder / "request.der", folder / "response.der"
    base = ["openssl", "ocsp", "-issuer", issuing, "-serial", str(serial), "-CAfile", roots]
    subprocess.run([*base, "-reqout", request], check=True, capture_output=True, timeout=30)
    response.write_bytes(responder.answer(request.read_bytes()).der)
    command = [*base, "-no_nonce", "-reqin", request, "-respin", response]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    return result.stdout + result.stderr


def test_openssl_reads_good_then_revoked(factory, responder, issuer, certificate, tmp_path):
    serial = int(certificate.serial, 16)
    good = openssl_ocsp(factory, responder, tmp_path, serial)
    issuer.revoke(certificate, Reason.KEY_COMPROMISE, "board stolen")
    revoked = openssl_ocsp(factory, responder, tmp_path, serial)
    assert f"{serial}: good" in good
    assert "Response verify OK" in good
    assert "Response verify OK" in revoked
    assert f"{serial}: revoked" in revoked
    assert "Reason: keyCompromise" in revoked


def test_openssl_reads_unknown_for_what_was_never_issued(factory, responder, tmp_path):
    text = openssl_ocsp(factory, responder, tmp_path, 0x1234)
    assert "4660: unknown" in text
    assert "Response verify OK" in text


def test_certificate_of_the_ceremony_is_good(responder):
    assert answered(responder, asked(responder, 0xABC)).certificate_status is ocsp.OCSPCertStatus.GOOD


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()])
def test_answer_is_of_the_authority_and_its_time(responder, algorithm):
    answer = answered(responder, asked(responder, 0xABC, algorithm=algorithm))
    now = datetime.now(UTC)
    own = responder.authorities[0].certificate
    assert answer.this_update_utc < now < answer.next_update_utc <= now + OCSP_PERIOD
    assert answer.responder_key_hash == own.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    own.public_key().verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
    assert answer.certificates == []


def test_pkilint_finds_no_fault(responder, tmp_path, capsys):
    path = tmp_path / "response.der"
    path.write_bytes(responder.answer(asked(responder, 0xABC, nonce=bytes(16))).der)
    assert lint_ocsp_response.main(["lint", "-s", "NOTICE", str(path)]) == 0
    assert not capsys.readouterr().out.strip()


def test_same_question_is_signed_once(responder):
    request = asked(responder, 0xABC)
    first = responder.answer(request)
    assert responder.answer(request) is first
    assert responder.answer(asked(responder, 0xABC, nonce=bytes(16))).der != first.der


def test_revocation_counts_at_once(responder, issuer, certificate):
    request = asked(responder, int(certificate.serial, 16))
    assert answered(responder, request).certificate_status is ocsp.OCSPCertStatus.GOOD
    issuer.revoke(certificate, Reason.UNSPECIFIED, "scrap")
    answer = answered(responder, request)
    assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert answer.revocation_reason is None


@pytest.mark.parametrize(("length", "echoed"), [(1, True), (16, True), (32, True), (33, False), (128, False)])
def test_nonce_is_echoed_within_its_bounds(responder, length, echoed):
    """RFC 9654 section 2.1."""
    answer = responder.answer(asked(responder, 0xABC, nonce=b"n" * length))
    extensions = ocsp.load_der_ocsp_response(answer.der).extensions
    assert [found.value.nonce for found in extensions] == ([b"n" * length] if echoed else [])
    assert (answer.until is None) == echoed


@pytest.mark.parametrize("length", [0, 129, 5000])
def test_nonce_out_of_bounds_is_malformed(responder, length):
    answer = answered(responder, asked(responder, 0xABC, nonce=b"n" * length))
    assert answer.response_status is Status.MALFORMED_REQUEST


@pytest.mark.parametrize("name", ["ship-issuing", "test-root"])
def test_other_authorities_are_not_answered_for(factory, responder, name):
    answer = answered(responder, asked(responder, 0xABC, factory.certificates[name]))
    assert answer.response_status is Status.UNAUTHORIZED


def test_authority_of_the_same_name_and_another_key_is_not_answered_for(responder):
    """A CA and the next one after it may share a name."""
    own, key = responder.authorities[0].certificate, ec.generate_private_key(ec.SECP256R1())
    digest = hashes.Hash(hashes.SHA1())
    digest.update(own.subject.public_bytes())
    other = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(digest.finalize(), other, 0xABC, hashes.SHA1())
    answer = answered(responder, builder.build().public_bytes(Encoding.DER))
    assert answer.response_status is Status.UNAUTHORIZED


def test_other_hash_is_not_answered_for(responder):
    answer = answered(responder, asked(responder, 0xABC, algorithm=hashes.SHA512()))
    assert answer.response_status is Status.UNAUTHORIZED


@given(st.binary(max_size=200))
def test_garbage_is_malformed(garbage):
    assert answered(Responder([]), garbage).response_status is Status.MALFORMED_REQUEST


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(position=st.integers(0, 90), value=st.integers(0, 255))
def test_damaged_request_never_raises(responder, position, value):
    request = bytearray(asked(responder, 0xABC, nonce=bytes(16)))
    request[position % len(request)] = value
    assert isinstance(answered(responder, bytes(request)), ocsp.OCSPResponse)


def test_two_questions_at_once_are_malformed(factory, responder, tmp_path):
    """RFC 5019 section 2.1.1."""
    issuing, request = tmp_path / "issuing.pem", tmp_path / "request.der"
    issuing.write_bytes(factory.certificates["test-issuing"].public_bytes(Encoding.PEM))
    command = ["openssl", "ocsp", "-issuer", issuing, "-serial", "1", "-serial", "2", "-reqout", request]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    assert answered(responder, request.read_bytes()).response_status is Status.MALFORMED_REQUEST


def test_hsm_away_is_try_later(factory, responder):
    factory.keystore.close()
    assert answered(responder, asked(responder, 0xABC)).response_status is Status.TRY_LATER
