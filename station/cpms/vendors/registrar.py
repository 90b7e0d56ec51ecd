"""Registration with a vendor's system: look first, add only what is missing, read back; the same for every vendor.

What contradicts is a conflict and is never overwritten (F-G2), although most of these systems would let us: several
replace what is there without a word.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol

from station.cpms.contract import (
    BY_PASSWORD,
    NONE,
    Body,
    Credential,
    Credentials,
    Health,
    Limits,
    Record,
    Registration,
    Rejected,
    Result,
)
from station.cpms.payload import as_kept, canonical, compare, contradictions
from station.cpms.registry import NOBODY, Occupied, another, conflict, credential_of
from station.errors import Service, ServiceError
from station.model import UnitRecord
from station.records import RevokedCertificate, Withdrawal

PASSWORD, SET, ANOTHER = "password", "set", "another"
CERTIFICATE = "certificate_sha256"


@dataclass(frozen=True)
class Wanted:
    """A unit that is looked for, and what should be known of it."""

    serial: str
    certificate_sha256: str = ""
    shape: Body = field(default_factory=dict)
    """What the vendor's system should keep of it; empty while it is only looked for."""
    password: Credential | None = None
    """Opens the password, once; None for a unit without one, and while it is only looked for."""
    credentials: Credentials = NONE


class Desk(Protocol):
    """What one vendor's system can do. Identities are serial numbers here, as the station makes them."""

    @property
    def system(self) -> str:
        """Return what the system is called."""
        ...

    def shape(self, record: UnitRecord, revision: int) -> Body:
        """Return what the system keeps of a unit, by the names of its own fields where it has such.

        Raises:
            Rejected: A value does not fit; nothing is ever cut off.
        """
        ...

    def find(self, wanted: Wanted) -> Body | None:
        """Return what the system has of a unit, in the same shape, or None where it has nothing.

        A field that it lacks is None; one that it can't tell without more being known of the unit is left out.

        Raises:
            ServiceError: The system is away or answers nonsense.
        """
        ...

    def complete(self, wanted: Wanted, found: Body | None) -> None:
        """Add what is missing; each part is written only where there is none.

        Raises:
            Occupied: Something was there all the same.
            Rejected: The system refuses it.
            ServiceError: The system is away.
        """
        ...

    def remove(self, serial: str) -> None:
        """Take a unit out.

        Raises:
            Rejected: The system can't.
            ServiceError: The system is away.
        """
        ...

    def notes(self) -> tuple[str, ...]:
        """Ask the system about itself; what comes is for whoever configures it."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True)
class Registrar:
    """A vendor's system as a CPMS."""

    name: str
    desk: Desk
    limits: Limits
    by_password: bool = True
    """Whether the system has a place for the passwords of units."""

    def health(self) -> Health:
        """Look for a unit that is not there."""
        return timed(self.desk)

    def read(self, serial: str) -> Record | None:
        """Return the unit's record, or None where there is none."""
        found = self.desk.find(Wanted(serial))
        return None if found is None else Record(serial, _revision(found), found)

    def register(self, record: UnitRecord, revision: int, credentials: Credentials = NONE) -> Registration:
        """Make sure that the CPMS has this record, and read it back; differences are in the answer."""
        wanted = self._wanted(record, revision, credentials)
        before = self.desk.find(wanted)
        self._refuse(wanted, before)
        if before is not None and not compare(wanted.shape, _kept(wanted.shape, before)):
            return self._registration(wanted, revision, before, Result.UNCHANGED)
        try:
            self.desk.complete(wanted, before)
        except Occupied as error:
            now = self.desk.find(wanted)
            self._refuse(wanted, now)
            if now is None:
                raise conflict(record.serial, "its identity is taken") from error
            return self._registration(wanted, revision, now, Result.UNCHANGED)
        result = Result.CREATED if before is None else Result.UPDATED
        return self._registration(wanted, revision, self.desk.find(wanted), result)

    def differences(self, record: UnitRecord, remote: Record) -> tuple[str, ...]:
        """Name each field that the CPMS keeps otherwise than we would send it."""
        shape = self.desk.shape(record, remote.revision)
        told = {name: value for name, value in shape.items() if name in remote.fields}
        return compare(told, as_kept(told, remote))

    def check_free(self, serial: str, certificate_sha256: str, ocpp_identity: str = "") -> None:
        """Refuse a unit whose identity is registered for another serial number or certificate."""
        found = self.desk.find(Wanted(ocpp_identity or serial, certificate_sha256))
        for name, ours in (("serial", serial), (CERTIFICATE, certificate_sha256.lower())):
            theirs = found.get(name) if found else None
            if theirs and theirs != ours:
                raise conflict(serial, f"it has another {name.partition('_')[0]} there")

    def revoke(self, notice: RevokedCertificate) -> bool:
        """Say that this system has no place for revoked certificates."""
        message = f"{self.desk.system} can't be told that {notice.serial}'s certificate was revoked."
        hint = "Tell the CPMS team, and see that it reads the revocation list of the factory's CA."
        raise Rejected(message, hint=hint)

    def withdraw(self, notice: Withdrawal, sent: UnitRecord | None = None) -> bool:
        """Take the unit out of the CPMS; False where it is not there, or a later revision is."""
        wanted = Wanted(notice.serial, sent.certificate_sha256.lower() if sent else "")
        found = self.desk.find(wanted)
        if found is None or _revision(found) > notice.revision:
            return False
        if sent is None or not self._is_ours(sent, notice.revision, found):
            raise another(notice.serial)
        with suppress(Occupied):
            self.desk.remove(notice.serial)
        if self.desk.find(wanted) is None:
            return True
        message = f"The CPMS did not withdraw revision {notice.revision} of {notice.serial}."
        hint = "Ask the CPMS team what it keeps of this unit."
        raise ServiceError(Service.CPMS, message, hint=hint, stops_line=False)

    def close(self) -> None:
        """Let go of connections; never raises."""
        self.desk.close()

    def _wanted(self, record: UnitRecord, revision: int, credentials: Credentials) -> Wanted:
        if record.ocpp_identity != record.serial:
            message = f"{self.desk.system}: {record.serial} has the identity {record.ocpp_identity}."
            raise Rejected(message, hint="Give units their serial number as OCPP identity, or register by the batch.")
        shape = self.desk.shape(record, revision)
        if not self.by_password and record.security_profile == BY_PASSWORD:
            message = f"{self.desk.system} has no place for the password of {record.serial}."
            raise Rejected(message, hint="Register the unit by the batch.")
        opens = credential_of(record, credentials) if self.by_password else None
        wanted = Wanted(record.serial, record.certificate_sha256.lower(), shape, None, credentials)
        return replace(wanted, shape=shape | {PASSWORD: SET}, password=cache(opens)) if opens is not None else wanted

    def _is_ours(self, sent: UnitRecord, revision: int, found: Body) -> bool:
        """Tell whether a record is what we registered; a part of it is proof only where it bears our certificate."""
        shape = self.desk.shape(sent, revision)
        marked = CERTIFICATE in shape and found.get(CERTIFICATE) == shape[CERTIFICATE]
        against = (contradictions if marked else compare)(shape, _kept(shape, found))
        return sent.ocpp_identity == sent.serial and not against

    def _refuse(self, wanted: Wanted, found: Body | None) -> None:
        against = contradictions(wanted.shape, _kept(wanted.shape, found)) if found else ()
        if against:
            raise conflict(wanted.serial, "; ".join(against))

    def _registration(self, wanted: Wanted, revision: int, found: Body | None, result: Result) -> Registration:
        shape, kept = wanted.shape, _kept(wanted.shape, found) if found else {}
        read_back = canonical(kept) if found is not None else None
        return Registration(self.name, revision, canonical(shape), read_back, compare(shape, kept), result)


def timed(desk: Desk) -> Health:
    """Ask a vendor's system about itself and for a unit that is not there."""
    begun = time.monotonic()
    notes = desk.notes()
    desk.find(Wanted(NOBODY))
    return Health(desk.system, time.monotonic() - begun, notes)


def _kept(shape: Body, found: Body) -> Body:
    return as_kept(shape, Record("", 0, found))


def _revision(found: Body) -> int:
    revision = found.get("revision")
    return revision if type(revision) is int else 0
