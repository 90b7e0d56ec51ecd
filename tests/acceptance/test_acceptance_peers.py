"""Programs of others: a station and a server on another OCPP stack with strict schemas, and a connection tester.

None of them shares a line with the acceptance server or the simulated charger, so an error of ours is not repeated.
"""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from acceptance_pki import issue
from acceptance_station import V16, V201
from test_acceptance_charger import Device, running

from station.acceptance import Exam, adjusted, for_product, run_checks, with_anchor_replacement
from station.acceptance.fixture import NoFixture
from station.acceptance.sequence import ignore_progress
from station.catalog.acceptance import Acceptance, Need, Terms
from station.clock import Deadline
from station.errors import UnitError
from station.model import Environment, Outcome

V21 = "ocpp2.1"
PEERS = Path(__file__).parent.parent / "peers"
VERSIONS = pytest.mark.parametrize("version", [V16, V201, V21])


class Peer:
    """A program of `tests/peers` at work; what it prints comes as JSON lines."""

    def __init__(self, script: str, config: dict[str, Any], directory: Path) -> None:
        file = directory / f"{script}.json"
        file.write_text(json.dumps(config))
        command = ["node", str(PEERS / f"{script}.mjs"), str(file)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen(command, text=True, **pipes)
        self.lines: list[dict[str, Any]] = []
        self.queue: queue.Queue[dict[str, Any]] = queue.Queue()
        self.thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "Peer":
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait(10)
        self.thread.join(10)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            line = json.loads(text) if text.startswith("{") else {"text": text}
            self.lines.append(line)
            self.queue.put(line)

    def wait(self, key: str) -> Any:
        """Return the value of the next line that has a key."""
        deadline = Deadline(90)
        while True:
            line = self.queue.get(timeout=deadline.remaining)
            if key in line:
                return line[key]

    def said(self, key: str) -> list[Any]:
        return [line[key] for line in self.lines if key in line]

    def tell(self, **line: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()


class Plug(NoFixture):
    """A simulated vehicle at the outlets of a foreign station."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def vehicle(self, outlet: Any, *, plugged: bool, deadline: Deadline) -> None:
        self.peer.tell(outlet=outlet.evse, plugged=plugged)


PLAN = Acceptance(
    checks={"power cycle": Terms(Need.LEFT_OUT, "The bench has no relay.")},
    vehicle="{letter}",
    security_events=("StartupOfTheDevice",),
    offline_seconds=0.3,
)
GOLDEN = {
    V16: {"NumberOfConnectors": "2", "CertificateStoreMaxLength": "8"},
    V201: {"SecurityCtrlr.SecurityProfile": "3", "ClockCtrlr.TimeSource": "Heartbeat"},
}
GOLDEN[V21] = GOLDEN[V201]


def examine(bench: Any, visit: Any, peer: Peer, limits: dict[str, float]) -> tuple[Any, ...]:
    """Lead a foreign station through everything that can be proven without a relay."""
    root, renewal = bench.bench_root.pem, bench.renewal()
    exam = Exam(
        visit,
        {},
        Deadline(90),
        owner=renewal.organization,
        renewal=renewal,
        plan=replace(PLAN, golden=GOLDEN[visit.expected.version.value]),
        fixture=Plug(peer),
        roots=root,
    )
    checks = with_anchor_replacement(for_product(PLAN), bench.roots[Environment.SHIP].pem)
    return run_checks(adjusted(checks, limits), exam, ignore_progress)


def station(bench: Any, credential: Any, version: str, **options: Any) -> Peer:
    root = bench.directory / "bench-root.pem"
    root.write_bytes(bench.bench_root.pem)
    config = {
        "endpoint": f"wss://localhost:{bench.server.port(Environment.TEST)}/ocpp",
        "directory": str(bench.directory / "peer"),
        "ca": str(root),
        "cert": str(credential.chain_file),
        "key": str(credential.key_file),
        "identity": "AC22-000001",
        "serial": "AC22-000001",
        "version": version,
        "vendor": "Example Chargers",
        "model": "AC22",
        "firmware": "1.4.0",
        "connectors": 2,
        **options,
    }
    return Peer("station", config, bench.directory)


@VERSIONS
def test_a_station_of_another_stack_passes(bench: Any, version: str) -> None:
    """Security profile 3 and every check but the power cut; its strict schemas object to nothing of ours."""
    credential = bench.credential()
    with bench.server.expect(bench.expected(credential, version)) as visit, station(bench, credential, version) as peer:
        results = examine(bench, visit, peer, {})
    not_performed = [result.name for result in results if result.outcome is not Outcome.PASS]
    assert not_performed == ["power cycle"]
    assert visit.findings == ()
    assert peer.said("breach") == []


@pytest.mark.parametrize("version", [V16, V201])
@pytest.mark.parametrize("lie", ["ChangeAvailability", "ChangeConfiguration SetVariables", "Reset"])
def test_a_station_of_another_stack_that_lies_fails(bench: Any, version: str, lie: str) -> None:
    """It accepts a command, by the schema, and does nothing; the word is right in every frame."""
    credential = bench.credential()
    with (
        bench.server.expect(bench.expected(credential, version)) as visit,
        station(bench, credential, version, lies=lie.split()) as peer,
        pytest.raises(UnitError, match=r"accepted .* but nothing changed"),
    ):
        examine(bench, visit, peer, {"settings": 1, "availability": 1, "reset": 1})
    assert visit.findings == ()


@pytest.mark.parametrize("version", [V16, V201])
def test_the_connection_tester_connects(bench: Any, version: str) -> None:
    """PyPI's `test-ocpp`: TLS with the unit's certificate, BootNotification and Heartbeat."""
    credential = bench.credential()
    root = bench.directory / "bench-root.pem"
    root.write_bytes(bench.bench_root.pem)
    url = f"wss://localhost:{bench.server.port(Environment.TEST)}/ocpp"
    files = ("--cert", credential.chain_file, "--key", credential.key_file, "--ca", root)
    names = ("--vendor", "Example Chargers", "--model", "AC22", "--ocpp", version.removeprefix("ocpp"))
    command = [sys.executable, "-m", "test_ocpp", url, "AC22-000001", *map(str, files), *names]
    with bench.server.expect(bench.expected(credential, version)) as visit:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.endswith("SUCCESS\n"), done.stdout
    assert [message.action for message in visit.messages()] == ["BootNotification", "Heartbeat"]


COMMANDS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    V16: [
        ("GetConfiguration", {}),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "120"}),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}),
        ("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 2}),
        ("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}),
        ("UnlockConnector", {"connectorId": 1}),
        ("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}),
        ("GetInstalledCertificateIds", {"certificateType": "CentralSystemRootCertificate"}),
        ("RemoteStartTransaction", {"connectorId": 2, "idTag": "TEST"}),
        ("GetLocalListVersion", {}),
        ("ClearCache", {}),
        ("ClearChargingProfile", {}),
    ],
    V201: [
        ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}),
        (
            "GetVariables",
            {"getVariableData": [{"component": {"name": "ClockCtrlr"}, "variable": {"name": "DateTime"}}]},
        ),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}}),
        ("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 2}}),
        ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 1, "connectorId": 1}}),
        ("UnlockConnector", {"evseId": 1, "connectorId": 1}),
        ("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}),
        ("GetInstalledCertificateIds", {"certificateType": ["CSMSRootCertificate"]}),
        ("RequestStartTransaction", {"evseId": 2, "remoteStartId": 1, "idToken": {"idToken": "T", "type": "Central"}}),
        ("GetLocalListVersion", {}),
        ("ClearCache", {}),
        ("ClearChargingProfile", {"chargingProfileCriteria": {"chargingProfilePurpose": "TxProfile"}}),
    ],
}
COMMANDS[V21] = COMMANDS[V201]


@contextlib.contextmanager
def foreign_server(bench: Any, version: str) -> Iterator[Peer]:
    served, roots = issue(bench.directory, "csms", bench.bench_root), bench.directory / "units.pem"
    roots.write_bytes(bench.roots[Environment.TEST].pem)
    files = {"cert": str(served.chain_file), "key": str(served.key_file), "ca": str(roots)}
    config = {**files, "version": version, "identity": "AC22-000001", "commands": COMMANDS[version]}
    with Peer("csms", config, bench.directory) as peer:
        yield peer


@VERSIONS
def test_a_server_with_strict_schemas_accepts_the_simulated_charger(bench: Any, version: str) -> None:
    credential = bench.credential()
    with foreign_server(bench, version) as peer:
        device = Device(credential, peer.wait("port"), bench.bench_root.pem, version)
        with running(device):
            peer.wait("done")
    assert peer.said("breach") == []
    assert peer.said("error") == []
    assert "NotifyEvent" in peer.said("message") if version == V21 else "StatusNotification" in peer.said("message")
