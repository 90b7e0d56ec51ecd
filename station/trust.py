"""TLS to the services beside the station: whose certificate is believed, and how it shows who it is (F-K9).

A station identity lives shortly and is renewed by whoever gives it, so it is asked for before each request: what
changed is loaded into the context in use, and counts from the next connection on.

# Ref: RFC 8446 section 4.4.2; BSI TR-02102-2 (TLS 1.2 or higher).
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from station.errors import ConfigError, Service, ServiceError


@dataclass(frozen=True)
class Peer:
    """A service at the other end, as errors speak of it."""

    service: Service
    title: str
    """Such as `CPMS`."""
    address: str
    """The setting that holds its address."""
    client: str
    """The setting that holds the certificate to show."""


@dataclass(frozen=True)
class ClientIdentity:
    """A certificate with its key, as files."""

    chain: Path
    """Leaf first, then its issuing CAs (PEM)."""
    key: Path
    passphrase: Callable[[], str] = field(default=str, repr=False, compare=False)
    """Give the key's passphrase when it is needed; empty where the key has none."""


Identify = Callable[[], ClientIdentity]
"""Give the identity that counts now; may make a new one."""


@dataclass
class Trust:
    """The TLS side of a client: a context that follows its identity."""

    context: ssl.SSLContext
    peer: Peer
    identify: Identify | None = None
    _seen: tuple[ClientIdentity, tuple[int, ...]] | None = None

    def refresh(self) -> None:
        """Load the identity if it is another than before; while nobody can give one, the one in use goes on.

        Raises:
            ConfigError: The certificate or its key cannot be used.
            ServiceError: There is no identity yet, and none can be had.
        """
        if self.identify is None:
            return
        try:
            identity = self.identify()
        except ServiceError:
            if self._seen is None:
                raise
            return
        found = identity, self._stamps(identity)
        if found != self._seen:
            self._load(identity)
            self._seen = found

    def _stamps(self, identity: ClientIdentity) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in (identity.chain, identity.key))
        except OSError as error:
            raise ConfigError(f"{self.peer.client}: {error.filename}: {error.strerror}") from error

    def _load(self, identity: ClientIdentity) -> None:
        try:
            # A callable, so that an encrypted key without a passphrase is an error and not a question at the terminal.
            self.context.load_cert_chain(identity.chain, identity.key, identity.passphrase)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "cannot be read"
            message = f"{self.peer.client}: {identity.chain.name} with {identity.key.name}: {reason}"
            raise ConfigError(message) from error


def open_trust(peer: Peer, ca: Path | None, identify: Identify | None) -> Trust:
    """Believe the roots in a PEM file, or the system's where none is given, and show an identity where one is given.

    Raises:
        ConfigError: A file cannot be used.
        ServiceError: There is no identity.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ConfigError(f"{peer.address}: ca={ca}: {error.strerror or 'not a PEM file'}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    trust = Trust(context, peer, identify)
    trust.refresh()
    return trust


def tls_problem(error: BaseException) -> str:
    """Return what TLS says of a failed connection in OpenSSL's words, or the empty string where it says nothing.

    In TLS 1.3 a refused client learns of it with its first read, and some servers just end the connection.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
            return f"it refuses this station's certificate ({cause.reason})"
        cause = cause.__cause__ or cause.__context__
    return ""
