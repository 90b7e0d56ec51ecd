"""`station audit` as people and scripts meet it, with the audit key of a ceremony in a real token (F-K3)."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.token import make_token
from pki.ceremony import hold_ceremony
from pki.log import prove_document
from station.audit.key import read_anchor
from station.cli import main
from tests.audit.conftest import World
from tests.pki.conftest import CEREMONY

STATION = """
[station]
id = "line1"
[line]
order = "WO-1"
[printer]
uri = "discard:"
[audit]
copies = ["../qa"]
[[slot]]
name = "1"
port = "pci-0000:00:14.0-usb-0:1.1"
"""


@pytest.fixture
def station(world: World) -> World:
    """Yield a whole station directory whose checkpoints are to be signed by its own HSM, from the first on."""
    world.cut("DELETE FROM log_checkpoint")
    (world.folder / "audit" / "checkpoint").unlink()
    (world.folder / "station.toml").write_text(STATION)
    (world.folder / "ceremony.toml").write_text(CEREMONY)
    (world.folder.parent / "qa").mkdir()
    make_token(world.folder / "pki", "line3")
    hold_ceremony(world.folder / "ceremony.toml", world.folder / "pki")
    return world


def run(world: World, *words: object) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, words), "--dir", str(world.folder)])


def test_what_the_hsm_signed_is_verified_exported_and_proven(station: World, tmp_path: Path) -> None:
    """Checkpoint, verify with the copy outside, export, proof: each with its exit code, and JSON for scripts."""
    early = run(station, "proof", "AC22-000001", "-o", tmp_path / "p")
    assert (early.exit_code, run(station, "export", tmp_path / "log").exit_code) == (1, 2)
    assert run(station, "checkpoint").exit_code == 0
    told = run(station, "verify", "--from", tmp_path / "qa", "--json")
    assert (told.exit_code, json.loads(told.stdout)["good"]) == (0, True), told.output
    assert run(station, "export", tmp_path / "log").exit_code == 0
    assert run(station, "proof", "AC22-000001", "-o", tmp_path / "p").exit_code == 0
    key = read_anchor(tmp_path / "log" / "audit.pem")
    assert prove_document((tmp_path / "p").read_bytes(), station.records.passport("AC22-000001").document, key)


def test_a_change_is_told_in_words(station: World, tmp_path: Path) -> None:
    """Exit code 1, the row, the entry and the checkpoint; a folder of nonsense is told too, and stops nothing."""
    assert run(station, "checkpoint").exit_code == 0
    (tmp_path / "qa" / "note.txt").write_text("shopping list")
    (tmp_path / "qa" / ".half.txt").write_text("never read")
    (tmp_path / "qa" / "Thumbs.db").write_text("never read")
    station.cut("UPDATE event SET who = 'somebody-else' WHERE sequence = 7")
    told = run(station, "verify", "--from", tmp_path / "qa")
    assert told.exit_code == 1
    assert "Row event line1 7 was changed past the station" in told.stdout
    assert told.stdout.count("this is no checkpoint") == 1


def test_a_new_station_is_told_what_to_do(station: World) -> None:
    """Before the first checkpoint nothing is proven: exit code 1, in JSON too, and the command that signs one."""
    told = run(station, "verify")
    assert told.exit_code == 1
    assert "is new, sign the first with 'station audit checkpoint'" in told.stdout
    assert json.loads(run(station, "verify", "--json").stdout)["good"] is False
