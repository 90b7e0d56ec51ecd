"""Each look at the factory's network against real peers: what is right passes, and what is wrong is named (P10)."""

import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from station.clock import Deadline
from station.errors import ServiceError
from station.preflight.probes import ask_name_server, ask_time, authenticate, link, resolve
from tests.preflight.certificates import Authority

Answer = Callable[[bytes], bytes | None]
NAME = "csms.ship.example"


@contextmanager
def udp(answer: Answer) -> Iterator[int]:
    """Answer datagrams until the block ends, and yield the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    data, peer = server.recvfrom(2048)
                except TimeoutError:
                    continue
                if (reply := answer(data)) is not None:
                    server.sendto(reply, peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stop.set()
            thread.join(5)


@contextmanager
def tls(context: ssl.SSLContext) -> Iterator[int]:
    """Serve TLS until the block ends, and yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                    connection.settimeout(30)
                    with context.wrap_socket(connection, server_side=True) as client:
                        client.recv(1)
                except OSError:
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stop.set()
            thread.join(5)


# Time


def time_server(*, stratum: int = 2, off: float = 0.0, token: bytes = b"") -> Answer:
    def answer(query: bytes) -> bytes:
        now = time.time() + off + 2_208_988_800
        stamp = struct.pack("!2I", int(now), int(now % 1 * 2**32))
        return struct.pack("!BBBb", 0x24, stratum, 6, -20) + bytes(20) + (token or query[40:48]) + stamp + stamp

    return answer


def test_a_time_server_tells_how_far_the_clock_is_off() -> None:
    with udp(time_server(off=-1.5)) as port:
        said = ask_time("127.0.0.1", Deadline(30), port)
    assert re.fullmatch(r"stratum 2, this clock \+1\d\d\d ms", said)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"off": 3600.0}, r"clock differs by -(3600|3599)\.\d s"),
        ({"stratum": 0}, "not synchronised"),
        ({"stratum": 16}, "not synchronised"),
        ({"token": b"somebody"}, "does not answer"),
    ],
)
def test_a_wrong_time_server_is_named(wrong: dict[str, object], told: str) -> None:
    """A kiss of death, a free-running clock, and an answer to another's question count for nothing."""
    with udp(time_server(**wrong)) as port, pytest.raises(ServiceError, match=told):  # type: ignore[arg-type]
        ask_time("127.0.0.1", Deadline(2), port)


# Names


def name_server(*, code: int = 0, count: int = 1, number: bytes = b"") -> Answer:
    def answer(query: bytes) -> bytes:
        assert query[12:].startswith(b"\x04csms\x04ship\x07example\0\0\x01\0\x01")
        return (number or query[:2]) + struct.pack("!5H", 0x8180 | code, 1, count, 0, 0) + query[12:]

    return answer


def test_a_name_server_that_knows_the_name() -> None:
    with udp(name_server()) as port:
        assert ask_name_server("127.0.0.1", NAME, Deadline(30), port) == f"127.0.0.1 knows {NAME}"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"code": 3, "count": 0}, r"no address .*code 3"), ({"count": 0}, "no address"), ({"number": b"zz"}, "answer")],
)
def test_a_name_server_that_does_not_help_is_named(wrong: dict[str, object], told: str) -> None:
    with udp(name_server(**wrong)) as port, pytest.raises(ServiceError, match=told):  # type: ignore[arg-type]
        ask_name_server("127.0.0.1", NAME, Deadline(2), port)


def test_names_of_this_computer_resolve_and_others_do_not() -> None:
    assert "127.0.0.1" in resolve("localhost", Deadline(5))
    with pytest.raises(ServiceError, match=r"csms\.invalid is not resolved"):
        resolve("csms.invalid", Deadline(5))


def test_a_resolver_that_hangs_holds_up_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look ends by its deadline, whatever this computer's resolver does."""
    given_up, asked = threading.Event(), socket.getaddrinfo

    def hanging(host: str, *rest: Any, **more: Any) -> Any:
        if host != NAME:
            return asked(host, *rest, **more)
        given_up.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "answered late")

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    looks: list[Callable[[], str]] = [
        lambda: ask_time(NAME, Deadline(0.2)),
        lambda: ask_name_server(NAME, NAME, Deadline(0.2)),
        lambda: authenticate(NAME, 443, b"", Deadline(0.2)),
    ]
    for look in looks:
        with pytest.raises(ServiceError, match=r"not resolved: no answer within 0\.2 s"):
            look()
    given_up.set()


# Link


@pytest.mark.parametrize(("carrier", "ready"), [("1", True), ("0", False)])
def test_a_link_is_a_carrier(tmp_path: Path, carrier: str, ready: bool) -> None:
    for name, said in {"lo": "1", "eth0": carrier}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "carrier").write_text(f"{said}\n")
        (tmp_path / name / "operstate").write_text("up\n")
    if ready:
        assert link(tmp_path) == "eth0 (up)"
        return
    with pytest.raises(ServiceError, match=r"no network interface has a carrier \(eth0\)"):
        link(tmp_path)


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority("Field Root", tmp_path)


def test_a_server_proves_itself_without_any_certificate_of_ours(authority: Authority) -> None:
    """F-K8: the production endpoint is reached and known, and nobody logs in."""
    with tls(authority.server(NAME)) as port:
        assert authenticate(NAME, port, authority.pem, Deadline(30), "127.0.0.1").startswith("TLSv1.3")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_demands_a_certificate_has_proven_itself_before(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    """F-K8: in TLS 1.2 the handshake ends with an alert; the server's own certificate was judged by then."""
    context = authority.server(NAME)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.pem.decode())
    with tls(context) as port:
        said = authenticate(NAME, port, authority.pem, Deadline(30), "127.0.0.1")
    assert ("nobody shows here" in said) is (version is ssl.TLSVersion.TLSv1_2)


def test_a_server_of_another_root_or_name_is_refused(authority: Authority, tmp_path: Path) -> None:
    """P05: a name that leads to the bench, or a proxy in between, is no production endpoint."""
    stranger = Authority("Other Root", tmp_path)
    with tls(stranger.server(NAME)) as port, pytest.raises(ServiceError, match="chargers would refuse"):
        authenticate(NAME, port, authority.pem, Deadline(30), "127.0.0.1")
    with tls(authority.server("another.example")) as port, pytest.raises(ServiceError, match="chargers would refuse"):
        authenticate(NAME, port, authority.pem, Deadline(30), "127.0.0.1")


def test_a_server_that_ends_tls_before_its_certificate_has_not_proven_itself(authority: Authority) -> None:
    """The same alert as of one that demands a certificate: what it proves, it must have proven before."""
    context = authority.server(NAME)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
    with tls(context) as port, pytest.raises(ServiceError, match="ends TLS"):
        authenticate(NAME, port, authority.pem, Deadline(30), "127.0.0.1")


def test_a_name_with_an_address_where_nobody_is_leads_to_the_other_one(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.9", "127.0.0.1")]
    asked = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: found if host == NAME else asked(host, *rest, **more)
    )
    with tls(authority.server(NAME)) as port:
        assert authenticate(NAME, port, authority.pem, Deadline(30)).startswith("TLSv1.3")


def test_nobody_there_is_named_with_the_port(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServiceError, match="is not reached: Connection refused") as caught:
        authenticate(NAME, port, authority.pem, Deadline(30), "127.0.0.1")
    assert caught.value.hint == f"Ask IT to open TCP port {port} to it."
