"""Certificates that ended before their time, and the lists that said so."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from pki.errors import PkiError
from pki.ledger.database import Database, Fact, now
from pki.ledger.tables import ClaimRow, CrlRow, KeyRow, RevocationRow


class Reason(StrEnum):
    """Why a certificate was revoked, by the names of RFC 5280 section 5.3.1."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


@dataclass(frozen=True)
class Revocation:
    """One certificate's end."""

    authority: str
    """Name of the CA that issued it, as `test-issuing`."""
    serial: str
    """Upper-case hexadecimal."""
    reason: Reason
    detail: str
    expires: datetime
    """The certificate's notAfter."""


@dataclass(frozen=True)
class Revoked:
    """What is told to the world of one revoked certificate."""

    serial: str
    reason: Reason
    at: datetime


@dataclass(frozen=True)
class RevokedUnit:
    """A unit's certificate that was revoked."""

    number: int
    """Revocations are numbered in their order."""
    unit: str
    serial: str
    """Of the certificate, upper-case hexadecimal."""
    reason: Reason


@dataclass(frozen=True)
class CrlRecord:
    """One certificate revocation list, entered before it is signed."""

    authority: str
    number: int
    this_update: datetime
    next_update: datetime
    last_revocation: int
    """Highest id of a revocation that was looked at; 0 if there was none."""
    entries: int
    tbs_sha256: str


class Revocations(Database):
    """What was revoked."""

    def revoke(self, connection: Connection, revocation: Revocation) -> None:
        """Enter a revocation in the caller's transaction; the certificate must not be revoked yet."""
        connection.execute(insert(RevocationRow).values(**vars(revocation), at=datetime.now(UTC)))
        body = {"authority": revocation.authority, "reason": revocation.reason.value, "detail": revocation.detail}
        self.audit(connection, "certificate-revoked", revocation.serial, **body)

    def revoke_once(self, revocation: Revocation) -> None:
        """Enter the revocation of a certificate that is of no unit, as a CA's; the first one stays."""
        with self.writing() as connection:
            if _found(connection, revocation.authority, revocation.serial) is None:
                self.revoke(connection, revocation)

    def revoked(self, authority: str, serial: str) -> Revoked | None:
        """Return why and when a certificate was revoked."""
        with self.reading() as connection:
            return _found(connection, authority, serial)

    def revocations(self, authority: str, last: int, expiring_after: datetime) -> Iterator[Revoked]:
        """Yield what an authority revoked, oldest first, up to the revocation with the id `last`.

        Certificates that expired before `expiring_after` are left out.
        """
        wanted = (
            select(RevocationRow.serial, RevocationRow.reason, RevocationRow.at)
            .where(RevocationRow.authority == authority, RevocationRow.id <= last)
            .where(RevocationRow.expires > expiring_after)
            .order_by(RevocationRow.id)
        )
        with self.reading() as connection:
            # In portions: a list of everything would be as large as the CRL again.
            for serial, reason, at in connection.execute(wanted.execution_options(yield_per=1000)):
                yield Revoked(serial, Reason(reason), at.replace(tzinfo=UTC))

    def last_revocation(self, authority: str) -> int:
        """Return the id of an authority's newest revocation, 0 if there is none."""
        newest = select(func.max(RevocationRow.id)).where(RevocationRow.authority == authority)
        with self.reading() as connection:
            return connection.scalar(newest) or 0

    def claimed(self, authority: str, serial: str) -> bool:
        """Tell whether a unit's certificate by this CA has this serial number."""
        with self.reading() as connection:
            found = select(ClaimRow.key_id).where(ClaimRow.serial == serial, ClaimRow.authority == authority)
            return connection.scalar(found) is not None

    def revoked_units(self, environment: str, after: int) -> list[RevokedUnit]:
        """Return the units of an environment whose certificates were revoked after a revocation's number, in order."""
        wanted = (
            select(RevocationRow.id, KeyRow.unit, RevocationRow.serial, RevocationRow.reason)
            .join(ClaimRow, (ClaimRow.serial == RevocationRow.serial) & (ClaimRow.authority == RevocationRow.authority))
            .join(KeyRow, KeyRow.id == ClaimRow.key_id)
            .where(RevocationRow.id > after, KeyRow.environment == environment)
            .order_by(RevocationRow.id)
        )
        with self.reading() as connection:
            rows = connection.execute(wanted).all()
        return [RevokedUnit(number, unit, serial, Reason(why)) for number, unit, serial, why in rows]

    def newest_crl(self, authority: str) -> CrlRecord | None:
        """Return an authority's newest list."""
        with self.reading() as connection:
            row = connection.execute(
                select(
                    *(CrlRow.authority, CrlRow.number, CrlRow.this_update, CrlRow.next_update),
                    *(CrlRow.last_revocation, CrlRow.entries, CrlRow.tbs_sha256),
                )
                .where(CrlRow.authority == authority)
                .order_by(CrlRow.number.desc())
                .limit(1)
            ).first()
        if row is None:
            return None
        start, end = row.this_update.replace(tzinfo=UTC), row.next_update.replace(tzinfo=UTC)
        return CrlRecord(row.authority, row.number, start, end, row.last_revocation, row.entries, row.tbs_sha256)

    def add_crl(self, record: CrlRecord) -> None:
        """Enter a list, so that no other ever gets its number.

        Raises:
            PkiError: Another list has this number.
        """
        with self.writing() as connection:
            try:
                connection.execute(insert(CrlRow).values(**vars(record), at=now()))
            except IntegrityError as error:
                taken = f"CRL {record.number} of {record.authority} was signed by someone else just now"
                raise PkiError(taken, hint="Publish again.") from error
            body: dict[str, Fact] = {
                "number": record.number,
                "entries": record.entries,
                "tbs_sha256": record.tbs_sha256,
            }
            self.audit(connection, "crl-signed", record.authority, **body)


def _found(connection: Connection, authority: str, serial: str) -> Revoked | None:
    row = connection.execute(
        select(RevocationRow.reason, RevocationRow.at).where(
            RevocationRow.authority == authority, RevocationRow.serial == serial
        )
    ).first()
    return Revoked(serial, Reason(row.reason), row.at.replace(tzinfo=UTC)) if row else None
