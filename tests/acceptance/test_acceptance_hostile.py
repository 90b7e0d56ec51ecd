"""What a station may throw at the server: it is refused, bounded and recorded, and nobody else notices."""

import contextlib
import json
import logging
import socket
import ssl
from typing import Any

import pytest
from acceptance_station import V16, V201, basic
from ocpp.messages import get_validator
from websockets.exceptions import ConnectionClosed

from station.acceptance import ACCEPTANCE, run_sequence
from station.acceptance.transcript import REDACTED
from station.clock import Deadline
from station.errors import Aborted, Defect, UnitError
from station.model import Environment, OcppVersion, Outcome

PASSWORD = "Wq7_5dLpX2mN8kRt3vZa"
HEARTBEAT = '[2,"{}","Heartbeat",{{}}]'
FROM_STATION = {
    V16: "Authorize BootNotification DataTransfer DiagnosticsStatusNotification FirmwareStatusNotification Heartbeat "
    "LogStatusNotification MeterValues SecurityEventNotification SignCertificate SignedFirmwareStatusNotification "
    "StartTransaction StatusNotification StopTransaction",
    V201: "Authorize BootNotification ClearedChargingLimit DataTransfer FirmwareStatusNotification "
    "Get15118EVCertificate GetCertificateStatus Heartbeat LogStatusNotification MeterValues NotifyChargingLimit "
    "NotifyCustomerInformation NotifyDisplayMessages NotifyEVChargingNeeds NotifyEVChargingSchedule NotifyEvent "
    "NotifyMonitoringReport NotifyReport PublishFirmwareStatusNotification ReportChargingProfiles "
    "ReservationStatusUpdate SecurityEventNotification SignCertificate StatusNotification TransactionEvent",
}
FROM_STATION["ocpp2.1"] = (
    f"{FROM_STATION[V201]} BatterySwap ClosePeriodicEventStream NotifyDERAlarm NotifyDERStartStop "
    "NotifyPriorityCharging NotifySettlement OpenPeriodicEventStream PullDynamicScheduleUpdate ReportDERControl"
)
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "c"}
ECHOING = {
    "VatNumberValidation": ({"vatNumber": "NL0001"}, {"vatNumber": "NL0001", "status": "Rejected"}),
    "GetCertificateChainStatus": (
        {"certificateStatusRequests": [{"certificateHashData": HASH, "source": "OCSP", "urls": ["https://a.example"]}]},
        {"certificateStatus": [{"certificateHashData": HASH, "source": "OCSP", "status": "Failed"}]},
    ),
}
"""Requests of OCPP 2.1 whose answers repeat a part of them."""


def wait_for_failure(visit: Any) -> None:
    visit.until(lambda: None, Deadline(30))


@pytest.mark.parametrize("version", FROM_STATION)
def test_every_action_of_a_station_is_answered_by_the_schema(bench: Any, version: str) -> None:
    """Some stations stop for good at a NotImplemented; an empty payload is a finding, and answered too."""
    credential, actions = bench.credential(), FROM_STATION[version].split()
    with bench.server.expect(bench.expected(credential, version)), bench.station(credential) as station:
        station.stopping.set()
        station.thread.join()
        station.version = version
        with station.open() as link:
            for number, action in enumerate(actions):
                link.send(json.dumps([2, str(number), action, {}]))
                kind, unique_id, payload = json.loads(link.recv(timeout=30))
                assert (kind, unique_id) == (3, str(number))
                get_validator(3, action, version.removeprefix("ocpp")).validate(payload)


@pytest.mark.parametrize("action", ECHOING)
def test_an_answer_that_repeats_the_request_does_so_by_the_schema(bench: Any, action: str) -> None:
    asked, wanted = ECHOING[action]
    credential = bench.credential()
    with (
        bench.server.expect(bench.expected(credential, "ocpp2.1")) as visit,
        bench.station(credential, version="ocpp2.1").open() as link,
    ):
        link.send(json.dumps([2, "1", action, asked]))
        _, _, payload = json.loads(link.recv(timeout=30))
    get_validator(3, action, "2.1").validate(payload)
    for status in payload.get("certificateStatus", ()):
        del status["nextUpdate"]
    assert payload == wanted
    assert visit.findings == ()


def test_an_action_of_no_version_gets_an_error(bench: Any) -> None:
    credential = bench.credential()
    noise = ('[2,"x1","../../../etc/passwd",{}]', '[2,"x2","NotifySettlement",{}]')
    with bench.server.expect(bench.expected(credential)) as visit, bench.station(credential, noise=noise) as station:
        visit.until(lambda: len(visit.findings) == 2 or None, Deadline(30))
        station.until(lambda: len(station.replies) == 3)
    assert [reply for _, reply in station.replies[1:]] == [{"error": "NotImplemented"}] * 2
    assert all("unknown action" in finding for finding in visit.findings)


GARBAGE = (
    "",
    "nonsense",
    "{}",
    "[]",
    "[2]",
    "[9,1,2,3]",
    '[2,7,"Heartbeat",{}]',
    '[2,["a"],"Heartbeat",{}]',
    '[2,"a",{"b":1},{}]',
    '[2,"a","Heartbeat",[]]',
    '[2,"' + "x" * 40 + '","Heartbeat",{}]',
    '[3,"never asked",{}]',
    "[" * 30_000,
    "[2," + "9" * 5_000 + "]",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
)


def test_garbage_is_found_and_the_unit_still_judged(bench: Any) -> None:
    credential = bench.credential()
    with (
        bench.server.expect(bench.expected(credential)) as visit,
        bench.station(credential, noise=GARBAGE),
    ):
        results = run_sequence(visit, ACCEPTANCE[OcppVersion.V201], settings={}, deadline=Deadline(30))
    assert len(visit.findings) == len(GARBAGE)
    assert [r.name for r in results if r.outcome is Outcome.FAIL] == ["conformance"]


@pytest.mark.parametrize("size", [70_000, 10_000_000])
def test_a_frame_over_the_limit_ends_the_visit(bench: Any, size: int) -> None:
    credential, big = bench.credential(), json.dumps([2, "1", "DataTransfer", {"data": "x" * size}])
    with (
        bench.server.expect(bench.expected(credential)) as visit,
        bench.station(credential, noise=(big,)),
        pytest.raises(UnitError, match="larger than 65536 bytes"),
    ):
        wait_for_failure(visit)
    assert len(visit.transcript().data) < 5_000


def test_a_flood_ends_the_visit(bench: Any) -> None:
    credential = bench.credential()
    flood = tuple(HEARTBEAT.format(number) for number in range(2_000))
    with (
        bench.server.expect(bench.expected(credential)) as visit,
        bench.station(credential, noise=flood),
        pytest.raises(UnitError, match="floods") as caught,
    ):
        wait_for_failure(visit)
    assert caught.value.defect is Defect.OCPP
    assert visit.position <= visit.limits.messages


def test_half_open_connections_are_dropped(bench: Any) -> None:
    """One says nothing at all, one nothing after TLS."""
    address = ("127.0.0.1", bench.server.port(Environment.TEST))
    context = ssl.create_default_context(cadata=bench.bench_root.pem.decode())
    with (
        socket.create_connection(address, 30) as mute,
        socket.create_connection(address, 30) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        assert mute.recv(1) == b""
        with contextlib.suppress(OSError):
            assert tls.recv(1) == b""
    verdicts = {attempt.verdict for attempt in bench.server.attempts.latest(Environment.TEST)}
    assert verdicts == {"no TLS handshake", "no HTTP request"}


def test_a_second_connection_of_a_unit_replaces_the_first(bench: Any) -> None:
    credential = bench.credential()
    station = bench.station(credential)
    with (
        bench.server.expect(bench.expected(credential)) as visit,
        station.open() as first,
        station.open() as second,
    ):
        with pytest.raises(ConnectionClosed):
            first.recv(timeout=30)
        second.send(HEARTBEAT.format(1))
        assert json.loads(second.recv(timeout=30))[:2] == [3, "1"]
    assert len(visit.connections) == 2


def test_a_unit_that_hangs_up_in_the_middle_of_a_command_fails(bench: Any) -> None:
    credential = bench.credential()
    station = bench.station(credential)
    station.overrides["GetBaseReport"] = lambda payload: station.link.close()
    with (
        bench.server.expect(bench.expected(credential)) as visit,
        station,
        pytest.raises(UnitError, match="closed the connection before it answered GetBaseReport"),
    ):
        run_sequence(visit, ACCEPTANCE[OcppVersion.V201], settings={}, deadline=Deadline(30))


def test_a_unit_that_never_answers_is_named_with_the_command(bench: Any) -> None:
    credential = bench.credential()
    with bench.server.expect(bench.expected(credential)) as visit, bench.station(credential) as station:
        station.overrides["ClearCache"] = None
        visit.until(lambda: visit.connections or None, Deadline(30))
        with pytest.raises(UnitError, match=r"No answer to ClearCache within 0\.5 s"):
            visit.call("ClearCache", {}, Deadline(0.5))


def test_stopping_the_server_aborts_a_visit(bench: Any) -> None:
    credential = bench.credential()
    with bench.server.expect(bench.expected(credential)) as visit, bench.station(credential):
        visit.until(lambda: visit.connections or None, Deadline(30))
        bench.server.stop()
        with pytest.raises(Aborted):
            wait_for_failure(visit)


def test_a_bug_of_the_server_is_never_the_units_fault(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("station.acceptance.session.parse", broken)
    credential = bench.credential()
    with (
        bench.server.expect(bench.expected(credential)) as visit,
        bench.station(credential),
        pytest.raises(ZeroDivisionError),
    ):
        run_sequence(visit, ACCEPTANCE[OcppVersion.V201], settings={}, deadline=Deadline(30))
    assert visit.results[-1].outcome is Outcome.ERROR


def test_a_bug_at_admission_is_never_the_units_fault(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("station.acceptance.server.judge", lambda *_: 1 / 0)
    credential = bench.credential()
    with (
        bench.server.expect(bench.expected(credential)) as visit,
        bench.station(credential),
        pytest.raises(RuntimeError, match="acceptance server failed") as caught,
    ):
        run_sequence(visit, ACCEPTANCE[OcppVersion.V201], settings={}, deadline=Deadline(5))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("version", [V16, V201])
def test_a_password_reaches_neither_log_nor_transcript_nor_message(
    bench: Any, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """F-D2: the password goes over the wire in the header, in a setting and in a station's own messages."""
    caplog.set_level(logging.DEBUG)
    for name in ("ocpp", "websockets", "asyncio", "station"):
        caplog.set_level(logging.DEBUG, logger=name)
    expected = bench.expected(None, version, security_profile=2, password=PASSWORD)
    name = {V16: "AuthorizationKey", V201: "SecurityCtrlr.BasicAuthPassword"}[version]
    value = PASSWORD.encode().hex() if version == V16 else PASSWORD
    noise = (json.dumps([2, "n", "DataTransfer", {"vendorId": PASSWORD, "data": value}]), f"broken {PASSWORD}")
    authorization = basic("AC22-000001", PASSWORD)
    sequence = ACCEPTANCE[OcppVersion(version)]
    with (
        bench.server.expect(expected) as visit,
        bench.station(None, version=version, authorization=authorization, noise=noise) as station,
    ):
        run_sequence(visit, sequence[:4], settings={name: value}, deadline=Deadline(30))
        with pytest.raises(UnitError, match="can be read") as caught:  # this station shows what was set
            run_sequence(visit, sequence[2:3], settings={}, deadline=Deadline(30))
    assert station.settings[name] == value
    seen = [caplog.text, visit.transcript().data.decode(), repr(visit.results), repr(expected), str(caught.value)]
    assert REDACTED in seen[1]
    for secret in (PASSWORD, value, authorization.removeprefix("Basic ")):
        assert secret not in "".join(seen)
