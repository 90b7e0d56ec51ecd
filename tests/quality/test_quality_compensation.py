"""F-L3, F-L4: wherever a unit fails, and whatever is decided of it, nothing live is left that nobody answers for.

Judged from everybody's own books: the station's records, the PKI's ledger, and the CPMS's database.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fixtures.checker import Books, unit_complaints
from fixtures.demo.world import World
from tests.station.cli_world import Operator, copied, eventually, run

pytestmark = pytest.mark.timeout(400)

FAULTS = {
    "wrong-hardware": "identify",
    "bad-flash": "flash",
    "refuses-certificate": "credentials",
    "wrong-clock": "configure",
    "accepts-and-does-nothing": "accept",
    "boots-as-another": "ship",
    "never-locks": "seal",
}
"""What is wrong with a charger -> the step that finds it."""
LIVING = (
    "SELECT unit, environment FROM keys JOIN claims ON claims.key_id = keys.id"
    " WHERE NOT EXISTS (SELECT 1 FROM revocations WHERE revocations.serial = claims.serial)"
)
UNITS = (
    "SELECT unit.serial, unit.state, run.outcome FROM unit LEFT JOIN run ON run.unit = unit.serial"
    " AND run.sequence = (SELECT max(sequence) FROM run WHERE unit = unit.serial)"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running line of four slots."""
    place, addresses = copied(tmp_path_factory.mktemp("compensation"), factory=5)
    with World(place, addresses) as running:
        yield running


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    """Yield an operator who leaves the slots empty."""
    person = Operator(world)
    yield person
    for slot in list(person.plugged):
        person.unplug(slot)


def rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def living(world: World, environment: str) -> set[str]:
    """Return the units that have a certificate which nobody revoked, by the ledger."""
    return {
        unit for unit, world_of in rows(world.place.station / "pki/ledger.sqlite", LIVING) if world_of == environment
    }


def registered(world: World) -> set[str]:
    """Return the units that the CPMS has a record of, by its own database."""
    return {serial for (serial,) in rows(world.place.cpms / "cpms.sqlite", "SELECT serial FROM charger")}


def settled(world: World) -> None:
    """Wait until the outbox is empty."""
    undelivered = "SELECT kind, unit, error FROM outbox WHERE done_at IS NULL"
    eventually(lambda: rows(world.place.station / "station.db", undelivered), lambda found: not found)


def orphans(world: World) -> list[str]:
    """Tell what is live and must not be: keys of units that failed or left the line, records of units not released."""
    settled(world)
    found = []
    ship, known = living(world, "ship"), registered(world)
    for serial, state, outcome in rows(world.place.station / "station.db", UNITS):
        released, in_work = state in ("released", "packable"), outcome in ("ERROR", "ABORTED", None)
        entitled = released or (state in ("reserved", "rework") and in_work)
        found += [f"{serial} ({state}, {outcome}) has a ship key"] if serial in ship and not entitled else []
        found += [f"{serial} ({state}, {outcome}) is registered"] if serial in known and not released else []
    return found


def decide(world: World, act: str, serial: str, who: str = "qa-1", *more: str) -> None:
    reason = ("--reason", "dropped from a table", *more)
    ran = run("station", act, serial, "--dir", world.place.station, *reason, who=who)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(("number", "fault"), list(enumerate(FAULTS, 1)))
def test_failure_in_every_step(world: World, operator: Operator, number: int, fault: str) -> None:
    """F-L4: the unit is put aside; no ship key of it lives, and no CPMS has heard of it."""
    serial = operator.begin(number, "1", fault=fault)
    shown = operator.until("1", "FAIL", "ERROR", "PASS", "scan label")
    failed = [step["name"] for step in shown["steps"] if step["state"] == "FAIL"]
    assert (shown["state"], failed) == ("FAIL", [FAULTS[fault]]), shown["sentence"]
    assert orphans(world) == []
    assert serial not in living(world, "ship") | registered(world)


def test_interruption_costs_no_key_and_scrap_ends_it(world: World, operator: Operator) -> None:
    """F-D11: a stop is nobody's verdict, so the unit leaves with the key that it has; scrapped, nothing of it lives."""
    serial = operator.to_label(10, "2")
    world.stop("station")
    assert (serial in living(world, "ship"), orphans(world), serial in registered(world)) == (True, [], False)
    world.start_station()
    assert operator.finish("2")["state"] == "PASS"
    settled(world)
    assert serial in living(world, "ship") & registered(world)
    decide(world, "scrap", serial, "lead-1", "--code", "RC-DAMAGE")
    assert orphans(world) == []
    assert serial not in living(world, "ship") | living(world, "test") | registered(world)
    told = f"SELECT json_extract(body, '$.reason') FROM revocation WHERE serial = '{serial}'"
    known = eventually(lambda: rows(world.place.cpms / "cpms.sqlite", told), bool)
    assert known == [("cessationOfOperation",)]
    operator.unplug("2")
    operator.plug(10, "2")
    assert "scrapped" in operator.until("2", "FAIL", "blocked", "already released")["sentence"]


def test_scrap_while_the_cpms_is_away(world: World, operator: Operator) -> None:
    """A registration that is still on its way is never made after the unit was scrapped."""
    fault = world.place.cpms / "fault"
    serial = operator.to_label(12, "4")
    fault.write_text("error")
    try:
        assert operator.finish("4")["state"] == "PASS"
        eventually(operator.line, lambda line: line["waiting_messages"])
        decide(world, "scrap", serial)
        eventually(lambda: serial in living(world, "ship"), lambda found: not found)
    finally:
        fault.unlink()
    assert orphans(world) == []
    kept = rows(world.place.cpms / "cpms.sqlite", f"SELECT revision FROM registration WHERE serial = '{serial}'")
    assert kept == []


def test_rework_takes_back_what_was_released(world: World, operator: Operator) -> None:
    """Until it is built again, the unit has no ship key and no CPMS record; who decided stands in the record."""
    serial = operator.released(13, "1")
    settled(world)
    operator.unplug("1")
    decide(world, "rework", serial, "rework-1", "--code", "RC-REPAIR")
    assert orphans(world) == []
    assert serial not in living(world, "ship") | registered(world)
    query = f"SELECT kind, code, who FROM disposition WHERE unit = '{serial}'"
    assert rows(world.place.station / "station.db", query) == [("rework", "RC-REPAIR", "rework-1")]


def ship_keys(world: World, serial: str) -> list[tuple[Any, ...]]:
    """Return version and public key of each ship key that a unit was given, by the ledger."""
    keys = "SELECT version, hex(spki) FROM keys WHERE unit = ? AND environment = 'ship' ORDER BY version"
    return Books(world.place.directory).ledger(keys, serial)


def test_failed_unit_is_repaired_and_leaves_with_another_key(world: World, operator: Operator) -> None:
    """F-L4, F-L2: what failed once `ship` was begun is made blank, and what it leaves with is new and there once."""
    serial = operator.begin(15, "3", fault="never-locks")
    assert operator.until("3", "FAIL", "ERROR", "PASS", "scan label")["state"] == "FAIL"
    settled(world)
    lost = ship_keys(world, serial)
    assert (len(lost), serial in living(world, "ship")) == (1, False)
    operator.unplug("3")
    decide(world, "rework", serial, "rework-1", "--code", "RC-REPAIR")
    operator.plug(15, "3")
    assert operator.finish("3")["state"] == "PASS"
    assert orphans(world) == []
    first, second = ship_keys(world, serial)
    assert [first] == lost
    assert (second[0], second[1] != first[1]) == (2, True)
    told = rows(world.place.cpms / "cpms.sqlite", f"SELECT body FROM registration WHERE serial = '{serial}'")
    assert len(told) == 1
    registered_as = {serial: json.loads(told[0][0])}
    assert list(unit_complaints(Books(world.place.directory), serial, 15, registered_as)) == []


def test_device_that_says_another_number_at_the_end(world: World, operator: Operator) -> None:
    """F-B6: every step passed, the label is on it, and the gate refuses it; nothing live is left of it."""
    serial = operator.to_label(16, "4", fault="renames-itself")
    assert serial in living(world, "ship")
    shown = operator.finish("4")
    assert {step["state"] for step in shown["steps"]} <= {"PASS", "SKIPPED"}
    assert (shown["state"], shown["sentence"]) == (
        "FAIL", f"The device says 'AC22-999999'; the record says '{serial}'."
    )  # fmt: skip
    assert orphans(world) == []
    assert serial not in living(world, "ship") | registered(world)
    assert Books(world.place.directory).station("SELECT 1 FROM passport WHERE unit = ?", serial) == []


def test_withdrawal_at_the_last_moment(world: World, operator: Operator) -> None:
    """F-C4: what may leave no longer when its label is scanned fails, and loses its key."""
    serial = operator.to_label(14, "2")
    which = ("ac22-eu-r1", "--dir", world.place.station, "--reason", "it loses its clock")
    ran = run("station", "bundle", "withdraw", *which, who="qa-1")
    assert ran.code == 0, ran.err
    assert operator.finish("2")["state"] == "FAIL"
    assert orphans(world) == []
    assert serial not in living(world, "ship")
