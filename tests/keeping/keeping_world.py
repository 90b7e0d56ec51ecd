"""A station directory with a history and keys in software, and a folder on another disk for its backups."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from fixtures.passports import SampleRecords
from pki.ledger import create_ledger
from station.audit.kept import notes_in
from station.config import StationConfig, load_station
from station.keeping.backup import Made, Wanted, make_backup
from station.keeping.restore import Restored, restore
from station.model import Measurement, Outcome
from station.records import LabelJob, Message, Records, RunRequest, StepResult, open_records
from station.setup import InitOptions, init_station
from station.trace.export import Signer
from tests.audit.conftest import ORDER, PLAN, STATION, SoftKey, World

CANARY = "pin-canary-58213"


@dataclass
class Kept:
    """A station and what is kept of it."""

    place: Path
    records: Records
    audit: SoftKey
    key: SampleRecords

    @property
    def directory(self) -> Path:
        return self.place / "station"

    @property
    def disk(self) -> Path:
        return self.place / "disk"

    @property
    def copies(self) -> Path:
        return self.place / "copies"

    @property
    def config(self) -> StationConfig:
        return load_station(self.directory)

    @property
    def world(self) -> World:
        """Return the station as the tests of the audit log speak of it."""
        return World(self.records, self.directory, self.audit, (self.copies,))

    @property
    def signer(self) -> Signer:
        return Signer(self.key.sign, self.key.certificate)

    @property
    def anchors(self) -> Sequence[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.key.certificate.encode())

    def release(self, number: int) -> str:
        """Build one unit, whose passport the record key signs, and return its serial."""
        records = self.records
        run = records.open_run(RunRequest("WO-1", f"{number:04x}", "1", PLAN, "3.4.1"))
        serial = records.run(run).unit
        for name in PLAN:
            step = records.start_step(run, PLAN.index(name), name, 1)
            records.finish_step(step, StepResult(Outcome.PASS, measurements=(Measurement("volts", 230.1),)))
        label = records.label_verified(records.label_rendered(LabelJob(serial, "unit", f"code of {serial}", "0" * 64)))
        records.label_printed(records.label_sent(label, number, "Z1"), number + 1)
        records.label_scanned(label, f"code of {serial}")
        document = f'{{"serial":"{serial}"}}'.encode()
        records.release(run, document, self.key.sign(document), "records", [Message("cpms", serial, b"{}")])
        return serial

    def backup(self, keep: int = 9) -> Made:
        return make_backup(self.config, self.records, self.signer, Wanted(self.disk, keep, "admin-1"))

    def restore(self, backup: Path, name: str = "restored", *outside: Path) -> Restored:
        return restore(backup, self.place / name, self.anchors, list(notes_in(outside)))

    @contextmanager
    def back(self, backup: Path, name: str = "restored") -> Iterator[Records]:
        """Restore a backup and open its records."""
        restored = self.restore(backup, name, self.copies)
        with open_records(load_station(restored.directory).database_url, STATION) as records:
            yield records

    @property
    def old(self) -> Path:
        """Return a backup that was made at the beginning."""
        return self.place / "old"

    def left(self) -> list[str]:
        """Return what lies on the disk for backups."""
        return sorted(path.name for path in self.disk.iterdir())


def prepared(place: Path, audit: SoftKey, key: SampleRecords) -> None:
    """Make a station with two units, a secret and a token, a checkpoint, and folders outside of it."""
    station = place / "station"
    init_station(station, InitOptions(identity=STATION, order="WO-1"))
    for name, content in (("audit", audit.certificate), ("records", key.certificate.encode())):
        path = station / "pki" / "certificates" / f"{name}.pem"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    create_ledger(station / "pki" / "ledger.sqlite")
    for name in ("secrets/hsm-pin", "pki/secrets/server-key", "pki/paper/AC22-1", "tokens/1/key.object", "audit/x"):
        (station / name).parent.mkdir(parents=True, exist_ok=True)
        (station / name).write_text(CANARY)
    for name in ("disk", "copies"):
        (place / name).mkdir()
    with open_records(f"sqlite:///{station / 'station.db'}", STATION) as records:
        records.create_order(ORDER)
        kept = Kept(place, records, audit, key)
        kept.release(1)
        kept.release(2)
        kept.world.publish()
        kept.backup().path.rename(place / "old")


def copied(master: Path, place: Path) -> None:
    """Give a test a station of its own."""
    shutil.copytree(master, place, dirs_exist_ok=True)
