"""The campaigns' judge has nothing to say of a good unit, and names whatever is wrong with anybody's books."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.campaign import crew_of, outbox_depth, prepared, registrations
from fixtures.checker import complaints
from tests.station.cli_world import eventually

MEMORY = "chargers/001/nvm.json"
Damage = Callable[["Finished"], None]


@dataclass(frozen=True)
class Finished:
    """What a line left that made one unit."""

    directory: Path
    serial: str
    cpms: dict[str, Any]

    def judged(self) -> list[str]:
        """Return the complaints."""
        return complaints(self.directory, {self.serial: 1}, self.cpms)

    def book(self, name: str, statement: str) -> None:
        """Change a database past its guards."""
        with closing(sqlite3.connect(self.directory / "station" / name)) as book:
            book.execute("PRAGMA ignore_check_constraints = ON")
            for (trigger,) in book.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                book.execute(f'DROP TRIGGER "{trigger}"')
            assert book.execute(statement).rowcount, "it changes something"
            book.commit()

    def memory(self) -> dict[str, Any]:
        """Return what stands in the charger's memory."""
        found: dict[str, Any] = json.loads((self.directory / MEMORY).read_text())
        return found

    def device(self, **values: Any) -> None:
        """Change what stands in the charger's memory."""
        memory = self.memory()
        for name, value in values.items():
            memory[name] = memory[name] | value if isinstance(value, Mapping) else value
        (self.directory / MEMORY).write_text(json.dumps(memory))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A line that made one good unit and ended."""
    place = tmp_path_factory.mktemp("finished") / "line"
    with prepared(slots=1, quantity=2) as world:
        world.start_station()
        crew_of(world, [1]).work(["1"], 120.0)
        eventually(lambda: outbox_depth(world), lambda depth: not depth)
        world.stop("station")
        serial = world.place.serial(1)
        told = dict(registrations(world, [serial]))
        shutil.copytree(world.place.directory, place, symlinks=True, ignore=_sockets)
    return Finished(place, serial, told)


def _sockets(folder: str, names: list[str]) -> Iterator[str]:
    return (name for name in names if (Path(folder) / name).is_socket() or (Path(folder) / name).is_fifo())


@pytest.fixture
def finished(original: Finished, tmp_path: Path) -> Finished:
    """A copy of it, to be spoilt."""
    shutil.copytree(original.directory, tmp_path / "line", symlinks=True)
    return Finished(tmp_path / "line", original.serial, dict(original.cpms))


def station(statement: str) -> Damage:
    return lambda line: line.book("station.db", statement)


def ledger(statement: str) -> Damage:
    return lambda line: line.book("pki/ledger.sqlite", statement)


def device(**values: Any) -> Damage:
    return lambda line: line.device(**values)


def spoilt(path: str) -> Damage:
    return lambda line: (line.directory / path).write_bytes(b"something else")


REVOKED = (
    "INSERT INTO revocations (authority, serial, reason, detail, expires, at) SELECT authority, claims.serial, "
    "'superseded', '', not_after, claims.at FROM claims JOIN keys ON keys.id = key_id WHERE environment = 'ship'"
)
WRONG: dict[str, tuple[Damage, str]] = {
    "unit in work": (station("UPDATE unit SET state = 'reserved'"), "not one packable unit of hardware"),
    "other hardware": (station("UPDATE unit SET hardware_uid = 'ff'"), "not one packable unit of hardware"),
    "run failed": (station("UPDATE run SET outcome = 'FAIL'"), "not with exactly one PASS at last"),
    "run open": (station("UPDATE run SET outcome = NULL"), "a run is still open"),
    "label void": (station("UPDATE label SET state = 'void'"), "not one that was scanned back"),
    "label unscanned": (station("UPDATE label SET state = 'printed'"), "not one that was scanned back"),
    "ship certificate revoked": (ledger(REVOKED), "0 living ship certificates"),
    "another key": (ledger("UPDATE keys SET spki = x'00' WHERE environment = 'ship'"), "is not the ledger's"),
    "too many paid for": (
        ledger("INSERT INTO quota_uses SELECT work_order, environment, profile, 9, key_id + 9 FROM quota_uses"),
        "2 ship certificates were counted for 1 units",
    ),
    "nothing paid for": (ledger("DELETE FROM quota_uses"), "0 test certificates were counted for 1 units"),
    "unlocked": (device(locked=False), "the device is not locked"),
    "other serial": (device(serial="AC22-999999"), "the device bears the serial 'AC22-999999'"),
    "other endpoint": (
        device(settings={"charger/ocpp/url": b"wss://elsewhere.example/".hex()}), "does not point at its ship endpoint",
    ),
    "rest of the test": (device(settings={"x": b"csms.test.example".hex()}), "x still names the test environment"),
    "test key left": (
        lambda line: line.device(slots={"test": line.memory()["slots"]["ship"]}), "the test key is still in the device",
    ),
    "other roots": (spoilt("chargers/001/files/anchors.pem"), "/lfs/anchors.pem is not field-roots.pem"),
    "passport edited": (station("UPDATE passport SET document = CAST(document || ' ' AS BLOB)"), "openssl refuses"),
    "no passport": (station("DELETE FROM passport"), "0 passports"),
    "no passport on paper": (
        lambda line: (line.directory / f"station/passports/{line.serial}.pdf").unlink(), "there is no passport PDF",
    ),
    "not registered": (lambda line: line.cpms.clear(), "the CPMS has no record"),
    "registered as another": (
        lambda line: line.cpms.update({line.serial: {}}), "does not have the unit's ship certificate",
    ),
    "a label that nobody knows of": (spoilt("printer/999999.zpl"), "the printer made"),
}  # fmt: skip


def test_good_unit_is_good(finished: Finished) -> None:
    assert finished.judged() == []


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_named(finished: Finished, wrong: str) -> None:
    """A campaign that finds nothing is worth as much as the judge who would have found it."""
    damage, words = WRONG[wrong]
    damage(finished)
    assert any(words in text for text in finished.judged()), finished.judged()
