"""The renewal of a certificate, rehearsed (F-D9): what a request must say, and whose word is not believed."""

from pathlib import Path
from typing import Any

import pytest
from acceptance_station import OWNER, V16, V201
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fixtures.charger.meter import Meter
from fixtures.charger.nvm import Nvm
from fixtures.charger.ocpp_renewal import pem_request
from fixtures.charger.vault import Vault
from pki.certificate.csr import read_request, request_of_pem
from pki.errors import RequestRefused
from station.acceptance import ACCEPTANCE, adjusted, run_sequence
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import OcppVersion, Outcome

VERSIONS = pytest.mark.parametrize("version", [V16, V201])
QUICK = {"renewal": 10, "renewed certificate": 10, "reset": 10}
NEEDED = {"connect", "boot", "settings", "accept", "renewal", "reset", "renewed certificate", "settings after reset"}


def examine(bench: Any, version: str = V201, office: Any = None, credential: Any = None, **options: Any) -> Any:
    """Run the checks that a renewal needs over one station; return error, visit, station and what was signed."""
    credential, office = credential or bench.credential(), office or bench.office()
    sequence = [check for check in ACCEPTANCE[OcppVersion(version)] if check.name in NEEDED]
    with (
        bench.server.expect(bench.expected(credential, version)) as visit,
        bench.station(credential, version=version, **options) as station,
    ):
        try:
            run_sequence(visit, adjusted(sequence, QUICK), settings={}, deadline=Deadline(30), renewal=office.renewal())
        except UnitError as error:
            return error, visit, station, office
    return None, visit, station, office


@VERSIONS
@pytest.mark.parametrize("renewal", ["at reset", "at once"])
@pytest.mark.parametrize("reset", ["reconnect", "same socket", "no answer"])
def test_a_renewed_certificate_is_seen_in_use(bench: Any, version: str, renewal: str, reset: str) -> None:
    """Stations switch at once or when they restart, with or without a new connection; the handshake decides."""
    error, visit, station, office = examine(bench, version, renewal_style=renewal, reset_style=reset)
    assert error is None
    (signed,) = office.signed
    assert visit.connections[-1].certificate.sha256 == signed.sha256 == station.credential.sha256
    assert office.probes == 1
    assert visit.findings == ()


def test_a_command_that_a_reconnecting_unit_never_saw_is_sent_again(bench: Any) -> None:
    """The boot of a unit that comes back with its renewed certificate is not taken for that of the restart."""
    error, visit, station, _ = examine(bench, renewal_style="late")
    assert error is None
    assert station.restarts == 1
    assert len(visit.connections) == 3


@VERSIONS
def test_the_owner_is_set_and_kept(bench: Any, version: str) -> None:
    """The organisation of the request is told to the unit, read back, and still there after the restart."""
    error, visit, station, _ = examine(bench, version)
    found = {m.name: m.value for result in visit.results for m in result.measurements}
    assert error is None
    assert station.settings[OWNER[version]] == "Example Chargers"
    assert (found[OWNER[version]], found["request_organisation"]) == ("Example Chargers", "Example Chargers")


def test_the_old_certificate_is_refused_once_the_new_one_was_seen(bench: Any) -> None:
    old = bench.credential()
    error, visit, _, _ = examine(bench, credential=old)
    assert (error, visit.expected.former_sha256) == (None, "")
    with (
        bench.server.expect(visit.expected) as again,
        bench.station(old),
        pytest.raises(UnitError, match="presented certificate"),
    ):
        run_sequence(again, ACCEPTANCE[OcppVersion.V201][:1], settings={}, deadline=Deadline(30))


def test_a_restart_with_the_old_certificate_fails(bench: Any) -> None:
    error, visit, _, office = examine(bench, renewal_style="never")
    assert error.defect is Defect.CERTIFICATE
    assert f"not the renewed {int(office.signed[0].serial, 16):x} that it accepted" in error.message
    assert visit.results[-1].name == "renewed certificate"


def test_a_unit_that_takes_a_foreign_chain_gets_no_certificate(bench: Any) -> None:
    """Nothing is signed for a unit that would take anything."""
    error, _, _, office = examine(bench, renewal_style="takes anything")
    assert "accepted a certificate of a key that it does not have" in error.message
    assert office.signed == []


BAD = {
    "other name": ({"name": "AC22-000009"}, Defect.CERTIFICATE, "has 'AC22-000009' as common name"),
    "other owner": (
        {"owner": "Somebody"},
        Defect.CERTIFICATE,
        "has 'Somebody' as organisation, not 'Example Chargers'",
    ),
    "no owner": ({"owner": ""}, Defect.CERTIFICATE, "has nothing as organisation"),
    "P-384": ({"key": ec.generate_private_key(ec.SECP384R1())}, Defect.CERTIFICATE, "'P-384' as curve"),
    "RSA": ({"key": rsa.generate_private_key(65537, 2048)}, Defect.CERTIFICATE, "nothing as curve"),
    "no proof": ({"signer": ec.generate_private_key(ec.SECP256R1())}, Defect.KEY, "does not prove possession"),
    "garbage": ({"pem": "garbage"}, Defect.CERTIFICATE, "not PEM"),
    "no PKCS#10": (
        {"pem": "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----"},
        Defect.CERTIFICATE,
        "not PKCS#10",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_fails_with_the_reason_and_is_not_signed(bench: Any, case: str) -> None:
    changes, defect, reason = BAD[case]
    error, _, _, office = examine(bench, V16, request_changes=changes)
    assert (error.defect, reason in error.message) == (defect, True), error.message
    assert office.signed == []


def test_a_request_for_the_same_key_fails(bench: Any) -> None:
    """A renewal that keeps the key renews nothing when that key is what leaked."""
    credential = bench.credential()
    error, _, _, office = examine(bench, credential=credential, request_changes={"key": credential.key})
    assert "certificate of the key that it has" in error.message
    assert office.signed == []


@VERSIONS
def test_a_chain_longer_than_the_unit_takes_is_not_sent(bench: Any, version: str) -> None:
    limit = {V16: "CertificateSignedMaxChainSize", V201: "SecurityCtrlr.MaxCertificateChainSize"}[version]
    error, visit, _, office = examine(bench, version, settings={limit: "500"})
    assert "takes chains of at most 500 characters" in error.message
    assert rb"CertificateSigned\"" not in visit.transcript().data
    assert office.signed == []


@VERSIONS
def test_a_unit_that_cannot_renew_fails(bench: Any, version: str) -> None:
    message = {V16: "SignChargePointCertificate", V201: "SignChargingStationCertificate"}[version]
    error, _, _, _ = examine(bench, version, not_triggered=(message,))
    assert error.defect is Defect.OCPP
    assert error.message == "The unit answered the request to renew its certificate with 'NotImplemented'."


def test_without_a_renewal_it_is_skipped_and_nothing_is_signed_on_request(bench: Any) -> None:
    """A station of its own accord gets no certificate from the factory's server."""
    credential = bench.credential()
    checks = ACCEPTANCE[OcppVersion.V201]
    with bench.server.expect(bench.expected(credential)) as visit, bench.station(credential) as station:
        results = run_sequence(visit, checks, settings={}, deadline=Deadline(30))
        station.ask("SignCertificate", {"csr": station.request()})
        visit.until(lambda: visit.messages("SignCertificate") or None, Deadline(30))
        station.until(lambda: ("SignCertificate", {"status": "Rejected"}) in station.replies)
    assert [r.name for r in results if r.outcome is Outcome.SKIPPED] == ["renewal", "renewed certificate"]
    assert ("SignCertificate", {"status": "Rejected"}) in station.replies


def test_a_request_as_mbedtls_writes_it_is_read(tmp_path: Path) -> None:
    """NULL parameters in ecdsa-with-SHA256 are wrong by RFC 5758, written by mbedTLS 3.4, and prove the same."""
    vault = Vault(Nvm(tmp_path), Meter(tmp_path), null_parameters=True)
    pem = pem_request(vault.request_beside("test", {"O": "Example Chargers", "CN": "AC22-000001"}))
    read = read_request(request_of_pem(pem))
    assert (read.common_name, read.organization, read.curve) == ("AC22-000001", "Example Chargers", "P-256")
    assert read.proven
    with pytest.raises(RequestRefused, match="not PEM"):
        request_of_pem(pem + pem)
