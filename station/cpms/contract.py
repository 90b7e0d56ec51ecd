"""What the station needs of a charging management system, in its own verbs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from station import records
from station.errors import Service, ServiceError
from station.model import UnitRecord

Secret = Callable[[], str]
"""Give the access token when it is needed; it never stands in a URI, a log or an exception."""

Body = dict[str, Any]
"""A registration as JSON."""


@dataclass(frozen=True)
class Record:
    """A unit as the CPMS keeps it."""

    serial: str
    revision: int
    fields: Mapping[str, Any]
    """The registration as the CPMS gives it; untrusted beyond its size."""


@dataclass(frozen=True)
class Registration(records.Registration):
    """A registration with what its read-back says; it goes into the records as it stands."""

    differences: tuple[str, ...] = ()
    """Each field that the CPMS keeps otherwise than it was sent, by name; empty for an equal record."""
    created: bool = False
    """False where the CPMS had the record already."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what was sent."""
        return sha256(self.sent).hexdigest()

    def demand_equal(self) -> None:
        """Refuse a registration whose record differs; until it is equal the unit may not be packed.

        Raises:
            ServiceError: Names the fields.
        """
        if self.differences:
            raise ServiceError(
                Service.CPMS,
                f"The CPMS record differs: {'; '.join(self.differences)}.",
                hint="Keep the unit back and ask the CPMS team to compare its record with the passport.",
                stops_line=False,
            )


class Cpms(Protocol):
    """A charging management system; safe to use from several threads."""

    @property
    def name(self) -> str:
        """Return the name under which registrations are recorded: its URI, which holds no secret."""
        ...

    def read(self, serial: str) -> Record | None:
        """Return the unit's record, or None where there is none.

        Raises:
            ServiceError: The CPMS is away or answers nonsense.
        """
        ...

    def register(self, record: UnitRecord, revision: int) -> Registration:
        """Make sure that the CPMS has this record, and read it back; differences are in the answer.

        Raises:
            ServiceError: The CPMS is away, busy or refuses the form of the record.
            UnitError: Serial, identity or certificate are registered with other content.
        """
        ...

    def differences(self, record: UnitRecord, remote: Record) -> tuple[str, ...]:
        """Name each field that the CPMS keeps otherwise than we would send it."""
        ...

    def check_free(self, serial: str, certificate_sha256: str, ocpp_identity: str = "") -> None:
        """Refuse a unit whose serial, identity (the serial, where none is given) or certificate belongs to another.

        Raises:
            ServiceError: The CPMS is away or answers nonsense.
            UnitError: The CPMS knows the serial with another certificate, or another serial with this identity.
        """
        ...

    def revoke(self, notice: records.RevokedCertificate) -> bool:
        """Make sure that the CPMS knows of a revoked certificate, and read it back; False where it knew before.

        Raises:
            ServiceError: The CPMS is away, busy, or has other content for this certificate.
        """
        ...

    def close(self) -> None:
        """Let go of connections; never raises."""
        ...
