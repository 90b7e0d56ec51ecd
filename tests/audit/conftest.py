"""Worlds for the tests of the audit log: records with a history, a P-256 key in software, and a knife."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from station.audit.copies import Copies
from station.audit.key import LogKey, origin_of
from station.audit.publisher import LogOffice
from station.audit.verify import LogVerdict, verify_log
from station.clock import utc_now
from station.model import Measurement, Outcome
from station.records import (
    LabelJob,
    Message,
    Records,
    RunRequest,
    SerialBlock,
    StepResult,
    WorkOrder,
    open_records,
    tables,
    upgrade,
)  # fmt: skip

STATION = "line1"
PLAN = ("identify", "label")
ORDER = WorkOrder(
    "WO-1", "ac22", "ac22-eu", 7, "a" * 64, 90, "Example Energy", SerialBlock("AC22-", 1, 99), "staging", "production"
)
GUARDS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
VOLTS = tuple(Measurement("volts", 230.1 + phase, "V") for phase in range(3))


class SoftKey:
    """The audit key of a factory, in software, with its certificate."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Audit")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, self.private.public_key(), 1, now, now + timedelta(days=9))
        self.certificate = builder.sign(self.private, hashes.SHA256()).public_bytes(Encoding.PEM)
        self.spki = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, body: bytes) -> bytes:
        return self.private.sign(body, ec.ECDSA(hashes.SHA256()))


@dataclass
class World:
    """A station's records with its log, and the few words in which tests speak of them."""

    records: Records
    folder: Path
    key: SoftKey
    copies: tuple[Path, ...] = ()

    @property
    def office(self) -> LogOffice:
        key = LogKey(origin_of(STATION), self.key.spki, self.key.sign)
        return LogOffice(self.records, key, self.folder / "audit", Copies(self.copies, None))

    @property
    def database(self) -> Path:
        return self.folder / "station.db"

    def publish(self) -> bytes:
        """Sign a checkpoint and return it."""
        _, problems = self.office.publish()
        assert problems == []
        return (self.folder / "audit" / "checkpoint").read_bytes()

    def verify(self, *outside: bytes) -> LogVerdict:
        notes = [(f"copy {n}", note) for n, note in enumerate(outside)]
        return verify_log(self.records, self.key.spki, origin_of(STATION), notes)

    def release(self, number: int) -> str:
        """Build one unit, and return its serial."""
        records = self.records
        run = records.open_run(RunRequest("WO-1", f"{number:04x}", "1", PLAN, "3.4.1"))
        serial = records.run(run).unit
        for name in PLAN:
            step = records.start_step(run, PLAN.index(name), name, 1)
            records.finish_step(step, StepResult(Outcome.PASS, measurements=VOLTS))
        label = records.label_verified(records.label_rendered(LabelJob(serial, "unit", f"code of {serial}", "0" * 64)))
        records.label_printed(records.label_sent(label, number, "Z1"), number + 1)
        records.label_scanned(label, f"code of {serial}")
        document = f'{{"serial":"{serial}"}}'.encode()
        records.release(run, document, b"signature", "signer", [Message("cpms", serial, b"{}")])
        return serial

    def fill(self, count: int) -> None:
        """Have many things happen at once."""
        now = utc_now()
        rows = [tables.Event(kind="shift", subject=f"s{n}", at=now, body=b"{}", who="lead-1") for n in range(count)]
        with self.records.database.write() as session:
            self.records.database.append(session, *rows)

    def cut(self, *statements: str) -> None:
        """Do with the database what its owner can: past all triggers, with plain sqlite3, and leave no other trace."""
        with closing(sqlite3.connect(self.database)) as connection, connection, unguarded(connection):
            for statement in statements:
                connection.execute(statement)


@contextmanager
def unguarded(connection: sqlite3.Connection) -> Iterator[None]:
    """Take all triggers off, and put them on again as careful people do."""
    guards = connection.execute(GUARDS).fetchall()
    for name, _ in guards:
        connection.execute(f"DROP TRIGGER {name}")
    yield
    for _, statement in guards:
        connection.execute(statement.replace("CREATE TRIGGER", "CREATE TRIGGER IF NOT EXISTS", 1))


def backup(database: Path, to: Path) -> None:
    """Copy a database with all that is in its write-ahead log."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


@pytest.fixture(scope="session")
def key() -> SoftKey:
    """Return the audit key."""
    return SoftKey()


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory, key: SoftKey) -> Path:
    """Make one station directory with three units and two checkpoints, for copies of it."""
    folder = tmp_path_factory.mktemp("history")
    upgrade(f"sqlite:///{folder / 'station.db'}")
    with open_records(f"sqlite:///{folder / 'station.db'}", STATION) as records:
        world = World(records, folder, key)
        records.create_order(ORDER)
        world.release(1)
        (folder / "first").write_bytes(world.publish())
        backup(folder / "station.db", folder / "backup.db")
        world.release(2)
        world.fill(300)
        world.release(3)
        (folder / "second").write_bytes(world.publish())
    return folder


@pytest.fixture
def world(tmp_path: Path, history: Path, key: SoftKey) -> Iterator[World]:
    """Yield a copy of that station."""
    folder = tmp_path / "station"
    shutil.copytree(history, folder)
    with open_records(f"sqlite:///{folder / 'station.db'}", STATION) as records:
        yield World(records, folder, key)
