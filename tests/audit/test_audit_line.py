"""A whole station that ends: all that its parts wrote by then is signed (F-K3)."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.demo.place import Place, free_ports, prepare
from fixtures.demo.world import World
from pki.secret import write_secret
from station.cli import main

sys.path.insert(0, str(Path(__file__).parents[1] / "mes"))  # pytest's importlib mode does not find helpers elsewhere

from mes_world import TOKEN, Reference

pytestmark = pytest.mark.timeout(300)


def test_what_is_written_at_the_end_is_signed(tmp_path: Path) -> None:
    """The MES is to be told that the station is off, which is queued at the very end: the last checkpoint covers it."""
    reference, place, addresses = (
        Reference(tmp_path / "mes"),
        Place(tmp_path / "line", 1, firmware_bytes=16 * 1024),
        free_ports(),
    )
    prepare(place, addresses, 9)
    with (place.station / "station.toml").open("a") as settings:
        settings.write(f'\n[mes]\nuri = "{reference.url}"\naway_units = 5\n')
    write_secret("mes-token", place.station, TOKEN)
    try:
        with World(place, addresses) as world:
            world.stop("station")
            told = CliRunner().invoke(main, ["audit", "verify", "--json", "--dir", str(place.station)])
    finally:
        reference.kill()
    found = json.loads(told.stdout)
    assert (found["good"], found["unsigned"]) == (True, 0)
