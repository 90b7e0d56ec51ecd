"""Keys, claims and certificates of units: a version at a time, each step decided once.

What exists once is unique here: a version of a unit's key, a public key over all environments, a certificate serial.
The state of a key is read from its events, so nothing is ever overwritten.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, func, insert, select, tuple_
from sqlalchemy.exc import IntegrityError

from pki.environment import KeyState, Origin
from pki.errors import RequestRefused
from pki.ledger.database import Act, now
from pki.ledger.quotas import QuotaKey, Quotas
from pki.ledger.revocations import Reason, Revocation, Revocations
from pki.ledger.tables import CertificateRow, ClaimRow, EventKind, EventRow, KeyRow, RevocationRow


@dataclass(frozen=True)
class ClaimRecord:
    """A claim as it was committed."""

    serial: str
    authority: str
    """Name of the CA that signs it, as `test-issuing`."""
    organization: str
    not_before: datetime
    not_after: datetime
    tbs_sha256: str


class Owner(NamedTuple):
    """Whose key it is: a unit, in one environment, for one profile."""

    unit: str
    environment: str
    profile: str


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
    def owner(self) -> Owner:
        """Return whose key it is."""
        return Owner(self.unit, self.environment, self.profile)

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
    def organization(self) -> str:
        """Return whom the certificate names as its owner, empty before the claim."""
        return self.claim.organization if self.claim else ""

    def check_proven(self) -> None:
        """Refuse a key for which nothing may be signed.

        Raises:
            RequestRefused: The device did not prove it, or it is lost.
        """
        if self.state is not KeyState.PROVEN:
            why = "is lost" if self.state is KeyState.LOST else "was not proven by the device"
            raise RequestRefused(f"the {self.environment} key of {self.unit}, version {self.version}, {why}")

    @property
    def revoked(self) -> bool:
        """Tell whether the certificate was revoked."""
        return bool(self.revocation)


@dataclass(frozen=True)
class NewKey:
    """A key about to be entered."""

    owner: Owner
    origin: Origin
    spki: bytes
    evidence: bytes
    """What it was made from: the recipient's key or the request."""
    work_order: str = ""
    reason: str = ""
    """Why it takes the place of a living one."""
    proven: bool = False


class Keys(Quotas, Revocations):
    """Keys by owner and version; what takes several does all of them in one transaction, or none."""

    def current(self, owner: Owner) -> KeyRecord | None:
        """Return the newest key, unless it is lost or superseded."""
        return next(iter(self.living([owner])), None)

    def living(self, owners: Sequence[Owner]) -> list[KeyRecord]:
        """Return the newest key of each owner that has one, unless it is lost or superseded."""
        with self.reading() as connection:
            newest = _newest(connection, owners).values()
        return [record for record in newest if _living(record)]

    def versions(self, wanted: Sequence[tuple[Owner, int]]) -> list[KeyRecord | None]:
        """Return keys by owner and version."""
        with self.reading() as connection:
            found = _read(connection, _BY_VERSION, [(*owner, number) for owner, number in wanted])
        known = {(record.owner, record.version): record for record in found}
        return [known.get(each) for each in wanted]

    def get(self, owner: Owner, version: int) -> KeyRecord | None:
        """Return one version of a key."""
        return self.versions([(owner, version)])[0]

    def rows(self) -> list[KeyRecord]:
        """Return every key ever entered, oldest first."""
        with self.reading() as connection:
            return _read(connection, _RECORDS)

    def add_keys(self, news: Sequence[NewKey]) -> list[KeyRecord]:
        """Enter keys, each as its owner's next version; the same living key again changes nothing.

        With a reason a key takes the place of a living one, whose certificate is revoked in the same transaction.

        Raises:
            RequestRefused: An owner has a living key and no reason is given, or a key is or was someone's.
        """
        with self.writing() as connection:
            newest = _newest(connection, [new.owner for new in news])
            repeated = {
                new.owner: old for new in news if (old := _living(newest.get(new.owner))) and old.spki == new.spki
            }
            fresh = [new for new in news if new.owner not in repeated]
            _refuse_living(connection, fresh, newest)
            added = {key.owner: key for key in _insert(connection, fresh, newest)}
            for new in fresh:
                if living := _living(newest.get(new.owner)):
                    self._end(connection, living, EventKind.SUPERSEDED, new.reason, Reason.SUPERSEDED)
            return [repeated.get(new.owner) or added[new.owner] for new in news]

    def happen(self, events: Sequence[tuple[KeyRecord, str]], kind: EventKind) -> list[KeyRecord]:
        """Enter an event for each key; the first of its kind stays, another changes nothing."""
        with self.writing() as connection:
            before = _by_ids(connection, [key.id for key, _ in events])
            rows = [_event(key, kind, detail) for (key, detail) in events if kind not in before[key.id].happened]
            if rows:
                connection.execute(_ADD_EVENT, rows)
            return [replace(found, happened=found.happened | {kind}) for found in before.values()]

    def retire(self, key: int, reason: Reason, detail: str) -> None:
        """End a key for good; a certificate that was claimed for it is revoked in the same transaction."""
        with self.writing() as connection:
            self._end(connection, _by_ids(connection, [key])[key], EventKind.KEY_LOST, detail, reason)

    def claim(self, claims: Sequence[tuple[int, ClaimRecord]]) -> list[ClaimRecord]:
        """Commit what certificates will say, by key, and return it: a claim that was made before stays.

        Raises:
            RequestRefused: A key is not proven, or lost, or a work order has not enough certificates left.
        """
        with self.writing() as connection:
            records = _by_ids(connection, [key for key, _ in claims])
            fresh = [(_proven(records[key]), claim) for key, claim in claims if records[key].claim is None]
            refusal = self._excess(connection, [record for record, _ in fresh])
            if fresh and not refusal:
                connection.execute(_ADD_CLAIM, [{"key_id": key.id, **vars(made), "at": now()} for key, made in fresh])
                self.use(connection, [(_quota_of(record), record.id) for record, _ in fresh])
                self.audit_all(connection, [_claimed(record, claim) for record, claim in fresh])
        if refusal:
            raise RequestRefused(refusal, hint="Ask the line lead; a PKI officer may raise the quota.")
        return [records[key].claim or claim for key, claim in claims]

    def store(self, certificates: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """Keep signed certificates, by key, and return what is kept: one that was kept before stays.

        Raises:
            RequestRefused: A key was lost meanwhile.
        """
        with self.writing() as connection:
            records = _by_ids(connection, [key for key, _ in certificates])
            rows = [
                {"key_id": key, "der": der, "sha256": sha256(der).hexdigest(), "at": now()}
                for key, der in certificates
                if _proven(records[key]).certificate is None
            ]
            if rows:
                connection.execute(_ADD_CERTIFICATE, rows)
            return [records[key].certificate or der for key, der in certificates]

    def _excess(self, connection: Connection, records: Sequence[KeyRecord]) -> str:
        """Return why a quota refuses, after it was recorded; empty if none does."""
        for quota, count in Counter(_quota_of(record) for record in records if record.work_order).items():
            refusal = self.excess(connection, quota, count)
            if refusal:
                unit = next(record.unit for record in records if _quota_of(record) == quota)
                self.audit(connection, "quota-exceeded", quota.work_order, unit=unit, refusal=refusal)
                return refusal
        return ""

    def _end(self, connection: Connection, record: KeyRecord, kind: EventKind, detail: str, reason: Reason) -> None:
        if kind not in record.happened:
            connection.execute(_ADD_EVENT, _event(record, kind, detail))
            body = {"environment": record.environment, "version": record.version, "detail": detail}
            self.audit(connection, kind.value, record.unit, **body)
        if record.claim is not None and not record.revoked:
            claim = record.claim
            self.revoke(connection, Revocation(claim.authority, claim.serial, reason, detail, claim.not_after))


def _quota_of(record: KeyRecord) -> QuotaKey:
    return QuotaKey(record.work_order, record.environment, record.profile)


def _records() -> Any:
    kinds = select(func.group_concat(EventRow.kind)).where(EventRow.key_id == KeyRow.id).correlate(KeyRow)
    return (
        select(
            *(KeyRow.id, KeyRow.unit, KeyRow.environment, KeyRow.profile, KeyRow.version, KeyRow.origin),
            *(KeyRow.work_order, KeyRow.reason, KeyRow.spki),
            *(
                ClaimRow.serial,
                ClaimRow.authority,
                ClaimRow.organization,
                ClaimRow.not_before,
                ClaimRow.not_after,
                ClaimRow.tbs_sha256,
            ),
            *(CertificateRow.der, kinds.scalar_subquery().label("kinds"), RevocationRow.reason.label("revocation")),
        )
        .outerjoin(ClaimRow, ClaimRow.key_id == KeyRow.id)
        .outerjoin(CertificateRow, CertificateRow.key_id == KeyRow.id)
        .outerjoin(RevocationRow, RevocationRow.serial == ClaimRow.serial)
        .order_by(KeyRow.id)
    )


_RECORDS = _records()


_OWNER = (KeyRow.unit, KeyRow.environment, KeyRow.profile)
# Statements stand ready, because SQLAlchemy takes longer to put one together than SQLite to run it.
_BY_OWNER = _RECORDS.where(tuple_(*_OWNER).in_(bindparam("wanted", expanding=True)))
_BY_VERSION = _RECORDS.where(tuple_(*_OWNER, KeyRow.version).in_(bindparam("wanted", expanding=True)))
_BY_ID = _RECORDS.where(KeyRow.id.in_(bindparam("wanted", expanding=True)))
_ADD_KEY = insert(KeyRow).returning(KeyRow.id, sort_by_parameter_order=True)
_ADD_EVENT, _ADD_CLAIM, _ADD_CERTIFICATE = insert(EventRow), insert(ClaimRow), insert(CertificateRow)


def _read(connection: Connection, statement: Any, wanted: Sequence[Any] | None = None) -> list[KeyRecord]:
    parameters = {} if wanted is None else {"wanted": wanted}
    return [_record(row) for row in connection.execute(statement, parameters)]


def _newest(connection: Connection, owners: Sequence[Owner]) -> dict[Owner, KeyRecord]:
    # Oldest first, so that the newest version of each owner stays in the dictionary.
    return {found.owner: found for found in _read(connection, _BY_OWNER, owners)}


def _by_ids(connection: Connection, keys: Sequence[int]) -> dict[int, KeyRecord]:
    found = {record.id: record for record in _read(connection, _BY_ID, keys)}
    return {key: found[key] for key in keys}


def _living(record: KeyRecord | None) -> KeyRecord | None:
    return record if record and record.state is not KeyState.LOST else None


def _proven(record: KeyRecord) -> KeyRecord:
    record.check_proven()
    return record


def _refuse_living(connection: Connection, fresh: Sequence[NewKey], newest: Mapping[Owner, KeyRecord]) -> None:
    for new in fresh:
        if (living := _living(newest.get(new.owner))) and not new.reason:
            _refuse_taken(connection, [new])
            raise RequestRefused(f"{living.unit} has a {living.environment} key, version {living.version}, already")


def _insert(connection: Connection, news: Sequence[NewKey], newest: Mapping[Owner, KeyRecord]) -> list[KeyRecord]:
    rows = [_key_row(connection, new, newest.get(new.owner)) for new in news]
    if not rows:
        return []
    try:
        done = connection.execute(_ADD_KEY, rows)
    except IntegrityError:
        _refuse_taken(connection, news)
        raise
    keys = [_entered(key, row, proven=new.proven) for key, row, new in zip(done.scalars(), rows, news, strict=True)]
    proven = [_event(key, EventKind.KEY_PROVEN, "request") for key in keys if key.happened]
    if proven:
        connection.execute(_ADD_EVENT, proven)
    return keys


def _key_row(connection: Connection, new: NewKey, newest: KeyRecord | None) -> dict[str, Any]:
    return {
        **new.owner._asdict(),
        "version": newest.version + 1 if newest else 1,
        "origin": new.origin,
        "work_order": new.work_order,
        "reason": new.reason or _loss(connection, newest),
        "spki": new.spki,
        "spki_sha256": sha256(new.spki).hexdigest(),
        "evidence": sha256(new.evidence).hexdigest(),
        "at": now(),
    }


def _entered(key: int, row: Mapping[str, Any], *, proven: bool) -> KeyRecord:
    known = {
        name: row[name] for name in ("unit", "environment", "profile", "version", "origin", "work_order", "reason")
    }
    happened = frozenset({EventKind.KEY_PROVEN}) if proven else frozenset()
    return KeyRecord(id=key, **known, spki=row["spki"], claim=None, certificate=None, happened=happened, revocation="")


def _refuse_taken(connection: Connection, news: Sequence[NewKey]) -> None:
    digests = [sha256(new.spki).hexdigest() for new in news]
    taken = connection.execute(
        select(KeyRow.environment, KeyRow.unit, KeyRow.version).where(KeyRow.spki_sha256.in_(digests))
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


def _event(key: KeyRecord, kind: EventKind, detail: str) -> dict[str, Any]:
    return {"key_id": key.id, "kind": kind, "detail": detail, "at": now()}


def _claimed(record: KeyRecord, claim: ClaimRecord) -> Act:
    body = {"environment": record.environment, "profile": record.profile, "serial": claim.serial}
    return Act("certificate-claimed", record.unit, {**body, "tbs_sha256": claim.tbs_sha256})


def _record(row: Row[Any]) -> KeyRecord:
    claim = None
    if row.serial is not None:
        start, end = row.not_before.replace(tzinfo=UTC), row.not_after.replace(tzinfo=UTC)
        claim = ClaimRecord(row.serial, row.authority, row.organization, start, end, row.tbs_sha256)
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
