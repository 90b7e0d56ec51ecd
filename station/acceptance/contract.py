"""What the acceptance server is told: where it listens, what it bears, and whom it has to expect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pki.certificate.csr import CertificateRequest
from pki.passwords import Verifier
from station.model import Connector, Environment, OcppVersion


@dataclass(frozen=True)
class PersonaConfig:
    """One face of the server: staging (`test`), or the stand-in for the production name (`ship`)."""

    persona: Environment
    port: int
    """TCP port; 0 lets the system choose."""
    chain_file: Path
    """Server certificate and its issuing CAs (PEM)."""
    key_file: Path
    key_password: str | None = field(repr=False)
    client_roots_pem: bytes
    """Roots under which this environment's unit certificates are issued."""


@dataclass(frozen=True)
class Limits:
    """What one station may cost the server, and how long the server has patience."""

    message_bytes: int = 65_536
    """Largest message; a longer one ends the visit."""
    messages: int = 5_000
    """Messages of one visit, and WebSocket frames of one connection; more of them is a flood and ends the visit."""
    traffic_bytes: int = 16_000_000
    """What all messages of one visit may have together."""
    half_open: int = 256
    """Connections from one address that have not told yet what they want; a further one is closed at once."""
    transcript_bytes: int = 8_000_000
    connections: int = 100
    """Connections of one visit, one after the other; more of them end the visit."""
    handshake_seconds: float = 10.0
    """Time for the TLS handshake, and again for the HTTP upgrade."""
    ping_seconds: float = 20.0
    """A connection that answers no ping for this long is dropped."""
    pending_seconds: int = 10
    """Retry interval given with a BootNotification answered Pending."""
    heartbeat_seconds: int = 300
    """Heartbeat interval given with a BootNotification answered Accepted."""
    clock_seconds: float = 10.0
    """Largest offset of the device's clock."""
    ship_watch_seconds: float = 20.0
    """Shortest time a unit is watched on the ship persona for attempts on the test persona."""


@dataclass(frozen=True)
class ServerConfig:
    """The server of one bench: one address, one port for each persona."""

    host: str
    personas: tuple[PersonaConfig, ...]
    limits: Limits = Limits()


@dataclass(frozen=True)
class Expected:
    """A unit that may connect, as the work order and the issuer's ledger name it."""

    environment: Environment
    identity: str
    """OCPP identity: the last segment of the WebSocket path."""
    serial: str
    """Serial number: the common name of the certificate."""
    certificate_sha256: str
    """Hexadecimal; empty for security profile 2."""
    certificate_serial: str
    """Hexadecimal; empty for security profile 2."""
    version: OcppVersion
    security_profile: int
    password: Verifier | None
    """What recognises the password that HTTP Basic authentication must carry on profile 2: for OCPP 1.6 the key itself,
    not its hexadecimal form. On profile 3 it only keeps the password out of the transcript."""
    vendor: str
    model: str
    firmware: str
    connectors: tuple[Connector, ...]
    path: str = "/ocpp"
    """Path of the endpoint, without the identity."""
    iccid: str = ""
    """Of the SIM card, for a product that has one."""
    imsi: str = ""
    meters: Mapping[int, str] = field(default_factory=dict)
    """Serial number of each outlet's own meter, by EVSE."""
    former_sha256: str = ""
    """A certificate that the unit may still present, until its renewed one was seen; hexadecimal."""


@dataclass(frozen=True)
class Renewed:
    """A certificate that was issued for a unit's request."""

    chain_pem: str
    """Leaf first, then its issuing CAs."""
    serial: str
    """Hexadecimal."""
    sha256: str


@dataclass(frozen=True)
class Renewal:
    """How the unit's certificate is renewed: what its request must name, and who signs."""

    organization: str
    probe: Callable[[], str]
    """Return a chain (PEM) for a key that the unit does not have."""
    sign: Callable[[CertificateRequest], Renewed]
    """Issue for a request that was found right, durable when it returns; repeated, the same certificate."""
