"""Whoever owns the station's directory can change everything in it, and it shows (F-K3, design 7.9, P-tests)."""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from pki.log import open_note, sign_checkpoint
from station.audit.key import origin_of
from station.audit.verify import LogVerdict, verify_log
from station.audit.words import verdict_lines
from station.errors import ServiceError
from station.records import log_latest, open_records
from tests.audit.cheats import IN_LOG, IN_ROWS, WHOLE, Cheat
from tests.audit.conftest import STATION, World, unguarded

SEEDS = int(os.environ.get("TAMPER_SEEDS", "32"))
CHEATS = (*IN_ROWS, *WHOLE, *IN_LOG)


def cheated(history: Path, folder: Path, key, cheat: Cheat, seed: int) -> LogVerdict | None:
    """Cheat with a copy of the station, and return what the check then says with the copy of QA beside it.

    None where it was so clumsy that the file itself is refused.
    """
    shutil.copytree(history, folder)
    with closing(sqlite3.connect(folder / "station.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        with unguarded(connection):
            cheat(connection, Random(seed))
    try:
        with open_records(f"sqlite:///{folder / 'station.db'}", STATION) as records:
            return World(records, folder, key).verify((history / "second").read_bytes())
    except ServiceError as error:
        if "the database is damaged" not in error.message:
            raise
        return None


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_cheat_shows(history: Path, tmp_path: Path, key, seed: int) -> None:
    """Edited, removed, slipped in, swapped, cut off, set back, restored or written again: it is found, and named."""
    cheat = CHEATS[seed % len(CHEATS)]
    verdict = cheated(history, tmp_path / "station", key, cheat, seed)
    if verdict is not None:
        assert not verdict.good, cheat.__doc__
        assert verdict.shows is not None or cheat not in WHOLE, "the checkpoint that shows it is named"


@pytest.mark.parametrize("seed", range(len(IN_ROWS)))
def test_as_much_is_found_few_at_a_time(history: Path, tmp_path: Path, key, seed: int, monkeypatch) -> None:
    """However few entries and rows are compared at once: the others lie on disk, and the same is found."""
    cheat = IN_ROWS[seed]
    whole = cheated(history, tmp_path / "whole", key, cheat, seed)
    monkeypatch.setattr(log_latest, "MOST_WAITING", 2)
    monkeypatch.setattr(log_latest, "AT_ONCE", 2)
    little = cheated(history, tmp_path / "little", key, cheat, seed)
    if whole is None or little is None:
        assert whole is little
        return
    assert sorted(map(str, little.deviations)) == sorted(map(str, whole.deviations))


def test_what_nobody_touched_is_good(history: Path, tmp_path: Path, key) -> None:
    """The same check finds nothing where nothing was done."""
    verdict = cheated(history, tmp_path / "station", key, lambda connection, chance: None, 0)
    assert verdict is not None
    assert (verdict.good, verdict.unsigned) == (True, 0)


def test_another_program_is_not_the_station(world: World) -> None:
    """A row that another program adds gets no entry, also when the station writes after it."""
    world.cut("UPDATE unit SET state = 'scrapped' WHERE serial = 'AC22-000001'")
    world.release(4)
    (found,) = world.verify().deviations
    assert (found.kind, found.subject) == ("changed", "unit AC22-000001")


def test_a_damaged_log_is_not_signed(world: World) -> None:
    """What does not go on from the last checkpoint gets no signature that would cover it up."""
    world.cut("UPDATE log_entry SET leaf = CAST(replace(leaf, '1', '2') AS BLOB) WHERE position = 300")
    world.release(4)
    with pytest.raises(Exception, match="not signed"):
        replace(world).publish()


DAMAGES = (
    "UPDATE log_tree SET peaks = x'00'",
    "DELETE FROM log_tree",
    "UPDATE log_tree SET size = 'many'",
    "UPDATE log_tree SET size = size - 1, peaks = substr(peaks, 1, length(peaks) - 32)",
    "DELETE FROM log_tile",
    "DELETE FROM log_entry WHERE position = 257",
)


def write_and_sign(world: World) -> None:
    """Go on with a log, over a whole tile and more."""
    for _ in range(2):
        world.fill(256)
        world.publish()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_log_stops_writing_in_words(world: World, damage: str) -> None:
    """Whatever is broken in the log, people read that it is, and nothing half is written; it is never signed."""
    world.cut(damage)
    with pytest.raises(ServiceError, match="The audit log is damaged") as told:
        write_and_sign(world)
    assert "station audit verify" in told.value.hint


def test_without_any_checkpoint_nothing_is_good(world: World) -> None:
    """Rows and log written again, all checkpoints removed: it needs no key, and looks like a new station at best."""
    world.cut("DELETE FROM log_checkpoint")
    verdict = world.verify()
    assert (verdict.good, verdict.unproven, verdict.fits) == (False, True, None)
    assert "station audit checkpoint" in verdict_lines(verdict)[-1]
    world.publish()
    assert world.verify().good


def test_another_stations_checkpoints_prove_nothing(world: World) -> None:
    """The same audit key signs the logs of all stations: a database of another one is not this one's."""
    verdict = verify_log(world.records, world.key.spki, origin_of("line2"))
    assert (verdict.good, verdict.checkpoints) == (False, 0)
    assert "is of another log, charger-station/line1" in verdict.deviations[0].sentence


def test_checkpoints_that_fit_and_that_do_not(world: World) -> None:
    """They are told apart, also where both are of one size; the newest and the oldest of them are named."""
    first, second = (open_note((world.folder / name).read_bytes(), world.key.spki) for name in ("first", "second"))
    wrong = sign_checkpoint(replace(second, size=first.size), world.key.spki, world.key.sign)
    verdict = world.verify(wrong, (world.folder / "first").read_bytes())
    assert (verdict.checkpoints, verdict.fits.checkpoint, verdict.shows.checkpoint.size) == (3, second, first.size)
