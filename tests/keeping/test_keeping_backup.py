"""Backups of a station at work: whole or not there, proven by restoring, and without a secret."""

import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from station.errors import ConfigError, StationError
from station.keeping.backup import Wanted, make_backup
from station.keeping.manifest import FILE, Manifest, open_manifest, seal_manifest
from tests.keeping.keeping_world import CANARY, Kept

WORKER = Path(__file__).with_name("backup_worker.py")


def worker(kept: Kept, fate: str) -> "subprocess.CompletedProcess[str]":
    """Make a backup in a process that meets its fate."""
    key = kept.place / "records.key"
    key.write_bytes(kept.key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    command = [sys.executable, str(WORKER), str(kept.directory), str(kept.disk), str(key), fate]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, cwd=Path(__file__).parents[2]
    )


def test_a_backup_comes_back_as_it_was(kept: Kept) -> None:
    """Restore drill: the same rows under the same log, and what may be read of a unit."""
    made = kept.backup()
    assert made.problems == ()
    with kept.back(made.path) as records:
        back, now = records.unit_history("AC22-000001"), kept.records.unit_history("AC22-000001")
        assert back == now
        assert records.checkpoints() == kept.records.checkpoints()
        assert kept.records.log_head().size > made.entries  # that it was made is written behind it
    assert (kept.place / "restored" / "station.toml").read_text() == (kept.directory / "station.toml").read_text()


def test_no_secret_and_no_token_is_in_it(kept: Kept) -> None:
    """F-D2: PINs, passphrases, tokens and what opens secrets on paper stay where they are; they are named."""
    made = kept.backup()
    files = [path for path in made.path.rglob("*") if path.is_file()]
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    assert made.secrets == ("secrets/hsm-pin", "pki/secrets/server-key")
    assert {"tokens", "secrets", "audit"} <= set(made.left_out)


def test_a_line_at_work_is_copied_in_one_state(kept: Kept) -> None:
    """Rows come while it is copied; the backup has one state, which its log proves."""
    stop = threading.Event()

    def build() -> None:
        number = 10
        while not stop.is_set() and number < 60:
            kept.release(number)
            number += 1

    thread = threading.Thread(target=build)
    thread.start()
    try:
        made = kept.backup()
    finally:
        stop.set()
        thread.join()
    assert made.problems == ()
    assert kept.records.log_head().size > made.entries + 1


def test_only_the_newest_are_kept(kept: Kept) -> None:
    (kept.disk / "photos").mkdir()
    (kept.disk / "line2-20260101T000000000Z").mkdir()
    made = [kept.backup(keep=2) for _ in range(3)]
    assert made[2].pruned == (made[0].path.name,)
    assert kept.left() == ["line1-" + made[1].path.name[6:], made[2].path.name, "line2-20260101T000000000Z", "photos"]


def test_a_clock_that_was_ahead_takes_nothing_away(kept: Kept) -> None:
    """A backup of a time to come is told; it neither goes, nor stands for the one that was just made."""
    kept.backup().path.rename(kept.disk / "line1-20990101T000000000Z")
    made = [kept.backup(keep=1) for _ in range(2)]
    assert (made[1].ahead, made[1].pruned) == (("line1-20990101T000000000Z",), (made[0].path.name,))
    assert kept.left() == [made[1].path.name, "line1-20990101T000000000Z"]


def test_what_another_station_makes_is_left_alone(kept: Kept) -> None:
    (kept.disk / ".line1-rework-20260101T000000000Z.partial").mkdir()
    made = kept.backup()
    assert kept.left() == [".line1-rework-20260101T000000000Z.partial", made.path.name]


def test_the_last_event_of_a_kind_is_found_at_once(kept: Kept) -> None:
    """Each look at the age of the last backup reads one row, however many events there are."""
    kept.backup()
    query = "SELECT * FROM event WHERE kind = ? AND station = ? ORDER BY sequence DESC LIMIT 1"
    with closing(sqlite3.connect(kept.directory / "station.db")) as found:
        plan = found.execute(f"EXPLAIN QUERY PLAN {query}", ("restored", "line1")).fetchall()
    assert [row[3] for row in plan] == ["SEARCH event USING INDEX ix_event_newest (kind=? AND station=?)"]


def test_the_records_know_the_last_one(kept: Kept) -> None:
    name = kept.backup().path.name
    row = kept.records.last_backup()
    assert row is not None
    assert (name.encode() in row.body, row.who) == (True, "admin-1")


def test_one_that_was_killed_is_none(kept: Kept) -> None:
    """What is left has no name of a backup, and the next one takes it away."""
    assert worker(kept, "restoring").returncode == -signal.SIGKILL
    assert [name[0] for name in kept.left()] == ["."]
    made = kept.backup()
    assert kept.left() == [made.path.name]


def test_a_full_disk_leaves_nothing(kept: Kept) -> None:
    ran = worker(kept, "full")
    assert (ran.returncode, kept.left()) == (1, [])
    assert "Free space" in ran.stderr


def test_places_that_are_none_are_refused(kept: Kept) -> None:
    """A folder that is not mounted is never made on the station's own disk."""
    kept.disk.rmdir()
    with pytest.raises(ConfigError, match="is not there"):
        kept.backup()
    kept.disk.symlink_to(kept.directory)
    with pytest.raises(ConfigError, match="would be lost with it"):
        kept.backup()


def test_a_log_that_is_not_good_is_kept_and_told(kept: Kept) -> None:
    """The copy is true; but no older one is taken away for it, as that may be the last good one."""
    first = kept.backup(keep=1)
    kept.world.cut("UPDATE passport SET document = x'00' WHERE revision = 1")
    second = kept.backup(keep=1)
    assert any("passport" in problem for problem in second.problems)
    assert kept.left() == [first.path.name, second.path.name]


def spoiled(backup: Path, how: str) -> None:
    """Do something to a backup that its keeper did not."""
    database, settings = backup / "station.db", backup / "station.toml"
    match how:
        case "byte":
            raw = bytearray(database.read_bytes())
            raw[len(raw) // 2] ^= 1
            database.write_bytes(raw)
        case "settings":
            settings.write_text(settings.read_text() + "\n[mes]\nuri = 'file:elsewhere'\n")
        case "missing":
            (backup / "pki" / "ledger.sqlite").unlink()
        case "link":
            (backup / "approvers").unlink()
            (backup / "approvers").symlink_to(settings)
        case "manifest":
            manifest = backup / "manifest.json"
            manifest.write_bytes(manifest.read_bytes().replace(b'"keyid":"', b'"keyid":"0', 1)[:-90] + b'AAAA"}]}\n')


@pytest.mark.parametrize("how", ["byte", "settings", "missing", "link", "manifest"])
def test_a_backup_that_was_changed_is_refused(kept: Kept, how: str) -> None:
    spoiled(kept.old, how)
    with pytest.raises(StationError, match="backup"):
        kept.restore(kept.old)
    assert not [path for path in kept.place.iterdir() if "restor" in path.name]


def test_a_copy_that_the_disk_damaged_gets_no_name(kept: Kept) -> None:
    """The trial restore reads it as a stranger would: nothing of it stays, and the records know of no backup."""
    last = kept.records.last_backup()

    def damaging(what: str) -> None:
        if what == "restoring on trial":
            (copy,) = kept.disk.glob(".*.partial")
            spoiled(copy, "byte")

    with pytest.raises(StationError, match=r"station\.db is not as it was put there"):
        make_backup(kept.config, kept.records, kept.signer, Wanted(kept.disk, 9, "admin-1"), damaging)
    assert (kept.left(), kept.records.last_backup()) == ([], last)


def test_a_damaged_database_gets_no_backup(kept: Kept) -> None:
    """A copy that is true to the byte is no database that anybody could go on with: what SQLite finds is told."""
    kept.world.cut("PRAGMA ignore_check_constraints = ON", "UPDATE work_order SET quantity = 0")
    with pytest.raises(StationError, match="the database is damaged"):
        kept.backup()
    assert kept.left() == []


def counted_otherwise(manifest: Manifest, what: str) -> Manifest:
    """Return a manifest that says something else than what was copied."""
    match what:
        case "rows":
            return replace(manifest, rows=manifest.rows | {"unit": 3})
        case "ledger":
            return replace(manifest, ledger_rows={})
        case "schema":
            return replace(manifest, database_schema="0001")
    return replace(manifest, log=replace(manifest.log, root="00" * 32))


@pytest.mark.parametrize(
    ("what", "why"),
    [("rows", "other rows"), ("ledger", "other rows"), ("schema", "another schema"), ("log", "not where it was")],
)
def test_what_was_signed_is_what_comes_back(kept: Kept, what: str, why: str) -> None:
    """Every file is as it was put there; what the manifest says of their content is looked at, too."""
    place = kept.old / FILE
    manifest = counted_otherwise(open_manifest(place.read_bytes(), kept.anchors), what)
    place.write_bytes(seal_manifest(manifest, kept.signer))
    with pytest.raises(StationError, match=why):
        kept.restore(kept.old)


def test_a_directory_with_anything_in_it_is_left_alone(kept: Kept) -> None:
    (kept.place / "restored").mkdir()
    (kept.place / "restored" / "station.db").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        kept.restore(kept.old)
    assert (kept.place / "restored" / "station.db").read_text() == "mine"


def test_it_may_be_named_in_any_way(kept: Kept) -> None:
    """A directory that is named by `..`, or below a link, is the same one."""
    (kept.place / "real").mkdir()
    (kept.place / "link").symlink_to("real")
    assert kept.restore(kept.old, "disk/../first").directory == kept.place.resolve() / "first"
    assert kept.restore(kept.old, "link/second").directory == kept.place.resolve() / "real" / "second"


def add(kept: Kept, *lines: str) -> None:
    """Write settings at the top of station.toml."""
    file = kept.directory / "station.toml"
    file.write_text("\n".join((*lines, file.read_text())))


def test_a_pki_elsewhere_does_not_hinder(kept: Kept) -> None:
    """The log of the copy is judged by the audit key's certificate in the backup, not by one that lies around."""
    (kept.directory / "pki").rename(kept.place / "pki")
    add(kept, 'pki.directory = "../pki"')
    made = kept.backup()
    assert (made.problems, "../pki" in made.left_out) == ((), True)
    (kept.place / "pki").rename(kept.place / "lost")
    assert kept.restore(made.path).examined.problems == ()


def test_an_absolute_path_inside_is_refused(kept: Kept) -> None:
    """Restored elsewhere the station would use what is left here; a trial would prove nothing."""
    add(kept, f'pki.directory = "{kept.directory}/pki"')
    with pytest.raises(ConfigError, match=r"pki\.directory is an absolute path"):
        kept.backup()
    assert kept.left() == []


def test_certificates_that_settings_name_come_along(kept: Kept) -> None:
    """What station.toml needs to run is there again; a key is named and never copied, and so is what nobody knows."""
    certificate = kept.key.certificate
    for name in ("mes-ca.pem", "client.pem", "unnamed.pem", "secrets/hidden.pem"):
        (kept.directory / name).write_text(certificate)
    (kept.directory / "client.key").write_text(CANARY)
    (kept.directory / "both.pem").write_text(f"{certificate}-----BEGIN PRIVATE KEY-----{CANARY}")
    client = 'mes.client = {certificate = "client.pem", key = "client.key"}'
    add(kept, 'mes.uri = "https://mes.example?ca=mes-ca.pem"', client, 'audit.hook = "https://log.example?ca=both.pem"')
    made = kept.backup()
    came = [name for name in ("mes-ca.pem", "client.pem", "client.key", "both.pem") if (made.path / name).exists()]
    assert came == ["mes-ca.pem", "client.pem"]
    assert {"client.key", "both.pem", "unnamed.pem", "pki/paper"} <= set(made.left_out)
    assert not {"station.db", "station.toml", "catalog", "pki", "mes-ca.pem"} & set(made.left_out)
    assert kept.restore(made.path).examined.problems == ()
