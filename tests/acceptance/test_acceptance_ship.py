"""The unit at the stand-in for its ship endpoint: seen, clean, and never again at the test endpoint (design 8.6)."""

from typing import Any

import pytest
from acceptance_pki import hash_data
from acceptance_station import V16, V201

from station.acceptance import DELETE_ROOTS, SHIP_WATCH, adjusted, watch_ship
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment, OcppVersion, Outcome

VERSIONS = pytest.mark.parametrize("version", [V16, V201])
OTHER_ROOT = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "1"}


def watch(bench: Any, version: str, before: Any = None, **options: Any) -> tuple[Any, ...]:
    """Watch one station as it ships; returns its results and the station."""
    credential = bench.credential(environment=Environment.SHIP)
    expected = bench.expected(credential, version, environment=Environment.SHIP)
    roots = [hash_data(bench.bench_root.certificate), OTHER_ROOT]
    sequence = adjusted(SHIP_WATCH[OcppVersion(version)], {"ship connect": 10})
    with (
        bench.server.expect(expected) as visit,
        bench.station(credential, Environment.SHIP, version=version, roots=roots, **options) as station,
    ):
        if before:
            before(visit)
        return watch_ship(visit, bench.bench_root.pem, Deadline(20), owner="Owner", sequence=sequence), station


@VERSIONS
def test_a_unit_is_seen_and_cleaned(bench: Any, version: str) -> None:
    results, station = watch(bench, version)
    assert {result.outcome for result in results} == {Outcome.PASS}
    assert station.roots == [OTHER_ROOT]
    assert station.list_version == 0


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_a_root_is_found_by_every_hash(bench: Any, algorithm: str) -> None:
    credential = bench.credential(environment=Environment.SHIP)
    expected = bench.expected(credential, environment=Environment.SHIP)
    roots = [hash_data(bench.bench_root.certificate, algorithm)]
    with bench.server.expect(expected) as visit, bench.station(credential, Environment.SHIP, roots=roots) as station:
        watch_ship(visit, bench.bench_root.pem, Deadline(20))
    assert station.roots == []


UNCLEAN = {
    "keeps its charging profiles": ({"ClearChargingProfile": {"status": "Accepted"}}, "still has charging profiles"),
    "keeps the bench root": ({"DeleteCertificate": {"status": "Accepted"}}, "still trusts a root of the test"),
    "keeps its local list": ({"SendLocalList": {"status": "Accepted"}}, "list still has version 3"),
    "keeps its cache": ({"ClearCache": {"status": "Rejected"}}, "ClearCache with 'Rejected'"),
    "stays out of service": ({"ChangeAvailability": {"status": "Rejected"}}, "ChangeAvailability(Operative)"),
    "fails to clean": ({"ClearChargingProfile": "InternalError"}, "error InternalError"),
}


@VERSIONS
@pytest.mark.parametrize("case", UNCLEAN)
def test_a_unit_that_is_not_clean_fails(bench: Any, version: str, case: str) -> None:
    overrides, reason = UNCLEAN[case]
    with pytest.raises(UnitError) as caught:
        watch(bench, version, overrides=overrides)
    assert caught.value.defect is Defect.SHIP_STATE
    assert reason in caught.value.message


def test_charging_profiles_are_gone_once_the_unit_says_that_it_has_none(bench: Any) -> None:
    """F-H7: that it cleared some proves nothing; asked again, it must find none."""
    left = [{"status": "Accepted"}]
    unit = {"ClearChargingProfile": lambda payload: left.pop() if left else {"status": "Unknown"}}
    results, _ = watch(bench, V16, overrides=unit)
    assert {result.outcome for result in results} == {Outcome.PASS}


def test_what_a_1_6_unit_does_not_offer_is_skipped(bench: Any) -> None:
    missing = dict.fromkeys(("GetLocalListVersion", "GetInstalledCertificateIds"), "NotSupported")
    results, _ = watch(bench, V16, overrides=missing)
    skipped = [result.name for result in results if result.outcome is Outcome.SKIPPED]
    assert skipped == ["clear local list", DELETE_ROOTS]


def test_certificate_management_is_not_optional_in_2_0_1(bench: Any) -> None:
    with pytest.raises(UnitError, match="NotImplemented"):
        watch(bench, V201, overrides={"GetInstalledCertificateIds": "NotImplemented"})


def test_a_unit_that_does_not_come_fails(bench: Any) -> None:
    credential = bench.credential(environment=Environment.SHIP)
    sequence = adjusted(SHIP_WATCH[OcppVersion.V201], {"ship connect": 0.5})
    with (
        bench.server.expect(bench.expected(credential, environment=Environment.SHIP)) as visit,
        pytest.raises(UnitError, match=r"No connection of AC22-000001 within 0\.5 s"),
    ):
        watch_ship(visit, b"", Deadline(20), sequence=sequence)


@pytest.mark.parametrize("shown", ["test certificate", "ship certificate", "none"])
def test_an_attempt_on_the_test_endpoint_fails_the_unit(bench: Any, shown: str) -> None:
    """Attributed by certificate, also by one the test persona refuses, and by the claimed path."""
    certificates = {
        "test certificate": bench.credential(),
        "ship certificate": bench.credential(environment=Environment.SHIP),
        "none": None,
    }
    with (
        bench.station(certificates[shown]) as stray,
        pytest.raises(UnitError, match="tried the test endpoint") as caught,
    ):
        watch(bench, V201, lambda visit: wait_for_refusal(stray))
    assert caught.value.defect is Defect.SHIP_STATE


def wait_for_refusal(stray: Any) -> None:
    before = len(stray.refusals)
    stray.until(lambda: len(stray.refusals) > before)


def test_a_handshake_from_the_units_own_address_is_its_own(bench: Any) -> None:
    """Nothing is known of it but the address, and only this unit was ever seen there."""
    foreign_root = bench.roots[Environment.TEST].pem
    source = "127.0.0.11"
    stray = bench.station(None, source=source)
    stray.root = foreign_root  # it does not trust the server, as a unit without test anchors would
    with stray, pytest.raises(UnitError, match=r"test endpoint from 127\.0\.0\.11 .* TLS failed"):
        watch(bench, V201, source=source)


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.12"])
def test_a_handshake_from_a_shared_address_blames_nobody_and_is_counted(bench: Any, source: str) -> None:
    """Shared with another unit, or with everything else on this computer."""
    other, stray = bench.credential("AC22-000002"), bench.station(None, source=source)
    stray.root = bench.roots[Environment.TEST].pem
    strangers = {"serial": "AC22-000002", "identity": "AC22-000002", "source": "127.0.0.12"}
    with bench.station(other, Environment.SHIP, **strangers), stray:
        results, _ = watch(bench, V201, source=source)
    values = {m.name: m.value for m in results[-1].measurements}
    assert values["test_endpoint_attempts"] == 0
    assert values["test_endpoint_attempts_unattributed"] > 0


def test_attempts_of_other_units_and_forgotten_ones_do_not_count(bench: Any) -> None:
    def forget(visit: Any) -> None:
        with bench.station(bench.credential()) as old:
            old.until(lambda: old.refusals)
        bench.server.forget("AC22-000001")

    with bench.station(bench.credential("AC22-000002"), identity="AC22-000001"):
        results, _ = watch(bench, V201, forget)
    assert results[-1].outcome is Outcome.PASS
