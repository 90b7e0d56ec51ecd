"""A work order gets the certificates it was granted and not one more; acts stand in the audit chain (F-D12, F-K3)."""

import json
from hashlib import sha256

import pytest

from pki.environment import Ship
from pki.errors import RequestRefused
from pki.keystore import RsaTransport
from pki.ledger import Quota

ORDER = "WO-1001"
UNIT = "AC22-000001"


def test_order_gets_its_quantity_and_its_rework_and_no_more(factory, issuer, device):
    """F-D12: units and the explicit allowance for rework; excess blocks and is reported."""
    issuer.grant(ORDER, 1, 1)
    for unit in ("AC22-000001", "AC22-000002"):
        issued(issuer, device, unit)
    with pytest.raises(RequestRefused, match="has used its test station certificates: 1 and 1 for rework"):
        issued(issuer, device, "AC22-000003")
    (report,) = [entry for entry in acts(factory) if entry["act"] == "quota-exceeded"]
    assert report["subject"] == ORDER
    assert report["body"]["unit"] == "AC22-000003"


def test_order_without_a_quota_gets_nothing(issuer, device):
    device.make_key()
    key = issuer.adopt("AC22-000001", "station", device.request("AC22-000001"), "AC22-000001", "WO-UNKNOWN")
    with pytest.raises(RequestRefused, match="has no quota"):
        issuer.issue(key)


def test_lost_key_does_not_count_and_a_repeated_issue_counts_once(factory, issuer, device):
    """Counted on claims: a package that got lost used nothing of the order."""
    issuer.grant(ORDER, 1, 0)
    key, _ = issuer.generate("AC22-000001", "station", RsaTransport(device.transport_spki), ORDER)
    issuer.lose(key, "package lost")
    certificate = issued(issuer, device, "AC22-000001")
    assert issuer.issue(issuer.current("AC22-000001")) == certificate
    assert [(quota.used, quota.left) for quota in factory.ledger.quotas()] == [(1, 0)]


def test_key_after_a_renewal_that_never_arrived_counts_for_nothing(factory, issuer, device):
    """F-B3, F-D12: the power went between a renewal's entry and its answer; the order has lost nothing by it."""
    issuer.grant(ORDER, 1, 0)
    renewed(issuer, device, issued(issuer, device, UNIT))
    issuer.lose(issuer.current(UNIT), "the device does not hold this key")
    replaced = issued(issuer, device, UNIT)
    assert issuer.certificate(UNIT) == replaced
    assert [(row.version, row.revocation) for row in factory.rows() if not row.revocation] == [(3, "")]
    assert [(quota.used, quota.left) for quota in factory.ledger.quotas()] == [(1, 0)]


def test_key_after_a_renewal_that_was_installed_counts(issuer, device):
    """F-D12: a device that had its renewed certificate and needs another key is reworked."""
    issuer.grant(ORDER, 1, 0)
    certificate = renewed(issuer, device, issued(issuer, device, UNIT))
    issuer.record(certificate, "installed")
    issuer.lose(issuer.current(UNIT), "a new mainboard")
    with pytest.raises(RequestRefused, match="has used its test station certificates"):
        issued(issuer, device, UNIT)


def test_environments_are_counted_apart(factory, issuer, device):
    issuer.grant(ORDER, 1, 0)
    factory.issuer(Ship).grant(ORDER, 1, 0)
    issued(issuer, device, "AC22-000001")
    issued(factory.issuer(Ship), device, "AC22-000001")
    assert {quota.environment: quota.left for quota in factory.ledger.quotas()} == {"test": 0, "ship": 0}


def test_newest_grant_counts_and_repeating_it_adds_nothing(factory, issuer):
    for units in (5, 5, 2):
        issuer.grant(ORDER, units, 0)
    assert factory.ledger.quotas() == [Quota(ORDER, "test", "station", 2, 0)]
    assert [entry["act"] for entry in acts(factory)].count("quota-granted") == 2


def test_negative_quota_is_refused(issuer):
    with pytest.raises(RequestRefused, match="from 0 up"):
        issuer.grant(ORDER, -1, 0)


def test_audit_entries_are_chained(factory, issuer, device):
    """F-K3: each entry names the digest of the one before, and who acted."""
    issuer.grant(ORDER, 1, 0)
    issued(issuer, device, "AC22-000001")
    entries = factory.ledger.audit_entries()
    before = "0" * 64
    for entry in entries:
        assert json.loads(entry.entry)["previous"] == before
        assert entry.sha256 == (before := sha256(entry.entry).hexdigest())
    assert all(json.loads(entry.entry)["actor"] for entry in entries)


def issued(issuer, device, unit):
    device.make_key()
    return issuer.issue(issuer.adopt(unit, "station", device.request(unit), unit, ORDER))


def renewed(issuer, device, certificate):
    device.make_key()
    return issuer.issue(issuer.renew(certificate, device.request(certificate.unit)))


def acts(factory):
    return [json.loads(entry.entry) for entry in factory.ledger.audit_entries()]
