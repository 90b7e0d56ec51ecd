"""Registration on top of any store that can read, create once and find: the part that is the same for every CPMS.

A conflict is resolved by comparing, never by overwriting (F-G2).
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from station.cpms.contract import Body, Record, Registration
from station.cpms.payload import as_kept, canonical, compare, differences, payload
from station.errors import Defect, Service, ServiceError, UnitError
from station.model import UnitRecord
from station.records import RevokedCertificate

IDENTITY = "ocpp_identity"
CERTIFICATE = "certificate_sha256"


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

    def revocation(self, serial: str, certificate_serial: str) -> Body | None:
        """Return what the store knows of a revoked certificate, or None."""
        ...

    def revoke(self, serial: str, certificate_serial: str, body: Body) -> bool:
        """Keep durably that a certificate was revoked; True for a new one, False where the same was there.

        Raises:
            Occupied: Something else was there; nothing was changed.
        """
        ...

    def holders(self, field: str, value: str) -> tuple[str, ...]:
        """Return the serials that are registered with this identity or certificate."""
        ...

    def close(self) -> None:
        """Let go of connections; never raises."""
        ...


@dataclass(frozen=True)
class Registry:
    """A CPMS made of a store."""

    name: str
    store: Store

    def read(self, serial: str) -> Record | None:
        """Return the unit's record, or None where there is none."""
        return self.store.read(serial)

    def register(self, record: UnitRecord, revision: int) -> Registration:
        """Make sure that the CPMS has this record, and read it back; differences are in the answer."""
        body = payload(record)
        try:
            created, occupied = self.store.create(record.serial, revision, body), False
        except Occupied:
            created, occupied = False, True
        remote = self.store.read(record.serial)
        kept = as_kept(body, remote) if remote else {}
        differing = compare(body, kept)
        if occupied and differing:
            raise _conflict(record.serial, "; ".join(differing) if remote else "its identity or certificate is taken")
        read_back = canonical(kept) if remote else None
        return Registration(self.name, revision, canonical(body), read_back, differing, created)

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

    def differences(self, record: UnitRecord, remote: Record) -> tuple[str, ...]:
        """Name each field that the CPMS keeps otherwise than we would send it."""
        return differences(record, remote)

    def check_free(self, serial: str, certificate_sha256: str, ocpp_identity: str = "") -> None:
        """Refuse a unit whose serial, identity or certificate belongs to another."""
        remote = self.store.read(serial)
        if remote and _certificate(remote) != certificate_sha256.lower():
            raise _conflict(serial, "it has another certificate there")
        for field, value in ((IDENTITY, ocpp_identity or serial), (CERTIFICATE, certificate_sha256)):
            others = [holder for holder in self.store.holders(field, value) if holder != serial] if value else []
            if others:
                raise _conflict(serial, f"{field} belongs to {others[0]}")

    def close(self) -> None:
        """Let go of connections; never raises."""
        self.store.close()


def _certificate(remote: Record) -> str:
    certificate = remote.fields.get("certificate")
    return str(certificate.get("sha256", "")).lower() if isinstance(certificate, dict) else ""


def _conflict(serial: str, reason: str) -> UnitError:
    return UnitError(
        Defect.DUPLICATE_IDENTITY,
        f"The CPMS knows {serial} otherwise: {reason}.",
        hint="Put the unit aside and ask the CPMS team whose record it is.",
    )
