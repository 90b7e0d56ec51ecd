"""Signed documents about a unit, and the release: the single act that lets a unit leave."""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.catalog.recipes import RequiredResult
from station.clock import utc_now
from station.errors import ConfigError, Defect, Interlocked, UnitError
from station.identifiers import equality_gate
from station.model import Outcome
from station.records import tables
from station.records.bundles import refusal_in
from station.records.canonical import canonical
from station.records.database import Database
from station.records.lifecycle_rows import LifecycleKind, Revision
from station.records.live import live_run
from station.records.orders import IN_WORK, Section, value
from station.records.packing import is_labelled
from station.records.reading import steps_of
from station.records.routing import leave
from station.records.rows import PassportRow
from station.records.values import Message, RunRef, UnitState


class Passports(Section):
    """Configuration snapshots, passports and the release."""

    def snapshot(
        self,
        run: RunRef,
        environment: str,
        content: Mapping[str, Any],
        sign: Callable[[bytes], bytes],
        signer: str = "",
    ) -> str:
        """Keep a signed copy of a unit's configuration and return its SHA-256; the same again is kept once (F-E7).

        Raises:
            RuntimeError: The run has another snapshot of this environment already.
        """
        document = canonical(dict(content))
        digest = sha256(document).hexdigest()
        if not self._has_snapshot(run, environment, digest):
            signature = sign(document)
            with self.database.write() as session:
                live_run(session, run)
                row = tables.Snapshot(
                    run_sequence=run.sequence, environment=environment, content=document, sha256=digest,
                    signature=signature, signer=signer, at=utc_now(),
                )  # fmt: skip
                self.database.append(session, row)
        return digest

    def _has_snapshot(self, run: RunRef, environment: str, digest: str) -> bool:
        with self.database.read() as session:
            query = select(tables.Snapshot.sha256).filter_by(
                station=run.station, run_sequence=run.sequence, environment=environment
            )
            return session.scalar(query) == digest

    def passport(self, unit: str) -> PassportRow | None:
        """Return the latest passport of a unit."""
        with self.database.read() as session:
            row = _newest(session, unit)
            return None if row is None else value(PassportRow, row)

    def revise(self, unit: str, revision: Revision) -> PassportRow:
        """Keep the passport that says what became of a unit.

        Raises:
            Interlocked: It is not the next one.
            RuntimeError: It is not of this unit.
        """
        with self.database.write() as session:
            return value(PassportRow, add_revision(self.database, session, unit, revision))

    def release(
        self,
        run: RunRef,
        document: bytes,
        signature: bytes,
        signer: str,
        messages: Sequence[Message] = (),
        required: Sequence[RequiredResult] = (),
    ) -> PassportRow:
        """Close the run PASS, keep its signed passport, queue the messages and release the unit, in one transaction.

        Raises:
            RuntimeError: A step of the plan has not passed, the label is not verified, or the document is not this
                unit's; nothing is changed.
            UnitError: What the unit was built of was withdrawn meanwhile, or is below the minimum; nothing is changed.
            Interlocked: Something that it is of is on hold, or a required result is missing; nothing is changed.
        """
        with self.database.write() as session:
            row = live_run(session, run)
            unit = session.get_one(tables.Unit, row.unit)
            _require_steps(session, row)
            if not is_labelled(session, row.unit):
                raise RuntimeError(f"unit {row.unit} can't be released: its label was not scanned back")
            _require_document(document, row.unit)
            _require_unrestricted(session, row)
            leave(session, row, required)
            if unit.state not in IN_WORK:
                raise RuntimeError(f"unit {unit.serial} is {unit.state} already")
            passport = _keep(self.database, session, _passport_row(session, row, document, signature, signer), messages)
            _refurbished(self.database, session, passport, row.operator)
            unit.state = UnitState.RELEASED
            row.outcome, row.closed_at = Outcome.PASS, passport.at
            return value(PassportRow, passport)


def add_revision(database: Database, session: Session, unit: str, revision: Revision) -> tables.Passport:
    """Keep a passport that says what happened to a unit after its release; part of the caller's transaction.

    Raises:
        Interlocked: It is not the next one.
        RuntimeError: It is not of this unit.
        ConfigError: Another station released the unit.
    """
    last = _newest(session, unit)
    if last is None or revision.number != last.revision + 1:
        message = f"Somebody else wrote of unit {unit} meanwhile: {revision.number} is not its next passport."
        raise Interlocked(message, hint="Look at the unit again, then decide.")
    if last.station != database.station:
        message = f"unit {unit} was released by station {last.station}, not by {database.station}"
        raise ConfigError(message, hint=f"Record it at station {last.station}.")
    _require_document(revision.document, unit)
    row = tables.Passport(
        run_sequence=last.run_sequence, unit=unit, revision=revision.number, document=revision.document,
        sha256=sha256(revision.document).hexdigest(), signature=revision.signature, signer=revision.signer,
        at=utc_now(),
    )  # fmt: skip
    return _keep(database, session, row, revision.messages)


def _refurbished(database: Database, session: Session, passport: tables.Passport, who: str) -> None:
    """Add to a unit's life that it was released again, where it had come back; its new passport says so."""
    event = tables.Lifecycle
    query = select(event.kind).where(event.unit == passport.unit).order_by(event.at.desc(), event.sequence.desc())
    if session.scalar(query.limit(1)) is LifecycleKind.RETURNED:
        row = event(
            unit=passport.unit, kind=LifecycleKind.REFURBISHED, at=passport.at, occurred_at=passport.at,
            who=who or database.station, place="", party="", reference="", reason="", revision=passport.revision,
        )  # fmt: skip
        database.append(session, row)


def _newest(session: Session, unit: str) -> tables.Passport | None:
    query = select(tables.Passport).where(tables.Passport.unit == unit).order_by(tables.Passport.revision.desc())
    return session.scalar(query.limit(1))


def _keep(database: Database, session: Session, row: tables.Passport, messages: Sequence[Message]) -> tables.Passport:
    """Add a passport with what it says of the certificate, and the messages that follow."""
    passport = database.append(session, row)
    session.add(_certificate_row(passport))
    if messages:
        database.append(session, *(_message_row(passport, message) for message in messages))
    return passport


def _require_steps(session: Session, run: tables.Run) -> None:
    """Require of every step of the plan that its last attempt passed, or stands on evidence."""
    last = {step.position: step for step in steps_of(session, run.ref)}
    for position, name in enumerate(run.plan):
        if position not in last or not last[position].satisfied:
            raise RuntimeError(f"run {run.ref} can't be released: step {name} has not passed")


def _require_document(document: bytes, unit: str) -> None:
    """Require that the passport names the unit, so that two slots never swap theirs."""
    try:
        content = json.loads(document)
    except ValueError as error:
        raise RuntimeError(f"the passport of unit {unit} is no JSON") from error
    told = (content.get("serial") or _serial_within(content)) if isinstance(content, dict) else ""
    if equality_gate(unit, passport=str(told or "")):
        raise RuntimeError(f"the passport is not that of unit {unit}")


def _require_unrestricted(session: Session, run: tables.Run) -> None:
    """Require of what was built that it may still leave, in the transaction that lets it leave (F-C4)."""
    reason = refusal_in(session, run)
    if reason:
        message = f"Unit {run.unit} can't be released: {reason}"
        raise UnitError(Defect.WITHDRAWN, message, hint="Put the unit aside for rework.")


def _serial_within(content: Mapping[str, Any]) -> Any:
    inner = content.get("unit")
    return inner.get("serial") if isinstance(inner, dict) else None


def _passport_row(session: Session, run: tables.Run, document: bytes, signature: bytes, signer: str) -> tables.Passport:
    last = session.scalar(select(func.max(tables.Passport.revision)).where(tables.Passport.unit == run.unit))
    return tables.Passport(
        run_sequence=run.sequence,
        unit=run.unit,
        revision=(last or 0) + 1,
        document=document,
        sha256=sha256(document).hexdigest(),
        signature=signature,
        signer=signer,
        at=utc_now(),
    )


def _certificate_row(passport: tables.Passport) -> tables.PassportCertificate:
    """Return what the passport says of the certificate, in columns by which units are found again."""
    told = json.loads(passport.document).get("certificate", {})
    said = {name: str(told.get(name, "")) for name in ("issuer", "not_after")}
    return tables.PassportCertificate(unit=passport.unit, revision=passport.revision, **said)


def _message_row(passport: tables.Passport, message: Message) -> tables.Outbox:
    return tables.Outbox(
        unit=passport.unit,
        revision=passport.revision,
        kind=message.kind,
        key=message.key,
        body=message.body,
        created_at=passport.at,
        attempts=0,
        next_at=passport.at,
        error="",
        answer=b"",
    )
