"""The key that signs the log: the audit key of the ceremony, in the HSM."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from pki.authority import spki_of
from pki.errors import PkiError
from pki.issue import Factory
from station.config import StationConfig
from station.errors import ConfigError, Service, ServiceError
from station.records import LogSigner
from station.strict import read_bounded

AUDIT = "audit"
"""Name of the key and its certificate."""
MOST_BYTES = 65_536


@dataclass(frozen=True)
class LogKey:
    """What a checkpoint is signed by, and in which log's name."""

    origin: str
    spki: bytes
    sign: Callable[[bytes], bytes]

    @property
    def signer(self) -> LogSigner:
        """Return who signs, as the log itself names them."""
        return LogSigner(self.origin, self.spki)


def origin_of(station: str) -> str:
    """Return the name of a station's log, as its checkpoints begin."""
    return f"charger-station/{station}"


def log_key(factory: Factory, station: str) -> LogKey:
    """Return the key of a factory for the log of one station."""
    authority = factory.authority(AUDIT)

    def sign(body: bytes) -> bytes:
        try:
            return authority.sign(body)
        except PkiError as error:
            raise ServiceError(Service.HSM, error.message, hint=error.hint, stops_line=False) from error

    return LogKey(origin_of(station), authority.signer.spki, sign)


def audit_certificate(config: StationConfig) -> Path:
    """Return where the certificate of a station's own audit key lies."""
    return config.pki_directory / "certificates" / f"{AUDIT}.pem"


def read_anchor(path: Path) -> bytes:
    """Return the public key (DER) of an audit certificate.

    Raises:
        ConfigError: It can't be read.
    """
    hint = "Name the audit key's certificate with --anchor FILE."
    try:
        return spki_of(x509.load_pem_x509_certificate(read_bounded(path, str(path), MOST_BYTES)))
    except ValueError as error:
        raise ConfigError(f"{path} is no certificate", hint=hint) from error
