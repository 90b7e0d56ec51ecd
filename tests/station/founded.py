"""Stations with a factory of their own: a token in files, and the demonstration's ceremony held with it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner

from fixtures.demo.place import CATALOG, acting
from fixtures.token import make_token
from pki.ceremony import hold_ceremony
from station.cli import main
from station.config import StationConfig, load_station
from tests.people.staff import Staff, staffed

SETTING = "SOFTHSM2_CONF"


@contextmanager
def founded(directory: Path) -> Iterator[Staff]:
    """Yield a station with people and a token; which token this process uses is as before in the end."""
    before = os.environ.get(SETTING)
    staff = staffed(directory)
    found_factory(staff.station)
    try:
        yield staff
    finally:
        os.environ.pop(SETTING, None)
        if before is not None:
            os.environ[SETTING] = before


def found_factory(station: Path) -> StationConfig:
    """Hold the demonstration's ceremony with a token of the station's own, and return the station's configuration."""
    config = load_station(station)
    make_token(config.pki_directory, "factory")
    file = station / "ceremony.toml"
    file.write_text((CATALOG / "ceremony.toml").read_text().replace("../softhsm2.conf", "softhsm2.conf"))
    hold_ceremony(file, config.pki_directory)
    return config


def run_as(staff: Staff, who: str, *words: str | Path, directory: Path | None = None) -> tuple[int, str]:
    """Run `station` as a person, and return its exit code with what it said."""
    env = acting(staff.people, who) | {"STATION_DIR": str(directory or staff.station)}
    done = CliRunner().invoke(main, [str(word) for word in words], env=env)
    return done.exit_code, done.output
