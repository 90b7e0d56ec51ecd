"""History only grows: the database itself refuses every change of it, also through other statements than ours."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from station.catalog.restrictions import Restriction, RestrictionKind
from station.clock import utc_now
from station.identifiers import Kind, parse
from station.model import Measurement, Outcome
from station.person import Person, Role
from station.records import (
    Acceptance,
    Decision,
    DecisionKind,
    Disposition,
    DispositionKind,
    GoldenCheck,
    GoldenUnit,
    Hold,
    HoldScope,
    LifecycleEvent,
    LifecycleKind,
    Message,
    MeterFacts,
    NewBatch,
    NewPerson,
    OneTimeCode,
    OrderFile,
    Part,
    Records,
    Registration,
    open_records,
)
from station.records.guards import ADDED_ONLY, KEPT, PASSING
from station.records.mes_rows import MesDraft, MesReceipt, Word, WordKind
from station.records.results_rows import Reported, Result, ResultSource, SubjectKind
from station.records.tokens import NewToken
from tests.records.conftest import ORDER, World

UNNUMBERED = {
    "bundle": "digest", "bundle_file": "digest", "listed_identifier": "value", "order_import": "name",
    "passport_certificate": "unit", "log_entry": "position", "log_checkpoint": "size",
}  # fmt: skip
"""Tables whose rows have no number of a station, with a column of theirs."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, at_head: Path) -> Path:
    """Make one database with at least one row in every table, after a release, for copies of it."""
    path = tmp_path_factory.mktemp("filled") / "station.db"
    shutil.copyfile(at_head, path)
    with open_records(f"sqlite:///{path}", "line1") as records:
        records.create_order(ORDER)
        fill(World(records))
    return path


@pytest.fixture
def full(tmp_path: Path, filled: Path) -> Iterator[Records]:
    """Yield records of the test's own with at least one row in every table."""
    shutil.copyfile(filled, tmp_path / "station.db")
    with open_records(f"sqlite:///{tmp_path / 'station.db'}", "line1") as records:
        yield records


def fill(world: World) -> None:
    """Write at least one row into every table."""
    records = world.records
    records.event("shift-begins", "line1", {"at": "dawn"})
    run, unit = world.ready()
    world.step(run, "label", attempt=2, measurements=(Measurement("volts", 230.0, "V", 207.0, 253.0),))
    records.certificate_event(run, "ship", "0A", "installed", {})
    records.snapshot(run, "ship", {"url": "wss://csms.ship.example"}, lambda content: b"signature")
    records.release(run, f'{{"serial":"{unit}"}}'.encode(), b"s", "signer", [Message("cpms", unit, b"{}")])
    records.registered(unit, Registration("staging", 1, b"{}", b"{}"))
    records.happened(LifecycleEvent(LifecycleKind.SHIPPED, unit, "lead-1", party="Example Energy"))
    waiting = records.due(utc_now(), 1)[0]
    records.decide(Decision(DecisionKind.RETRY, waiting.ref, "lead-1", "the CPMS is back"))
    records.batch_made(NewBatch("WO-1-ab", "WO-1", "f" * 64, "e" * 64, b"s", "", utc_now(), "lead-1"), [(unit, 1)])
    records.keep_bundle("ac22-eu", 1, b"{}", {"author.sig": b"signature"})
    records.restrict(Restriction(RestrictionKind.BUNDLE, "f" * 64, reason="a mistake", who="quality"))
    records.add_token(NewToken("erp", "f" * 64, ("search",), utc_now()), "admin-1")
    someone(records)
    made_of(world)
    decided(world)
    measured_and_told(records, unit)
    records.restored({})
    records.accept_restore(Acceptance("qa-1", "lead-1", "the disk died"))


def someone(records: Records) -> None:
    """Have a person added, signed in and trained."""
    code = OneTimeCode("hash", utc_now())
    records.add_person(NewPerson("admin-1", "Admin", frozenset({Role.ADMIN}), "BG-1"), code, "station")
    records.begin_sign_in("admin-1", "console", lambda failures: None)
    records.open_session("aa", "admin-1", "console", at_slots=False)
    records.open_session("bb", "admin-1", "console", at_slots=False)
    records.end_session("bb", "signed out")
    records.add_person(NewPerson("gone-1", "Gone", frozenset({Role.QA}), "BG-2"), code, "admin-1")
    records.disable_person("gone-1", "admin-1", "left the company")
    records.train("admin-1", "esd", utc_now(), "admin-1")


def decided(world) -> None:
    """Have quality hold, sign and decide, and a golden unit checked."""
    records, lead = world.records, Person("lead-1", "Lead", frozenset({Role.LINE_LEAD}))
    run = world.open("bb")
    records.close_run(run, Outcome.ABORTED)
    records.hold(Hold(HoldScope.ORDER, "WO-1", "wrong cable", "qa-1"))
    records.dispose(Disposition(DispositionKind.REWORK, world.unit_of(run), "RC-REPAIR", "a cold joint", "qa-1"))
    records.sign_first_article("WO-1", lead)
    records.reserve_golden(GoldenUnit("90", "ac22", "PASS", "made for checks", "engineer-1"))
    records.golden_checked(GoldenCheck("90", "1", "PASS", "as it must be", "1.0", "operator-1"))


def made_of(world) -> None:
    """Have a part attached and taken out, a meter proven and a number claimed."""
    records, run = world.records, world.open("cc", slot="7")
    unit = world.unit_of(run)
    records.attach(Part(unit, "contactor", "K1", serial="K-1", opens=("hipot",)), "operator-1", run)
    records.attach(Part(unit, "rcd", "F1", lot="L-1"), "operator-1", run)
    records.meter_proven(run, MeterFacts(1, "DCM-200", "2EXC0112345678"))
    records.claim(unit, parse(Kind.IMEI, "490154203237518"), "modem")
    file = OrderFile("f" * 64, "macs.csv", 1, "lead-1")
    records.import_orders(file, (), [("WO-1", parse(Kind.MAC, "001122AABB01"))])
    records.close_run(run, Outcome.ABORTED)
    records.detach(unit, "contactor", "K1", "it welded", "rework-1")


def measured_and_told(records: Records, unit: str) -> None:
    """Have a result come in, and a message told to the MES, one taken from it, and its word kept."""
    now = utc_now()
    result = Result(SubjectKind.SERIAL, unit, "hipot", now, value=0.3, unit="mA", high=10.0)
    records.add_results(ResultSource("f" * 64, "fat.csv", "plain r1"), [Reported(1, result)], "service:hipot-1")
    records.keep_checkpoint(256, b"signed")
    draft = MesDraft("run/1", "CFX.Production.WorkStarted", unit, now, b"{}")
    records.mes_tell([draft])
    word = Word(WordKind.UNIT, unit, True, "", now)
    records.mes_receive(MesReceipt("one", 1, "CFX.Heartbeat", b"{}", accepted=True, sentence=""), words=[word])


def refused(records: Records, statement: str) -> str:
    """Return why the database refuses a statement."""
    with pytest.raises(RuntimeError, match="the records refuse this") as caught, records.database.write() as session:
        assert session.execute(text(statement)).rowcount != 0
    return str(caught.value)


@pytest.mark.parametrize("table", [*ADDED_ONLY, *KEPT])
def test_no_row_is_removed(full: Records, table: str) -> None:
    """DELETE is refused for every table, at head."""
    assert "never removed" in refused(full, f"DELETE FROM {table}")


@pytest.mark.parametrize("table", ADDED_ONLY)
def test_no_row_of_history_changes(full: Records, table: str) -> None:
    """UPDATE is refused for every row of history, also one that changes nothing."""
    column = UNNUMBERED.get(table, "station")
    assert "never change" in refused(full, f"UPDATE {table} SET {column} = {column}")


@pytest.mark.parametrize("table", ADDED_ONLY)
def test_no_row_of_history_is_replaced(full: Records, table: str) -> None:
    """INSERT OR REPLACE is a DELETE in disguise."""
    assert "never removed" in refused(full, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


def test_every_table_has_a_guard(full: Records) -> None:
    """A table that somebody adds later is not forgotten."""
    query = text("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'")
    with full.database.read() as session:
        assert set(session.scalars(query)) == {*ADDED_ONLY, *KEPT, *PASSING}


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE run SET reason = 'better'", "closed run"),
        ("UPDATE run SET closed_at = NULL, outcome = NULL", "closed run"),
        ("UPDATE unit SET hardware_uid = 'ff'", "never changes"),
        ("UPDATE unit SET serial = 'AC22-000099'", "never changes"),
        ("UPDATE work_order SET serial_next = serial_first", "never given twice"),
        ("UPDATE work_order SET serial_first = 999", "never changes"),
        ("UPDATE work_order SET bundle = 'other'", "never changes"),
        ("UPDATE label SET state = 'printed'", "only moves forward"),
        ("UPDATE label SET code = 'other'", "never changes"),
        ("UPDATE outbox SET body = 'other'", "never changes"),
        ("UPDATE person SET id = id || '-2'", "never changes"),
        ("UPDATE person SET disabled_at = NULL", "stays out"),
        ("UPDATE person_session SET person = 'gone-1'", "never changes"),
        ("UPDATE person_session SET at_slots = 1", "never changes"),
        ("UPDATE person_session SET ended_at = NULL", "stays ended"),
    ],
)
def test_what_exists_once_stays(full: Records, statement: str, reason: str) -> None:
    """Closed runs, identities, serials given and labels can't be turned back."""
    assert reason in refused(full, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO unit SELECT 'AC22-000050', hardware_uid, work_order, 'x', state, reserved_at FROM unit",
        "INSERT INTO unit SELECT 'AC22-000050', 'AA01', work_order, 'x', state, reserved_at FROM unit",
        "INSERT INTO unit SELECT 'AC22-000050', 'bb', work_order, ocpp_identity, state, reserved_at FROM unit",
    ],
)
def test_no_identity_exists_twice(full: Records, statement: str) -> None:
    """Hardware UID (in any spelling) and OCPP identity are unique in the database itself (F-B3, F-B4)."""
    assert "constraint failed" in refused(full, statement)
