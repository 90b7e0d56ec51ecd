"""EST without HTTP: who gets which certificate, judged by openssl and certtool (F-D2, F-D4; RFC 7030)."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from pki.authority import spki_of
from pki.environment import Plant, Ship, Test
from pki.errors import RequestRefused
from pki.est import (
    CODE_BYTES,
    Caller,
    Endpoint,
    Registrars,
    Unauthenticated,
    allow_enrolment,
    basic_credentials,
    code_digest,
    from_base64,
)
from pki.issue import Factory
from pki.ledger import Enrolment, Owner, Quota, Reason
from pki.ledger.enrolments import MAX_TRIES

UNIT = "AC22-000001-7"
ORDER = "WO-1"
OWNER = Owner(UNIT, "test", "station")
DAY = timedelta(days=1)


def endpoint_of(factory: Factory, environment) -> Endpoint:
    authorities = tuple(x509.load_pem_x509_certificates(factory.client_roots(environment)))
    return Endpoint(environment, factory.issuer(environment), "station", factory.ledger, authorities)


@pytest.fixture
def endpoint(factory: Factory) -> Endpoint[Test]:
    factory.ledger.grant(Quota(ORDER, "test", "station", 3, 0))
    return endpoint_of(factory, Test)


@pytest.fixture
def code(factory: Factory, endpoint) -> str:
    return allow_enrolment(factory.ledger, factory.random(CODE_BYTES), OWNER, ORDER, DAY)


@pytest.fixture
def device(device):
    device.make_key()
    return device


def leaf(answer: bytes) -> x509.Certificate:
    [certificate] = pkcs7.load_der_pkcs7_certificates(answer)
    return certificate


def same_subject_request(device, certificate: x509.Certificate) -> bytes:
    values = {attribute.oid._name: attribute.value for attribute in certificate.subject}
    folder, subject = device.folder, f"/O={values['organizationName']}/CN={values['commonName']}"
    command = ["openssl", "req", "-new", "-keyform", "DER", "-key", folder / "key.der", "-subj", subject]
    return subprocess.run([*command, "-outform", "DER"], check=True, capture_output=True, timeout=30).stdout


def enrolled(endpoint, device, code) -> x509.Certificate:
    return leaf(endpoint.enrol(device.request(UNIT), Caller(user=UNIT, code=code)))


def shown(certificate: x509.Certificate) -> Caller:
    return Caller(certificate=certificate.public_bytes(Encoding.DER))


def test_code_gives_the_certificate_of_the_requests_key(endpoint, device, code):
    certificate = enrolled(endpoint, device, code)
    assert spki_of(certificate) == device.spki
    assert certificate.subject.rfc4514_string() == f"CN={UNIT},O=Example Test Network"


def test_openssl_and_gnutls_read_the_answers(endpoint, device, code, tmp_path):
    answer, anchors = tmp_path / "answer.p7", tmp_path / "anchors.p7"
    answer.write_bytes(endpoint.enrol(device.request(UNIT), Caller(user=UNIT, code=code)))
    anchors.write_bytes(endpoint.cacerts())
    for path, names in ((answer, [UNIT]), (anchors, ["Example Test Root", "Example Test Issuing CA"])):
        text = run("openssl", "pkcs7", "-inform", "DER", "-in", path, "-print_certs", "-noout")
        gnutls = run("certtool", "--p7-info", "--inder", "--infile", path)
        assert [name for name in names if f"CN = {name}" not in text] == []
        assert gnutls.count("BEGIN CERTIFICATE") == len(names)


def run(*command: str | Path) -> str:
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=30).stdout


def test_csrattrs_say_curve_and_signature(endpoint, tmp_path):
    path = tmp_path / "attributes.der"
    path.write_bytes(endpoint.csrattrs())
    text = run("openssl", "asn1parse", "-inform", "DER", "-in", path)
    assert re.findall(r"OBJECT +:(.*)", text) == ["id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"]


def test_lost_answer_is_given_again(endpoint, device, code):
    assert enrolled(endpoint, device, code) == enrolled(endpoint, device, code)


def test_code_is_good_for_one_key(endpoint, device, code):
    first = enrolled(endpoint, device, code)
    endpoint.issuer.revoke(endpoint.issuer.certificate(UNIT), Reason.KEY_COMPROMISE, "lab")
    device.make_key()
    with pytest.raises(Unauthenticated, match="wrong, used or expired"):
        enrolled(endpoint, device, code)
    assert endpoint.issuer.current(UNIT) is None
    assert first


@pytest.mark.parametrize(
    ("user", "typed"),
    [(UNIT, "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF"), (UNIT, ""), ("AC22-000002-5", None), ("", None), ("x\0y", None)],
)
def test_wrong_code_or_unit_is_unauthenticated(endpoint, device, code, user, typed):
    with pytest.raises(Unauthenticated):
        endpoint.enrol(device.request(UNIT), Caller(user=user, code=code if typed is None else typed))
    assert endpoint.issuer.current(UNIT) is None


def test_code_of_one_world_is_worth_nothing_in_the_other(factory, endpoint, device, code):
    factory.ledger.grant(Quota(ORDER, "ship", "station", 3, 0))
    with pytest.raises(Unauthenticated):
        endpoint_of(factory, Ship).enrol(device.request(UNIT), Caller(user=UNIT, code=code))


def test_code_for_one_unit_does_not_serve_anothers_request(endpoint, device, code):
    with pytest.raises(RequestRefused, match="not for"):
        endpoint.enrol(device.request("AC22-000002-5"), Caller(user=UNIT, code=code))
    assert enrolled(endpoint, device, code)


def test_right_code_is_worth_nothing_after_too_many_tries(endpoint, device, code):
    for _ in range(MAX_TRIES):
        with pytest.raises(Unauthenticated):
            enrolled(endpoint, device, "wrong")
    with pytest.raises(Unauthenticated):
        enrolled(endpoint, device, code)


def test_wrong_tries_stand_in_the_audit_and_end(endpoint, device, code, factory):
    for _ in range(MAX_TRIES + 5):
        with pytest.raises(Unauthenticated):
            enrolled(endpoint, device, "wrong")
    refusals = [entry for entry in factory.ledger.audit_entries() if b'"enrolment-refused"' in entry.entry]
    assert len(refusals) == MAX_TRIES


def test_expired_code_is_worth_nothing(endpoint, factory, device):
    digest = code_digest(OWNER, "ABCD")
    expired = Enrolment(UNIT, "test", "station", ORDER, digest, datetime.now(UTC) - timedelta(seconds=1))
    factory.ledger.add_enrolment(expired)
    with pytest.raises(Unauthenticated):
        enrolled(endpoint, device, "ABCD")


def test_newer_code_takes_the_place_of_an_older_one(endpoint, factory, device, code):
    newer = allow_enrolment(factory.ledger, factory.random(CODE_BYTES), OWNER, ORDER, DAY)
    with pytest.raises(Unauthenticated):
        enrolled(endpoint, device, code)
    assert enrolled(endpoint, device, newer.lower().replace("-", " "))


def test_code_is_not_in_the_ledger(factory, code):
    ledger = b"".join(path.read_bytes() for path in factory.layout.directory.glob("ledger.sqlite*"))
    assert code.encode() not in ledger
    assert code.replace("-", "").encode() not in ledger
    assert code_digest(OWNER, code).encode() in ledger


def test_quota_holds_for_codes(endpoint, factory, device, code):
    """F-D12; after a new grant the same code and key go on."""
    factory.ledger.grant(Quota(ORDER, "test", "station", 0, 0))
    with pytest.raises(RequestRefused, match="has used"):
        enrolled(endpoint, device, code)
    factory.ledger.grant(Quota(ORDER, "test", "station", 1, 0))
    assert enrolled(endpoint, device, code)


def test_one_code_at_four_doors_gives_one_certificate(endpoint, another_device, code):
    devices = [another_device() for _ in range(4)]
    for each in devices:
        each.make_key()
    requests = [each.request(UNIT) for each in devices]

    def ask(request):
        try:
            return endpoint.enrol(request, Caller(user=UNIT, code=code))
        except RequestRefused:
            return None

    with ThreadPoolExecutor(4) as threads:
        answers = [answer for answer in threads.map(ask, requests) if answer]
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("owner", "order", "lasts"),
    [
        (Owner("x", "test", "station"), ORDER, DAY),
        (Owner(UNIT, "test", "root"), ORDER, DAY),
        (OWNER, "", DAY),
        (OWNER, ORDER, timedelta(0)),
        (OWNER, ORDER, timedelta(days=91)),
    ],
)
def test_code_for_what_can_not_be_is_refused(factory, owner, order, lasts):
    with pytest.raises(RequestRefused):
        allow_enrolment(factory.ledger, bytes(CODE_BYTES), owner, order, lasts)


def test_renewal_needs_a_new_key_and_supersedes(endpoint, device, code):
    old = enrolled(endpoint, device, code)
    device.make_key()
    new = leaf(endpoint.renew(same_subject_request(device, old), shown(old)))
    assert spki_of(new) == device.spki
    assert new.subject == old.subject
    assert endpoint.ledger.revoked("test-issuing", f"{old.serial_number:X}").reason is Reason.SUPERSEDED


def test_lost_answer_of_a_renewal_is_given_again(endpoint, device, code):
    """The old certificate is revoked by then; only the very request that replaced it is answered."""
    old = enrolled(endpoint, device, code)
    device.make_key()
    request = same_subject_request(device, old)
    assert endpoint.renew(request, shown(old)) == endpoint.renew(request, shown(old))
    device.make_key()
    with pytest.raises(Unauthenticated, match="no living"):
        endpoint.renew(same_subject_request(device, old), shown(old))


def test_request_sent_again_by_somebody_else_is_not_answered(factory, endpoint, device, code, tmp_path):
    """Neither with a certificate of one's own, nor with one that ended otherwise than by this renewal."""
    old = enrolled(endpoint, device, code)
    endpoint.issuer.revoke(endpoint.issuer.certificate(UNIT), Reason.KEY_COMPROMISE, "lab")
    device.make_key()
    request = same_subject_request(device, old)
    again = allow_enrolment(factory.ledger, factory.random(CODE_BYTES), OWNER, ORDER, DAY)
    new = leaf(endpoint.enrol(request, Caller(user=UNIT, code=again)))
    with pytest.raises(Unauthenticated, match="no living"):
        endpoint.renew(request, shown(old))
    device.make_key()
    request = same_subject_request(device, old)
    endpoint.renew(request, shown(new))
    with pytest.raises(Unauthenticated, match="no living"):
        endpoint.renew(request, shown(forged(tmp_path)))


def test_renewal_with_the_old_key_is_refused(endpoint, device, code):
    old = enrolled(endpoint, device, code)
    with pytest.raises(RequestRefused, match="already"):
        endpoint.renew(same_subject_request(device, old), shown(old))


@pytest.mark.parametrize("subject", [f"/CN={UNIT}", f"/CN={UNIT}/O=Example Test Network", f"/O=Other/CN={UNIT}"])
def test_renewal_under_another_subject_is_refused(endpoint, device, code, subject):
    old = enrolled(endpoint, device, code)
    device.make_key()
    command = ["openssl", "req", "-new", "-keyform", "DER", "-key", device.folder / "key.der", "-subj", subject]
    request = subprocess.run([*command, "-outform", "DER"], check=True, capture_output=True, timeout=30).stdout
    with pytest.raises(RequestRefused, match="are not those"):
        endpoint.renew(request, shown(old))


def test_renewal_under_other_names_is_refused(endpoint, device, code):
    old = enrolled(endpoint, device, code)
    device.make_key()
    command = ["openssl", "req", "-new", "-keyform", "DER", "-key", device.folder / "key.der", "-outform", "DER"]
    subject = ["-subj", f"/O=Example Test Network/CN={UNIT}", "-addext", "subjectAltName=DNS:evil.example"]
    request = subprocess.run([*command, *subject], check=True, capture_output=True, timeout=30).stdout
    with pytest.raises(RequestRefused, match="are not those"):
        endpoint.renew(request, shown(old))


def test_revoked_certificate_does_not_renew(endpoint, device, code):
    old = enrolled(endpoint, device, code)
    endpoint.issuer.revoke(endpoint.issuer.certificate(UNIT), Reason.KEY_COMPROMISE, "lab")
    device.make_key()
    with pytest.raises(Unauthenticated, match="no living"):
        endpoint.renew(same_subject_request(device, old), shown(old))


def test_certificate_of_the_other_world_does_not_renew(factory, endpoint, device, code):
    old = enrolled(endpoint, device, code)
    device.make_key()
    with pytest.raises(Unauthenticated, match="no living ship"):
        endpoint_of(factory, Ship).renew(same_subject_request(device, old), shown(old))


@pytest.mark.parametrize("certificate", [b"", b"garbage", b"0\x80" * 50])
def test_nobody_does_not_renew(endpoint, device, certificate):
    with pytest.raises(Unauthenticated):
        endpoint.renew(device.request(UNIT), Caller(certificate=certificate))


def forged(folder: Path) -> x509.Certificate:
    """A certificate of the unit's name that the unit's CA did not sign."""
    path, subject = folder / "forged.pem", f"/O=Example Test Network/CN={UNIT}"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        folder / "forged.key", "-out", path, "-subj", subject)  # fmt: skip
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_self_made_certificate_does_not_renew(endpoint, device, code, tmp_path):
    """What TLS let through is compared with what the ledger kept, byte for byte."""
    enrolled(endpoint, device, code)
    certificate = forged(tmp_path)
    device.make_key()
    with pytest.raises(Unauthenticated, match="no living"):
        endpoint.renew(same_subject_request(device, certificate), shown(certificate))


def test_station_of_the_factory_enrols_and_renews(factory, device):
    """F-K9: the same doors serve the Plant world."""
    owner = Owner("line-3", "plant", "station-identity")
    factory.ledger.grant(Quota("plant", "plant", "station-identity", 1, 0))
    endpoint = replace(endpoint_of(factory, Plant), profile=owner.profile)
    code = allow_enrolment(factory.ledger, factory.random(CODE_BYTES), owner, "plant", DAY)
    old = leaf(endpoint.enrol(device.request("line-3"), Caller(user="line-3", code=code)))
    device.make_key()
    new = leaf(endpoint.renew(same_subject_request(device, old), shown(old)))
    assert new.subject == old.subject
    assert spki_of(new) == device.spki


def test_registrar_enrols_units_of_an_order(factory, endpoint, another_device, device):
    plant, station = factory.issuer(Plant), another_device()
    station.make_key()
    factory.ledger.grant(Quota("plant", "plant", "station-identity", 1, 0))
    key = plant.adopt("station-1", "station-identity", station.request("station-1"), "station-1", "plant")
    own = plant.issue(key).der
    registrars = Registrars(plant, frozenset({"station-1", UNIT}))
    assert registrars.name_of(own) == "station-1"
    assert registrars.name_of(b"") == Registrars(plant, frozenset({"station-2"})).name_of(own) == ""
    assert (
        leaf(endpoint.register(device.request(UNIT), ORDER, "station-1"))
        .subject.rfc4514_string()
        .startswith(f"CN={UNIT}")
    )
    assert b'"registrar":"station-1"' in b"".join(entry.entry for entry in factory.ledger.audit_entries())
    with pytest.raises(RequestRefused, match="work order"):
        endpoint.register(device.request(UNIT), "", "station-1")
    plant.revoke(plant.certificate("station-1", "station-identity"), Reason.KEY_COMPROMISE, "stolen")
    assert registrars.name_of(own) == ""


@pytest.mark.parametrize("body", [b"", b"garbage!", b"MIIB", b"0" * 4000])
def test_garbage_is_refused(endpoint, code, body):
    with pytest.raises(RequestRefused):
        endpoint.enrol(from_base64(body), Caller(user=UNIT, code=code))
    with pytest.raises(RequestRefused):
        endpoint.register(from_base64(body), ORDER, "station-1")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Basic dW5pdDpjb2Rl", ("unit", "code")),
        ("basic dW5pdDpjOm8=", ("unit", "c:o")),
        ("Basic !!!", ("", "")),
        ("Basic /w==", ("", "")),
        ("Bearer dW5pdDpjb2Rl", ("", "")),
        ("Basic " + "QUFB" * 1000, ("", "")),
        ("Basic YQBiOmM=", ("", "")),
        ("", ("", "")),
    ],
)
def test_credentials_are_read_within_bounds(header, found):
    assert basic_credentials(header) == found
