"""A batch made by the line imports into an empty CPMS from the archive alone, which then holds what was released."""

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from fixtures.campaign import outbox_depth
from fixtures.demo.place import tool
from fixtures.demo.world import World
from station.config import load_station
from station.records import open_records
from tests.cpms.cpms_world import Staging
from tests.line.conftest import Make

pytestmark = pytest.mark.timeout(300)

IMPORTER = Path(__file__).resolve().parents[2] / "deploy" / "batch_importer.py"


@pytest.fixture(scope="module")
def batch(world: World, make: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build two units and hand them over, once their CPMS and their PDFs are done."""
    assert [result.outcome for result in make({}, {}).values()] == ["PASS", "PASS"]
    wait_for_outbox(world)
    target = tmp_path_factory.mktemp("batch") / "hand-over.zip"
    tool(world.place, "station", "batch", "create", "--order", world.place.order, "--out", str(target), "--packable",
         "--dir", str(world.place.station))  # fmt: skip
    return target


def wait_for_outbox(world: World) -> None:
    import time

    for _ in range(900):
        if not outbox_depth(world):
            return
        time.sleep(0.1)


def test_it_is_proven_with_the_factorys_certificate(world: World, batch: Path) -> None:
    anchor = world.place.station / "pki" / "certificates" / "records.pem"
    said = tool(world.place, "station", "batch", "verify", str(batch), "--anchor", str(anchor), "--json")
    assert (json.loads(said)["units"], json.loads(said)["order"]) == (2, world.place.order)


def test_it_has_pdf_and_configuration_of_each_unit(world: World, batch: Path) -> None:
    """F-M2: the checklist is prefilled from what was written to the device and signed."""
    with ZipFile(batch) as archive:
        names = archive.namelist()
        checklist = archive.read("commissioning/checklist.csv").decode()
    for number in (1, 2):
        assert f"units/{world.place.serial(number)}/passport.pdf" in names
    assert checklist.count("ntp.ship.example") == 2


def test_it_imports_into_an_empty_cpms(world: World, batch: Path, tmp_path: Path) -> None:
    """The issue's last sentence: the staging CPMS holds exactly the released units, equal to what the line sent."""
    staging = Staging(tmp_path / "empty")
    try:
        anchor = world.place.station / "pki" / "certificates" / "records.pem"
        command = [sys.executable, "-I", IMPORTER, batch, "--anchor", anchor, "--url", staging.url]
        command += ["--token-file", staging.directory / "token"]
        subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
        cpms, config = staging.open(), load_station(world.place.station)
        with open_records(config.database_url, config.station.id) as records:
            for serial in staging.serials():
                (sent,) = (row for row in (records.unit_history(serial) or pytest.fail(serial)).registrations)
                kept = cpms.read(serial)
                assert kept is not None
                assert json.loads(sent.sent).items() <= (kept.fields | {"revision": kept.revision}).items()
        cpms.close()
        assert staging.serials() == [world.place.serial(number) for number in (1, 2)]
    finally:
        staging.kill()
