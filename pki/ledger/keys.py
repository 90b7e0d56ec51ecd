"""Keys, claims and certificates of units: a version at a time, each step decided once.

What exists once is unique here: a version of a unit's key, a public key over all environments, a certificate serial.
The state of a key is read from its events, so nothing is ever overwritten.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy.exc import IntegrityError

from pki.environment import KeyState, Origin
from pki.errors import RequestRefused
from pki.ledger.database import now
from pki.ledger.quotas import Quotas
from pki.ledger.revocations import Reason, Revocation, Revocations
from pki.ledger.tables import CertificateRow, ClaimRow, EventKind, EventRow, KeyRow, RevocationRow


@dataclass(frozen=True)
class ClaimRecord:
    """A claim as it was committed."""

    serial: str
    organization: str
    not_before: datetime
    not_after: datetime
    tbs_sha256: str


@dataclass(frozen=True)
class KeyRecord:
    """Everything the ledger knows of one key, at one moment."""

    id: int
    unit: str
    environment: str
    profile: str
    version: int
    origin: Origin
    work_order: str
    reason: str
    spki: bytes
    claim: ClaimRecord | None
    certificate: bytes | None
    """DER."""
    happened: frozenset[EventKind]
    revocation: str
    """Why the certificate was revoked; empty while it lives."""

    @property
    def state(self) -> KeyState:
        """Return how far the key has come."""
        if self.happened & {EventKind.KEY_LOST, EventKind.SUPERSEDED}:
            return KeyState.LOST
        return KeyState.PROVEN if EventKind.KEY_PROVEN in self.happened else KeyState.CREATED

    @property
    def serial(self) -> str:
        """Return the certificate's serial number, empty before the claim."""
        return self.claim.serial if self.claim else ""

    @property
    def revoked(self) -> bool:
        """Tell whether the certificate was revoked."""
        return bool(self.revocation)

    @property
    def authority(self) -> str:
        """Return the name of the CA that issues for this key."""
        return f"{self.environment}-issuing"


@dataclass(frozen=True)
class Owner:
    """Whose key it is: a unit, in one environment, for one profile."""

    unit: str
    environment: str
    profile: str


@dataclass(frozen=True)
class NewKey:
    """A key about to be entered."""

    origin: Origin
    spki: bytes
    evidence: bytes
    """What it was made from: the recipient's key or the request."""
    work_order: str = ""
    reason: str = ""
    """Why it takes the place of a living one."""
    proven: bool = False


class Keys(Quotas, Revocations):
    """Keys by owner and version."""

    def current(self, owner: Owner) -> KeyRecord | None:
        """Return the newest key, unless it is lost or superseded."""
        with self.reading() as connection:
            return _living(_newest(connection, owner))

    def get(self, owner: Owner, version: int) -> KeyRecord | None:
        """Return one version of a key."""
        with self.reading() as connection:
            return _record(connection.execute(_of(owner).where(KeyRow.version == version)).first())

    def rows(self) -> list[KeyRecord]:
        """Return every key ever entered, oldest first."""
        with self.reading() as connection:
            rows = connection.execute(_records().order_by(KeyRow.id)).all()
        return [record for row in rows if (record := _record(row))]

    def add_key(self, owner: Owner, new: NewKey) -> KeyRecord:
        """Enter a key as the next version; the same living key again changes nothing.

        With a reason it takes the place of a living one, whose certificate is revoked in the same transaction.

        Raises:
            RequestRefused: The owner has a living key and no reason is given, or this key is or was someone's.
        """
        with self.writing() as connection:
            newest = _newest(connection, owner)
            living = _living(newest)
            if living and living.spki == new.spki:
                return living
            if living and not new.reason:
                _refuse_taken(connection, new.spki)
                raise RequestRefused(f"{owner.unit} has a {owner.environment} key, version {living.version}, already")
            version = newest.version + 1 if newest else 1
            key = _insert(connection, owner, new, version, new.reason or _loss(connection, newest))
            if living:
                self._end(connection, living, EventKind.SUPERSEDED, new.reason, Reason.SUPERSEDED)
            return key

    def happen(self, key: int, kind: EventKind, detail: str) -> KeyRecord:
        """Enter an event; the first of its kind stays, another changes nothing."""
        with self.writing() as connection:
            record = _by_id(connection, key)
            if kind not in record.happened:
                _enter(connection, key, kind, detail)
            return _with(record, kind)

    def retire(self, key: int, reason: Reason, detail: str) -> KeyRecord:
        """End a key for good; a certificate that was claimed for it is revoked in the same transaction."""
        with self.writing() as connection:
            record = _by_id(connection, key)
            self._end(connection, record, EventKind.KEY_LOST, detail, reason)
            return _by_id(connection, key)

    def claim(self, key: int, claim: ClaimRecord) -> ClaimRecord:
        """Commit what the certificate will say and return it: a claim that was made before stays.

        Raises:
            RequestRefused: The key is not proven, or lost, or its work order has no certificate left.
        """
        with self.writing() as connection:
            record = _proven(_by_id(connection, key))
            if record.claim is not None:
                return record.claim
            refusal = self._counted(connection, record)
            if not refusal:
                connection.execute(insert(ClaimRow).values(key_id=key, **vars(claim), at=now()))
                self._use(connection, record)
                body = {"environment": record.environment, "profile": record.profile, "serial": claim.serial}
                self.audit(connection, "certificate-claimed", record.unit, tbs_sha256=claim.tbs_sha256, **body)
        if refusal:
            raise RequestRefused(refusal, hint="Ask the line lead; a PKI officer may raise the quota.")
        return claim

    def store(self, key: int, der: bytes) -> bytes:
        """Keep a signed certificate and return what is kept: one that was kept before stays.

        Raises:
            RequestRefused: The key was lost meanwhile.
        """
        with self.writing() as connection:
            record = _proven(_by_id(connection, key))
            if record.certificate is not None:
                return record.certificate
            values = {"key_id": key, "der": der, "sha256": sha256(der).hexdigest(), "at": now()}
            connection.execute(insert(CertificateRow).values(**values))
            return der

    def _counted(self, connection: Connection, record: KeyRecord) -> str:
        """Return why the quota refuses, after it was recorded; empty if it does not."""
        if not record.work_order:
            return ""
        refusal = self.excess(connection, record.work_order, record.environment, record.profile)
        if refusal:
            self.audit(connection, "quota-exceeded", record.work_order, unit=record.unit, refusal=refusal)
        return refusal

    def _use(self, connection: Connection, record: KeyRecord) -> None:
        if record.work_order:
            self.use(connection, record.work_order, record.environment, record.profile, record.id)

    def _end(self, connection: Connection, record: KeyRecord, kind: EventKind, detail: str, reason: Reason) -> None:
        if kind not in record.happened:
            _enter(connection, record.id, kind, detail)
            self.audit(
                connection,
                kind.value,
                record.unit,
                environment=record.environment,
                version=record.version,
                detail=detail,
            )
        if record.claim is not None and not record.revoked:
            expires = record.claim.not_after
            self.revoke(connection, Revocation(record.authority, record.serial, reason, detail, expires))


def _records() -> Any:
    kinds = select(func.group_concat(EventRow.kind)).where(EventRow.key_id == KeyRow.id).correlate(KeyRow)
    return (
        select(
            *(KeyRow.id, KeyRow.unit, KeyRow.environment, KeyRow.profile, KeyRow.version, KeyRow.origin),
            *(KeyRow.work_order, KeyRow.reason, KeyRow.spki),
            *(ClaimRow.serial, ClaimRow.organization, ClaimRow.not_before, ClaimRow.not_after, ClaimRow.tbs_sha256),
            *(CertificateRow.der, kinds.scalar_subquery().label("kinds"), RevocationRow.reason.label("revocation")),
        )
        .outerjoin(ClaimRow, ClaimRow.key_id == KeyRow.id)
        .outerjoin(CertificateRow, CertificateRow.key_id == KeyRow.id)
        .outerjoin(RevocationRow, RevocationRow.serial == ClaimRow.serial)
    )


_RECORDS = _records()


def _of(owner: Owner) -> Any:
    return _RECORDS.where(
        KeyRow.unit == owner.unit, KeyRow.environment == owner.environment, KeyRow.profile == owner.profile
    )


def _newest(connection: Connection, owner: Owner) -> KeyRecord | None:
    return _record(connection.execute(_of(owner).order_by(KeyRow.version.desc()).limit(1)).first())


def _living(record: KeyRecord | None) -> KeyRecord | None:
    return record if record and record.state is not KeyState.LOST else None


def _by_id(connection: Connection, key: int) -> KeyRecord:
    record = _record(connection.execute(_RECORDS.where(KeyRow.id == key)).first())
    if record is None:
        raise RequestRefused(f"the ledger has no key {key}")
    return record


def _proven(record: KeyRecord) -> KeyRecord:
    if record.state is not KeyState.PROVEN:
        why = "is lost" if record.state is KeyState.LOST else "was not proven by the device"
        raise RequestRefused(f"the {record.environment} key of {record.unit}, version {record.version}, {why}")
    return record


def _insert(connection: Connection, owner: Owner, new: NewKey, version: int, reason: str) -> KeyRecord:
    values: dict[str, Any] = {
        **vars(owner),
        "version": version,
        "origin": new.origin,
        "work_order": new.work_order,
        "reason": reason,
        "spki": new.spki,
    }
    row = {**values, "spki_sha256": sha256(new.spki).hexdigest(), "evidence": sha256(new.evidence).hexdigest()}
    try:
        done = connection.execute(insert(KeyRow).values(**row, at=now()))
    except IntegrityError:
        _refuse_taken(connection, new.spki)
        raise
    key: int = done.lastrowid
    happened = frozenset({EventKind.KEY_PROVEN}) if new.proven else frozenset()
    if new.proven:
        _enter(connection, key, EventKind.KEY_PROVEN, "request")
    return KeyRecord(id=key, **values, claim=None, certificate=None, happened=happened, revocation="")


def _refuse_taken(connection: Connection, spki: bytes) -> None:
    digest = sha256(spki).hexdigest()
    taken = connection.execute(
        select(KeyRow.environment, KeyRow.unit, KeyRow.version).where(KeyRow.spki_sha256 == digest)
    ).first()
    if taken:
        whose = f"the {taken.environment} key of {taken.unit}, version {taken.version}"
        raise RequestRefused(f"this key is or was {whose}", hint="Let the charger make a new key.")


def _loss(connection: Connection, newest: KeyRecord | None) -> str:
    """Return why the version before ended."""
    if newest is None:
        return ""
    ends = select(EventRow.detail).where(
        EventRow.key_id == newest.id, EventRow.kind.in_((EventKind.KEY_LOST, EventKind.SUPERSEDED))
    )
    return connection.scalar(ends) or ""


def _enter(connection: Connection, key: int, kind: EventKind, detail: str) -> None:
    connection.execute(insert(EventRow).values(key_id=key, kind=kind, detail=detail, at=now()))


def _with(record: KeyRecord, kind: EventKind) -> KeyRecord:
    return KeyRecord(**{**vars(record), "happened": record.happened | {kind}})


def _record(row: Row[Any] | None) -> KeyRecord | None:
    if row is None:
        return None
    claim = None
    if row.serial is not None:
        start, end = row.not_before.replace(tzinfo=UTC), row.not_after.replace(tzinfo=UTC)
        claim = ClaimRecord(row.serial, row.organization, start, end, row.tbs_sha256)
    return KeyRecord(
        id=row.id,
        unit=row.unit,
        environment=row.environment,
        profile=row.profile,
        version=row.version,
        origin=Origin(row.origin),
        work_order=row.work_order,
        reason=row.reason,
        spki=row.spki,
        claim=claim,
        certificate=row.der,
        happened=frozenset(EventKind(kind) for kind in (row.kinds or "").split(",") if kind),
        revocation=row.revocation or "",
    )
