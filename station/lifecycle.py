"""What happened to a unit behind the door, as one act: prepared, signed, written (F-M3).

The records can't sign, and the HSM can't write. So events are judged first, the next passport of each unit is composed
and signed, and one transaction writes what happened with the passports that say it and with all that follows. Cut off
before that transaction, nothing happened; a signature that is not used is nobody's passport. If somebody else wrote of
the same unit meanwhile, the revision is not the next one any more, and nothing is written either.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pki.issue import Factory
from station.clock import iso, utc_now
from station.documents.passport import read_passport
from station.documents.passport_revision import revised
from station.model import LifeEvent
from station.passwords import told
from station.records import LifecycleEvent, LifecycleRow, Message, OutboxRow, PassportRow, Records, Revision
from station.run import RENDER_PASSPORT
from station.steps.record import fingerprint
from station.strict import parse


def tell(records: Records, factory: Factory, events: Sequence[LifecycleEvent]) -> tuple[LifecycleRow, ...]:
    """Record what happened to units, all or none, each with a passport that says it.

    Raises:
        EventsRefused: Some can't have happened; it has all of them.
        Interlocked: Somebody else wrote of one of the units meanwhile.
        ServiceError: The HSM or the records are away.
    """
    now = utc_now()
    dated = [event if event.occurred_at else replace(event, occurred_at=now) for event in events]
    records.check_events(dated)
    return records.all_happened(dated, _revisions(records, factory, dated, now))


def say_scrapped(records: Records, factory: Factory, row: OutboxRow) -> bytes:
    """Add to a unit's passport that it was scrapped, once, and name the revision that says it.

    Raises:
        Interlocked: Somebody else wrote of the unit meanwhile.
        ServiceError: The HSM or the records are away.
    """
    said = parse(LifeEvent, json.loads(row.body), f"message {row.ref}")
    last = records.passport(row.unit)
    if last is None:
        raise RuntimeError(f"unit {row.unit} has no passport")
    if said.event not in (one["event"] for one in read_passport(last.document).get("lifecycle", [])):
        number = last.revision + 1
        document = revised(last.document, said, number)
        last = records.revise(row.unit, _signed(factory, row.unit, number, document))
    return f"revision {last.revision}".encode()


def _revisions(
    records: Records, factory: Factory, events: Sequence[LifecycleEvent], now: datetime
) -> list[Revision | None]:
    """Return the passport that each event makes, one upon the other where a unit has several."""
    newest: dict[str, tuple[int, bytes]] = {}
    made: list[Revision | None] = []
    for event in events:
        last = newest.get(event.unit) or _last(records.passport(event.unit))
        if last is None:
            made.append(None)
            continue
        number, document = last[0] + 1, revised(last[1], _said(event, now), last[0] + 1)
        newest[event.unit] = number, document
        made.append(_signed(factory, event.unit, number, document))
    return made


def _last(row: PassportRow | None) -> tuple[int, bytes] | None:
    return None if row is None else (row.revision, row.document)


def _signed(factory: Factory, unit: str, number: int, document: bytes) -> Revision:
    with told():
        signature = factory.sign(document)
    signer = fingerprint(factory.record_certificate)
    return Revision(number, document, signature, signer, (Message(RENDER_PASSPORT, unit, b"{}"),))


def _said(event: LifecycleEvent, now: datetime) -> LifeEvent:
    return LifeEvent(
        event=event.kind.value,
        occurred_at=iso(event.occurred_at or now),
        recorded_at=iso(now),
        recorded_by=event.who,
        place=event.place.strip(),
        party=event.party.strip(),
        reference=event.reference.strip(),
        reason=event.reason.strip(),
    )
