"""What the station needs of a charging management system, in its own verbs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol, runtime_checkable

from pki.passwords import Password
from station import records
from station.errors import Service, ServiceError, StationError, UnitError
from station.model import UnitRecord

Body = dict[str, Any]
"""A registration as JSON."""

BY_PASSWORD = 2
"""The security profile whose units log in with a password (OCPP 2.0.1 part 2 A00)."""
Credential = Callable[[], Password]
"""Open the unit's sealed OCPP password. Only an adapter calls it, at the moment it writes the password.

Raises `ServiceError` where the token that holds the key is away.
"""


@dataclass(frozen=True)
class Credentials:
    """What a unit logs in with; an adapter takes of it what its CPMS has a place for."""

    password: Credential | None = None
    """None for a unit that logs in with its certificate alone (security profile 3)."""
    chain: str = ""
    """The ship certificate, leaf first, then its issuing CAs (PEM); empty where it is not at hand."""


NONE = Credentials()
"""A unit whose credentials are not registered."""


class Result(StrEnum):
    """What became of one unit with a CPMS."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    """The CPMS had the same already."""
    UPDATED = "updated"
    """An earlier revision of ours was replaced, or what was missing was added; nothing was overwritten."""
    CONFLICT = "conflict"
    """The CPMS has other content; the unit stops, and nothing was changed there."""
    REJECTED = "rejected"
    """The CPMS will not take it as it is: only a person can change that."""
    RETRYABLE = "retryable"
    """The CPMS is away or busy; trying again may help."""


class Rejected(ServiceError):
    """The CPMS never takes this as it is, however often it is tried."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(Service.CPMS, message, hint=hint, stops_line=False)


def result_of(error: StationError) -> Result:
    """Return what an error of a verb means for the unit it was about."""
    if isinstance(error, UnitError):
        return Result.CONFLICT
    return Result.REJECTED if isinstance(error, Rejected) else Result.RETRYABLE


@dataclass(frozen=True)
class Limits:
    """How much a CPMS is asked at once. Adapters keep to it by themselves; more workers than this only wait."""

    at_once: int
    """Requests under way at the same time."""
    per_second: float = 0.0
    """Requests begun in a second, over all workers; 0 for as many as it answers."""


@dataclass(frozen=True)
class Health:
    """What answers at the address of a CPMS."""

    system: str
    """Such as `CitrineOS 1`, as far as it tells."""
    seconds: float
    """From the first request to the last answer."""
    notes: tuple[str, ...] = ()
    """What whoever configures it should know, each as one sentence."""


@dataclass(frozen=True)
class Record:
    """A unit as the CPMS keeps it."""

    serial: str
    revision: int
    """0 where the CPMS knows no revisions."""
    fields: Mapping[str, Any]
    """The registration as the CPMS gives it; untrusted beyond its size."""


@dataclass(frozen=True)
class Registration(records.Registration):
    """A registration with what its read-back says; it goes into the records as it stands."""

    differences: tuple[str, ...] = ()
    """Each field that the CPMS keeps otherwise than it was sent, by name; empty for an equal record."""
    result: Result = Result.UNCHANGED

    @property
    def created(self) -> bool:
        """Tell whether the CPMS has the unit, or this revision of it, by this registration."""
        return self.result is not Result.UNCHANGED

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

    @property
    def limits(self) -> Limits:
        """Return how much it is asked at once."""
        ...

    def health(self) -> Health:
        """Ask it something that changes nothing, as often as a registration would.

        Raises:
            ServiceError: The CPMS is away, refuses the token or answers nonsense.
        """
        ...

    def read(self, serial: str) -> Record | None:
        """Return the unit's record, or None where there is none.

        Raises:
            ServiceError: The CPMS is away or answers nonsense.
        """
        ...

    def register(self, record: UnitRecord, revision: int, credentials: Credentials = NONE) -> Registration:
        """Make sure that the CPMS has this record, and read it back; differences are in the answer.

        Raises:
            Rejected: The CPMS refuses the form of the record, or has no place for the unit's password.
            ServiceError: The CPMS is away or busy, or the password can't be opened now.
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
            Rejected: The CPMS has no place for it: somebody must tell its team.
            ServiceError: The CPMS is away, busy, or has other content for this certificate.
        """
        ...

    def withdraw(self, notice: records.Withdrawal, sent: UnitRecord | None = None) -> bool:
        """Make sure that the CPMS keeps this registration no longer, and read it back; False where it knew before.

        A unit that was never registered may be withdrawn too: a registration that is late is refused then, where the
        CPMS knows revisions. A later revision may follow. What is not proven ours is never taken out.

        Args:
            notice: Which registration, and why.
            sent: What was to be registered; without it, a CPMS that is not of our own making can prove nothing ours.

        Raises:
            Rejected: The CPMS can't be told to forget a unit, or has a record that is not ours: somebody must ask its
                team.
            ServiceError: The CPMS is away, busy, or still has the record.
        """
        ...

    def close(self) -> None:
        """Let go of connections; never raises."""
        ...


@runtime_checkable
class Listing(Protocol):
    """The ability to tell which units a CPMS has; not every one can."""

    def serials(self) -> Iterator[str]:
        """Yield the serial numbers of all units there, page by page.

        Raises:
            ServiceError: The CPMS is away or answers nonsense.
        """
        ...
