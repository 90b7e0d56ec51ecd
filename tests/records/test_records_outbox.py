"""Messages to others: in order per unit, until they are delivered, over any restart (F-G2, F-G3)."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from station.clock import utc_now
from station.records import (
    REVOKED,
    Message,
    Registration,
    RegistrationState,
    RevokedCertificate,
    UnitState,
    open_records,
)

REVISION_1 = Registration("staging", 1, b'{"serial":"A"}')


def release(world, uid: str, slot: str) -> str:
    run, unit = world.ready(uid, slot)
    tell = [Message(kind, unit, kind.encode()) for kind in ("cpms", "pdf")]
    world.records.release(run, json.dumps({"serial": unit}).encode(), b"s", "signer", tell)
    return unit


@pytest.fixture
def units(world) -> tuple[str, str]:
    """Yield the serials of two released units."""
    return release(world, "aa", "1"), release(world, "bb", "2")


def due(world, seconds: float = 0) -> list[tuple[str, str]]:
    return [(row.kind, row.unit) for row in world.records.due(utc_now() + timedelta(seconds=seconds), 10)]


def test_order_per_unit(world, units: tuple[str, str]) -> None:
    """The second message of a unit waits for its first; units do not wait for each other."""
    assert due(world) == [("cpms", units[0]), ("cpms", units[1])]
    world.records.succeed(world.records.due(utc_now(), 1)[0], b"201")
    assert due(world) == [("pdf", units[0]), ("cpms", units[1])]
    assert world.records.depth() == 3


def test_postponed_message_comes_back(world, units: tuple[str, str]) -> None:
    """A message that failed waits, holds back its unit's next, and tells its error."""
    first = world.records.due(utc_now(), 1)[0]
    world.records.postpone(first, "CPMS answers 503\x07", utc_now() + timedelta(seconds=60))
    assert due(world) == [("cpms", units[1])]
    assert due(world, 61) == [("cpms", units[0]), ("cpms", units[1])]
    again = world.records.due(utc_now() + timedelta(seconds=61), 1)[0]
    assert (again.attempts, again.error, again.body) == (1, "CPMS answers 503", b"cpms")


def test_messages_survive_a_restart(world, units: tuple[str, str], url: str) -> None:
    """What was delivered is not delivered again, what was not is still there."""
    world.records.succeed(world.records.due(utc_now(), 1)[0])
    with open_records(url, "line1") as fresh:
        assert [(row.kind, row.unit) for row in fresh.due(utc_now(), 10)] == [("pdf", units[0]), ("cpms", units[1])]


def test_delivered_once(world, units: tuple[str, str]) -> None:
    """A delivered message stays delivered."""
    first = world.records.due(utc_now(), 1)[0]
    world.records.succeed(first)
    with pytest.raises(RuntimeError, match="delivered message never changes"):
        world.records.postpone(first, "late error", utc_now())
    assert first.unit == units[0]


@pytest.mark.parametrize(
    ("read_back", "state", "unit_state"),
    [
        (None, RegistrationState.SENT, UnitState.RELEASED),
        (b'{"serial":"B"}', RegistrationState.DIFFERENT, UnitState.RELEASED),
        (REVISION_1.sent, RegistrationState.EQUAL, UnitState.PACKABLE),
    ],
)
def test_packable_needs_an_equal_read_back(world, units, read_back, state, unit_state) -> None:
    """Only a record that reads back equal lets a unit be packed (design 7.10)."""
    found = world.records.registered(units[0], Registration("staging", 1, REVISION_1.sent, read_back))
    assert (found, world.records.registration("staging", units[0]).state) == (state, state)
    assert [world.records.unit(unit).state for unit in units] == [unit_state, UnitState.RELEASED]
    assert world.records.counts("WO-1").packable == (unit_state is UnitState.PACKABLE)


def test_packable_is_lost_with_the_agreement(world, units: tuple[str, str]) -> None:
    """A later read-back that differs takes the permission back; one for another revision gives none."""
    for read_back, state in ((REVISION_1.sent, UnitState.PACKABLE), (b"{}", UnitState.RELEASED)):
        world.records.registered(units[0], Registration("staging", 1, REVISION_1.sent, read_back))
        assert world.records.unit(units[0]).state is state
    world.records.registered(units[1], Registration("staging", 2, b"{}", b"{}"))
    assert world.records.unit(units[1]).state is UnitState.RELEASED


def test_unit_that_was_never_released(world) -> None:
    """A unit in work can't be registered."""
    unit = world.unit_of(world.open())
    with pytest.raises(RuntimeError, match="only released units"):
        world.records.registered(unit, REVISION_1)


def test_a_revoked_certificate_is_told_once_and_waits_for_nobody(world, units: tuple[str, str], url: str) -> None:
    """A refused registration must not keep the CPMS from learning that a certificate is not to be trusted."""
    notice = RevokedCertificate(units[0], "0A1B", "keyCompromise", "ship")
    first = world.records.due(utc_now(), 1)[0]
    world.records.postpone(first, "refused", utc_now() + timedelta(seconds=60))
    assert world.records.tell_revoked(notice)
    assert not world.records.tell_revoked(replace(notice, reason="superseded"))
    with open_records(url, "line1") as fresh:
        found = [row for row in fresh.due(utc_now(), 10) if row.kind == REVOKED]
    assert [(row.unit, row.key, row.revision) for row in found] == [(units[0], f"{units[0]}/0A1B", 1)]
    assert RevokedCertificate(**json.loads(found[0].body)) == notice


def test_a_unit_without_passport_may_have_a_revoked_certificate_and_an_unknown_one_not(world) -> None:
    """A unit that is scrapped before its release had a ship certificate too."""
    unit = world.unit_of(world.open())
    assert world.records.tell_revoked(RevokedCertificate(unit, "0A1B", "cessationOfOperation", "ship"))
    assert [row.revision for row in world.records.due(utc_now(), 10)] == [0]
    with pytest.raises(RuntimeError, match="no unit AC22-NOBODY"):
        world.records.tell_revoked(RevokedCertificate("AC22-NOBODY", "0A1B", "superseded", "ship"))
