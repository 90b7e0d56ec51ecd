"""Who is let in: name, certificate, path and work order are compared, and a liar harms only itself (F-D4, F-D8)."""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from acceptance_pki import issue
from acceptance_station import V16, V201, basic

from station.acceptance import ACCEPTANCE, adjusted, run_sequence
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment, OcppVersion

CONNECT = {version: adjusted(ACCEPTANCE[version][:2], {"connect": 3, "boot": 10}) for version in OcppVersion}
PASSWORD = "Wq7_5dLpX2mN8kRt3vZa"


def wait_for(seen: Callable[[], bool], seconds: float = 30) -> bool:
    """Wait until something is seen; tells whether it was."""
    deadline = Deadline(seconds)
    while not seen() and not deadline.expired:
        time.sleep(0.02)
    return seen()


def verdicts(bench: Any) -> list[str]:
    """Return what became of every attempt on the test persona."""
    return [attempt.verdict for attempt in bench.server.attempts.latest(Environment.TEST)]


def meet(bench: Any, expected: Any, credential: Any, **options: Any) -> UnitError | None:
    """Expect a unit, let a station try, and return why the unit failed."""
    with bench.server.expect(expected) as visit, bench.station(credential, version=expected.version.value, **options):
        try:
            run_sequence(visit, CONNECT[expected.version], settings={}, deadline=Deadline(30))
        except UnitError as error:
            return error
    return None


def test_a_certificate_issued_before_is_the_units_own_fault(bench: Any) -> None:
    expected = bench.expected(bench.credential())
    error = meet(bench, expected, bench.credential())
    assert error.defect is Defect.CERTIFICATE
    assert f"issued was {expected.certificate_serial.lower()}" in error.message


def test_the_right_certificate_on_another_path_fails(bench: Any) -> None:
    credential = bench.credential()
    error = meet(bench, bench.expected(credential), credential, identity="AC22-000002")
    assert error.defect is Defect.CONFIGURATION
    assert "ordered is '/ocpp/AC22-000001'" in error.message


@pytest.mark.parametrize("path", ["", "/ocpp/x", "/other"])
def test_a_wrong_endpoint_path_fails(bench: Any, path: str) -> None:
    credential = bench.credential()
    assert "connected to path" in meet(bench, bench.expected(credential), credential, path=path).message


@pytest.mark.parametrize("offered", [(), (V16,), ("ocpp2.1", "OCPP2.0.1")])
def test_another_subprotocol_fails(bench: Any, offered: tuple[str, ...]) -> None:
    credential = bench.credential()
    error = meet(bench, bench.expected(credential), credential, subprotocols=offered)
    assert error.defect is Defect.CONFIGURATION
    assert "ordered is ocpp2.0.1" in error.message


def test_the_ordered_subprotocol_is_chosen_among_several(bench: Any) -> None:
    credential = bench.credential()
    assert meet(bench, bench.expected(credential), credential, subprotocols=(V16, V201)) is None


def test_a_password_on_profile_3_fails(bench: Any) -> None:
    credential = bench.credential()
    error = meet(bench, bench.expected(credential), credential, authorization=basic("AC22-000001", PASSWORD))
    assert "password on security profile 3" in error.message


def test_the_issued_certificate_with_a_name_that_is_not_the_serial_fails(bench: Any) -> None:
    credential = bench.credential("AC22-000077")
    error = meet(bench, bench.expected(credential), credential)
    assert error.defect is Defect.CERTIFICATE
    assert "names 'AC22-000077', not serial number AC22-000001" in error.message


def test_the_claim_of_a_stranger_is_named_when_the_unit_does_not_come(bench: Any) -> None:
    """A unit that was given another unit's key and certificate never gets in, and the reason says so."""
    error = meet(bench, bench.expected(bench.credential()), bench.credential("AC22-000066"))
    assert error.defect is Defect.CERTIFICATE
    assert "certificate of 'AC22-000066'" in error.message


def test_no_certificate_on_profile_3_is_refused(bench: Any) -> None:
    error = meet(bench, bench.expected(bench.credential()), None)
    assert "client certificate: none" in error.message


def test_a_second_certificate_with_the_same_number_and_name_fails(bench: Any) -> None:
    """Only the very certificate that was issued counts, to the byte."""
    number = 0x1234567890ABCDEF
    issued, other = bench.credential(number=number), bench.credential(number=number, days=9)
    error = meet(bench, bench.expected(issued), other)
    assert error.defect is Defect.CERTIFICATE
    assert f"SHA-256 {other.sha256}, issued was {issued.sha256}" in error.message


def test_a_liar_harms_only_itself(bench: Any) -> None:
    """Two units are ordered; one connects as the other. It fails, the other passes."""
    good, liar = bench.credential(), bench.credential("AC22-000002")
    mine = bench.expected(good)
    other = bench.expected(liar, identity="AC22-000002", serial="AC22-000002")
    with (
        bench.server.expect(other) as suspect,
        bench.station(liar, serial="AC22-000002", identity="AC22-000001"),
    ):
        assert meet(bench, mine, good) is None
        with pytest.raises(UnitError, match="connected to path '/ocpp/AC22-000001'"):
            run_sequence(suspect, CONNECT[OcppVersion.V201], settings={}, deadline=Deadline(30))


def test_nobody_expects_a_stranger(bench: Any) -> None:
    with bench.station(bench.credential()) as station:
        assert wait_for(lambda: bool(station.refusals))
    attempts = bench.server.attempts.of_unit(Environment.TEST, frozenset({"AC22-000001"}), 0)
    assert station.refusals[0] == 403
    assert "nobody expects" in attempts[0].verdict


@pytest.mark.parametrize(
    ("given", "works"),
    [
        (basic("AC22-000001", PASSWORD), True),
        (basic("AC22-000001", PASSWORD + "x"), False),
        (basic("AC22-000002", PASSWORD), False),
        ("Bearer abc", False),
        ("Basic ????", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("version", [V16, V201])
def test_profile_2_wants_the_right_name_and_password(bench: Any, version: str, given: str, works: bool) -> None:
    expected = bench.expected(None, version, security_profile=2, password=PASSWORD)
    error = meet(bench, expected, None, authorization=given)
    assert (error is None) is works
    assert works or "wrong or no password" in error.message
    assert works or PASSWORD not in error.message


def test_profile_2_without_a_known_password_admits_nobody(bench: Any) -> None:
    expected = bench.expected(None, security_profile=2, password=None)
    assert meet(bench, expected, None, authorization=basic("AC22-000001", "")) is not None


def test_a_test_certificate_does_not_open_the_ship_endpoint(bench: Any) -> None:
    """F-D8: what the staging CA issued is worth nothing at the production name."""
    ship = bench.credential(environment=Environment.SHIP)
    expected = bench.expected(ship, environment=Environment.SHIP)
    test = bench.credential()
    with (
        bench.server.expect(expected) as visit,
        bench.station(test, Environment.SHIP),
        pytest.raises(UnitError, match="issued was") as caught,
    ):
        run_sequence(visit, CONNECT[OcppVersion.V201], settings={}, deadline=Deadline(30))
    assert caught.value.defect is Defect.CERTIFICATE


@pytest.mark.parametrize("kind", ["expired", "foreign CA"])
def test_a_certificate_that_tls_refuses_is_explained(bench: Any, kind: str) -> None:
    foreign = issue(bench.directory, "foreign root")
    bad = bench.credential(days=-1) if kind == "expired" else issue(bench.directory, "AC22-000001", foreign)
    with bench.server.expect(bench.expected(bad)) as visit, bench.station(bad):
        assert wait_for(lambda: any("CERTIFICATE_VERIFY_FAILED" in verdict for verdict in verdicts(bench)))
        assert visit.connections == ()


def test_the_same_unit_cannot_be_expected_twice(bench: Any) -> None:
    expected = bench.expected(bench.credential())
    with (
        bench.server.expect(expected),
        pytest.raises(RuntimeError, match="already expected"),
        bench.server.expect(replace(expected, serial="AC22-000002")),
    ):
        pass


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(bench: Any) -> None:
    context = ssl.create_default_context(cadata=bench.bench_root.pem.decode())
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", bench.server.port(Environment.TEST)), 30) as raw,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(raw, server_hostname="localhost")
    assert wait_for(lambda: "UNSUPPORTED_PROTOCOL" in verdicts(bench)[-1])
