"""Revocation lists from the HSM, judged by openssl, certtool and pkilint (F-D8)."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint.bin import lint_crl
from sqlalchemy import insert

from pki.authority import authority_of, spki_of
from pki.environment import Test
from pki.errors import KeystoreError, PkiError
from pki.issue import Factory
from pki.ledger import Reason
from pki.ledger.revocations import CrlRecord, Revocation, Revoked
from pki.ledger.tables import RevocationRow
from pki.revocation import StatusAuthority, draft_crl, sign_crl

UNIT = "AC22-000001-7"
ORDER = "WO-1"
LATER = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture
def source(factory: Factory) -> StatusAuthority:
    certificate = factory.certificates["test-issuing"]
    authority = authority_of("test-issuing", certificate, factory.keystore)
    return StatusAuthority(certificate, authority, factory.ledger)


@pytest.fixture
def certificate(issuer, device):
    issuer.grant(ORDER, 5, 0)
    device.make_key()
    return issuer.issue(issuer.adopt(UNIT, "station", device.request(UNIT), UNIT, ORDER))


def published(folder: Path) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl((folder / "test-issuing.crl").read_bytes())


def number(folder: Path) -> int:
    return published(folder).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, timeout=30)


def test_list_names_the_revoked_certificate_with_its_reason(source, issuer, certificate, tmp_path):
    issuer.revoke(certificate, Reason.KEY_COMPROMISE, "board stolen")
    assert source.publish(tmp_path)
    [entry] = published(tmp_path)
    assert f"{entry.serial_number:X}" == certificate.serial
    assert entry.extensions[0].value.reason is x509.ReasonFlags.key_compromise
    assert published(tmp_path).is_signature_valid(source.certificate.public_key())


def test_list_is_of_its_authority_and_time(source, tmp_path):
    source.publish(tmp_path)
    crl, now = published(tmp_path), datetime.now(UTC)
    identifier = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    own = source.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert identifier == own
    assert crl.last_update_utc < now < crl.next_update_utc <= now + source.period
    assert [entry.critical for entry in crl.extensions] == [False, False]


def test_openssl_refuses_the_revoked_certificate_and_no_other(source, factory, issuer, certificate, tmp_path):
    chain, roots, crls = tmp_path / "chain.pem", tmp_path / "roots.pem", tmp_path / "crl.pem"
    chain.write_text(certificate.chain_pem)
    roots.write_bytes(factory.client_roots(Test))
    command = ("openssl", "verify", "-crl_check", "-x509_strict", "-CAfile", roots, "-CRLfile", crls, chain)
    source.publish(tmp_path)
    crls.write_bytes(published(tmp_path).public_bytes(Encoding.PEM))
    assert run(*command).returncode == 0
    issuer.revoke(certificate, Reason.SUPERSEDED, "rework")
    source.publish(tmp_path)
    crls.write_bytes(published(tmp_path).public_bytes(Encoding.PEM))
    answer = run(*command)
    assert answer.returncode != 0
    assert "certificate revoked" in answer.stderr


@pytest.mark.parametrize("ca", ["test", "ship"])
def test_openssl_and_gnutls_verify_the_list_with_its_own_ca_only(source, factory, certificate, issuer, tmp_path, ca):
    issuer.revoke(certificate, Reason.SUPERSEDED, "rework")
    source.publish(tmp_path)
    crl, authority, pem = tmp_path / "test-issuing.crl", tmp_path / "ca.pem", tmp_path / "crl.pem"
    authority.write_bytes(factory.certificates[f"{ca}-issuing"].public_bytes(Encoding.PEM))
    pem.write_bytes(published(tmp_path).public_bytes(Encoding.PEM))
    openssl = run("openssl", "crl", "-inform", "DER", "-in", crl, "-CAfile", authority, "-noout")
    gnutls = run("certtool", "--verify-crl", "--load-ca-certificate", authority, "--infile", pem)
    assert ("verify OK" in openssl.stderr) == (ca == "test")
    assert ("Verification output: Verified" in gnutls.stdout) == (ca == "test"), gnutls.stdout


def test_pkilint_finds_no_fault(source, certificate, issuer, tmp_path, capsys):
    issuer.revoke(certificate, Reason.PRIVILEGE_WITHDRAWN, "stolen")
    source.publish(tmp_path)
    assert lint_crl.main(["lint", "-t", "CRL", "-p", "PKIX", "-s", "NOTICE", f"{tmp_path}/test-issuing.crl"]) == 0
    assert not capsys.readouterr().out.strip()


def publish_lists(factory: Factory, folder: Path) -> None:
    """The lists of root and issuing CA, in one PEM file."""
    for name in ("test-root", "test-issuing"):
        authority = authority_of(name, factory.certificates[name], factory.keystore)
        StatusAuthority(factory.certificates[name], authority, factory.ledger).publish(folder)
    lists = [x509.load_der_x509_crl(path.read_bytes()) for path in folder.glob("*.crl")]
    (folder / "lists.pem").write_bytes(b"".join(found.public_bytes(Encoding.PEM) for found in lists))


def test_root_lists_its_cas(factory, certificate, tmp_path):
    """A root's key is bound in a ceremony only; then openssl can check the whole chain."""
    root, roots, chain = factory.certificates["test-root"], tmp_path / "roots.pem", tmp_path / "chain.pem"
    factory.keystore.bind("test-root", spki_of(root))
    roots.write_bytes(root.public_bytes(Encoding.PEM))
    chain.write_text(certificate.chain_pem)
    command = ("openssl", "verify", "-crl_check_all", "-x509_strict", "-CAfile", roots, "-untrusted", chain)
    publish_lists(factory, tmp_path)
    assert run(*command, "-CRLfile", tmp_path / "lists.pem", chain).returncode == 0
    serial = f"{factory.certificates['test-issuing'].serial_number:X}"
    factory.ledger.revoke_once(Revocation("test-root", serial, Reason.CA_COMPROMISE, "", LATER))
    publish_lists(factory, tmp_path)
    assert "certificate revoked" in run(*command, "-CRLfile", tmp_path / "lists.pem", chain).stderr


def test_nothing_is_signed_while_nothing_changed(source, issuer, certificate, tmp_path):
    assert source.publish(tmp_path)
    assert not source.publish(tmp_path)
    issuer.revoke(certificate, Reason.SUPERSEDED, "rework")
    assert source.publish(tmp_path)
    assert not source.publish(tmp_path)
    assert number(tmp_path) == 2


def test_list_is_renewed_when_half_of_its_time_is_over(source, tmp_path):
    now = datetime.now(UTC)
    source.publish(tmp_path)
    start, end = now - timedelta(days=4), now + timedelta(days=3)
    old = draft_crl(source.certificate, 2, (start, end), ())
    (tmp_path / "test-issuing.crl").write_bytes(sign_crl(source.authority, old))
    source.ledger.add_crl(CrlRecord("test-issuing", 2, start, end, 0, 0, ""))
    assert source.publish(tmp_path)
    assert published(tmp_path).next_update_utc > end


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"half a l")])
def test_lost_list_is_published_again_under_the_next_number(source, tmp_path, damage):
    """The number rises although nothing changed: two lists of one number could tell different things."""
    source.publish(tmp_path)
    damage(tmp_path / "test-issuing.crl")
    assert source.publish(tmp_path)
    assert number(tmp_path) == 2
    assert source.publish(tmp_path, force=True)
    assert number(tmp_path) == 3


def test_a_number_is_never_given_twice(source, tmp_path):
    source.publish(tmp_path)
    record = source.ledger.newest_crl("test-issuing")
    with pytest.raises(PkiError, match="CRL 1 of test-issuing"):
        source.ledger.add_crl(record)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: source.publish(tmp_path, force=True), range(8)))
    assert number(tmp_path) == source.ledger.newest_crl("test-issuing").number == 9


def test_list_that_was_signed_stands_in_the_audit(source, tmp_path):
    source.publish(tmp_path)
    record = source.ledger.newest_crl("test-issuing")
    assert b'"act":"crl-signed"' in source.ledger.audit_entries()[-1].entry
    assert record.tbs_sha256.encode() in source.ledger.audit_entries()[-1].entry


def test_old_list_stays_while_the_hsm_is_away(source, factory, issuer, certificate, tmp_path):
    source.publish(tmp_path)
    before = (tmp_path / "test-issuing.crl").read_bytes()
    issuer.revoke(certificate, Reason.SUPERSEDED, "rework")
    factory.keystore.close()
    with pytest.raises(KeystoreError):
        source.publish(tmp_path)
    assert (tmp_path / "test-issuing.crl").read_bytes() == before
    assert source.ledger.newest_crl("test-issuing").number == 1


def test_expired_certificate_leaves_the_list_after_one_more_list(source, tmp_path):
    now = datetime.now(UTC)
    ends = {"0A": now - timedelta(days=30), "0B": now - timedelta(days=1), "0C": LATER}
    for serial, expires in ends.items():
        source.ledger.revoke_once(Revocation("test-issuing", serial, Reason.UNSPECIFIED, "", expires))
    source.publish(tmp_path)
    assert [entry.serial_number for entry in published(tmp_path)] == [0x0B, 0x0C]
    assert not source.publish(tmp_path)


def test_revocation_of_another_authority_is_not_listed(source, tmp_path):
    for authority in ("ship-issuing", "test-root"):
        source.ledger.revoke_once(Revocation(authority, "0A", Reason.CA_COMPROMISE, "", LATER))
    source.publish(tmp_path)
    assert len(published(tmp_path)) == 0
    assert source.status("0A") == "unknown"


def test_first_reason_stays(source):
    for reason in (Reason.SUPERSEDED, Reason.KEY_COMPROMISE):
        source.ledger.revoke_once(Revocation("test-issuing", "0A", reason, "", LATER))
    assert source.ledger.revoked("test-issuing", "0A").reason is Reason.SUPERSEDED


def test_unspecified_reason_is_told_by_silence(source):
    """RFC 5280 section 5.3.1."""
    revoked = [Revoked(f"{index:X}", reason, LATER) for index, reason in enumerate(Reason, 1)]
    told = [len(entry.extensions) for entry in draft_crl(source.certificate, 1, (LATER, LATER), revoked)]
    assert told == [reason is not Reason.UNSPECIFIED for reason in Reason]


def test_list_of_many_entries_holds_each(source, tmp_path):
    row = {"authority": "test-issuing", "reason": "superseded", "detail": "", "expires": LATER, "at": LATER}
    serials = [(0x41 << 152) + index * 7919 for index in range(5000)]
    with source.ledger.writing() as connection:
        connection.execute(insert(RevocationRow), [{**row, "serial": f"{serial:X}"} for serial in serials])
    source.publish(tmp_path)
    assert [entry.serial_number for entry in published(tmp_path)] == serials
    assert source.ledger.newest_crl("test-issuing").entries == 5000
