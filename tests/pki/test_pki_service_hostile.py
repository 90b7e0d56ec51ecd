"""What clients send or withhold harms their own connection only; another client is answered meanwhile."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.x509 import ocsp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from pki.environment import Plant
from pki.issue import Factory, open_factory
from pki.service import Limits, Options, Service
from pki.service.listener import Listener, listen

LIMITS = Limits(connections=24, per_address=16, request_seconds=3.0, connection_seconds=60.0)


@dataclass(frozen=True)
class Target:
    """A service with short times."""

    service: Service
    folder: Path

    def connect(self, *, tls: bool = False) -> socket.socket:
        """A connection; over TLS if wanted, without looking who answers."""
        plain = socket.create_connection(("127.0.0.1", self.service.ports[tls]), timeout=30)
        if not tls:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(plain)

    def get(self, path: str, *, tls: bool = False) -> int:
        """The status of a well-behaved request."""
        with closing(self.connect(tls=tls)) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            return status_of(everything(connection))

    def answers(self) -> bool:
        return self.get("/ca/test-issuing.cer") == self.get("/.well-known/est/cacerts", tls=True) == 200


def everything(connection: socket.socket) -> bytes:
    """What comes until the other end closes, in whatever way."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except (ConnectionResetError, ssl.SSLError):
        pass
    return received


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


@pytest.fixture(scope="module")
def opened(pki_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    directory = tmp_path_factory.mktemp("service") / "pki"
    shutil.copytree(pki_original, directory)
    configuration = directory / "softhsm2.conf"
    configuration.write_text(configuration.read_text().replace(str(pki_original), str(directory)))
    factory = open_factory(directory)
    yield factory
    factory.close()


@contextmanager
def serving(opened: Factory, folder: Path, limits: Limits) -> Iterator[Target]:
    """Run a service while the block runs."""
    service = Service(opened, Options(("127.0.0.1", 0), ("127.0.0.1", 0), limits=limits))
    thread = threading.Thread(target=service.run)
    thread.start()
    yield Target(service, folder)
    service.stop()
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def target(opened: Factory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with serving(opened, tmp_path_factory.mktemp("crl"), LIMITS) as running:
        yield running


UNFINISHED = (
    b"",
    b"GET /ca/test-issuing.cer HT",
    b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123",
    b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n",
)


@pytest.mark.parametrize("tls", [False, True])
def test_unfinished_requests_are_closed_and_others_are_answered(target, tls):
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(target.connect(tls=tls))) for _ in UNFINISHED]
        for connection, sent in zip(slow, UNFINISHED, strict=True):
            connection.sendall(sent)
        assert target.answers()
        assert {status_of(everything(connection)) for connection in slow} <= {0, 400, 404}


def trickled(connection: socket.socket, most: int) -> int:
    """How many bytes went out, one every 50 ms, before the other end had enough."""
    for sent in range(most):
        try:
            connection.sendall(b"X")
        except OSError:
            return sent
        time.sleep(0.05)
    return most


def test_trickle_is_closed_although_it_never_pauses(target):
    with closing(target.connect()) as slow:
        slow.sendall(b"GET /")
        assert trickled(slow, 600) < 600
    assert target.answers()


def test_handshake_that_never_comes_is_closed(target):
    with closing(socket.create_connection(("127.0.0.1", target.service.ports[1]), timeout=30)) as silent:
        assert target.answers()
        assert everything(silent) == b""


@pytest.mark.parametrize(
    "head",
    [
        b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n",
        b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /ocsp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + bytes(4096) + b"\r\n",
    ],
)
def test_long_body_is_refused(target, head):
    with closing(target.connect()) as connection:
        connection.sendall(head)
        assert status_of(everything(connection)) == 413
    assert target.answers()


def test_ten_megabytes_are_not_taken(target):
    with closing(target.connect(tls=True)) as connection:
        connection.sendall(
            b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        with pytest.raises(OSError):  # noqa: PT012  # which send fails depends on the kernel's buffers
            for _ in range(1000):
                connection.sendall(b"2710\r\n" + bytes(10_000) + b"\r\n")
    assert target.answers()


@pytest.mark.parametrize(
    "flood",
    [
        b"GET /ca/test-issuing.cer HTTP/1.1\r\nHost: x\r\n" + b"X-Header: value\r\n" * 40_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 300_000,
        b"GET /" + b"y" * 300_000,
        bytes(range(256)) * 100,
        b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    ],
)
def test_flood_of_headers_is_refused(target, flood):
    with closing(target.connect()) as connection:
        with suppress(OSError):
            connection.sendall(flood)
        assert status_of(everything(connection)) in {0, 400}
    assert target.answers()


@pytest.mark.parametrize("body", [b"", b"0", os.urandom(500), b"0\x80" * 400, b"\x30\x84\xff\xff\xff\xff"])
def test_garbage_is_a_malformed_request(target, body):
    with closing(target.connect()) as connection:
        connection.sendall(f"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = everything(connection)
    assert status_of(answer) == 200
    response = ocsp.load_der_ocsp_response(answer.partition(b"\r\n\r\n")[2])
    assert response.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_one_address_can_not_take_every_place(opened, tmp_path):
    """Sixteen wait in silence; the next of the same address are closed at once, and when those go there is room."""
    patient = replace(LIMITS, request_seconds=60.0)
    with serving(opened, tmp_path, patient) as target, ExitStack() as stack:
        silent = [stack.enter_context(closing(target.connect())) for _ in range(patient.per_address)]
        late = stack.enter_context(closing(target.connect()))
        started = time.monotonic()
        assert everything(late) == b""
        assert time.monotonic() - started < patient.request_seconds / 2
        for connection in silent:
            connection.close()
        ends = time.monotonic() + 30
        while target.get("/ca/test-issuing.cer") != 200:
            assert time.monotonic() < ends
        assert target.answers()


def test_one_connection_serves_one_request(target):
    request = b"GET /ca/test-issuing.cer HTTP/1.1\r\nHost: x\r\n\r\n"
    with closing(target.connect()) as connection:
        connection.sendall(request * 50)
        assert everything(connection).count(b"HTTP/1.1 200") == 1


async def endless(request: Request) -> StreamingResponse:
    async def zeros():
        while True:
            yield bytes(10_000)
            await asyncio.sleep(0.01)

    return StreamingResponse(zeros())


def test_answer_is_cut_at_the_end_of_its_connection():
    """Whoever reads slowly, or never, gives the only place free in the end."""
    limits = Limits(connections=1, connection_seconds=1.0)
    listener = Listener(Starlette(routes=[Route("/", endless)]), listen(("127.0.0.1", 0)), limits, None)
    thread = threading.Thread(target=lambda: asyncio.run(listener.serve()))
    thread.start()
    with closing(socket.create_connection(("127.0.0.1", listener.port), timeout=30)) as never_reads:
        never_reads.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with closing(socket.create_connection(("127.0.0.1", listener.port), timeout=30)) as waits:
            waits.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status_of(waits.recv(1000)) == 200
            everything(waits)
    listener.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def test_openssl_and_gnutls_shake_hands_without_a_certificate(target, opened):
    """The server shows the plant's certificate and offers no resumption."""
    port = target.service.ports[1]
    roots = target.folder / "roots.pem"
    roots.write_bytes(opened.client_roots(Plant))
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(roots), "-verify_return_error"]
    name = ["-servername", "pki.factory.example", "-verify_hostname", "pki.factory.example"]
    done = subprocess.run([*command, *name], check=False, input=b"", capture_output=True, timeout=30)
    assert b"Verify return code: 0 (ok)" in done.stdout
    assert b"Session-ID: \n" in done.stdout or b"New Session Ticket" not in done.stdout
    gnutls = ["gnutls-cli", "-p", str(port), "--x509cafile", str(roots), "--verify-hostname", "pki.factory.example"]
    done = subprocess.run([*gnutls, "127.0.0.1"], check=False, input=b"", capture_output=True, timeout=30)
    assert b"Handshake was completed" in done.stdout
