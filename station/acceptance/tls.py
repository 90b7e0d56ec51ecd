"""TLS as OCPP demands it, and the eyes that see a connection before the WebSocket library does.

# Ref: OCPP 2.0.1 part 2, A00.FR.3xx: TLS 1.2 or higher, forward secrecy, client certificates for profile 3.

Clients of both environments are let through TLS, so that a unit which tries the wrong persona is known by its
certificate. That admits nobody: admission compares the certificate with the one issued, to the byte.
"""

import hashlib
import socket
import ssl
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from asn1crypto import x509

from station.acceptance.attempts import AttemptLog
from station.acceptance.contract import PersonaConfig
from station.errors import ConfigError, Service, ServiceError
from station.model import Environment

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_BACKLOG = 128


@dataclass(frozen=True)
class PeerCertificate:
    """The client certificate of a finished handshake; its chain and dates were checked by TLS."""

    common_name: str
    serial: str
    """Hexadecimal, lower case, no leading zeros."""
    sha256: str
    """Of the DER, hexadecimal, lower case."""
    key_sha256: str
    """Of the SubjectPublicKeyInfo, hexadecimal, lower case."""


@dataclass(frozen=True)
class Sighting:
    """One connection attempt, where everything that serves the connection can reach it."""

    log: AttemptLog
    number: int

    def learned(self, verdict: str, *, owner: str = "", claimed: str = "", settled: bool = False) -> None:
        """Write down what became known of the attempt."""
        self.log.learned(self.number, verdict, owner=owner, claimed=claimed, settled=settled)


SIGHTING: ContextVar[Sighting] = ContextVar("sighting")
"""Set where a connection is accepted; asyncio hands it on to the handshake and to the handler of that connection."""


class Listener(socket.socket):
    """A listening socket that notes each connection where it is accepted, with its address."""

    def __init__(self, family: int, environment: Environment, log: AttemptLog, half_open: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._environment = environment
        self._attempts = log
        self._half_open = half_open

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection and note the attempt; one too many from its address is closed at once.

        Raises:
            ConnectionAbortedError: It was closed, which asyncio takes for a connection that went by itself.
        """
        connection, address = super().accept()
        local, crowd = connection.getsockname()[0] == address[0], self._attempts.half_open(str(address[0]))
        number = self._attempts.opened(self._environment, str(address[0]), local=local)
        sighting = Sighting(self._attempts, number)
        if crowd >= self._half_open:
            sighting.learned("too many half-open connections from this address", settled=True)
            connection.close()
            raise ConnectionAbortedError
        SIGHTING.set(sighting)
        return connection, address


class WatchedTls(ssl.SSLObject):
    """A handshake that tells the attempt log how it ended and who came."""

    peer: PeerCertificate | None = None
    """The client's certificate, once the handshake is over."""

    def do_handshake(self) -> None:
        """Go on with the handshake."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            SIGHTING.get().learned(f"TLS failed: {error.reason}", settled=True)
            raise
        self.peer = _peer_certificate(self)
        SIGHTING.get().learned("no HTTP request", owner=self.peer.common_name if self.peer else "")


def listen(host: str, persona: PersonaConfig, log: AttemptLog, half_open: int) -> socket.socket:
    """Open the listening socket of a persona, whose accepted connections are noted as attempts.

    Raises:
        ServiceError: The address is not ours or the port is taken.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, persona.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        listener = Listener(family, persona.persona, log, half_open)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        raise ServiceError(
            Service.NETWORK,
            f"The acceptance server cannot listen on {host}:{persona.port}: {error.strerror}.",
            hint="Stop what uses the port, or change acceptance in station.toml.",
        ) from error
    return listener


def server_context(persona: PersonaConfig, client_roots: Sequence[bytes]) -> ssl.SSLContext:
    """Build the TLS context of a persona, trusting the client roots of every environment.

    Raises:
        ConfigError: The certificate, its key or a root cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0  # no resumption: each connection proves its key anew
    context.verify_mode = ssl.CERT_OPTIONAL  # profile 2 has none; admission insists on it for profile 3
    context.sslobject_class = WatchedTls
    _load(context, persona, client_roots)
    return context


def _load(context: ssl.SSLContext, persona: PersonaConfig, client_roots: Sequence[bytes]) -> None:
    where = f"acceptance server, persona {persona.persona}"
    try:
        # A callable, so that an encrypted key without a password is an error and not a question at the terminal.
        context.load_cert_chain(persona.chain_file, persona.key_file, lambda: persona.key_password or "")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{where}: {persona.chain_file} with {persona.key_file}: {error}") from error
    try:
        for roots in client_roots:
            context.load_verify_locations(cadata=roots.decode("ascii"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{where}: the client roots cannot be read: {error}") from error


def _peer_certificate(tls: ssl.SSLObject) -> PeerCertificate | None:
    """Return the verified client certificate of a finished handshake, or None where there was none."""
    der, fields = tls.getpeercert(binary_form=True), tls.getpeercert()
    if not der or not fields:
        return None
    subject: Any = fields.get("subject", ())
    names = [value for relative in subject for name, value in relative if name == "commonName"]
    serial = f"{int(str(fields['serialNumber']), 16):x}"
    return PeerCertificate(
        common_name=names[0] if len(names) == 1 else "",
        serial=serial,
        sha256=hashlib.sha256(der).hexdigest(),
        key_sha256=hashlib.sha256(x509.Certificate.load(der).public_key.dump()).hexdigest(),
    )
