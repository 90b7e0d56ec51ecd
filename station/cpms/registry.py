"""Registration on top of any store that can read, create once and find: the part that is the same for every CPMS.

A conflict is resolved by comparing, never by overwriting (F-G2).
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from pki.passwords import Password
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
from station.cpms.payload import OPERATORS, as_kept, canonical, compare, differences, payload
from station.cpms.wire import nonsense
from station.errors import Defect, Service, ServiceError, UnitError
from station.model import UnitRecord
from station.records import RevokedCertificate, Withdrawal

IDENTITY = "ocpp_identity"
CERTIFICATE = "certificate_sha256"
REVISION = "revision"
NOBODY = "STATION-CHECK"
"""A serial number that no unit has, to ask about."""


class Occupied(Exception):
    """The store has other content for this serial, or another serial has the identity or certificate."""


class Store(Protocol):
    """Where a CPMS keeps its records."""

    def read(self, serial: str) -> Record | None:
        """Return a record, or None."""
        ...

    def create(self, serial: str, revision: int, body: Body) -> bool:
        """Create a record durably; True for a new one, False where the same was there.

        Raises:
            Occupied: Something else was there; nothing was changed.
        """
        ...

    def entrust(self, serial: str, password: Password) -> None:
        """Have a charger's password kept such that it can be checked and not be read, and prove it.

        Raises:
            Occupied: Another password is kept; nothing was changed.
        """
        ...

    def revocation(self, serial: str, certificate_serial: str) -> Body | None:
        """Return what the store knows of a revoked certificate, or None."""
        ...

    def revoke(self, serial: str, certificate_serial: str, body: Body) -> bool:
        """Keep durably that a certificate was revoked; True for a new one, False where the same was there.

        Raises:
            Occupied: Something else was there; nothing was changed.
        """
        ...

    def withdrawal(self, serial: str, revision: int) -> Body | None:
        """Return why a registration was withdrawn, or None where it was not."""
        ...

    def withdraw(self, serial: str, revision: int, body: Body) -> bool:
        """Withdraw a registration durably; True for a new withdrawal, False where the same was there.

        Raises:
            Occupied: Something else was there; nothing was changed.
        """
        ...

    def holders(self, field: str, value: str) -> tuple[str, ...]:
        """Return the serials that are registered with this identity or certificate."""
        ...

    def page(self, after: str) -> tuple[str, ...]:
        """Return the next serials in their order; none at the end."""
        ...

    def close(self) -> None:
        """Let go of connections; never raises."""
        ...


@dataclass(frozen=True)
class Registry:
    """A CPMS made of a store."""

    name: str
    store: Store
    limits: Limits
    by_password: bool = False
    """Whether it takes the passwords of units that log in with one."""

    def health(self) -> Health:
        """Ask for a unit that is not there."""
        begun = time.monotonic()
        self.store.read(NOBODY)
        self.store.holders(IDENTITY, NOBODY)
        return Health("registry of chargers, version 1", time.monotonic() - begun)

    def read(self, serial: str) -> Record | None:
        """Return the unit's record, or None where there is none."""
        return self.store.read(serial)

    def register(self, record: UnitRecord, revision: int, credentials: Credentials = NONE) -> Registration:
        """Make sure that the CPMS has this record, and read it back; differences are in the answer."""
        body, before = payload(record), self.store.read(record.serial)
        if before and before.revision == revision and not compare(body, as_kept(body, before)):
            self._entrust(record, credentials)
            return self._registration(revision, body, before, Result.UNCHANGED)
        try:
            created = self.store.create(record.serial, revision, body | OPERATORS)
        except Occupied:
            return self._occupied(record.serial, revision, body)
        self._entrust(record, credentials)
        news = Result.UPDATED if before else Result.CREATED
        remote = self.store.read(record.serial)
        return self._registration(revision, body, remote, news if created else Result.UNCHANGED)

    def _occupied(self, serial: str, revision: int, body: Body) -> Registration:
        """Compare with what stands in the way; only the very same is none."""
        remote = self.store.read(serial)
        found = self._registration(revision, body, remote, Result.UNCHANGED)
        if found.differences:
            reason = "; ".join(found.differences) if remote else "its identity or certificate is taken"
            raise conflict(serial, reason)
        return found

    def _entrust(self, record: UnitRecord, credentials: Credentials) -> None:
        if not self.by_password:
            return
        opens = credential_of(record, credentials)
        if opens is None:
            return
        try:
            self.store.entrust(record.serial, opens())
        except Occupied as error:
            raise conflict(record.serial, "it has another password there") from error

    def _registration(self, revision: int, body: Body, remote: Record | None, result: Result) -> Registration:
        sent: Body = body | {REVISION: revision}
        kept = as_kept(sent, replace(remote, fields={**remote.fields, REVISION: remote.revision})) if remote else {}
        read_back = canonical(kept) if remote else None
        return Registration(self.name, revision, canonical(sent), read_back, compare(sent, kept), result)

    def revoke(self, notice: RevokedCertificate) -> bool:
        """Make sure that the CPMS knows of a revoked certificate, and read it back; False where it knew before."""
        body = {"reason": notice.reason, "environment": notice.environment}
        with suppress(Occupied):
            created = self.store.revoke(notice.serial, notice.certificate_serial, body)
            if self.store.revocation(notice.serial, notice.certificate_serial) == body:
                return created
        raise ServiceError(
            Service.CPMS,
            f"The CPMS does not know {notice.serial}'s certificate {notice.certificate_serial} as {notice.reason}.",
            hint="Ask the CPMS team what it recorded of this certificate.",
            stops_line=False,
        )

    def withdraw(self, notice: Withdrawal, sent: UnitRecord | None = None) -> bool:
        """Make sure that the CPMS keeps this registration no longer, and read it back; False where it knew before."""
        self._refuse_foreign(notice, sent)
        body, created = {"reason": notice.reason}, False
        with suppress(Occupied):
            created = self.store.withdraw(notice.serial, notice.revision, body)
        left = self.store.read(notice.serial)
        known = self.store.withdrawal(notice.serial, notice.revision) == body
        if known and (left is None or left.revision > notice.revision):
            return created
        raise ServiceError(
            Service.CPMS,
            f"The CPMS did not withdraw revision {notice.revision} of {notice.serial}.",
            hint="Ask the CPMS team what it keeps of this unit.",
            stops_line=False,
        )

    def _refuse_foreign(self, notice: Withdrawal, sent: UnitRecord | None) -> None:
        """Refuse to take out what has another certificate than ours; a revision that comes after is not touched."""
        remote = self.store.read(notice.serial) if sent else None
        if sent is None or remote is None or remote.revision > notice.revision:
            return
        if _certificate(remote) != sent.certificate_sha256.lower():
            raise another(notice.serial)

    def differences(self, record: UnitRecord, remote: Record) -> tuple[str, ...]:
        """Name each field that the CPMS keeps otherwise than we would send it."""
        return differences(record, remote)

    def serials(self) -> Iterator[str]:
        """Yield the serial numbers of all units there, page by page."""
        last = ""
        while found := self.store.page(last):
            if found[0] <= last:
                raise nonsense(self.name, "a list that does not go on")
            yield from found
            last = found[-1]

    def check_free(self, serial: str, certificate_sha256: str, ocpp_identity: str = "") -> None:
        """Refuse a unit whose serial, identity or certificate belongs to another."""
        remote = self.store.read(serial)
        if remote and _certificate(remote) != certificate_sha256.lower():
            raise conflict(serial, "it has another certificate there")
        for field, value in ((IDENTITY, ocpp_identity or serial), (CERTIFICATE, certificate_sha256)):
            others = [holder for holder in self.store.holders(field, value) if holder != serial] if value else []
            if others:
                raise conflict(serial, f"{field} belongs to {others[0]}")

    def close(self) -> None:
        """Let go of connections; never raises."""
        self.store.close()


def _certificate(remote: Record) -> str:
    certificate = remote.fields.get("certificate")
    return str(certificate.get("sha256", "")).lower() if isinstance(certificate, dict) else ""


def conflict(serial: str, reason: str) -> UnitError:
    """Return the error for a unit that the CPMS knows otherwise."""
    return UnitError(
        Defect.DUPLICATE_IDENTITY,
        f"The CPMS knows {serial} otherwise: {reason}.",
        hint="Put the unit aside and ask the CPMS team whose record it is.",
    )


def another(serial: str) -> Rejected:
    """Return the error for a record that is not proven ours, and so is never taken out."""
    message = f"The CPMS has another record of {serial} than ours; nothing was taken out."
    return Rejected(message, hint="Ask the CPMS team whose it is, then drop the message.")


def credential_of(record: UnitRecord, credentials: Credentials) -> Credential | None:
    """Return what opens the password of a unit that has one; None for one that logs in with its certificate alone.

    Raises:
        Rejected: The unit logs in with a password, and none is at hand: nobody could let it in.
    """
    if credentials.password is None and record.security_profile == BY_PASSWORD:
        hint = "Ask the PKI officer for the sealing key of this station, then send the message on."
        raise Rejected(f"{record.serial} logs in with a password, and none is at hand to register.", hint=hint)
    return credentials.password
