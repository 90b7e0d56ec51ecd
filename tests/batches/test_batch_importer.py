"""The importer that CPMS teams copy: from the archive alone into an empty CPMS, twice, never over anything (F-G8)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from fixtures.passports import SampleRecords
from station.cpms import Record, differences
from tests.batches.conftest import Office
from tests.cpms.cpms_world import Staging

ROOT = Path(__file__).resolve().parents[2]
IMPORTER = ROOT / "deploy" / "batch_importer.py"


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staging]:
    """Yield an empty staging CPMS in a process of its own."""
    running = Staging(tmp_path_factory.mktemp("staging"))
    yield running
    running.kill()


def run(batch: Path, anchor: Path, staging: Staging) -> tuple[int, dict[str, str], str]:
    """Run the importer with nothing of ours on its path; return exit code, results by serial, and its complaint."""
    command = [sys.executable, "-I", IMPORTER, batch, "--anchor", anchor, "--url", staging.url]
    done = subprocess.run(
        [*command, "--token-file", staging.directory / "token"],
        capture_output=True, text=True, timeout=120, check=False, cwd=batch.parent,
    )  # fmt: skip
    pairs = (line.split() for line in done.stdout.splitlines())
    return done.returncode, {serial: result for serial, result in pairs}, done.stderr  # noqa: C416


def test_it_is_short_and_needs_nothing_of_ours() -> None:
    tree = ast.parse(IMPORTER.read_text())
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
    assert len(IMPORTER.read_text().splitlines()) <= 200


def test_units_are_imported_from_the_archive_alone_and_equal_the_released_ones(
    office: Office, staging: Staging
) -> None:
    """Done when: a batch imports into an empty staging CPMS, which holds exactly the released units; twice is safe."""
    units = office.release("AC22-000001", "AC22-000002") + office.release("DC60-000001")
    made, anchor = office.make(), office.anchor_file()
    code, results, _ = run(made.path, anchor, staging)
    assert (code, set(results.values())) == (0, {"created"})
    assert staging.serials() == sorted(unit.serial for unit in units)
    cpms = staging.open()
    for unit in units:
        kept = cpms.read(unit.serial)
        assert isinstance(kept, Record)
        assert (kept.revision, differences(unit, kept)) == (1, ())
    cpms.close()
    assert run(made.path, anchor, staging)[:2] == (0, dict.fromkeys(results, "unchanged"))
    assert staging.serials() == sorted(results)


def test_a_conflict_is_told_and_nothing_is_overwritten(office: Office, staging: Staging) -> None:
    (unit,) = office.release("AC22-000091")
    cpms = staging.open()
    cpms.register(replace(unit, firmware="9.9.9"), 1)
    code, results, complaint = run(office.make().path, office.anchor_file(), staging)
    assert (code, results) == (1, {"AC22-000091": "conflict"})
    assert "1 conflict" in complaint
    kept = cpms.read("AC22-000091")
    assert kept is not None
    assert kept.fields["firmware"] == "9.9.9"
    cpms.close()


@pytest.mark.parametrize(
    ("number", "fault", "result", "again"),
    [
        (1, "error 1", "retryable", "created"),
        (2, "alters 1", "conflict", "conflict"),
        (3, "lies 1", "conflict", "unchanged"),
        (4, "garbage 1", "conflict", "created"),
        (5, "occupied 1", "conflict", "created"),
    ],
)
def test_what_fails_can_be_imported_again(
    office: Office, staging: Staging, number: int, fault: str, result: str, again: str
) -> None:
    """A fault stops nobody else, and no word is believed without its read-back."""
    office.release(*(f"AC22-0000{number}{unit}" for unit in range(3)))
    made = office.make()
    staging.misbehave(fault)
    code, results, _ = run(made.path, office.anchor_file(), staging)
    staging.misbehave("none")
    assert (code, sorted(results.values())) == (1, sorted([result, "created", "created"]))
    assert sorted(run(made.path, office.anchor_file(), staging)[1].values()) == sorted([again, *["unchanged"] * 2])


def test_a_batch_of_somebody_else_or_changed_is_refused_before_any_request(office: Office, staging: Staging) -> None:
    office.release("AC22-000081")
    made, stranger = office.make(), office.folder / "stranger.pem"
    stranger.write_text(SampleRecords().certificate)
    code, results, complaint = run(made.path, stranger, staging)
    assert (code, results, "not signed by the factory" in complaint) == (2, {}, True)
    for changed in (flipped(made.path), repacked(made.path)):
        code, results, _ = run(changed, office.anchor_file(), staging)
        assert (code, results) == (2, {})
    assert "AC22-000081" not in staging.serials()


def flipped(batch: Path) -> Path:
    """Return an archive with a flipped bit in its units."""
    raw = bytearray(batch.read_bytes())
    with ZipFile(batch) as archive:
        raw[archive.getinfo("units.json").header_offset + 200] ^= 1
    target = batch.with_name("flipped.zip")
    target.write_bytes(raw)
    return target


def repacked(batch: Path) -> Path:
    """Return a sound archive with other units below the manifest that was signed."""
    target = batch.with_name("repacked.zip")
    with ZipFile(batch) as archive, ZipFile(target, "w") as other:
        for info in archive.infolist():
            content = archive.read(info)
            changed = (
                content.replace(b"csms.ship.example", b"csms.evil.example")
                if info.filename == "units.json"
                else content
            )
            other.writestr(info, changed)
    return target
