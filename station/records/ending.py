"""What ends with a unit's way: its credentials, its labels, and its record with the CPMS (F-L4, F-D11).

The records can't reach the PKI or the CPMS, and an act that spans them could be cut in two. So the decision and the
messages that carry it out are one transaction: what is to end is queued when the unit is scrapped, sent to rework or
fails, and ends also after a crash. Until it did, no run of the unit begins.
"""

import json
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, Select, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from station.clock import iso, utc_now
from station.model import LifeEvent, Outcome
from station.records import tables
from station.records.database import Database
from station.records.orders import IN_WORK
from station.records.quality_rows import Ending, Withdrawal
from station.records.values import LabelState

ENDED = "credentials-end"
"""Kind of the messages that end what a unit could connect with; they wait for no other message."""
WITHDRAWN = "cpms-withdraw"
"""Kind of the messages that take a unit's record back from the CPMS; they wait for its registration."""
SCRAP_SAID = "passport-scrapped"
"""Kind of the messages that add to a passport that its unit was scrapped; they wait for no other message."""
SHIP_STEP = "ship"
"""The step that gives a unit its ship credentials: before it was begun there is nothing to end."""


def end_credentials(database: Database, session: Session, ending: Ending, key: str) -> bool:
    """Queue the end of a unit's credentials, once for a key; False if it was queued before."""
    known = select(tables.Outbox).where(tables.Outbox.kind == ENDED, tables.Outbox.key == key)
    if session.scalar(known) is not None:
        return False
    body = json.dumps(asdict(ending)).encode()
    database.append(session, _message(ending.unit, ENDED, key, body, _revision(session, ending.unit)))
    return True


def end_after_failure(database: Database, session: Session, run: tables.Run) -> None:
    """Queue the end of what a failed unit could connect with: it goes aside, and gets a next key later (F-L3)."""
    if run.outcome is Outcome.FAIL and _ship_begun(session, run.unit):
        end_credentials(database, session, Ending(run.unit, f"run {run.ref} failed"), f"run {run.ref}")


def end_unfinished(database: Database, session: Session, before: datetime) -> tuple[str, ...]:
    """Queue the end of what units could connect with that were left unfinished before a time, and return them."""
    left = [run for run in session.scalars(_left_unfinished(before)).all() if _ship_begun(session, run.unit)]
    return tuple(
        run.unit
        for run in left
        if end_credentials(database, session, Ending(run.unit, f"left unfinished by run {run.ref}"), f"run {run.ref}")
    )


def withdraw_registration(database: Database, session: Session, ending: Ending) -> None:
    """Queue the withdrawal of the CPMS record of a unit's last release, once."""
    revision = session.scalar(select(released_revision(ending.unit))) or 0
    if revision and not is_withdrawn(session, ending.unit, revision):
        notice = Withdrawal(ending.unit, revision, ending.reason)
        body = json.dumps(asdict(notice)).encode()
        database.append(session, _message(ending.unit, WITHDRAWN, ending.unit, body, revision))


def is_withdrawn(session: Session, unit: str, revision: int) -> bool:
    """Tell whether the CPMS was told, or is to be told, that a unit is no longer what it registered."""
    known = select(tables.Outbox.sequence).filter_by(kind=WITHDRAWN, key=unit, revision=revision)
    return session.scalar(known) is not None


def say_in_passport(database: Database, session: Session, scrap: tables.Disposition) -> None:
    """Queue the revision of a scrapped unit's passport that says so, where it has one of this station."""
    passport = tables.Passport
    last = select(func.max(passport.revision)).where(passport.unit == scrap.unit, passport.station == database.station)
    revision, at = session.scalar(last), iso(scrap.at)
    if revision:
        said = LifeEvent("scrapped", at, at, scrap.who, reason=f"{scrap.code}: {scrap.reason}")
        body = json.dumps(asdict(said)).encode()
        database.append(session, _message(scrap.unit, SCRAP_SAID, f"disposition {scrap.ref}", body, revision))


def taken_back() -> ColumnElement[bool]:
    """Return that the CPMS was told, or is to be told, that a unit is no longer what its last release registered."""
    message, unit = tables.Outbox, tables.Unit
    of_unit = (message.kind == WITHDRAWN) & (message.key == unit.serial)
    return exists().where(of_unit, message.revision == released_revision(unit.serial)).correlate(unit)


def released_revision(unit: str | ColumnElement[str] | InstrumentedAttribute[str]) -> ScalarSelect[int]:
    """Return the revision of a unit's last release, which is what a CPMS has; later ones say what happened since."""
    passport, before = aliased(tables.Passport), aliased(tables.Passport)
    same = (before.unit == passport.unit) & (before.station == passport.station)
    same = same & (before.run_sequence == passport.run_sequence) & (before.revision < passport.revision)
    return select(func.max(passport.revision)).where(passport.unit == unit, ~exists().where(same)).scalar_subquery()


def void_labels(session: Session, unit: str, reason: str, who: str) -> None:
    """Declare all labels of a unit void."""
    living = select(tables.Label).where(tables.Label.unit == unit, tables.Label.state != LabelState.VOID)
    for label in session.scalars(living).all():
        label.state, label.changed_at, label.reason, label.who = LabelState.VOID, utc_now(), reason, who


def is_ending(session: Session, unit: str) -> tables.Outbox | None:
    """Return the message by which something of a unit is to end and has not ended yet."""
    message = tables.Outbox
    waiting = select(message).where(message.unit == unit, message.done_at.is_(None))
    return session.scalar(waiting.where(message.kind.in_((ENDED, WITHDRAWN))).order_by(message.sequence).limit(1))


def _left_unfinished(before: datetime) -> Select[tables.Run]:
    """Select the last runs of units in work that the station or a person broke off, and that nobody took up again."""
    run, later, unit = tables.Run, aliased(tables.Run), tables.Unit
    taken_up = exists().where(later.unit == run.unit, later.station == run.station, later.sequence > run.sequence)
    query = select(run).join(unit, unit.serial == run.unit).where(unit.state.in_(IN_WORK), ~taken_up)
    return query.where(run.outcome.in_((Outcome.ERROR, Outcome.ABORTED)), run.closed_at < before)


def _ship_begun(session: Session, unit: str) -> bool:
    step, run = tables.StepEvent, tables.Run
    of_run = (run.station == step.station) & (run.sequence == step.run_sequence)
    return session.scalar(select(exists().where(of_run, run.unit == unit, step.name == SHIP_STEP))) is True


def _revision(session: Session, unit: str) -> int:
    return session.scalar(select(func.max(tables.Passport.revision)).where(tables.Passport.unit == unit)) or 0


def _message(unit: str, kind: str, key: str, body: bytes, revision: int) -> tables.Outbox:
    now = utc_now()
    return tables.Outbox(
        unit=unit, revision=revision, kind=kind, key=key, body=body, created_at=now, attempts=0, next_at=now, error="",
        answer=b"",
    )  # fmt: skip
