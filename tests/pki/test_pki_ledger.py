"""What is written stays written, and a death at any point is continued with the same serial number."""

import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pki.environment import Origin, Test
from pki.errors import PkiError, RequestRefused
from pki.issue import open_factory
from pki.ledger import ClaimRecord, KeyRecord, Ledger, NewKey, Owner, Reason, create_ledger, open_ledger

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


@pytest.mark.parametrize(
    ("owner", "name", "claimed"),
    [("ledger", "claim", False), ("authority", "complete", True), ("ledger", "store", True)],
)
def test_killed_while_issuing_the_serial_number_stays(pki_directory, device, tmp_path, owner, name, claimed):
    """F-D5: between claim and certificate, and after the signature, the same TBS is signed again."""
    device.make_key()
    request = tmp_path / "request.der"
    request.write_bytes(device.request(UNIT))
    command = [sys.executable, "-c", DYING, pki_directory, request, owner, name]
    root = Path(__file__).parents[2]
    assert subprocess.run(command, check=False, timeout=60, cwd=root).returncode == -signal.SIGKILL
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


def test_ledger_survives_power_cuts(ledger, tmp_path):
    """WAL with synchronous=FULL, as every connection of ours says."""
    connection = ledger._engine.raw_connection()
    values = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    connection.close()
    assert values == ["wal", 2]


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
        ledger.claim([(key.id, claim("01"))])
    assert ledger.rows()[0].claim is None


def test_two_claims_never_share_a_serial_number(ledger):
    """Design section 7.1."""
    first = add(ledger, OWNER, Origin.DEVICE, b"one", b"", proven=True)
    second = add(ledger, Owner("OTHER", "ship", "station"), Origin.DEVICE, b"two", b"", proven=True)
    ledger.claim([(first.id, claim("01"))])
    with pytest.raises(PkiError, match="UNIQUE"):
        ledger.claim([(second.id, claim("01"))])


def test_first_claim_stays(ledger):
    key = add(ledger, OWNER, Origin.DEVICE, b"one", b"", proven=True)
    assert ledger.claim([(key.id, claim("01"))])[0].serial == "01"
    assert ledger.claim([(key.id, claim("02"))])[0].serial == "01"


def test_certificate_of_a_key_lost_meanwhile_is_not_kept(ledger):
    key = add(ledger, OWNER, Origin.DEVICE, b"one", b"", proven=True)
    ledger.claim([(key.id, claim("01"))])
    ledger.retire(key.id, Reason.CESSATION_OF_OPERATION, "scrapped")
    with pytest.raises(RequestRefused, match="is lost"):
        ledger.store([(key.id, b"der")])
    assert ledger.rows()[0].revoked


def test_full_disk_is_one_sentence(ledger):
    """Bad input: a full disk loses nothing and says so."""
    with ledger._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(PkiError, match="database or disk is full"):
        add(ledger, OWNER, Origin.HSM, bytes(100_000), b"")
    assert ledger.rows() == []


def claim(serial: str) -> ClaimRecord:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    return ClaimRecord(serial, "test-issuing", "Owner", start, end, "00")


def add(
    ledger: Ledger, owner: Owner, origin: Origin, spki: bytes, evidence: bytes, *, proven: bool = False
) -> KeyRecord:
    return ledger.add_keys([NewKey(owner, origin, spki, evidence, proven=proven)])[0]
