"""What the ledger knows of a key, read in one look: the key, its claim, its certificate, its events, its end."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Select, and_, bindparam, func, select

from pki.environment import KeyState, Origin
from pki.errors import RequestRefused
from pki.ledger.prepared import Prepared, moment
from pki.ledger.tables import CertificateRow, ClaimRow, EventKind, EventRow, KeyRow, RevocationRow


class ClaimRecord(NamedTuple):
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


class Version(NamedTuple):
    """One version of an owner's key, by whoever asks for it: the ledger must know it by the same public key."""

    owner: Owner
    number: int
    spki: bytes


class KeyRecord(NamedTuple):
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
    claim: ClaimRecord | None = None
    certificate: bytes | None = None
    """DER."""
    happened: frozenset[EventKind] = frozenset()
    revocation: str = ""
    """Why the certificate was revoked; empty while it lives."""

    @property
    def rows(self) -> int:
        """Return how many rows were added about the key, besides its own."""
        return len(self.happened) + (self.claim is not None) + (self.certificate is not None) + self.revoked

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


def all_records(connection: Connection) -> list[KeyRecord]:
    """Return every key, oldest first."""
    return _read(connection, _ALL, {})


def newest(connection: Connection, owner: Owner) -> KeyRecord | None:
    """Return an owner's newest key."""
    return next(iter(_read(connection, _NEWEST, owner._asdict())), None)


def by_version(connection: Connection, owner: Owner, number: int) -> KeyRecord | None:
    """Return one version of an owner's key."""
    return next(iter(_read(connection, _BY_VERSION, {**owner._asdict(), "version": number})), None)


def by_id(connection: Connection, key: int) -> KeyRecord:
    """Return the key of a row that was read before."""
    (found,) = _read(connection, _BY_ID, {"id": key})
    return found


def fresh(connection: Connection, record: KeyRecord) -> KeyRecord:
    """Return a key that was read before as it is now.

    Rows are only ever added: as many as before are the same as before, and counting them is the cheaper look.
    """
    (rows,) = _ROWS.run(connection, {"id": record.id}).fetchone()
    return record if rows == record.rows else by_id(connection, record.id)


def known(connection: Connection, versions: Sequence[Version]) -> list[KeyRecord]:
    """Return keys in the order in which they are asked for.

    Raises:
        RequestRefused: The ledger has no such version, or with another public key.
    """
    found = [by_version(connection, owner, number) for owner, number, _ in versions]
    return [_same_key(version, record) for version, record in zip(versions, found, strict=True)]


def _same_key(version: Version, record: KeyRecord | None) -> KeyRecord:
    if record is None or record.spki != version.spki:
        what = f"version {version.number} of the key of {version.owner.unit}"
        raise RequestRefused(f"the ledger does not know {what}")
    return record


def _of(*names: str) -> Any:
    return and_(*(getattr(KeyRow, name) == bindparam(name) for name in names))


def _rows_of(key: BindParameter[Any]) -> Select[int]:
    revoked = and_(RevocationRow.authority == ClaimRow.authority, RevocationRow.serial == ClaimRow.serial)
    counts = (
        select(func.count()).where(EventRow.key_id == key),
        select(func.count()).where(ClaimRow.key_id == key),
        select(func.count()).where(CertificateRow.key_id == key),
        select(func.count()).where(ClaimRow.key_id == key, revoked),
    )
    return select(reduce(add, [count.scalar_subquery() for count in counts]))


_KINDS = select(func.group_concat(EventRow.kind)).where(EventRow.key_id == KeyRow.id).correlate(KeyRow)
_RECORDS = (
    select(
        *(KeyRow.id, KeyRow.unit, KeyRow.environment, KeyRow.profile, KeyRow.version, KeyRow.origin),
        *(KeyRow.work_order, KeyRow.reason, KeyRow.spki),
        *(ClaimRow.serial, ClaimRow.authority, ClaimRow.organization),
        *(ClaimRow.not_before, ClaimRow.not_after, ClaimRow.tbs_sha256),
        *(CertificateRow.der, _KINDS.scalar_subquery(), RevocationRow.reason.label("revocation")),
    )
    .outerjoin(ClaimRow, ClaimRow.key_id == KeyRow.id)
    .outerjoin(CertificateRow, CertificateRow.key_id == KeyRow.id)
    .outerjoin(
        RevocationRow, and_(RevocationRow.authority == ClaimRow.authority, RevocationRow.serial == ClaimRow.serial)
    )
)
_ROWS = Prepared(_rows_of(bindparam("id")))
_ALL = Prepared(_RECORDS.order_by(KeyRow.id))
_NEWEST = Prepared(_RECORDS.where(_of(*Owner._fields)).order_by(KeyRow.version.desc()).limit(1))
_BY_VERSION = Prepared(_RECORDS.where(_of(*Owner._fields, "version")))
_BY_ID = Prepared(_RECORDS.where(_of("id")))


def _read(connection: Connection, statement: Prepared, values: Mapping[str, Any]) -> list[KeyRecord]:
    return [_record(row) for row in statement.run(connection, values)]


def _record(row: Any) -> KeyRecord:
    """Return the record of one row, whose columns come in the order of its fields."""
    key, unit, environment, profile, version, origin, work_order, reason, spki, *claim, der, kinds, revocation = row
    claimed = _claim(*claim) if claim[0] else None
    happened = frozenset(map(EventKind, kinds.split(","))) if kinds else frozenset()
    named = key, unit, environment, profile, version, Origin(origin), work_order, reason, spki
    return KeyRecord(*named, claimed, der, happened, revocation or "")


def _claim(serial: str, authority: str, organization: str, start: str, end: str, tbs_sha256: str) -> ClaimRecord:
    return ClaimRecord(serial, authority, organization, moment(start), moment(end), tbs_sha256)
