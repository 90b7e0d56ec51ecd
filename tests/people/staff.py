"""Stations with people: one is made for each process of the tests, and every other one is a copy of it."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from fixtures.people import Pass, make_people, pass_of
from station.config import load_station
from station.people import Attendance, Sessions
from station.person import Person
from station.records import Records, open_records
from station.setup import InitOptions, init_station, welcome_admin
from station.web.session import Door

IDLE = timedelta(minutes=15)
TERMINALS = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Staff:
    """A station directory, and what its people know."""

    directory: Path

    @property
    def station(self) -> Path:
        """Return the station directory."""
        return self.directory / "station"

    @property
    def people(self) -> Path:
        """Return where badges and PINs lie."""
        return self.directory / "people"

    def shown(self, person: str) -> Pass:
        """Return what a person signs in with."""
        return pass_of(self.people, person)

    @contextmanager
    def records(self) -> Iterator[Records]:
        """Open the station's records."""
        config = load_station(self.station)
        with open_records(config.database_url, config.station.id) as records:
            yield records


def staffed(directory: Path) -> Staff:
    """Return a station with people of the caller's own below `directory`."""
    shutil.copytree(_master(), directory, dirs_exist_ok=True)
    return Staff(directory)


def door_of(records: Records, idle: timedelta = IDLE, terminals: tuple[str, ...] = TERMINALS) -> Door:
    """Return who comes and goes over the pages of a station."""
    sessions = Sessions(records, idle, terminals)
    return Door(sessions, Attendance(records, sessions), "ST1")


def someone(records: Records, person: str) -> Person:
    """Return a person as the station knows them."""
    row = records.person(person)
    assert row is not None
    return row.person


@cache
def _master() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="staff-master-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    init_station(folder / "station", InitOptions())
    welcome = welcome_admin(folder / "station", "admin-1")
    assert welcome is not None
    said = f"badge {welcome.person.badge}, one-time code {welcome.code}"
    make_people(folder / "station", folder / "people", said)
    return folder
