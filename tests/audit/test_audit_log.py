"""The log over everything that a station writes (F-K3, F-I8)."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine

from pki.log import prove_document
from station.audit.export import export_log
from station.audit.proof import proof
from station.errors import ConfigError
from station.records import OrderState, Records, open_records, upgrade
from station.records.database import migration_config
from tests.audit.conftest import World

ORDER_TEXTS = ("product", "recipe", "recipe_digest", "customer", "serial_prefix", "test_environment")
ORDER_NUMBERS = ("recipe_revision", "quantity", "serial_digits", "serial_first", "serial_last", "serial_next")
VERIFIER = Path(__file__).parents[2] / "deploy" / "verify_log.py"


def test_everything_written_is_in_the_log(world) -> None:
    """Rows of all kinds, added or changed, have their entries, and the checkpoints fit."""
    verdict = world.verify((world.folder / "first").read_bytes(), (world.folder / "second").read_bytes())
    assert verdict.deviations == ()
    assert (verdict.checkpoints, verdict.unsigned) == (4, 0)
    assert (verdict.rows > 30, verdict.entries > verdict.rows) == (True, True)


def change_two(records: Records) -> None:
    """Change a row that may change, and then one that may not."""
    with records.database.write() as session:
        session.connection().exec_driver_sql("UPDATE work_order SET state = 'paused'")
        session.connection().exec_driver_sql("UPDATE unit SET serial = 'AC22-000099'")


def test_a_write_that_fails_leaves_no_entry(world) -> None:
    """An entry is of the transaction of its row: neither is there without the other."""
    before = world.records.log_head()
    with pytest.raises(RuntimeError):
        change_two(world.records)
    assert world.records.log_head() == before
    assert world.verify().good


def old_database(url: str) -> None:
    """Make a database of the version before the log, with an order in it."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(migration_config(connection), "0013")
        values = dict.fromkeys(ORDER_TEXTS, "x") | dict.fromkeys(ORDER_NUMBERS, 1)
        values |= {
            "id": "WO-0",
            "state": "open",
            "created_at": "2026-01-01T00:00:00.000Z",
            "ship_environment": "s",
            "serial_prefix": "AC99-",
        }
        marks = ", ".join("?" * len(values))
        connection.exec_driver_sql(
            f"INSERT INTO work_order ({', '.join(values)}) VALUES ({marks})", (*values.values(),)
        )
    engine.dispose()


def test_old_rows_get_entries_when_the_log_begins(tmp_path: Path, key) -> None:
    """A database of before the log gets one entry over what was there and one for each row; changes go on from it."""
    url = f"sqlite:///{tmp_path / 'station.db'}"
    old_database(url)
    upgrade(url)
    with open_records(url, "line1") as records:
        world = World(records, tmp_path, key)
        first = json.loads(next(records.log_entries(0, 1)))
        assert (first["rows"]["work_order"], records.log_head().size) == (1, 2)
        records.set_order_state("WO-0", OrderState.CLOSED)
        world.publish()
        assert world.verify().good
        world.cut("UPDATE work_order SET quantity = 2")
        assert [one.subject for one in world.verify().deviations] == ["work_order WO-0"]


def test_proof_of_a_passport(world) -> None:
    """A passport is proven offline with the audit key alone; another document is not."""
    found = proof(world.records, "AC22-000002")
    document = world.records.passport("AC22-000002").document
    assert prove_document(found, document, world.key.spki).checkpoint.size == world.records.log_head().size


def outside(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the independent verifier as an outsider does."""
    return subprocess.run(
        [sys.executable, "-I", VERIFIER, *map(str, words)], capture_output=True, text=True, check=False
    )


def test_outsider_needs_openssl_alone(world, tmp_path: Path) -> None:
    """The script of the standard library proves the export, an older checkpoint and a passport."""
    certificate = tmp_path / "audit.pem"
    certificate.write_bytes(world.key.certificate)
    size = export_log(world.records, tmp_path / "log", certificate, world.key.spki)
    (tmp_path / "passport.json").write_bytes(world.records.passport("AC22-000001").document)
    done = outside(tmp_path / "log", certificate, world.folder / "first", tmp_path / "passport.json")
    good = f"Good: {size} entries as signed; 1 older checkpoints and 1 documents fit.\n"
    assert (done.returncode, done.stdout) == (0, good), done.stderr


def test_export_that_broke_off_leaves_no_half_of_a_log(world, tmp_path: Path) -> None:
    """The next try finds nothing in its way."""
    with pytest.raises(ConfigError, match=f"can't be written to {tmp_path / 'log'}: "):
        export_log(world.records, tmp_path / "log", tmp_path / "no.pem", world.key.spki)
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("words", [(), ("--help",), ("nowhere", "audit.pem")])
def test_outsider_is_told_how_the_script_is_called(words: tuple[str, ...]) -> None:
    """A sentence and the usage, never a traceback."""
    done = outside(*words)
    assert (done.returncode, "Traceback" in done.stderr, "FOLDER AUDIT.pem" in done.stderr) == (1, False, True)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda log: (log / "tile/entries/000").write_bytes(flipped(log / "tile/entries/000")),
            "nothing that fits the checkpoint of",
        ),
        (lambda log: (log / "checkpoint").write_bytes(flipped(log / "checkpoint")), "not signed by the audit key"),
        (lambda log: (log / "passport.json").write_bytes(b"{}"), "passport.json."),
        (lambda log: (log / "checkpoint").write_bytes((log / "older").read_bytes()), ""),
    ],
)
def test_outsider_sees_what_was_changed(world, tmp_path: Path, spoil, sentence: str) -> None:
    """A changed entry, checkpoint or document, or a log that was cut back: exit code 1 and one sentence."""
    certificate, log = tmp_path / "audit.pem", tmp_path / "log"
    certificate.write_bytes(world.key.certificate)
    export_log(world.records, log, certificate, world.key.spki)
    (log / "passport.json").write_bytes(world.records.passport("AC22-000001").document)
    (log / "older").write_bytes((world.folder / "first").read_bytes())
    spoil(log)
    done = outside(log, certificate, world.folder / "second", log / "passport.json")
    assert (done.returncode, sentence in done.stderr) == (1, True), done.stderr


def test_outsider_believes_nothing_behind_the_signed_entries(world, tmp_path: Path) -> None:
    """A forged document whose entry is appended to the last bundle is not one that the log names."""
    certificate, log = tmp_path / "audit.pem", tmp_path / "log"
    certificate.write_bytes(world.key.certificate)
    export_log(world.records, log, certificate, world.key.spki)
    (tmp_path / "forged.json").write_bytes(b"{}")
    entry = b'{"document":"%b"}' % sha256(b"{}").hexdigest().encode()
    (bundle,) = (log / "tile" / "entries").glob("*.p/*")
    bundle.write_bytes(bundle.read_bytes() + len(entry).to_bytes(2, "big") + entry)
    done = outside(log, certificate, tmp_path / "forged.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "more entries than were signed" in done.stderr


def flipped(path: Path) -> bytes:
    raw = bytearray(path.read_bytes())
    raw[30] ^= 1
    return bytes(raw)
