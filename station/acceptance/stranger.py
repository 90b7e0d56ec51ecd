"""A server that no charger may trust: what becomes of a charger that is sent there shows whether it looks (F-H2).

It bears the right name and a certificate of a root that nobody knows, made for this one use and never written down in
clear. Each unit gets a port of its own, so whoever comes is that unit.
"""

import datetime as dt
import secrets
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import NameOID

from station.clock import Deadline, utc_now
from station.errors import Service, ServiceError

LIFE = dt.timedelta(hours=1)
"""How long the certificate is good, before and after now: a charger's clock may be off."""
PATIENCE_SECONDS = 10.0
"""Time of one connection for its handshake."""
_TLS_HANDSHAKE = b"\x16"
_REFUSALS = ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "UNSUPPORTED_CERTIFICATE", "ACCESS_DENIED",
             "ALERT_HANDSHAKE_FAILURE")  # fmt: skip
_POLL_SECONDS = 0.2


class Sight(StrEnum):
    """What a charger did at a server that it must not trust."""

    REFUSED = "refused"
    """It began TLS, saw the certificate and broke off."""
    TRUSTED = "trusted"
    """It finished the handshake."""
    PLAIN = "plain"
    """It spoke without TLS."""


class Stranger:
    """The server: it listens from its creation until it is closed, and keeps what it saw."""

    def __init__(self, host: str, context: ssl.SSLContext) -> None:
        """Listen on a free port of an address.

        Raises:
            ServiceError: The address is not ours.
        """
        self._context = context
        self._changed = threading.Condition()
        self._seen: list[Sight] = []
        self._closing = threading.Event()
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, 0), family=family)
        except OSError as error:
            told = f"No server for a charger's refusal can listen on {host}: {error.strerror}."
            raise ServiceError(Service.NETWORK, told, hint="Correct acceptance.host in station.toml.") from error
        self._listener.settimeout(_POLL_SECONDS)
        self._thread = threading.Thread(target=self._serve, name="stranger", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Return the TCP port."""
        return int(self._listener.getsockname()[1])

    def wait(self, deadline: Deadline) -> Sight | None:
        """Return the worst that was seen as soon as anything was, or None where nobody came until the deadline."""
        with self._changed:
            self._changed.wait_for(lambda: self._seen, deadline.remaining)
            return max(self._seen, key=list(Sight).index, default=None)

    def close(self) -> None:
        """Stop to listen."""
        self._closing.set()
        self._thread.join(PATIENCE_SECONDS)
        self._listener.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
                with connection:
                    self._take(connection)
            except TimeoutError:
                continue
            except OSError:
                self._closing.wait(_POLL_SECONDS)

    def _take(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_SECONDS)
        sight = self._look(connection)
        if sight is not None:
            with self._changed:
                self._seen.append(sight)
                self._changed.notify_all()

    def _look(self, connection: socket.socket) -> Sight | None:
        """Let a client speak first; one that says nothing is not one that was sent here."""
        first = connection.recv(1, socket.MSG_PEEK)
        if first != _TLS_HANDSHAKE:
            return Sight.PLAIN if first else None
        try:
            self._context.wrap_socket(connection, server_side=True).close()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
            return Sight.REFUSED
        except ssl.SSLError as error:
            return Sight.REFUSED if any(alert in (error.reason or "") for alert in _REFUSALS) else None
        return Sight.TRUSTED


@contextmanager
def stranger(host: str, name: str) -> Iterator[Stranger]:
    """Run such a server on an address of ours, under the name by which the charger is sent there.

    Raises:
        ServiceError: The address is not ours.
    """
    server = Stranger(host, _context(name))
    try:
        yield server
    finally:
        server.close()


def _context(name: str) -> ssl.SSLContext:
    root, leaf = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    issuer = _named("Not a root that anybody trusts")
    certificate = _certificate(name, leaf, issuer, root)
    chain = certificate + _certificate("", root, issuer, root)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    passphrase = secrets.token_hex(24)
    form = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    with tempfile.NamedTemporaryFile(prefix="stranger-") as file:
        # The interface of `ssl` takes files only; who reads this one without the passphrase has nothing.
        file.write(chain + leaf.private_bytes(*form))
        file.flush()
        context.load_cert_chain(Path(file.name), password=passphrase)
    return context


def _certificate(name: str, key: EllipticCurvePrivateKey, issuer: x509.Name, signer: EllipticCurvePrivateKey) -> bytes:
    """Return a certificate (PEM): of the root itself where it has no name, of a server otherwise."""
    now = utc_now()
    builder = x509.CertificateBuilder(issuer, _named(name) if name else issuer, key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - LIFE).not_valid_after(now + LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=not name, path_length=None), critical=True)
    if name:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
