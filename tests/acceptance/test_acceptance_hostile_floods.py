"""Stations that flood the server, each on a way of its own: they end themselves, and nobody else notices."""

import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from acceptance_pki import issue
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from station.acceptance import ACCEPTANCE, AcceptanceServer, ServerConfig, run_sequence
from station.acceptance.attempts import AttemptLog
from station.clock import Deadline
from station.errors import UnitError
from station.model import Environment, OcppVersion
from tests.acceptance.conftest import LIMITS, Bench, personas

NAMES = frozenset({"AC22-000001"})
ELSEWHERE = ("127.0.0.2", 0)


def endless(frame: str) -> Iterator[str]:
    while True:
        yield frame


def pings(link: ClientConnection) -> None:
    while True:
        link.ping()


def fragments(link: ClientConnection) -> None:
    """Begin a message, and never end it."""
    link.send(endless(""))


def frames(text: str) -> Callable[[ClientConnection], None]:
    def flood(link: ClientConnection) -> None:
        for frame in endless(text):
            link.send(frame)

    return flood


FLOODS = {
    "pings": (pings, "WebSocket frames without end"),
    "fragments": (fragments, "WebSocket frames without end"),
    "garbage": (frames("nonsense"), "floods the server"),
    "answers": (frames('[3,"x",{}]'), "floods the server"),
    "unknown actions": (frames('[2,"x","Nonsense",{}]'), "floods the server"),
    "large messages": (frames(json.dumps([2, "x", "DataTransfer", {"data": "x" * 50_000}])), "more than 1000000 bytes"),
    "one message of 10 MB": (frames("x" * 10_000_000), "larger than 65536 bytes"),
}


def flood(bench: Any, kind: str, serial: str = "AC22-000001") -> str:
    """Let a unit flood the server until it is cut off, and return why it failed."""
    act, _ = FLOODS[kind]
    credential = bench.credential(serial)
    expected = bench.expected(credential, serial=serial, identity=serial)
    with bench.server.expect(expected) as visit:
        with (
            contextlib.suppress(ConnectionClosed, OSError),
            bench.station(credential, serial=serial, identity=serial).open() as link,
        ):
            act(link)
        with pytest.raises(UnitError) as caught:
            visit.until(lambda: None, Deadline(20))
    return str(caught.value.message)


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_the_one_who_floods(bench: Any, kind: str) -> None:
    bench.server.adopt(replace(LIMITS, traffic_bytes=1_000_000))
    assert FLOODS[kind][1] in flood(bench, kind)


def examine(bench: Any, number: int) -> bool:
    serial = f"AC22-1{number:05}"
    credential = bench.credential(serial)
    with (
        bench.server.expect(bench.expected(credential, serial=serial, identity=serial)) as visit,
        bench.station(credential, serial=serial, identity=serial),
    ):
        sequence = ACCEPTANCE[OcppVersion.V201]
        run_sequence(visit, sequence, settings={}, deadline=Deadline(100), renewal=bench.renewal(serial))
    return True


def test_good_units_pass_while_others_flood(bench: Any) -> None:
    """Design 7.11: seven floods at once, beside four units that go through the whole sequence."""
    bench.server.adopt(replace(LIMITS, traffic_bytes=1_000_000))
    with ThreadPoolExecutor(len(FLOODS) + 4) as pool:
        good = [pool.submit(examine, bench, number) for number in range(4)]
        bad = {kind: pool.submit(flood, bench, kind, f"BAD-{n}") for n, kind in enumerate(FLOODS)}
        assert all(unit.result() for unit in good)
    for kind, reason in bad.items():
        assert FLOODS[kind][1] in reason.result()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Any]:
    """A bench that bears five half-open connections of an address."""
    roots = {environment: issue(tmp_path, f"{environment} root") for environment in Environment}
    root = issue(tmp_path, "bench root")
    limits = replace(LIMITS, half_open=5)
    server = AcceptanceServer(ServerConfig("127.0.0.1", personas(tmp_path, roots, root), limits))
    server.start()
    yield Bench(tmp_path, roots, root, server)
    server.stop()


def test_half_open_sockets_harm_their_own_address_only(small: Any) -> None:
    """Five wait in silence; the sixth is closed at once, and a unit from elsewhere passes meanwhile."""
    address = ("127.0.0.1", small.server.port(Environment.TEST))
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(socket.create_connection(address, 30, ELSEWHERE))
        sixth = stack.enter_context(socket.create_connection(address, 30, ELSEWHERE))
        assert sixth.recv(1) == b""
        assert examine(small, 1)
    reasons = [attempt.verdict for attempt in small.server.attempts.latest(Environment.TEST)]
    assert reasons.count("too many half-open connections from this address") == 1


def test_a_slow_header_is_cut_off(small: Any) -> None:
    """One byte now and then keeps nobody's place."""
    context = ssl.create_default_context(cadata=small.bench_root.pem.decode())
    with (
        socket.create_connection(("127.0.0.1", small.server.port(Environment.TEST)), 30) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        tls.settimeout(0.2)
        deadline = Deadline(30)
        with contextlib.suppress(OSError):
            for byte in endless("GET /ocpp/AC22-000001 HTTP/1.1\r\nX-Y: z\r\n"):
                tls.send(byte[:1].encode())
                with contextlib.suppress(TimeoutError):
                    assert tls.recv(1) == b""
                    break
    assert not deadline.expired


def test_attempts_without_number_push_nobody_elses_out() -> None:
    """One that knocks for ever is remembered as one that knocks, and the watch of another unit can still be proven."""
    log = AttemptLog(size=200)
    since = log.mark()
    log.learned(log.opened(Environment.TEST, "10.0.0.8"), "admitted", owner="AC22-000001", settled=True)
    for _ in range(1_000):
        log.learned(log.opened(Environment.TEST, "10.0.0.9"), "nobody expects", owner="AC22-000009", settled=True)
    assert len(log.of_unit(Environment.TEST, NAMES, since)) == 1
    assert 0 < len(log.of_unit(Environment.TEST, frozenset({"AC22-000009"}), since)) < 200


def test_claims_of_many_names_are_forgotten_and_said_so() -> None:
    """Whoever invents names pushes others out at last; then nothing is proven, which is an error of ours."""
    log = AttemptLog(size=50)
    for number in range(60):
        log.learned(log.opened(Environment.TEST, "10.0.0.9"), "nobody", claimed=f"X{number}", settled=True)
    assert len(log.latest(Environment.TEST)) == 50
    with pytest.raises(Exception, match="More than 50 connection attempts"):
        log.of_unit(Environment.TEST, NAMES, 0)
