"""Every key and certificate this factory ever made, in a file of the PKI's own; rows are only ever added.

What exists once is unique here: a version of a unit's key, a public key over both environments, a certificate serial.
The state of a key is read from its events, so nothing is ever overwritten.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from pki.environment import KeyState, Origin
from pki.errors import PkiError, RequestRefused
from pki.ledger.tables import (
    SCHEMA_VERSION,
    TRIGGERS,
    Base,
    CertificateRow,
    ClaimRow,
    EventKind,
    EventRow,
    KeyRow,
    SchemaRow,
    connect,
)


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
    spki: bytes
    state: KeyState
    claim: ClaimRecord | None
    certificate: bytes | None
    """DER."""
    happened: frozenset[EventKind]

    @property
    def serial(self) -> str:
        """Return the certificate's serial number, empty before the claim."""
        return self.claim.serial if self.claim else ""

    @property
    def revoked(self) -> bool:
        """Tell whether the certificate was revoked."""
        return EventKind.REVOKED in self.happened


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
    """What it was made from: the transport key or the request."""
    proven: bool = False


class Ledger:
    """The open ledger file; safe from many threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def current(self, owner: Owner) -> KeyRecord | None:
        """Return the newest key, unless it is lost."""
        with self._transaction(write=False) as session:
            return _living(session, owner)

    def get(self, owner: Owner, version: int) -> KeyRecord | None:
        """Return one version of a key."""
        with self._transaction(write=False) as session:
            row = session.scalar(_of(owner).where(KeyRow.version == version))
            return _record(row) if row else None

    def rows(self) -> list[KeyRecord]:
        """Return every key ever entered, oldest first."""
        with self._transaction(write=False) as session:
            return [_record(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.id))]

    def check(self) -> list[str]:
        """Return what is missing or damaged in the file, one sentence each; losing a trigger counts."""
        with self._transaction(write=False) as session:
            found = set(session.scalars(text("SELECT name FROM sqlite_master WHERE type IN ('table', 'trigger')")))
            faults = [fault for fault in session.scalars(text("PRAGMA quick_check")) if fault != "ok"]
        missing = [name for name in (*Base.metadata.tables, *TRIGGERS) if name not in found]
        return [f"the ledger lacks {name}" for name in missing] + [
            f"the ledger is damaged: {fault}" for fault in faults
        ]

    def add_key(self, owner: Owner, new: NewKey) -> KeyRecord:
        """Enter a key as the next version; the same living key again changes nothing.

        Raises:
            RequestRefused: The owner has a living key, or this key is or was someone's.
        """
        digest = sha256(new.spki).hexdigest()
        with self._transaction() as session:
            living = _living(session, owner)
            if living and living.spki == new.spki:
                return living
            _refuse_taken(session, digest)
            if living:
                raise RequestRefused(f"{owner.unit} has a {owner.environment} key, version {living.version}, already")
            versions = select(func.max(KeyRow.version)).where(*_where(owner))
            row = KeyRow(
                unit=owner.unit,
                environment=owner.environment,
                profile=owner.profile,
                version=(session.scalar(versions) or 0) + 1,
                origin=new.origin,
                spki=new.spki,
                spki_sha256=digest,
                evidence=sha256(new.evidence).hexdigest(),
                at=_now(),
            )
            if new.proven:
                row.events.append(EventRow(kind=EventKind.KEY_PROVEN, detail="request", at=_now()))
            session.add(row)
            session.flush()
            return _record(row)

    def happen(self, key: int, kind: EventKind, detail: str) -> KeyRecord:
        """Enter an event; the first of its kind stays, another changes nothing."""
        with self._transaction() as session:
            row = session.get_one(KeyRow, key)
            _enter(row, kind, detail)
            session.flush()
            return _record(row)

    def retire(self, key: int, reason: str) -> KeyRecord:
        """End a key for good; a certificate that was claimed for it is revoked in the same transaction."""
        with self._transaction() as session:
            row = session.get_one(KeyRow, key)
            _enter(row, EventKind.KEY_LOST, reason)
            if row.claim is not None:
                _enter(row, EventKind.REVOKED, reason)
            session.flush()
            return _record(row)

    def claim(self, key: int, claim: ClaimRecord) -> ClaimRecord:
        """Commit what the certificate will say and return it: a claim that was made before stays.

        Raises:
            RequestRefused: The key is not proven, or lost.
        """
        with self._transaction() as session:
            row = _proven(session, key)
            if row.claim is None:
                row.claim = ClaimRow(**vars(claim), at=_now())
                session.flush()
            return _claim_record(row.claim)

    def store(self, key: int, der: bytes) -> bytes:
        """Keep a signed certificate and return what is kept: one that was kept before stays.

        Raises:
            RequestRefused: The key was lost meanwhile.
        """
        with self._transaction() as session:
            row = _proven(session, key)
            if row.certificate is None:
                row.certificate = CertificateRow(der=der, sha256=sha256(der).hexdigest(), at=_now())
                session.flush()
            return row.certificate.der

    @contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[Session]:
        try:
            with Session(self._engine.execution_options(write=write)) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or type(error).__name__
            raise PkiError(f"the ledger can't be used: {cause}", hint="Check disk and ledger file.") from error


def create_ledger(path: Path) -> None:
    """Create an empty ledger where there is none."""
    if not path.exists():
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        engine = connect(part)
        Base.metadata.create_all(engine)
        with Session(engine) as session, session.begin():
            session.add(SchemaRow(version=SCHEMA_VERSION))
        engine.dispose()
        part.rename(path)


def open_ledger(path: Path) -> Ledger:
    """Open the ledger; a missing one is never replaced by an empty one, which would allow everything twice.

    Raises:
        PkiError: The file is missing, of another version, or no ledger.
    """
    if not path.exists():
        raise PkiError(f"the ledger {path} is missing", hint="Restore it from the backup.")
    engine = connect(path)
    try:
        with Session(engine.execution_options(write=False)) as session:
            version = session.scalar(select(SchemaRow.version))
    except SQLAlchemyError as error:
        raise PkiError(f"{path} is no ledger: {getattr(error, 'orig', error)}", hint="Restore the backup.") from error
    if version != SCHEMA_VERSION:
        raise PkiError(f"{path} has schema {version}, this program needs {SCHEMA_VERSION}", hint="Install its version.")
    return Ledger(engine)


def _where(owner: Owner) -> tuple[Any, ...]:
    return KeyRow.unit == owner.unit, KeyRow.environment == owner.environment, KeyRow.profile == owner.profile


def _of(owner: Owner) -> Any:
    return select(KeyRow).where(*_where(owner))


def _living(session: Session, owner: Owner) -> KeyRecord | None:
    row = session.scalar(_of(owner).order_by(KeyRow.version.desc()).limit(1))
    record = _record(row) if row else None
    return record if record and record.state is not KeyState.LOST else None


def _refuse_taken(session: Session, digest: str) -> None:
    taken = session.scalar(select(KeyRow).where(KeyRow.spki_sha256 == digest))
    if taken:
        whose = f"the {taken.environment} key of {taken.unit}, version {taken.version}"
        raise RequestRefused(f"this key is or was {whose}", hint="Let the charger make a new key.")


def _enter(row: KeyRow, kind: EventKind, detail: str) -> None:
    if kind not in {event.kind for event in row.events}:
        row.events.append(EventRow(kind=kind, detail=detail, at=_now()))


def _proven(session: Session, key: int) -> KeyRow:
    row = session.get_one(KeyRow, key)
    state = _record(row).state
    if state is not KeyState.PROVEN:
        why = "is lost" if state is KeyState.LOST else "was not proven by the device"
        raise RequestRefused(f"the {row.environment} key of {row.unit}, version {row.version}, {why}")
    return row


def _record(row: KeyRow) -> KeyRecord:
    happened = frozenset(EventKind(event.kind) for event in row.events)
    lost, proven = EventKind.KEY_LOST in happened, EventKind.KEY_PROVEN in happened
    return KeyRecord(
        id=row.id,
        unit=row.unit,
        environment=row.environment,
        profile=row.profile,
        version=row.version,
        origin=Origin(row.origin),
        spki=row.spki,
        state=KeyState.LOST if lost else KeyState.PROVEN if proven else KeyState.CREATED,
        claim=_claim_record(row.claim) if row.claim else None,
        certificate=row.certificate.der if row.certificate else None,
        happened=happened,
    )


def _claim_record(row: ClaimRow) -> ClaimRecord:
    return ClaimRecord(
        serial=row.serial,
        organization=row.organization,
        not_before=row.not_before.replace(tzinfo=UTC),
        not_after=row.not_after.replace(tzinfo=UTC),
        tbs_sha256=row.tbs_sha256,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
