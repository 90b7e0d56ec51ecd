"""A unit's next key: with a reason, once, and never beside a living certificate of the one before (F-D9)."""

from datetime import timedelta

import pytest
from cryptography import x509

from pki.environment import Ship
from pki.errors import RequestRefused

UNIT = "AC22-000001-7"


@pytest.fixture
def certificate(issuer, device):
    device.make_key()
    return issuer.issue(issuer.adopt(UNIT, "station", device.request(UNIT), UNIT, ""))


def test_renewal_supersedes_the_certificate_before(factory, issuer, device, certificate):
    """F-D9: a new key, the same name; the old certificate's revocation stands in the same transaction."""
    device.make_key()
    key = issuer.renew(certificate, device.request(UNIT))
    renewed = issuer.issue(key)
    assert (key.version, renewed.subject) == (2, certificate.subject)
    assert [(row.version, row.revocation, row.reason) for row in factory.rows()] == [
        (1, "superseded", ""),
        (2, "", "renewal"),
    ]
    assert issuer.certificate(UNIT) == renewed


def test_repeated_renewal_changes_nothing(factory, issuer, device, certificate):
    """A crash between the request and the answer: the same request gives the same certificate."""
    device.make_key()
    request = device.request(UNIT)
    first = issuer.issue(issuer.renew(certificate, request))
    assert issuer.issue(issuer.renew(certificate, request)) == first
    assert len(factory.rows()) == 2


def test_renewal_needs_a_living_certificate(issuer, device, certificate):
    device.make_key()
    issuer.issue(issuer.renew(certificate, device.request(UNIT)))
    device.make_key()
    with pytest.raises(RequestRefused, match="does not live any more"):
        issuer.renew(certificate, device.request(UNIT))


def test_renewal_with_the_old_key_or_another_name_is_refused(issuer, device, certificate):
    """F-D9: a *new* key with the right CN."""
    with pytest.raises(RequestRefused, match="holds this key already"):
        issuer.renew(certificate, device.request(UNIT))
    device.make_key()
    with pytest.raises(RequestRefused, match="is not for"):
        issuer.renew(certificate, device.request("AC22-000002-5"))


def test_certificate_of_the_other_world_renews_nothing(factory, device, certificate):
    """F-D8."""
    device.make_key()
    with pytest.raises(RequestRefused, match="belongs to test"):
        factory.issuer(Ship).renew(certificate, device.request(UNIT))


def test_probe_is_short_revoked_at_birth_and_counts_for_nothing(factory, issuer):
    """Design 8.2: the deliberately wrong chain is of the test CA, one hour, revoked at issue, outside uniqueness."""
    chain = issuer.probe(UNIT)
    probe, issuing = x509.load_pem_x509_certificates(chain.encode())
    assert probe.not_valid_after_utc - probe.not_valid_before_utc <= timedelta(hours=2)
    assert issuing == factory.certificates["test-issuing"]
    probe.verify_directly_issued_by(issuing)
    assert factory.ledger.revoked("test-issuing", f"{probe.serial_number:X}")
    assert factory.rows() == []


def test_two_probes_have_two_keys(issuer):
    first, second = (x509.load_pem_x509_certificate(issuer.probe(UNIT).encode()) for _ in range(2))
    assert first.public_key() != second.public_key()
    assert issuer.current(UNIT) is None
