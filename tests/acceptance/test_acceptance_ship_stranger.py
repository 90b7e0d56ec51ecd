"""A server that no charger may trust sees what each kind of charger does (F-H2)."""

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acceptance_pki import issue

from station.acceptance import Sight, Stranger, stranger
from station.clock import Deadline

NAME = "csms.test.example"


@pytest.fixture
def server() -> Iterator[Stranger]:
    with stranger("127.0.0.1", NAME) as running:
        yield running


def dial(server: Stranger, context: ssl.SSLContext) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        context.wrap_socket(connection, server_hostname=NAME).close()


def trusting(root: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=root.decode())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_that_looks_is_seen_to_refuse(server: Stranger, version: ssl.TLSVersion, tmp_path: Path) -> None:
    context = trusting(issue(tmp_path, "root").pem)
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get local issuer"):
        dial(server, context)
    assert server.wait(Deadline(30)) is Sight.REFUSED


@pytest.mark.parametrize("farewell", [b"\x15\x03\x03\x00\x02\x01\x00", b""], ids=["close_notify", "nothing"])
def test_a_client_that_goes_without_an_alert_is_seen_to_refuse(
    server: Stranger, farewell: bytes, tmp_path: Path
) -> None:
    """Some stacks, asyncio of Python 3.11.2 among them, close the connection in good manners instead (RFC 5246 7.2)."""
    context = trusting(issue(tmp_path, "root").pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    heard, told = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(heard, told, server_hostname=NAME)
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        with pytest.raises(ssl.SSLCertVerificationError):
            _shake_hands(tls, connection, heard, told)
        connection.sendall(farewell)
    assert server.wait(Deadline(30)) is Sight.REFUSED


def _shake_hands(tls: ssl.SSLObject, connection: socket.socket, heard: ssl.MemoryBIO, told: ssl.MemoryBIO) -> None:
    while True:
        try:
            return tls.do_handshake()
        except ssl.SSLWantReadError:
            connection.sendall(told.read())
            heard.write(connection.recv(65536))


def test_the_certificate_bears_the_right_name(server: Stranger) -> None:
    """So that a client refuses it for its root, and not for its name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", server.port), 5) as connection,
        context.wrap_socket(connection, server_hostname=NAME) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    assert NAME.encode() in der


def test_a_client_that_does_not_look_is_seen(server: Stranger) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    dial(server, context)
    assert server.wait(Deadline(30)) is Sight.TRUSTED


def _says(words: bytes) -> Callable[[Stranger], None]:
    def speak(server: Stranger) -> None:
        with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
            connection.sendall(words)

    return speak


def test_a_client_without_tls_is_seen(server: Stranger) -> None:
    _says(b"GET /ocpp/AC22-000001 HTTP/1.1\r\n\r\n")(server)
    assert server.wait(Deadline(30)) is Sight.PLAIN


def test_who_says_nothing_was_not_sent_here_and_the_worst_counts(server: Stranger, tmp_path: Path) -> None:
    _says(b"")(server)
    assert server.wait(Deadline(0.3)) is None
    _says(b"GET / HTTP/1.1\r\n\r\n")(server)
    with pytest.raises(ssl.SSLError):
        dial(server, trusting(issue(tmp_path, "root").pem))
    assert server.wait(Deadline(30)) is Sight.PLAIN


def test_what_ends_before_the_certificate_proves_no_refusal(server: Stranger) -> None:
    """A client that would trust anybody, and offers no cipher of ours, was not seen to look."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError):
        dial(server, context)
    _says(b"\x16garbage that is no handshake of any version")(server)
    assert server.wait(Deadline(0.5)) is None
