"""`station passport`: from the records of a station and a token to files that a stranger can judge (F-I5)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aas_submodel_validate import validate
from click.testing import CliRunner

from fixtures.demo.place import CATALOG
from fixtures.passports import MEASUREMENTS, STEPS, tool
from pki.issue import open_factory
from station.cli import main
from station.clock import iso, utc_now
from station.documents.passport import passport_document
from station.model import Outcome, UnitRecord
from station.records import Records, RunRequest, SerialBlock, StepResult, WorkOrder, open_records
from station.setup import InitOptions, init_station
from station.steps.record import fingerprint
from tests.labels import stick
from tests.station.founded import found_factory

SERIAL = "AC22-000001"
ORDER = WorkOrder(
    "WO-1", "ac22", "ac22-eu", 7, "a" * 64, 12, "Example Energy", SerialBlock("AC22-", 1, 99), "staging", "production"
)


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, sample_of_module: Callable[..., UnitRecord]) -> Path:
    """A station with a token, a ceremony behind it, and one released unit."""
    place = tmp_path_factory.mktemp("station")
    init_station(place, InitOptions())
    config = found_factory(place)
    factory = open_factory(config.pki_directory, "test")
    with open_records(config.database_url, config.station.id) as records:
        unit = sample_of_module(serial=SERIAL, released_at=iso(utc_now()), gtin="9521141000014")
        document = passport_document(unit, STEPS, MEASUREMENTS)
        release(records, document, factory.sign(document), fingerprint(factory.record_certificate))
    factory.close()
    brand = place / "catalog" / "products" / "ac22"
    brand.mkdir(parents=True)
    (brand / "brand.toml").write_text('language = "de"\n')
    for name in ("nameplate.toml", "ce.png"):
        (brand / name).write_bytes((CATALOG / "products" / "ac22" / name).read_bytes())
    return place


@pytest.fixture(scope="module")
def sample_of_module() -> Callable[..., UnitRecord]:
    from tests.documents.conftest import sample_record

    return sample_record


def release(records: Records, document: bytes, signature: bytes, signer: str) -> None:
    records.create_order(ORDER)
    run = records.open_run(RunRequest("WO-1", "aa01", "1", ("label",), "1"))
    records.finish_step(records.start_step(run, 0, "label", 1), StepResult(Outcome.PASS))
    stick(records, SERIAL, "code")
    records.release(run, document, signature, signer)


def command(station: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["passport", *words, "--dir", str(station)])
    return done.exit_code, done.output


def test_built_passport_is_judged_by_the_stations_own_anchor_and_by_pdfsig(station: Path, tmp_path: Path) -> None:
    target = tmp_path / "p.pdf"
    assert command(station, "build", SERIAL, "--output", str(target))[0] == 0
    code, said = command(station, "verify", str(target))
    assert (code, SERIAL in said, "Not proved:" in said) == (0, True, True)
    assert "Signature is Valid" in tool("pdfsig", "-nocert", target)
    assert "Gerätepass" in tool("pdftotext", "-l", "1", target, "-")
    assert command(station, "verify", str(tmp_path / "p.json"))[0] == 0


def test_language_of_the_command_goes_before_the_products(station: Path, tmp_path: Path) -> None:
    target = tmp_path / "sheet.pdf"
    assert command(station, "build", SERIAL, "--sheet", "--language", "en", "--output", str(target))[0] == 0
    assert "Commissioning sheet" in tool("pdftotext", target, "-")
    code, said = command(station, "build", SERIAL, "--language", "xx", "--output", str(target))
    assert (code, "no language 'xx'" in said) == (2, True)


def test_show_tells_the_passport_and_prints_its_bytes(station: Path) -> None:
    code, said = command(station, "show", SERIAL)
    assert (code, SERIAL in said, "revision 1" in said) == (0, True, True)
    assert json.loads(command(station, "show", SERIAL, "--json")[1])["unit"]["serial"] == SERIAL
    code, said = command(station, "show", "AC22-999999")
    assert (code, "no passport of AC22-999999" in said) == (1, True)


def test_nameplate_is_written_of_the_kept_passport(station: Path, tmp_path: Path) -> None:
    target = tmp_path / "n.aasx"
    assert command(station, "nameplate", SERIAL, "--out", str(target)) == (0, f"{target}\n")
    assert validate(target).ok
    code, said = command(station, "nameplate", "AC22-999999", "--out", str(target))
    assert (code, "no passport of AC22-999999" in said) == (1, True)
