"""The outbox: a released unit's registration waits for the CPMS as long as it takes, and arrives exactly once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest

from fixtures.demo.world import World
from station.config import load_station
from station.records import RevokedCertificate, open_records
from tests.station.cli_world import Operator, Ran, copied, eventually, run, unit_of

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running line of four slots."""
    place, addresses = copied(tmp_path_factory.mktemp("outbox"))
    with World(place, addresses) as running:
        yield running


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    """Yield an operator who leaves the slots empty."""
    person = Operator(world)
    yield person
    for slot in list(person.plugged):
        person.unplug(slot)


@contextmanager
def fault(world: World, name: str) -> Iterator[None]:
    """Let the CPMS misbehave while the block runs."""
    file = world.place.cpms / "fault"
    file.write_text(name)
    try:
        yield
    finally:
        file.unlink()


def state(world: World, serial: str) -> str:
    found: str = unit_of(world, serial)["unit"]["state"]
    return found


def records_of(world: World, serial: str) -> list[int]:
    """Return the revisions that the CPMS keeps of a unit, from its own database."""
    with closing(sqlite3.connect(f"file:{world.place.cpms / 'cpms.sqlite'}?mode=ro", uri=True)) as connection:
        table = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()[0][0]
        return [row[0] for row in connection.execute(f"SELECT revision FROM {table} WHERE serial = ?", (serial,))]


def revocations_of(world: World, serial: str) -> list[tuple[str, str]]:
    """Return the revoked certificates that the CPMS keeps of a unit, from its own database."""
    query = "SELECT certificate_serial, json_extract(body, '$.reason') FROM revocation WHERE serial = ?"
    with closing(sqlite3.connect(f"file:{world.place.cpms / 'cpms.sqlite'}?mode=ro", uri=True)) as connection:
        return connection.execute(query, (serial,)).fetchall()


def tell_revoked(world: World, serial: str) -> None:
    """Let another program queue the message, as a command does while the station runs."""
    config = load_station(world.place.station)
    with open_records(config.database_url, config.station.id) as records:
        assert records.tell_revoked(RevokedCertificate(serial, "0A1B", "keyCompromise", "ship"))


def waits(operator: Operator, serial: str) -> None:
    """See that the unit is released and its message waits alone, with an alarm that names CPMS and unit.

    Its passport waits for its place in the log, which is signed soon.
    """
    eventually(operator.line, lambda line: any("CPMS" in said and serial in said for said in line["alarms"]))
    eventually(operator.line, lambda line: line["waiting_messages"] == 1)
    assert state(operator.world, serial) == "released"


def arrives(operator: Operator, serial: str) -> None:
    """See that the message arrived once, that the alarm is gone, and that the unit may be packed."""
    eventually(operator.line, lambda line: line["waiting_messages"] == 0 and line["alarms"] == [], 90)
    assert state(operator.world, serial) == "packable"
    assert records_of(operator.world, serial) == [1]


def test_cpms_that_answers_500_is_waited_for(world: World, operator: Operator) -> None:
    """F-G2: PASS does not wait for the CPMS, packing does."""
    serial = operator.to_label(1, "1")
    with fault(world, "error"):
        assert operator.finish("1")["state"] == "PASS"
        waits(operator, serial)
        assert records_of(world, serial) == []
    arrives(operator, serial)


def test_lost_answer_makes_no_second_record(world: World, operator: Operator) -> None:
    """F-G2: the CPMS kept the record and never answered; asked again, it has one record."""
    serial = operator.to_label(2, "2")
    with fault(world, "lost-answer"):
        assert operator.finish("2")["state"] == "PASS"
        eventually(operator.line, lambda line: any("CPMS" in alarm and serial in alarm for alarm in line["alarms"]))
        assert records_of(world, serial) == [1]
    arrives(operator, serial)


def test_cpms_that_is_away_and_a_restart_of_the_station(world: World, operator: Operator) -> None:
    """F-G3, F-D8: messages survive both, also that of a revoked certificate; the restarted station delivers them."""
    serial = operator.to_label(3, "3")
    world.stop("cpms")
    assert operator.finish("3")["state"] == "PASS"
    waits(operator, serial)
    tell_revoked(world, serial)
    world.stop("station")
    world.start_station()
    eventually(operator.line, lambda line: line["waiting_messages"] == 2)
    restart_cpms(world)
    arrives(operator, serial)
    assert revocations_of(world, serial) == [("0A1B", "keyCompromise")]


def restart_cpms(world: World) -> None:
    """Start the CPMS again on its old data."""
    world.stop("printer")
    world.start_services()
    address = f"http://127.0.0.1:{world.addresses.cpms}/api/v1/chargers"
    eventually(lambda: _answers(address), lambda status: status in (401, 403))


def _answers(address: str) -> int:
    try:
        return httpx.get(address, timeout=5).status_code
    except httpx.TransportError:
        return 0


def test_altered_record_is_not_packable_and_says_which_field(world: World, operator: Operator) -> None:
    """F-G2: what the CPMS says back is compared; "ok" alone proves nothing."""
    serial = operator.to_label(4, "4")
    with fault(world, "alters"):
        assert operator.finish("4")["state"] == "PASS"
        shown = eventually(operator.line, lambda line: line["alarms"])
        assert any("firmware" in alarm and serial in alarm for alarm in shown["alarms"]), shown["alarms"]
    assert state(world, serial) == "released"
    stands_aside(world, serial)
    told_apart(world, serial)
    sent_on(operator, serial)


def stands_aside(world: World, serial: str) -> None:
    """See that the station tries no more: the record differs and is never overwritten."""
    dead = eventually(lambda: outbox(world, "list", "--dead", "--json").json["messages"], lambda found: found)
    assert [(row["unit"], row["kind"]) for row in dead] == [(serial, "cpms-register")]
    assert "firmware" in dead[0]["error"]
    early = outbox(world, "retry", dead[0]["id"], "--reason", "try once more", who="operator-1")
    assert (early.code, "line-lead" in early.err) == (2, True), early.err


def told_apart(world: World, serial: str) -> None:
    """See that the comparison of both sides names the field, and nothing else of this order."""
    found = outbox(world, "reconcile", "--order", "WO-1001", "--json")
    assert (found.code, found.json["count"]) == (1, 1), found.err
    (difference,) = found.json["differences"]
    assert (difference["kind"], difference["serial"]) == ("differing", serial)
    assert any("firmware" in detail for detail in difference["details"])
    assert outbox(world, "reconcile", "--order", "WO-9").code == 2


def sent_on(operator: Operator, serial: str) -> None:
    """Have the CPMS team mend its record and the line lead send the message on, and see the unit packable."""
    world = operator.world
    with closing(sqlite3.connect(world.place.cpms / "cpms.sqlite", timeout=10)) as connection, connection:
        connection.execute("DELETE FROM registration WHERE serial = ?", (serial,))
    sent = outbox(world, "retry", "--all-dead", "--reason", "the CPMS team mended its record")
    assert (sent.code, f"cpms-register of {serial}" in sent.out) == (0, True), sent.err
    arrives(operator, serial)
    kinds = {event["kind"]: event["who"] for event in unit_of(world, serial)["events"]}
    assert kinds["message-retried"] == "lead-1"
    agreed = outbox(world, "reconcile")
    assert agreed.code == 0, agreed.out


def outbox(world: World, *words: str, who: str = "lead-1") -> Ran:
    """Run a command of the outbox."""
    return run("station", "outbox", *words, "--dir", world.place.station, who=who)


def test_cpms_away_before_the_ship_state_is_an_error_of_the_station(world: World, operator: Operator) -> None:
    """Design 8.7: no unit becomes what ships while it can't be told whether its identity is free."""
    with fault(world, "error"):
        serial = operator.begin(5, "1")
        shown = operator.until("1", "ERROR", "FAIL", "PASS", "scan label")
    assert shown["state"] == "ERROR"
    assert "CPMS" in shown["sentence"]
    operator.unplug("1")
    operator.plug(5, "1")
    assert operator.finish("1")["state"] == "PASS"
    eventually(lambda: state(world, serial), lambda found: found == "packable")


def test_cpms_is_told_of_what_an_officer_revokes(world: World, operator: Operator) -> None:
    """F-D11: `pki revoke` is enough; a test certificate and a unit that the CPMS never met are not its business."""
    serial = operator.released(6, "2")
    pki = world.place.station / "pki"
    for environment, reason in (("test", "superseded"), ("ship", "keyCompromise")):
        which = ("--environment", environment, "--unit", serial, "--reason", reason)
        assert run("pki", "revoke", *which, "--detail", "stolen board", "--dir", pki).code == 0
    told = eventually(lambda: revocations_of(world, serial), lambda found: found)
    assert [why for _, why in told] == ["keyCompromise"]
    assert unit_of(world, serial)["passports"]


def test_bug_with_one_message_holds_up_no_other_and_says_what_to_do(world: World, operator: Operator) -> None:
    """F-K8: what the station can't even read waits with an alarm and its next step; the unit's others arrive."""
    serial = operator.released(7, "4")
    copy = "INSERT INTO outbox SELECT {} FROM outbox WHERE unit = ? AND kind = 'cpms-register'"
    with closing(sqlite3.connect(world.place.station / "station.db")) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(outbox)")]
        last = connection.execute("SELECT max(sequence) FROM outbox").fetchone()[0]
        broken = {"sequence": str(last + 1000), "kind": "'cpms-revoked'", "body": "x'7b'", "done_at": "NULL"}
        connection.execute(copy.format(", ".join(broken.get(column, column) for column in columns)), (serial,))
    shown = eventually(operator.line, lambda line: any("can't be read" in alarm for alarm in line["alarms"]))
    assert [alarm for alarm in shown["alarms"] if "Call engineering." in alarm]
    tell_revoked(world, serial)
    eventually(lambda: revocations_of(world, serial), lambda found: found == [("0A1B", "keyCompromise")])
    assert operator.line()["waiting_messages"] >= 1, "the broken one waits on"
