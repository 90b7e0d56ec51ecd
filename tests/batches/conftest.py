"""Released units, and archives of them, for the tests."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copyfile
from typing import Any
from zipfile import ZipFile

import pytest
from cryptography import x509

from fixtures.batches import ORDER, Plant, add_order, opened_plant, release_units
from station.batches import BatchProof, MadeBatch, Wanted, make_batch, prove_batch
from station.model import UnitRecord
from station.records import BatchFilter, Records


@dataclass
class Office:
    """Records with released units of one order, and the few words in which tests speak of them."""

    plant: Plant
    records: Records
    folder: Path
    made: list[UnitRecord] = field(default_factory=list)
    count: int = 0

    def release(self, *serials: str, **given: Any) -> list[UnitRecord]:
        units = release_units(self.plant, self.records, serials, **given)
        self.made += units
        return units

    def make(self, keys: dict[str, Any] | None = None, **wanted: Any) -> MadeBatch:
        """Make an archive of the order under a name of its own."""
        self.count += 1
        units = wanted.pop("units", BatchFilter(ORDER))
        target = wanted.pop("target", self.folder / f"batch-{self.count}.zip")
        return make_batch(self.records, self.plant.keys(**(keys or {})), Wanted(units, "lead-1", **wanted), target)

    @property
    def anchors(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.plant.records.certificate.encode())

    def prove(self, path: Path) -> BatchProof:
        return prove_batch(path, self.anchors)

    def anchor_file(self) -> Path:
        path = self.folder / "records.pem"
        path.write_text(self.plant.records.certificate)
        return path


def read(path: Path, name: str) -> bytes:
    """Return one file of an archive."""
    with ZipFile(path) as archive:
        return archive.read(name)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make empty records and an empty ledger once, to be copied."""
    folder = tmp_path_factory.mktemp("empty")
    with opened_plant(folder):
        return folder


@pytest.fixture
def office(tmp_path: Path, empty: Path) -> Iterator[Office]:
    """Yield an order of 50 with nothing built yet."""
    for file in ("ledger.sqlite", "station.db"):
        copyfile(empty / file, tmp_path / file)
    with opened_plant(tmp_path) as (plant, records):
        add_order(records, 50)
        yield Office(plant, records, tmp_path)


@pytest.fixture
def filled(office: Office) -> Office:
    """Yield an order with three wallboxes, released."""
    office.release("AC22-000001", "AC22-000002", "AC22-000003")
    return office


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, MadeBatch]]:
    """Yield an archive of wallboxes and DC chargers with meters and SIMs, to be read only."""
    folder = tmp_path_factory.mktemp("mixed")
    with opened_plant(folder) as (plant, records):
        add_order(records, 50)
        office = Office(plant, records, folder)
        office.release("AC22-000001", "AC22-000002")
        office.release("DC60-000001", change=lambda record: replace(record, vendor="=cmd|' /C calc'!A0"))
        yield office, office.make(language="de", keys={"claim_code_hash": lambda serial: f"hash-of-{serial}"})
