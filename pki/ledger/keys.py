"""Keys, claims and certificates of units: a version at a time, each step decided once.

What exists once is unique here: a version of a unit's key, a public key over all environments, a certificate serial.
The state of a key is read from its events, so nothing is ever overwritten. Every method opens one transaction, and
reads in it what it decides by.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, and_, select

from pki.environment import KeyState, Origin
from pki.errors import RequestRefused
from pki.ledger.database import Act, Fact, now
from pki.ledger.prepared import adding, stored
from pki.ledger.quotas import Quota, QuotaKey, Quotas, excess
from pki.ledger.records import (
    ClaimRecord,
    KeyRecord,
    Owner,
    Version,
    all_records,
    by_id,
    by_version,
    fresh,
    known,
    newest,
)
from pki.ledger.revocations import Reason, Revocation, Revocations
from pki.ledger.tables import CertificateRow, ClaimRow, EventKind, EventRow, KeyRow, RevocationRow

MAX_SEEN = 1000


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

    def __init__(self, engine: Engine, actor: str) -> None:
        super().__init__(engine, actor)
        self._seen: dict[Version, KeyRecord] = {}
        """Keys as they were entered or proven a moment ago, for the next step on their way, which looks again."""

    def current(self, owner: Owner) -> KeyRecord | None:
        """Return the newest key, unless it is lost or superseded."""
        with self.looking() as connection:
            return _living(newest(connection, owner))

    def known(self, versions: Sequence[Version]) -> list[KeyRecord]:
        """Return keys in the order in which they are asked for.

        Those that were just proven through this object are told as they were then, once; `claim` looks again.

        Raises:
            RequestRefused: There is no such version, or it has another public key.
        """
        seen = [record for record in (self._seen.pop(version, None) for version in versions) if record]
        if len(seen) == len(versions) and all(record.state is KeyState.PROVEN for record in seen):
            return seen
        with self.looking() as connection:
            return known(connection, versions)

    def get(self, owner: Owner, version: int) -> KeyRecord | None:
        """Return one version of a key."""
        with self.looking() as connection:
            return by_version(connection, owner, version)

    def rows(self) -> list[KeyRecord]:
        """Return every key ever entered, oldest first."""
        with self.looking() as connection:
            return all_records(connection)

    def stored(self, fingerprints: Sequence[str]) -> dict[str, tuple[bytes, str]]:
        """Return certificates (DER) by SHA-256, each with why it was revoked or nothing; unknown ones are left out."""
        ended = and_(RevocationRow.authority == ClaimRow.authority, RevocationRow.serial == ClaimRow.serial)
        query = (
            select(CertificateRow.sha256, CertificateRow.der, RevocationRow.reason)
            .join(ClaimRow, ClaimRow.key_id == CertificateRow.key_id)
            .outerjoin(RevocationRow, ended)
            .where(CertificateRow.sha256.in_(fingerprints))
        )
        with self.reading() as connection:
            return {fingerprint: (der, reason or "") for fingerprint, der, reason in connection.execute(query)}

    def add_keys(self, news: Sequence[NewKey]) -> list[KeyRecord]:
        """Enter keys, each as its owner's next version; the same living key again changes nothing.

        With a reason a key takes the place of a living one, whose certificate is revoked in the same transaction.

        Raises:
            RequestRefused: An owner has a living key and no reason is given, or a key is or was someone's.
        """
        # A first key is not waited for: the claim makes it durable, and nothing is signed before. A power cut between
        # leaves a key on the device that nobody knows, which can never get a certificate.
        with self.writing(durable=any(new.reason for new in news)) as connection:
            added = [self._add_key(connection, new) for new in news]
        return self._remembered(added)

    def prove(self, proofs: Sequence[tuple[Version, str]]) -> list[KeyRecord]:
        """Enter that devices proved their keys, each with its evidence; the first proof stays.

        Raises:
            RequestRefused: There is no such version, or it has another public key, or is lost.
        """
        versions = [version for version, _ in proofs]
        # Not waited for: the claim that follows makes it durable, and without it the device is asked again.
        with self.writing(durable=False) as connection:
            records = [self._recalled(connection, version) for version in versions]
            for record in records:
                _refuse_lost(record)
            details = [detail for _, detail in proofs]
            proven = [_happen(connection, *each, EventKind.KEY_PROVEN) for each in zip(records, details, strict=True)]
        return self._remembered(proven)

    def _remembered(self, records: list[KeyRecord]) -> list[KeyRecord]:
        if len(self._seen) > MAX_SEEN:
            self._seen.clear()
        self._seen |= {Version(key.owner, key.version, key.spki): key for key in records if key.claim is None}
        return records

    def _recalled(self, connection: Connection, version: Version) -> KeyRecord:
        """Return a key as it is in the caller's transaction, read whole only if it is not remembered as it is."""
        seen = self._seen.pop(version, None)
        return fresh(connection, seen) if seen else known(connection, [version])[0]

    def happen(self, key: int, kind: EventKind, detail: str) -> None:
        """Enter an event of a key; the first of its kind stays, another changes nothing."""
        with self.writing() as connection:
            _happen(connection, by_id(connection, key), detail, kind)

    def retire(self, key: int, reason: Reason, detail: str) -> None:
        """End a key for good; a certificate that was claimed for it is revoked in the same transaction."""
        with self.writing() as connection:
            self._end(connection, by_id(connection, key), EventKind.KEY_LOST, detail, reason)

    def claim(self, claims: Sequence[tuple[KeyRecord, ClaimRecord]]) -> list[KeyRecord]:
        """Commit what the certificates of keys will say, and return the keys: a claim that was made before stays.

        Raises:
            RequestRefused: A key is not proven, or lost, or a work order has not enough certificates left.
        """
        with self.writing() as connection:
            asked = [(_proven(fresh(connection, record)), claim) for record, claim in claims]
            new = [(record, claim) for record, claim in asked if record.claim is None]
            counted = [(_quota_of(record), record) for record, _ in new if record.work_order]
            quotas = self.granted(connection, {quota for quota, _ in counted})
            refusal = self._excess(connection, counted, quotas)
            if new and not refusal:
                at = now()
                _ADD_CLAIM.run_each(connection, [_claim_row(record, claim, at) for record, claim in new])
                self.use(connection, [(quota, record.id) for quota, record in counted], quotas)
                self.audit_all(connection, [_claimed(record, claim) for record, claim in new])
        if refusal:
            raise RequestRefused(refusal, hint="Ask the line lead; a PKI officer may raise the quota.")
        return [record if record.claim else record._replace(claim=claim) for record, claim in asked]

    def store(self, certificates: Sequence[tuple[KeyRecord, bytes]]) -> list[KeyRecord]:
        """Keep the signed certificates of keys, and return the keys: one that was kept before stays.

        Raises:
            RequestRefused: A key was lost meanwhile.
        """
        with self.writing() as connection:
            asked, at = [(_proven(fresh(connection, record)), der) for record, der in certificates], now()
            new = [(record.id, der) for record, der in asked if record.certificate is None]
            _ADD_CERTIFICATE.run_each(connection, [_certificate_row(key, der, at) for key, der in new])
        return [record if record.certificate else record._replace(certificate=der) for record, der in asked]

    def _add_key(self, connection: Connection, new: NewKey) -> KeyRecord:
        before = newest(connection, new.owner)
        living = _living(before)
        if living and living.spki == new.spki:
            return living
        if living and not new.reason:
            _refuse_taken(connection, new)
            has = f"{living.unit} has a {living.environment} key already, version {living.version}"
            raise RequestRefused(has, hint="Prove it, or mark it lost.")
        added = _insert(connection, new, before)
        if living:
            self._end(connection, living, EventKind.SUPERSEDED, new.reason, Reason.SUPERSEDED)
        return added

    def _excess(
        self,
        connection: Connection,
        counted: Sequence[tuple[QuotaKey, KeyRecord]],
        quotas: Mapping[QuotaKey, Quota | None],
    ) -> str:
        """Return why a quota refuses, after it was recorded; empty if none does."""
        for quota, count in Counter(quota for quota, _ in counted).items():
            refusal = excess(quota, quotas[quota], count)
            if refusal:
                unit = next(record.unit for other, record in counted if other == quota)
                self.audit(connection, "quota-exceeded", quota.work_order, unit=unit, refusal=refusal)
                return refusal
        return ""

    def _end(self, connection: Connection, record: KeyRecord, kind: EventKind, detail: str, reason: Reason) -> None:
        if kind not in record.happened:
            _ADD_EVENT.run(connection, _event(record, kind, detail))
            body: dict[str, Fact] = {"environment": record.environment, "version": record.version, "detail": detail}
            self.audit(connection, kind.value, record.unit, **body)
        if record.claim is not None and not record.revoked:
            claim = record.claim
            self.revoke(connection, Revocation(claim.authority, claim.serial, reason, detail, claim.not_after))


_ADD_KEY, _ADD_EVENT = adding(KeyRow), adding(EventRow)
_ADD_CLAIM, _ADD_CERTIFICATE = adding(ClaimRow), adding(CertificateRow)


def _quota_of(record: KeyRecord) -> QuotaKey:
    return QuotaKey(record.work_order, record.environment, record.profile)


def _living(record: KeyRecord | None) -> KeyRecord | None:
    return record if record and record.state is not KeyState.LOST else None


def _proven(record: KeyRecord) -> KeyRecord:
    record.check_proven()
    return record


def _refuse_lost(record: KeyRecord) -> None:
    if record.state is KeyState.LOST:
        raise RequestRefused(f"the key of {record.unit}, version {record.version}, is lost")


def _insert(connection: Connection, new: NewKey, before: KeyRecord | None) -> KeyRecord:
    row = _key_row(connection, new, before)
    try:
        key = _ADD_KEY.run(connection, row).lastrowid
    except sqlite3.IntegrityError:
        _refuse_taken(connection, new)
        raise
    added = KeyRecord(key or 0, *new.owner, row["version"], new.origin, row["work_order"], row["reason"], new.spki)
    return _happen(connection, added, "request", EventKind.KEY_PROVEN) if new.proven else added


def _key_row(connection: Connection, new: NewKey, before: KeyRecord | None) -> dict[str, Any]:
    return {
        **new.owner._asdict(),
        "version": before.version + 1 if before else 1,
        "origin": new.origin,
        "work_order": "" if _never_arrived(before) else new.work_order,
        "reason": new.reason or _loss(connection, before),
        "spki": new.spki,
        "spki_sha256": sha256(new.spki).hexdigest(),
        "evidence": sha256(new.evidence).hexdigest(),
        "at": now(),
    }


def _never_arrived(before: KeyRecord | None) -> bool:
    """Tell whether the version before is a renewal that no device kept: what follows replaces what counted, as it did.

    So a power cut in the middle of a renewal takes nothing of what the work order may have.
    """
    if before is None or not before.reason:
        return False
    return not before.work_order and EventKind.INSTALLED not in before.happened


def _refuse_taken(connection: Connection, new: NewKey) -> None:
    taken = connection.execute(
        select(KeyRow.environment, KeyRow.unit, KeyRow.version).where(
            KeyRow.spki_sha256 == sha256(new.spki).hexdigest()
        )
    ).first()
    if taken:
        whose = f"the {taken.environment} key of {taken.unit}, version {taken.version}"
        raise RequestRefused(f"this key is or was {whose}", hint="Let the charger make a new key.")


def _loss(connection: Connection, before: KeyRecord | None) -> str:
    """Return why the version before ended."""
    if before is None:
        return ""
    ends = select(EventRow.detail).where(
        EventRow.key_id == before.id, EventRow.kind.in_((EventKind.KEY_LOST, EventKind.SUPERSEDED))
    )
    return connection.scalar(ends) or ""


def _happen(connection: Connection, record: KeyRecord, detail: str, kind: EventKind) -> KeyRecord:
    """Enter an event, unless one of its kind is there, and return the key with it."""
    if kind in record.happened:
        return record
    _ADD_EVENT.run(connection, _event(record, kind, detail))
    return record._replace(happened=record.happened | {kind})


def _event(key: KeyRecord, kind: EventKind, detail: str) -> dict[str, Any]:
    return {"key_id": key.id, "kind": kind, "detail": detail, "at": now()}


def _claim_row(record: KeyRecord, claim: ClaimRecord, at: str) -> dict[str, Any]:
    period = {"not_before": stored(claim.not_before), "not_after": stored(claim.not_after)}
    return {**claim._asdict(), **period, "key_id": record.id, "at": at}


def _certificate_row(key: int, der: bytes, at: str) -> dict[str, Any]:
    return {"key_id": key, "der": der, "sha256": sha256(der).hexdigest(), "at": at}


def _claimed(record: KeyRecord, claim: ClaimRecord) -> Act:
    body = {"environment": record.environment, "profile": record.profile, "serial": claim.serial}
    return Act("certificate-claimed", record.unit, {**body, "tbs_sha256": claim.tbs_sha256})
