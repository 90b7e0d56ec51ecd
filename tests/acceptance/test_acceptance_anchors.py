"""The replacement of trust anchors from afar, rehearsed while the unit is still in the factory (F-D5, P09)."""

from typing import Any

import pytest
from acceptance_exam import examine, reporter
from acceptance_pki import hash_data
from acceptance_station import V16, V201
from test_acceptance_charger import Device, running
from test_acceptance_ship import OTHER_ROOT

from station.acceptance import ACCEPTANCE, run_sequence, with_anchor_replacement
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment, OcppVersion, Outcome

VERSIONS = pytest.mark.parametrize("version", [V16, V201])
FIRST = {"connect", "boot", "accept", "replace anchor"}


def sequence(bench: Any, version: str) -> Any:
    """Return the checks up to the replacement, with a root that no unit has."""
    whole = with_anchor_replacement(ACCEPTANCE[OcppVersion(version)], bench.roots[Environment.SHIP].pem)
    return [check for check in whole if check.name in FIRST]


def rehearse(bench: Any, version: str, **options: Any) -> tuple[Any, Any]:
    """Let one station have an anchor replaced; return the result and the station."""
    credential = bench.credential()
    with (
        bench.server.expect(bench.expected(credential, version)) as visit,
        bench.station(credential, version=version, **{"roots": [OTHER_ROOT], **options}) as station,
    ):
        results = run_sequence(visit, sequence(bench, version), settings={}, deadline=Deadline(20))
    return results[-1], station


@VERSIONS
def test_root_goes_in_is_listed_and_comes_out(bench: Any, version: str) -> None:
    result, station = rehearse(bench, version)
    assert (result.name, result.outcome) == ("replace anchor", Outcome.PASS)
    assert {m.name: m.value for m in result.measurements} == {"anchor_deleted": 1.0, "anchors_kept": 1.0}
    assert station.roots == [OTHER_ROOT]


@VERSIONS
def test_root_that_an_interrupted_run_left_is_no_proof(bench: Any, version: str) -> None:
    """It is taken out first, so that what is listed afterwards was really installed."""
    left = hash_data(bench.roots[Environment.SHIP].certificate)
    result, station = rehearse(bench, version, roots=[left, OTHER_ROOT])
    assert result.outcome is Outcome.PASS
    assert station.roots == [OTHER_ROOT]
    with pytest.raises(UnitError, match="accepted InstallCertificate but nothing changed"):
        rehearse(bench, version, roots=[left], overrides={"InstallCertificate": {"status": "Accepted"}})


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "does not install": ({"InstallCertificate": {"status": "Accepted"}}, "does not list the root"),
    "does not delete": ({"DeleteCertificate": {"status": "Accepted"}}, "still lists the root"),
    "refuses": ({"InstallCertificate": {"status": "Rejected"}}, "InstallCertificate with 'Rejected'"),
    "does not offer it": ({"InstallCertificate": "NotImplemented"}, "can't be replaced over OCPP"),
    "does not list": ({"GetInstalledCertificateIds": "NotSupported"}, "can't be replaced over OCPP"),
}


@VERSIONS
@pytest.mark.parametrize("case", BAD)
def test_unit_whose_anchors_cannot_be_replaced_fails(bench: Any, version: str, case: str) -> None:
    """P09: its last day on the network would be that of its anchor."""
    overrides, told = BAD[case]
    with pytest.raises(UnitError, match=told) as caught:
        rehearse(bench, version, overrides=overrides)
    assert caught.value.defect is Defect.OCPP


@VERSIONS
def test_unit_that_loses_its_other_anchors_fails(bench: Any, version: str) -> None:
    """A store with room for one root takes the new one and forgets the one it lives by."""
    with pytest.raises(UnitError, match="lost or changed other trust anchors"):
        rehearse(bench, version, room_for_roots=1)


@VERSIONS
def test_simulated_charger_has_an_anchor_replaced(bench: Any, version: str) -> None:
    """Two programs that share no code: afterwards it trusts exactly what it trusted before."""
    credential = bench.credential()
    device = Device(credential, bench.server.port(Environment.TEST), bench.bench_root.pem, version)
    with bench.server.expect(bench.expected(credential, version)) as visit, running(device):
        results = run_sequence(visit, sequence(bench, version), settings={}, deadline=Deadline(30))
    assert {result.outcome for result in results} == {Outcome.PASS}
    assert device.files["/lfs/anchors.pem"].strip() == bench.bench_root.pem.strip()


def listing(bench: Any, version: str, given: bytes, **traits: Any) -> Any:
    """Let a station tell which roots it trusts, and compare with those that it was given."""
    return examine(bench, reporter(bench, version, **traits), "anchors", roots=given)[0]


@VERSIONS
def test_unit_that_trusts_exactly_its_roots_passes(bench: Any, version: str) -> None:
    """F-D5: by hash, whatever else the files on the device say."""
    known = [bench.bench_root, bench.roots[Environment.SHIP]]
    result = listing(
        bench, version, b"".join(root.pem for root in known), roots=[hash_data(r.certificate) for r in known]
    )
    assert (result.outcome, result.measurements[0].value) == (Outcome.PASS, 2.0)


@VERSIONS
@pytest.mark.parametrize(
    ("listed", "told"),
    [
        (["bench", "other"], "trusts 1 roots that nobody gave it, one with serial number 1"),
        (["other"], "does not list the root CN=bench root, which it was given"),
        ([], "does not list the root CN=bench root"),
    ],
)
def test_unit_that_trusts_others_fails(bench: Any, version: str, listed: list[str], told: str) -> None:
    """P15: a root that somebody left in it would let a stranger's server command it."""
    roots = {"bench": hash_data(bench.bench_root.certificate), "other": OTHER_ROOT}
    with pytest.raises(UnitError, match=told) as caught:
        listing(bench, version, bench.bench_root.pem, roots=[roots[name] for name in listed])
    assert caught.value.defect is Defect.CONFIGURATION


def test_listing_roots_is_no_duty_in_1_6_only(bench: Any) -> None:
    missing = {"GetInstalledCertificateIds": "NotSupported"}
    assert listing(bench, V16, bench.bench_root.pem, overrides=missing).outcome is Outcome.SKIPPED
    with pytest.raises(UnitError, match="NotSupported"):
        listing(bench, V201, bench.bench_root.pem, overrides=missing)
