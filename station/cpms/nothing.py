"""No CPMS: nothing is registered and nothing can differ, without an `if` anywhere else."""

from dataclasses import dataclass
from pathlib import Path

from station.cpms.contract import NONE, Credentials, Health, Limits, Record, Registration
from station.cpms.payload import canonical, payload
from station.errors import ConfigError
from station.http import Secret
from station.model import UnitRecord
from station.records import RevokedCertificate, Withdrawal

LIMITS = Limits(64)


@dataclass(frozen=True)
class NoCpms:
    """The null object: it agrees with whatever it is told, and keeps nothing."""

    name: str = "none:"
    limits: Limits = LIMITS

    def health(self) -> Health:
        """Answer at once."""
        return Health("no CPMS", 0.0)

    def read(self, serial: str) -> Record | None:
        """Return None: there are no records."""
        del serial
        return None

    def register(self, record: UnitRecord, revision: int, credentials: Credentials = NONE) -> Registration:
        """Return a registration that needs no agreement of anyone; the password stays sealed."""
        del credentials
        sent = canonical(payload(record))
        return Registration(self.name, revision, sent, sent)

    def differences(self, record: UnitRecord, remote: Record) -> tuple[str, ...]:
        """Return no difference: there is nothing to differ from."""
        del record, remote
        return ()

    def check_free(self, serial: str, certificate_sha256: str, ocpp_identity: str = "") -> None:
        """Accept every unit: nobody else is registered."""

    def revoke(self, notice: RevokedCertificate) -> bool:
        """Tell nobody."""
        del notice
        return False

    def withdraw(self, notice: Withdrawal, sent: UnitRecord | None = None) -> bool:
        """Tell nobody."""
        del notice, sent
        return False

    def close(self) -> None:
        """Do nothing: nothing is open."""


def open_nothing(uri: str, token: Secret, directory: Path) -> NoCpms:
    """Return the null object for `none:`.

    Raises:
        ConfigError: The URI says more than `none:`.
    """
    del token, directory
    if uri != "none:":
        raise ConfigError("environment.cpms: 'none:' takes nothing behind it")
    return NoCpms()
