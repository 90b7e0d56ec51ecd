"""Life after shipment: what happened to a unit, with all that follows from it, in one transaction (F-M3, F-M8).

What a unit may go through next depends on its state alone, and what ends with it stands in one table. The passport that
says it is signed before, outside of the records, and handed in: row, state, passport and messages are written together
or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.errors import ConfigError
from station.model import Environment
from station.records import tables
from station.records.ending import end_credentials, void_labels, withdraw_registration
from station.records.lifecycle_rows import LifecycleEvent, LifecycleKind, LifecycleRow, Revision
from station.records.orders import Section, value
from station.records.passports import add_revision
from station.records.quality_rows import Ending
from station.records.values import FINAL, IN_FIELD, UnitState


@dataclass(frozen=True)
class Passage:
    """From where a unit can go through something, where it is then, and what ends with it."""

    allowed: tuple[UnitState, ...]
    state: UnitState | None = None
    """None where the unit stays as it is."""
    ends: tuple[Environment, ...] = ()
    """Whose credentials end."""
    revoked_as: str = "cessationOfOperation"
    """CRLReason of its certificates, by its name in RFC 5280 section 5.3.1."""
    withdraws: bool = False
    """Whether the CPMS is told that the unit is no longer what its record says."""


PASSAGES: Mapping[LifecycleKind, Passage] = {
    LifecycleKind.SHIPPED: Passage((UnitState.PACKABLE,), UnitState.SHIPPED),
    LifecycleKind.COMMISSIONED: Passage((UnitState.SHIPPED,), UnitState.COMMISSIONED),
    LifecycleKind.MOVED: Passage(IN_FIELD),
    LifecycleKind.OPERATOR_CHANGED: Passage(IN_FIELD, withdraws=True),
    LifecycleKind.OWNER_CHANGED: Passage(
        IN_FIELD, ends=(Environment.SHIP,), revoked_as="affiliationChanged", withdraws=True
    ),
    LifecycleKind.RETURNED: Passage(IN_FIELD, UnitState.RETURNED, ends=(Environment.SHIP,), withdraws=True),
    LifecycleKind.REFURBISHED: Passage(()),
    LifecycleKind.DECOMMISSIONED: Passage(
        (*IN_FIELD, UnitState.RETURNED),
        UnitState.DECOMMISSIONED,
        ends=(Environment.SHIP, Environment.TEST),
        withdraws=True,
    ),
}
HINTS = {
    LifecycleKind.SHIPPED: "Ship units that are packable: see 'station unit'.",
    LifecycleKind.REFURBISHED: "Release the unit again; that says it.",
}


class EventsRefused(ConfigError):
    """Events that can't have happened; nothing of any of them was recorded."""

    def __init__(self, refusals: Mapping[int, ConfigError]) -> None:
        first = next(iter(refusals.values()))
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        super().__init__(first.message + more, hint=first.hint)
        self.refusals = dict(refusals)
        """What is wrong with which, by its position."""


class Lifecycles(Section):
    """What happened to units after their release."""

    def happened(self, event: LifecycleEvent, revision: Revision | None = None) -> LifecycleRow:
        """Record what happened to a unit, and end what ends with it; `station.lifecycle.tell` signs the passport of it.

        Raises:
            EventsRefused: There is no such unit, it can't have happened to it as it is, or it is in work.
            Interlocked: The passport is not the next of this unit.
        """
        return self.all_happened([event], [revision])[0]

    def all_happened(
        self, events: Sequence[LifecycleEvent], revisions: Sequence[Revision | None]
    ) -> tuple[LifecycleRow, ...]:
        """Record many events, all or none.

        Raises:
            EventsRefused: Some can't have happened; it has all of them.
            Interlocked: A passport is not the next of its unit.
        """
        with self.database.write() as session:
            _refuse(session, events)
            rows = [self._record(session, *pair) for pair in zip(events, revisions, strict=True)]
            return tuple(value(LifecycleRow, row) for row in rows)

    def check_events(self, events: Sequence[LifecycleEvent]) -> None:
        """Refuse events as `all_happened` would, before anything is signed.

        Raises:
            EventsRefused: Some can't have happened; it has all of them.
        """
        with self.database.read() as session:
            _refuse(session, events)

    def lifecycle(self, unit: str) -> tuple[LifecycleRow, ...]:
        """Return what happened to a unit after its release, the oldest first."""
        with self.database.read() as session:
            return tuple(value(LifecycleRow, row) for row in lifecycle_of(session, unit))

    def _record(self, session: Session, event: LifecycleEvent, revision: Revision | None) -> tables.Lifecycle:
        passage, unit = PASSAGES[event.kind], session.get_one(tables.Unit, event.unit)
        number = _newest(session, unit.serial)
        if revision is not None:
            number = add_revision(self.database, session, unit.serial, revision).revision
        row = self.database.append(session, _row(event, number))
        word = event.kind.value
        if passage.ends:
            ending = Ending(unit.serial, word, passage.ends, passage.revoked_as)
            end_credentials(self.database, session, ending, f"lifecycle {row.ref}")
        if passage.withdraws:
            withdraw_registration(self.database, session, Ending(unit.serial, word))
        unit.state = passage.state or unit.state
        if unit.state in FINAL:
            void_labels(session, unit.serial, f"{word}: {event.reason.strip()}", event.who)
        return row


def lifecycle_of(session: Session, unit: str) -> Sequence[tables.Lifecycle]:
    """Return what happened to a unit, the oldest first; part of the caller's transaction."""
    row = tables.Lifecycle
    return session.scalars(select(row).where(row.unit == unit).order_by(row.at, row.sequence)).all()


def _refuse(session: Session, events: Sequence[LifecycleEvent]) -> None:
    """Refuse events that can't have happened one after the other."""
    states: dict[str, UnitState] = {}
    refusals: dict[int, ConfigError] = {}
    for position, event in enumerate(events):
        refusal = _refusal(session, event, states)
        if refusal is not None:
            refusals[position] = refusal
    if refusals:
        raise EventsRefused(refusals)


def _refusal(session: Session, event: LifecycleEvent, states: dict[str, UnitState]) -> ConfigError | None:
    """Return why an event can't have happened, or note in what state the unit is after it."""
    unit, passage = session.get(tables.Unit, event.unit), PASSAGES[event.kind]
    if unit is None:
        return ConfigError(f"there is no unit '{event.unit}'", hint="Scan the serial number again.")
    state = states.get(unit.serial, unit.state)
    if state not in passage.allowed:
        hint = HINTS.get(event.kind, "See what happened to it: 'station lifecycle show'.")
        return ConfigError(f"unit {unit.serial} is {state.value}: it can't be {event.kind.value}", hint=hint)
    run = tables.Run
    live = session.scalar(select(run.slot).where(run.unit == unit.serial, run.closed_at.is_(None)))
    if live is not None:
        message = f"unit {unit.serial} is in work in slot {live}"
        return ConfigError(message, hint="Wait for the end of its run, or unplug it.")
    states[unit.serial] = passage.state or state
    return _impossible_time(session, event)


def _impossible_time(session: Session, event: LifecycleEvent) -> ConfigError | None:
    """Refuse a time to come, and a day before the unit's first release; reports from the field come in any order."""
    if event.occurred_at is None:
        return None
    passport = tables.Passport
    first = session.scalar(select(func.min(passport.at)).where(passport.unit == event.unit))
    if event.occurred_at > utc_now():
        return ConfigError(f"{event.occurred_at:%Y-%m-%d %H:%M} is still to come", hint="Correct the time.")
    if first is not None and event.occurred_at.date() < first.date():
        message = f"unit {event.unit} was released on {first:%Y-%m-%d}: nothing happened to it before"
        return ConfigError(message, hint="Correct the time.")
    return None


def _newest(session: Session, unit: str) -> int:
    return session.scalar(select(func.max(tables.Passport.revision)).where(tables.Passport.unit == unit)) or 0


def _row(event: LifecycleEvent, revision: int) -> tables.Lifecycle:
    now = utc_now()
    return tables.Lifecycle(
        unit=event.unit, kind=event.kind, at=now, occurred_at=event.occurred_at or now, who=event.who,
        place=event.place.strip(), party=event.party.strip(), reference=event.reference.strip(),
        reason=event.reason.strip(), revision=revision,
    )  # fmt: skip
