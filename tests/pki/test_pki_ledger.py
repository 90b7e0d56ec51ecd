"""What is written stays written, and a death at any point is continued with the same serial number."""

import json
import signal
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from fixtures.warm import run
from pki.environment import KeyState, Origin, Test
from pki.errors import PkiError, RequestRefused
from pki.issue import open_factory
from pki.ledger import ClaimRecord, KeyRecord, Ledger, NewKey, Owner, Reason, Version, create_ledger, open_ledger

UNIT = "AC22-000001-7"
OWNER = Owner(UNIT, "test", "station")
DYING = """
import os, pathlib, signal, sys
import pki.authority, pki.ledger
from pki.environment import Test
from pki.issue import open_factory
def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)
directory, request, owner, name = sys.argv[1:]
setattr({"authority": pki.authority.Authority, "ledger": pki.ledger.Ledger}[owner], name, die)
issuer = open_factory(pathlib.Path(directory)).issuer(Test)
key = issuer.adopt("AC22-000001-7", "station", pathlib.Path(request).read_bytes(), "AC22-000001-7", "")
issuer.issue(key)
"""


@pytest.fixture
def ledger(tmp_path: Path):
    path = tmp_path / "ledger.sqlite"
    create_ledger(path)
    opened = open_ledger(path, "test")
    yield opened
    opened.close()


@pytest.fixture
def elsewhere(ledger: Ledger, tmp_path: Path):
    """The same ledger, opened by somebody else."""
    opened = open_ledger(tmp_path / "ledger.sqlite", "other")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("owner", "name", "claimed"),
    [("ledger", "claim", False), ("authority", "complete", True), ("ledger", "store", True)],
)
def test_killed_while_issuing_the_serial_number_stays(pki_directory, device, tmp_path, owner, name, claimed):
    """F-D5: between claim and certificate, and after the signature, the same TBS is signed again."""
    device.make_key()
    request = tmp_path / "request.der"
    request.write_bytes(device.request(UNIT))
    command = [sys.executable, "-c", DYING, str(pki_directory), str(request), owner, name]
    assert run(command, timeout=60, modules=["pki.issue"]).returncode == -signal.SIGKILL
    factory = open_factory(pki_directory)
    before = factory.rows()[0].claim
    issuer = factory.issuer(Test)
    certificate = issuer.issue(issuer.current(UNIT))
    factory.close()
    assert (before is not None) == claimed
    assert before is None or before.serial == certificate.serial
    assert [row.serial for row in factory.rows()] == [certificate.serial]


@pytest.mark.parametrize("table", ["keys", "claims", "certificates", "events", "ledger_schema"])
def test_rows_can_be_neither_changed_nor_removed(factory, issuer, device, table):
    """Design section 8.5: append-only by trigger, for anyone who opens the file."""
    device.make_key()
    issuer.issue(issuer.adopt(UNIT, "station", device.request(UNIT), UNIT, ""))
    connection = sqlite3.connect(factory.layout.ledger)
    (column,) = connection.execute(f"SELECT name FROM pragma_table_info('{table}') LIMIT 1").fetchone()
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_ledger_survives_power_cuts(ledger, durable, level):
    """WAL, and every transaction waits for the disk but those that a later one makes durable."""
    with ledger.writing(durable=not durable):
        pass  # the same connection
    with ledger.writing(durable=durable) as connection:
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert values == ["wal", level]


@pytest.mark.parametrize(("reason", "level"), [("", 1), ("renewal", 2)])
def test_only_a_key_that_ends_another_waits_for_the_disk(ledger, reason, level):
    """A first key is worth nothing before its claim, which waits; a next one revokes."""
    ledger.add_keys([NewKey(OWNER, Origin.DEVICE, b"one", b"", reason=reason)])
    with ledger.looking() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level


def test_a_transaction_that_fails_leaves_nothing_and_harms_no_later_one(ledger):
    """One connection serves many transactions."""
    with pytest.raises(PkiError, match="no such table"), ledger.writing() as connection:
        enter_and_fail(ledger, connection)
    ledger.record("later-act", "subject")
    assert [json.loads(entry.entry)["act"] for entry in ledger.audit_entries()] == ["later-act"]


def test_threads_of_one_ledger_lose_no_entry(ledger):
    """Each has a connection of its own, and the audit entries stay one chain."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: ledger.record("act", str(number)), range(40)))
    entries = ledger.audit_entries()
    assert {json.loads(entry.entry)["subject"] for entry in entries} == {str(number) for number in range(40)}
    before = [json.loads(entry.entry)["previous"] for entry in entries]
    assert before == ["0" * 64, *(entry.sha256 for entry in entries[:-1])]


def test_keys_are_entered_all_or_none(ledger):
    add(ledger, OWNER, Origin.HSM, b"one", b"")
    other = NewKey(Owner("OTHER", "test", "station"), Origin.HSM, b"two", b"")
    with pytest.raises(RequestRefused, match="has a test key already, version 1"):
        ledger.add_keys([other, NewKey(OWNER, Origin.HSM, b"three", b"")])
    assert [row.spki for row in ledger.rows()] == [b"one"]


def test_version_is_known_by_its_public_key_alone(ledger):
    """Who proves a key names it by more than its number."""
    add(ledger, OWNER, Origin.HSM, b"one", b"")
    for stranger in (Version(OWNER, 1, b"two"), Version(OWNER, 2, b"one")):
        with pytest.raises(RequestRefused, match="does not know version"):
            ledger.prove([(Version(OWNER, 1, b"one"), "first"), (stranger, "second")])
    assert ledger.rows()[0].state is KeyState.CREATED


def test_missing_ledger_is_never_replaced(pki_directory):
    """An empty ledger would allow every serial number a second time."""
    (pki_directory / "ledger.sqlite").unlink()
    with pytest.raises(PkiError, match="is missing"):
        open_factory(pki_directory)
    assert not (pki_directory / "ledger.sqlite").exists()


def test_ledger_of_another_version_or_kind_is_refused(tmp_path):
    newer, noise = tmp_path / "newer.sqlite", tmp_path / "noise.sqlite"
    connection = sqlite3.connect(newer)
    connection.executescript("CREATE TABLE ledger_schema (version INTEGER); INSERT INTO ledger_schema VALUES (3)")
    connection.close()
    noise.write_bytes(b"noise" * 1000)
    with pytest.raises(PkiError, match="has schema 3"):
        open_ledger(newer, "test")
    with pytest.raises(PkiError, match="is no ledger"):
        open_ledger(noise, "test")


def test_claim_needs_a_proven_key(ledger):
    key = add(ledger, OWNER, Origin.HSM, b"spki", b"transport")
    with pytest.raises(RequestRefused, match="was not proven"):
        ledger.claim([(key, claim("01"))])
    assert ledger.rows()[0].claim is None


def test_two_claims_never_share_a_serial_number(ledger):
    """Design section 7.1."""
    first = add(ledger, OWNER, Origin.DEVICE, b"one", b"", proven=True)
    second = add(ledger, Owner("OTHER", "ship", "station"), Origin.DEVICE, b"two", b"", proven=True)
    ledger.claim([(first, claim("01"))])
    with pytest.raises(PkiError, match="UNIQUE"):
        ledger.claim([(second, claim("01"))])


def test_first_claim_stays(ledger):
    key = add(ledger, OWNER, Origin.DEVICE, b"one", b"", proven=True)
    assert ledger.claim([(key, claim("01"))])[0].serial == "01"
    assert ledger.claim([(key, claim("02"))])[0].serial == "01"


def test_key_that_another_process_lost_after_its_proof_is_not_claimed_for(ledger, elsewhere):
    """What was just proven is not read again before the claim, which looks for itself."""
    (proven,) = proved(ledger, add(ledger, OWNER, Origin.HSM, b"one", b""))
    elsewhere.retire(proven.id, Reason.CESSATION_OF_OPERATION, "scrapped")
    with pytest.raises(RequestRefused, match="is lost"):
        ledger.claim([(key, claim("01")) for key in ledger.known([version_of(proven)])])
    assert ledger.known([version_of(proven)])[0].state is KeyState.LOST


def test_key_that_another_process_lost_is_not_proven(ledger, elsewhere):
    """What was just entered is looked at again before its proof is."""
    key = add(ledger, OWNER, Origin.HSM, b"one", b"")
    elsewhere.retire(key.id, Reason.CESSATION_OF_OPERATION, "scrapped")
    with pytest.raises(RequestRefused, match="is lost"):
        proved(ledger, key)
    assert ledger.rows()[0].happened == {"key-lost"}


def test_claim_of_another_process_stays_and_both_know_it(ledger, elsewhere):
    """The quota's uses, the audit entries and the claim are those of the first."""
    (proven,) = proved(ledger, add(ledger, OWNER, Origin.HSM, b"one", b""))
    elsewhere.claim([(elsewhere.known([version_of(proven)])[0], claim("01"))])
    entries = len(ledger.audit_entries())
    assert ledger.claim([(ledger.known([version_of(proven)])[0], claim("02"))])[0].serial == "01"
    assert len(ledger.audit_entries()) == entries


def test_certificate_of_a_key_lost_meanwhile_is_not_kept(ledger):
    key = add(ledger, OWNER, Origin.DEVICE, b"one", b"", proven=True)
    ledger.claim([(key, claim("01"))])
    ledger.retire(key.id, Reason.CESSATION_OF_OPERATION, "scrapped")
    with pytest.raises(RequestRefused, match="is lost"):
        ledger.store([(key, b"der")])
    assert ledger.rows()[0].revoked


def test_full_disk_is_one_sentence(ledger):
    """Bad input: a full disk loses nothing and says so."""
    with ledger.looking() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(PkiError, match="database or disk is full"):
        add(ledger, OWNER, Origin.HSM, bytes(100_000), b"")
    assert ledger.rows() == []


def enter_and_fail(ledger: Ledger, connection: Connection) -> None:
    ledger.audit(connection, "act", "subject")
    connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")


def proved(ledger: Ledger, key: KeyRecord) -> list[KeyRecord]:
    return ledger.prove([(version_of(key), "evidence")])


def version_of(key: KeyRecord) -> Version:
    return Version(key.owner, key.version, key.spki)


def claim(serial: str) -> ClaimRecord:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    return ClaimRecord(serial, "test-issuing", "Owner", start, end, "00")


def add(
    ledger: Ledger, owner: Owner, origin: Origin, spki: bytes, evidence: bytes, *, proven: bool = False
) -> KeyRecord:
    return ledger.add_keys([NewKey(owner, origin, spki, evidence, proven=proven)])[0]
