"""Signed documents about a unit, and the release: the single act that lets a unit leave."""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.model import Outcome
from station.records import tables
from station.records.canonical import canonical
from station.records.journal import live_run
from station.records.orders import Section, value
from station.records.reading import steps_of
from station.records.rows import PassportRow
from station.records.values import LabelState, Message, RunRef, UnitState


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
            query = select(tables.Passport).where(tables.Passport.unit == unit)
            row = session.scalar(query.order_by(tables.Passport.revision.desc()).limit(1))
            return None if row is None else value(PassportRow, row)

    def release(
        self, run: RunRef, document: bytes, signature: bytes, signer: str, messages: Sequence[Message] = ()
    ) -> PassportRow:
        """Close the run PASS, keep its signed passport, queue the messages and release the unit, in one transaction.

        Raises:
            RuntimeError: A step of the plan has not passed, the label is not verified, or the document is not this
                unit's; nothing is changed.
        """
        with self.database.write() as session:
            row = live_run(session, run)
            unit = session.get_one(tables.Unit, row.unit)
            _require_steps(session, row)
            _require_label(session, row.unit)
            _require_document(document, row.unit)
            if unit.state is not UnitState.RESERVED:
                raise RuntimeError(f"unit {unit.serial} is {unit.state} already")
            passport = self.database.append(session, _passport_row(session, row, document, signature, signer))
            if messages:
                self.database.append(session, *(_message_row(passport, message) for message in messages))
            unit.state = UnitState.RELEASED
            row.outcome, row.closed_at = Outcome.PASS, passport.at
            return value(PassportRow, passport)


def _require_steps(session: Session, run: tables.Run) -> None:
    """Require of every step of the plan that its last attempt passed, or stands on evidence."""
    last = {step.position: step for step in steps_of(session, run.ref)}
    for position, name in enumerate(run.plan):
        if position not in last or not last[position].satisfied:
            raise RuntimeError(f"run {run.ref} can't be released: step {name} has not passed")


def _require_label(session: Session, unit: str) -> None:
    """Require a label, and of every label that is not void that it was scanned back."""
    living = select(tables.Label.state).where(tables.Label.unit == unit, tables.Label.state != LabelState.VOID)
    states = session.scalars(living).all()
    if not states or set(states) != {LabelState.VERIFIED}:
        raise RuntimeError(f"unit {unit} can't be released: its label was not scanned back")


def _require_document(document: bytes, unit: str) -> None:
    """Require that the passport names the unit, so that two slots never swap theirs."""
    try:
        content = json.loads(document)
    except ValueError as error:
        raise RuntimeError(f"the passport of unit {unit} is no JSON") from error
    if not isinstance(content, dict) or unit not in (content.get("serial"), _serial_within(content)):
        raise RuntimeError(f"the passport is not that of unit {unit}")


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
