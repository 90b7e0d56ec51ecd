"""One-time enrolment codes: kept as a hash, good for one key of one unit until they expire or were tried too often."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import Connection, Row, func, insert, select

from pki.errors import RequestRefused
from pki.ledger.database import Database, now
from pki.ledger.tables import EnrolmentRow, EnrolmentTryRow, KeyRow

MAX_TRIES = 10
"""Wrong codes after which the right one is worth nothing either."""
REFUSED = "the enrolment code is wrong, used or expired"
"""Told alike whatever the cause, so that nobody learns which units have codes."""


HINT = "Ask the PKI officer for a new code."


@dataclass(frozen=True)
class Enrolment:
    """What one code allows."""

    unit: str
    environment: str
    profile: str
    work_order: str
    digest: str
    """SHA-256 of the code with what it is for."""
    expires: datetime


class Enrolments(Database):
    """Codes and their uses; the newest code for a unit, environment and profile is the only one."""

    def add_enrolment(self, enrolment: Enrolment) -> None:
        """Enter a code; it takes the place of one that was given out before."""
        with self.writing() as connection:
            connection.execute(insert(EnrolmentRow).values(**vars(enrolment), at=now()))
            body = {"environment": enrolment.environment, "profile": enrolment.profile, "order": enrolment.work_order}
            expires = enrolment.expires.isoformat(timespec="seconds")
            self.audit(connection, "enrolment-allowed", enrolment.unit, expires=expires, **body)

    def try_code(self, unit: str, environment: str, profile: str, digest: str) -> tuple[int, str]:
        """Return id and work order of the enrolment that a code stands for; a wrong code is counted.

        Raises:
            RequestRefused: There is none, it expired, the code is wrong, or was tried too often.
        """
        with self.writing() as connection:
            found = _living(connection, unit, environment, profile)
            right = found is not None and hmac.compare_digest(found.digest, digest)
            if found and not right:
                connection.execute(insert(EnrolmentTryRow).values(enrolment_id=found.id, key_id=None, at=now()))
                self.audit(connection, "enrolment-refused", unit, environment=environment, reason="wrong code")
        if found is None or not right:
            raise RequestRefused(REFUSED, hint=HINT)
        return found.id, found.work_order

    def enrolled_key(self, enrolment: int) -> bytes | None:
        """Return the key (SPKI, DER) that an enrolment is bound to already."""
        wanted = select(KeyRow.spki).join(EnrolmentTryRow, EnrolmentTryRow.key_id == KeyRow.id)
        with self.reading() as connection:
            return connection.scalar(wanted.where(EnrolmentTryRow.enrolment_id == enrolment))

    def use_code(self, enrolment: int, spki: bytes) -> None:
        """Bind an enrolment to the key that was entered by it; the same key again changes nothing.

        Raises:
            RequestRefused: Another key was enrolled by this code, or this key is not in the ledger.
        """
        with self.writing() as connection:
            key = connection.scalar(select(KeyRow.id).where(KeyRow.spki_sha256 == sha256(spki).hexdigest()))
            used = connection.scalar(
                select(EnrolmentTryRow.key_id).where(
                    EnrolmentTryRow.enrolment_id == enrolment, EnrolmentTryRow.key_id.is_not(None)
                )
            )
            if key is None or used not in (None, key):
                raise RequestRefused(REFUSED, hint=HINT)
            if used is None:
                connection.execute(insert(EnrolmentTryRow).values(enrolment_id=enrolment, key_id=key, at=now()))


def _living(connection: Connection, unit: str, environment: str, profile: str) -> Row[int, str, str, datetime] | None:
    """Return the newest enrolment, unless it expired or was tried too often."""
    found = connection.execute(
        select(EnrolmentRow.id, EnrolmentRow.digest, EnrolmentRow.work_order, EnrolmentRow.expires)
        .where(EnrolmentRow.unit == unit, EnrolmentRow.environment == environment, EnrolmentRow.profile == profile)
        .order_by(EnrolmentRow.id.desc())
        .limit(1)
    ).first()
    if found is None or found.expires.replace(tzinfo=UTC) <= datetime.now(UTC):
        return None
    tries = select(func.count()).where(EnrolmentTryRow.enrolment_id == found.id, EnrolmentTryRow.key_id.is_(None))
    return found if (connection.scalar(tries) or 0) < MAX_TRIES else None
