"""Life after shipment: what may follow what, what ends with it, and all of it in one transaction (F-M3, F-M8, P21)."""

import json
from datetime import timedelta

import pytest

from station.clock import utc_now
from station.errors import ConfigError, Interlocked, UnitError
from station.model import Environment
from station.records import (
    ENDED,
    WITHDRAWN,
    BatchFilter,
    Disposition,
    DispositionKind,
    EventsRefused,
    LabelState,
    LifecycleEvent,
    LifecycleKind,
    Message,
    RecallFilter,
    Registration,
    Revision,
    Source,
    UnitState,
)
from station.records.export_sets import ExportSet, statement_of
from station.records.lifecycle import PASSAGES
from station.records.values import IN_FIELD

REGISTER = "cpms-register"
HOURS = timedelta(hours=1)
FACTS = {
    LifecycleKind.SHIPPED: {"party": "Example Energy", "reference": "DN-1"},
    LifecycleKind.COMMISSIONED: {"place": "Site 7"},
    LifecycleKind.MOVED: {"place": "Site 8"},
    LifecycleKind.OWNER_CHANGED: {"party": "Another Energy"},
    LifecycleKind.OPERATOR_CHANGED: {"party": "Another Operator"},
    LifecycleKind.RETURNED: {"reference": "RMA-1", "reason": "does not charge"},
    LifecycleKind.DECOMMISSIONED: {"reason": "worn out"},
}
WAYS = {
    UnitState.PACKABLE: (),
    UnitState.SHIPPED: (LifecycleKind.SHIPPED,),
    UnitState.COMMISSIONED: (LifecycleKind.SHIPPED, LifecycleKind.COMMISSIONED),
    UnitState.RETURNED: (LifecycleKind.SHIPPED, LifecycleKind.RETURNED),
    UnitState.DECOMMISSIONED: (LifecycleKind.SHIPPED, LifecycleKind.DECOMMISSIONED),
}


def document(serial: str) -> bytes:
    return json.dumps({"serial": serial}).encode()


def packable(world, uid: str = "aa01") -> str:
    run, serial = world.ready(uid)
    registered(world, world.records.release(run, document(serial), b"s", "signer", [Message(REGISTER, serial, b"{}")]))
    return serial


def registered(world, passport) -> None:
    """Have the CPMS give the unit's record back as it was sent."""
    world.records.registered(passport.unit, Registration("staging", passport.revision, b"{}", b"{}"))
    queued(world, passport.unit)


def tell(world, serial: str, kind: LifecycleKind, **facts):
    return world.records.happened(LifecycleEvent(kind, serial, "lead-1", **(FACTS.get(kind, {}) | facts)))


def at(world, state: UnitState, uid: str = "aa01") -> str:
    """Return a unit in a state."""
    serial = packable(world, uid)
    for kind in WAYS[state]:
        tell(world, serial, kind)
    return serial


def state_of(world, serial: str) -> UnitState:
    return world.records.unit(serial).state


def queued(world, serial: str) -> list[tuple[str, dict]]:
    """Return what is queued of a unit, in the order in which it is delivered."""
    found = []
    while rows := [row for row in world.records.due(utc_now() + HOURS, 100) if row.unit == serial]:
        for row in rows:
            world.records.succeed(row, b"done")
            found.append((row.kind, json.loads(row.body)))
    return found


def refusal(world, serial: str, kind: LifecycleKind, **facts) -> str:
    with pytest.raises(EventsRefused) as caught:
        tell(world, serial, kind, **facts)
    return caught.value.message


def test_each_state_allows_what_can_follow_and_nothing_else(world) -> None:
    """F-M3: every kind of event is tried in every state; the refused ones say why, and change nothing."""
    for number, state in enumerate(WAYS):
        serial = at(world, state, f"a{number}")
        before = world.records.lifecycle(serial)
        for kind in FACTS:
            if state not in PASSAGES[kind].allowed:
                assert refusal(world, serial, kind) == f"unit {serial} is {state}: it can't be {kind}"
        assert (state_of(world, serial), world.records.lifecycle(serial)) == (state, before)


def test_a_life_is_told_in_its_order(world) -> None:
    """Who said what, when it happened, and where the unit went stand in the records for good."""
    serial = packable(world)
    day = utc_now()
    tell(world, serial, LifecycleKind.SHIPPED, occurred_at=day)
    tell(world, serial, LifecycleKind.COMMISSIONED)
    tell(world, serial, LifecycleKind.MOVED)
    rows = world.records.lifecycle(serial)
    assert [row.kind.value for row in rows] == ["shipped", "commissioned", "moved"]
    assert (rows[0].party, rows[0].reference, rows[0].who, rows[1].place) == (
        *("Example Energy", "DN-1", "lead-1"),
        "Site 7",
    )
    assert abs(rows[0].occurred_at - day) < timedelta(milliseconds=1)
    assert state_of(world, serial) is UnitState.COMMISSIONED


@pytest.mark.parametrize(
    ("kind", "revoked_as", "environments", "withdrawn"),
    [
        (LifecycleKind.COMMISSIONED, "", [], False),
        (LifecycleKind.MOVED, "", [], False),
        (LifecycleKind.OPERATOR_CHANGED, "", [], True),
        (LifecycleKind.OWNER_CHANGED, "affiliationChanged", ["ship"], True),
        (LifecycleKind.RETURNED, "cessationOfOperation", ["ship"], True),
        (LifecycleKind.DECOMMISSIONED, "cessationOfOperation", ["ship", "test"], True),
    ],
)
def test_what_ends_with_it_is_queued_with_it(world, kind, revoked_as, environments, withdrawn) -> None:
    """F-M3, F-M8: an operator may change and the key stays; a new owner does not get the old one's certificate."""
    serial = at(world, UnitState.SHIPPED)
    tell(world, serial, kind)
    told = dict(queued(world, serial))
    ended = told.get(ENDED, {})
    assert (ended.get("revoked_as", ""), ended.get("environments", [])) == (revoked_as, environments)
    assert (WITHDRAWN in told) is withdrawn
    assert told.get(WITHDRAWN, {"reason": kind.value, "revision": 1})["reason"] == kind.value


def test_a_record_is_taken_back_once(world) -> None:
    """P21: what was withdrawn from the CPMS when the operator changed is not withdrawn again when the unit returns."""
    serial = at(world, UnitState.COMMISSIONED)
    for kind in (LifecycleKind.OPERATOR_CHANGED, LifecycleKind.RETURNED):
        tell(world, serial, kind)
    told = queued(world, serial)
    assert [kind for kind, _ in told] == [WITHDRAWN, ENDED]
    assert told[0][1]["reason"] == "operator-changed"


def test_the_withdrawal_names_the_release_and_not_a_later_passport(world) -> None:
    """The CPMS knows the revision that was registered, however often the passport was revised since."""
    serial = at(world, UnitState.PACKABLE)
    event = LifecycleEvent(LifecycleKind.SHIPPED, serial, "lead-1", party="Example Energy")
    row = world.records.happened(event, Revision(2, document(serial), b"s", "signer"))
    tell(world, serial, LifecycleKind.RETURNED)
    assert (row.revision, dict(queued(world, serial))[WITHDRAWN]["revision"]) == (2, 1)
    assert world.records.passport(serial).revision == 2


def test_a_revision_that_is_not_the_next_changes_nothing(world) -> None:
    """Two people who tell of one unit at once: the second looks again."""
    serial = at(world, UnitState.PACKABLE)
    event = LifecycleEvent(LifecycleKind.SHIPPED, serial, "lead-1", party="Example Energy")
    with pytest.raises(Interlocked, match="is not its next passport"):
        world.records.happened(event, Revision(3, document(serial), b"s", "signer"))
    with pytest.raises(RuntimeError, match="not that of unit"):
        world.records.happened(event, Revision(2, document("AC22-999999"), b"s", "signer"))
    assert (state_of(world, serial), world.records.lifecycle(serial)) == (UnitState.PACKABLE, ())
    assert world.records.passport(serial).revision == 1


def test_many_events_are_all_recorded_or_none(world) -> None:
    """One wrong line of a report, and nothing of it happened; events of one unit may follow each other in it."""
    first, second = packable(world, "a1"), packable(world, "a2")
    ship = [LifecycleEvent(LifecycleKind.SHIPPED, serial, "lead-1", party="E") for serial in (first, second)]
    late = LifecycleEvent(LifecycleKind.COMMISSIONED, first, "lead-1", place="Site 7")
    unknown = LifecycleEvent(LifecycleKind.SHIPPED, "AC22-999999", "lead-1", party="E")
    with pytest.raises(EventsRefused) as caught:
        world.records.all_happened([late, *ship, unknown], [None] * 4)
    assert sorted(caught.value.refusals) == [0, 3]
    assert world.records.lifecycle(first) == ()
    rows = world.records.all_happened([*ship, late], [None] * 3)
    assert [row.unit for row in rows] == [first, second, first]
    assert state_of(world, first) is UnitState.COMMISSIONED


def test_times_that_cannot_be_are_refused(world) -> None:
    serial = at(world, UnitState.PACKABLE)
    assert "still to come" in refusal(world, serial, LifecycleKind.SHIPPED, occurred_at=utc_now() + HOURS)
    long_ago = utc_now() - timedelta(days=400)
    assert "nothing happened to it before" in refusal(world, serial, LifecycleKind.SHIPPED, occurred_at=long_ago)


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (LifecycleKind.SHIPPED, {"party": " "}),
        (LifecycleKind.RETURNED, {"reference": ""}),
        (LifecycleKind.DECOMMISSIONED, {"reason": "x"}),
        (LifecycleKind.COMMISSIONED, {"place": "\x1b[2J"}),
        (LifecycleKind.MOVED, {"place": "x" * 201}),
    ],
)
def test_events_that_say_too_little_or_too_much_are_refused(kind, facts) -> None:
    """What a report must say is said, in printable words of bounded length."""
    with pytest.raises(ConfigError):
        LifecycleEvent(kind, "AC22-000001", "lead-1", **(FACTS[kind] | facts))


def test_what_left_is_not_built_and_not_packed_again(world) -> None:
    """A shipped unit is not in the warehouse: no run begins on it, and a hold that is lifted does not bring it back."""
    serial = at(world, UnitState.SHIPPED)
    with pytest.raises(UnitError, match="is shipped already"):
        world.open("aa01")
    world.records.registered(serial, Registration("staging", 1, b"{}", b"{}"))
    assert state_of(world, serial) is UnitState.SHIPPED


def test_what_left_still_counts_as_released(world) -> None:
    """An order that delivered its units stays done, whatever becomes of them; archives still hold what left."""
    for number, state in enumerate(WAYS):
        at(world, state, f"a{number}")
    assert world.records.counts("WO-1").released == len(WAYS)
    assert world.records.tally("WO-1", utc_now()).released == len(WAYS)
    kept = [unit.serial for unit in world.records.released_units(BatchFilter("WO-1"))]
    assert len(kept) == 3  # packable, shipped, commissioned


def test_the_cpms_record_is_current_until_it_was_taken_back(world) -> None:
    """What is compared with the CPMS is what it is to have: also of units that left, and none that were withdrawn."""
    serial = at(world, UnitState.COMMISSIONED)
    assert world.records.is_current(serial, 1)
    assert [row.unit for row in world.records.latest_messages(REGISTER, ["WO-1"], "", 10)] == [serial]
    tell(world, serial, LifecycleKind.OPERATOR_CHANGED)
    assert not world.records.is_current(serial, 1)
    assert world.records.count_messages(REGISTER, ["WO-1"]) == 0


def test_a_recall_says_who_has_what_left(world) -> None:
    """F-I6: units of the field are recalled with their last party and place; what is back is here."""
    out = at(world, UnitState.COMMISSIONED, "a1")
    tell(world, out, LifecycleKind.OWNER_CHANGED)
    back = at(world, UnitState.RETURNED, "a2")
    rows = world.records.recalled(RecallFilter(serials=(out, back)))
    assert {row.serial: (row.state, row.party, row.place) for row in rows} == {
        out: ("commissioned", "Another Energy", "Site 7"),
        back: ("returned", "", ""),
    }
    assert [row.serial for row in world.records.recalled(RecallFilter(states=IN_FIELD))] == [out]


def test_a_unit_that_is_somewhere_else_is_taken_back_before_its_rework(world) -> None:
    """F-M4: rework is for what is here; scrap is always possible, and ends everything."""
    serial = at(world, UnitState.COMMISSIONED)
    rework = Disposition(DispositionKind.REWORK, serial, "RC-REPAIR", "a cold joint", "qa-1")
    with pytest.raises(ConfigError, match="it is not here"):
        world.records.dispose(rework)
    tell(world, serial, LifecycleKind.RETURNED)
    labels = world.records.unit_history(serial).labels
    assert [label.state for label in labels] == [LabelState.SCANNED]
    world.records.dispose(rework)
    assert state_of(world, serial) is UnitState.REWORK


def test_scrap_in_the_field_takes_the_record_back(world) -> None:
    serial = at(world, UnitState.COMMISSIONED)
    world.records.dispose(Disposition(DispositionKind.SCRAP, serial, "RC-DAMAGE", "burnt down", "qa-1"))
    told = dict(queued(world, serial))
    assert (told[WITHDRAWN]["reason"], told[ENDED]["environments"]) == ("scrapped", ["ship", "test"])


def rebuilt(world, serial: str) -> None:
    """Have a unit that is back built again and released."""
    world.records.dispose(Disposition(DispositionKind.REWORK, serial, "RC-REPAIR", "a cold joint", "qa-1"))
    queued(world, serial)
    run = world.open("aa01")
    for name in ("identify", "flash", "label"):
        world.step(run, name)
    world.label(serial)
    messages = [Message(REGISTER, serial, b"{}")]
    registered(world, world.records.release(run, document(serial), b"s", "signer", messages))


def test_the_release_after_a_return_says_refurbished(world) -> None:
    """F-M3, P21: built, shipped, back, built anew, shipped again: one unit, and each registration is of its release."""
    serial = at(world, UnitState.RETURNED)
    rebuilt(world, serial)
    last = world.records.lifecycle(serial)[-1]
    assert (last.kind, last.revision, state_of(world, serial)) == (LifecycleKind.REFURBISHED, 2, UnitState.PACKABLE)
    tell(world, serial, LifecycleKind.SHIPPED)
    tell(world, serial, LifecycleKind.RETURNED)
    assert dict(queued(world, serial))[WITHDRAWN]["revision"] == 2


def test_a_second_life_does_not_stand_at_the_first_site(world) -> None:
    """F-M7: what an export says of site and installation is of the life that a unit has now."""
    serial = at(world, UnitState.COMMISSIONED)
    assert exported(world, serial)["site"] == "Site 7"
    tell(world, serial, LifecycleKind.RETURNED)
    rebuilt(world, serial)
    tell(world, serial, LifecycleKind.SHIPPED)
    row = exported(world, serial)
    assert (row["state"], row["site"], row["installed_at"]) == ("shipped", "", "")
    assert row["warranty_start"]


def exported(world, serial: str) -> dict[str, str]:
    with world.records.database.read() as session:
        rows = session.connection().exec_driver_sql(statement_of(ExportSet.UNITS)).mappings().all()
    return next(dict(row) for row in rows if row["serial"] == serial)


def test_a_life_that_ended_stays_ended(world) -> None:
    """Labels are void, nobody decides about it any more, and the database itself holds the state."""
    serial = at(world, UnitState.DECOMMISSIONED)
    assert {label.state for label in world.records.unit_history(serial).labels} == {LabelState.VOID}
    with pytest.raises(ConfigError, match="was decommissioned before"):
        world.records.dispose(Disposition(DispositionKind.SCRAP, serial, "RC-DAMAGE", "worn out", "qa-1"))
    with pytest.raises(RuntimeError, match="stays so"), world.records.database.write() as session:
        session.connection().exec_driver_sql("UPDATE unit SET state = 'packable'")
    assert Environment.SHIP.value in dict(queued(world, serial))[ENDED]["environments"]


def test_each_event_stands_in_the_audit_log(world) -> None:
    """F-K3: as every row of history does; the log still fits what the database says."""
    at(world, UnitState.COMMISSIONED)
    entries = list(world.records.log_entries(0, world.records.log_head().size))
    assert sum(entry.endswith(b'"table":"lifecycle"}') for entry in entries) == 2
    assert world.records.look_through(()).deviations == ()


def test_the_mes_hears_of_a_release_once(world) -> None:
    """A passport that only says what happened since is no second release to the line's own systems."""
    world.records.mes_begin()
    serial = packable(world)
    event = LifecycleEvent(LifecycleKind.SHIPPED, serial, "lead-1", party="Example Energy")
    world.records.happened(event, Revision(2, document(serial), b"s", "signer"))
    sources = [change.source for change in world.records.mes_changes(100)]
    assert sources.count(Source.PASSPORT) == 1
