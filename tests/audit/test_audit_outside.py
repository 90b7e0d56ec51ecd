"""The log before the eyes of others: somebody else's verifier, copies, receivers, and an HSM that is away (F-K3)."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader

from pki.log import leaf_hash, open_note, sign_checkpoint
from station.audit.copies import PEER, Copies
from station.audit.publisher import ALARM, EVERY_SECONDS, LOOK_SECONDS, Publisher
from station.board import Board
from station.clock import utc_now
from station.errors import Service, ServiceError
from station.http import open_http
from station.model import LineView
from tests.audit.conftest import World


def until(condition: Callable[[], object]) -> object:
    """Wait for what a thread does."""
    end = time.monotonic() + 60
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def test_another_verifier_finds_the_same_tree(world: World) -> None:
    """PyPI's tlog-scales reads our tiles: root, an entry's inclusion, and that the log only grew."""
    reader = TilesReader(LocalBackend(world.folder / "audit"))
    now = reader.get_checkpoint()
    before = open_note((world.folder / "first").read_bytes(), world.key.spki)
    assert reader.calculate_root_hash() == now.root_hash
    reader.get_inclusion_proof(300, now.size).check(leaf_hash(reader.get_entry(300)), now.root_hash)
    reader.get_consistency_proof(before.size, now.size).check(before.root, now.root_hash)


class Receiver(BaseHTTPRequestHandler):
    """Takes checkpoints from whoever knows the token."""

    taken: ClassVar[list[tuple[str, str, bytes]]] = []

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.path, self.headers["Authorization"], content))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def test_copies_go_outside(world: World, tmp_path: Path) -> None:
    """Each checkpoint is a file in the second folder, and a message to the receiver."""
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook = open_http(PEER, f"http://127.0.0.1:{server.server_port}", lambda: "secret")
    world.release(4)
    (tmp_path / "qa").mkdir()
    office = replace(world.office, copies=Copies((tmp_path / "qa",), hook))
    checkpoint, problems = office.publish()
    server.shutdown()
    hook.close()
    (file,) = (tmp_path / "qa").rglob("*.txt")
    assert (problems, open_note(file.read_bytes(), world.key.spki)) == ([], checkpoint)
    assert Receiver.taken == [("/checkpoints", "Bearer secret", file.read_bytes())]


def test_a_copy_that_fails_delays_nothing(world: World, tmp_path: Path) -> None:
    """A folder that is none and a receiver that is away are told, and the checkpoint is there all the same."""
    (tmp_path / "qa").write_text("no folder")
    world.release(4)
    office = replace(world.office, copies=Copies((tmp_path / "qa",), None))
    checkpoint, problems = office.publish()
    assert len(problems) == 1
    assert "qa" in problems[0]
    assert world.records.last_checkpoint().size == checkpoint.size


def test_a_folder_that_is_not_there_is_not_made(world: World, tmp_path: Path) -> None:
    """What is not mounted would be a folder on the station's own disk."""
    _, problems = replace(world.office, copies=Copies((tmp_path / "qa",), None)).publish()
    assert problems == [f"No checkpoint can be written to {tmp_path / 'qa'}: No such file or directory."]
    assert not (tmp_path / "qa").exists()


def test_a_copy_is_never_replaced(world: World, tmp_path: Path) -> None:
    """Another history of the same size stands beside it; the same one signed once more leaves the file as it is."""
    copies, at = Copies((tmp_path,), None), utc_now()
    mine = open_note((world.folder / "second").read_bytes(), world.key.spki)
    notes = [
        sign_checkpoint(one, world.key.spki, world.key.sign) for one in (mine, mine, replace(mine, root=bytes(32)))
    ]
    assert [copies.give("line1", mine.size, note, at) for note in notes] == [[], [], []]
    kept = {file.name: file.read_bytes() for file in tmp_path.rglob("*.txt")}
    names = [f"{mine.size:012d}-{root.hex()[:8]}.txt" for root in (mine.root, bytes(32))]
    assert kept == {names[0]: notes[0], names[1]: notes[2]}


def publisher(world: World, sign: Callable[[bytes], bytes], every: float = EVERY_SECONDS) -> tuple[Publisher, Board]:
    board = Board(LineView("line1", 0, ()))
    office = world.office
    return Publisher(replace(office, key=replace(office.key, sign=sign)), board, every), board


def test_a_copy_that_failed_is_made_later(world: World, tmp_path: Path) -> None:
    """The folder is mounted again, nothing more is written: the copy is made and the alarm goes, no restart needed."""
    world.copies = (tmp_path / "qa",)
    at_work, board = publisher(world, world.key.sign, every=1)
    at_work.start()
    assert until(lambda: board.view().alarms)
    (tmp_path / "qa").mkdir()
    assert until(lambda: not board.view().alarms)
    (file,) = (tmp_path / "qa").rglob("*.txt")
    assert file.read_bytes() == (world.folder / "second").read_bytes()
    at_work.stop(30)


def test_an_old_backup_is_not_signed(world: World) -> None:
    """A database that was restored lacks what the checkpoint in the files has: an alarm, no signature, and it shows."""
    world.records.database.close()
    for name in ("station.db-wal", "station.db-shm"):
        (world.folder / name).unlink(missing_ok=True)
    shutil.copyfile(world.folder / "backup.db", world.folder / "station.db")
    size = world.records.last_checkpoint().size
    world.release(9)
    at_work, board = publisher(world, world.key.sign)
    at_work.start()
    assert until(lambda: board.view().alarms)
    at_work.stop(30)
    assert "is damaged and is not signed" in board.view().alarms[0]
    assert world.records.last_checkpoint().size == size
    published = (world.folder / "audit" / "checkpoint").read_bytes()
    assert published == (world.folder / "second").read_bytes()
    assert "cut or set back" in world.verify(published).deviations[0].sentence


def test_files_are_durable_before_their_checkpoint(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut the checkpoint covers no empty tiles: each was synced, and the checkpoint as the last file."""
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    real = os.fsync
    monkeypatch.setattr(os, "fsync", fsync)
    shutil.rmtree(world.folder / "audit")
    world.publish()
    made = [file for file in (world.folder / "audit" / "tile").rglob("*") if file.is_file()]
    parts = [name for name in synced if name.endswith(".part")]
    assert {str(file.with_name(f".{file.name}.part")) for file in made} <= set(parts[:-1])
    assert parts[-1] == str(world.folder / "audit" / ".checkpoint.part")


def test_a_release_is_signed_soon(world: World) -> None:
    """A passport is what others wait for: its checkpoint does not wait for the minute."""
    at_work, _ = publisher(world, world.key.sign)
    at_work.start()
    until(lambda: at_work.signed == world.records.log_head().size)
    world.records.event("shift-begins", "line1", {})
    world.release(4)
    size = world.records.log_head().size
    passport = world.records.passport("AC22-000004")
    assert until(lambda: world.records.document_proof(passport.sha256))
    at_work.stop(30)
    assert world.records.last_checkpoint().size == size


def test_an_hsm_that_is_away_delays_only_the_checkpoint(world: World) -> None:
    """Units are built and logged without it; an alarm says so, and goes when the HSM is back."""
    away = threading.Event()
    away.set()

    def sign(body: bytes) -> bytes:
        if away.is_set():
            raise ServiceError(Service.HSM, "The HSM is away.", hint="Plug it in.", stops_line=False)
        return world.key.sign(body)

    at_work, board = publisher(world, sign)
    world.release(4)
    at_work.start()
    assert until(lambda: [alarm for alarm in board.view().alarms if alarm.startswith(ALARM)])
    world.release(5)
    away.clear()
    at_work.stop(30)
    assert world.verify().unsigned == 0
    assert board.view().alarms == ()


def test_a_look_that_fails_is_not_repeated_at_once(world: World) -> None:
    """A damaged log is an alarm, and records and operators' pages are then left alone for some seconds."""
    world.cut("DELETE FROM log_tree")
    at_work, board = publisher(world, world.key.sign)
    at_work.start()
    assert until(lambda: board.view().alarms)
    told = board.view()
    time.sleep(4 * LOOK_SECONDS)
    assert board.view() == told
    assert "The audit log is damaged" in told.alarms[0]
    at_work.stop(30)
