"""An archive of a closed order: everything of it, judged with nothing of ours, while the records go on with theirs."""

import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from station.clock import utc_now
from station.config import load_station
from station.errors import ConfigError, Service, ServiceError, StationError
from station.keeping.archive import Archived, make_archive
from station.keeping.archive_check import prove_archive
from station.keeping.retention import delete, expired
from station.records import OrderState, SerialBlock
from tests.audit.conftest import ORDER
from tests.keeping.keeping_world import Kept

SECOND = replace(ORDER, id="WO-2", serials=SerialBlock("AC22-", 200, 299))


@pytest.fixture
def archived(kept: Kept) -> Archived:
    """Close the order and archive it; another order has nothing to do with it."""
    kept.records.create_order(SECOND)
    kept.records.set_order_state("WO-1", OrderState.CLOSED)
    return make_archive(kept.config, kept.records, kept.signer, "WO-1", kept.disk, "qa-1")


def lines(archive: Path, table: str) -> list[dict[str, object]]:
    with zipfile.ZipFile(archive) as found:
        return [json.loads(line) for line in found.read(f"rows/{table}.jsonl").splitlines()]


def test_an_archive_has_everything_of_its_order(kept: Kept, archived: Archived) -> None:
    """Units, runs, steps, measurements, labels, messages and passports; and nothing of another order or of people."""
    assert [row["serial"] for row in lines(archived.path, "unit")] == ["AC22-000001", "AC22-000002"]
    counts = {table: len(lines(archived.path, table)) for table in ("work_order", "run", "step_event", "measurement")}
    assert counts == {"work_order": 1, "run": 2, "step_event": 8, "measurement": 4}
    with zipfile.ZipFile(archived.path) as found:
        assert not [name for name in found.namelist() if "person" in name or "sign_in" in name or "token" in name]


def test_an_archive_is_proven_offline(kept: Kept, archived: Archived) -> None:
    """With the record certificate and the audit key alone, in another place."""
    away = kept.place / "away"
    shutil.copytree(kept.disk, away)
    proof = prove_archive(away / archived.path.name, kept.anchors, kept.audit.spki)
    assert proof.order == "WO-1"
    assert any("audit log has 2 of them" in sentence for sentence in proof.proved)


def test_openssl_alone_judges_its_passports(kept: Kept, archived: Archived) -> None:
    """As README.txt in it says."""
    with zipfile.ZipFile(archived.path) as found:
        found.extractall(kept.place / "read")
    folder = kept.place / "read" / "passports"
    public = subprocess.run(["openssl", "x509", "-in", str(kept.directory / "pki/certificates/records.pem"), "-pubkey",
                             "-noout"], capture_output=True, check=True, timeout=30).stdout  # fmt: skip
    (folder / "records.pub").write_bytes(public)
    command = ["openssl", "dgst", "-sha256", "-verify", "records.pub", "-signature", "AC22-000001-1.json.sig"]
    done = subprocess.run([*command, "AC22-000001-1.json"], cwd=folder, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, b"Verified OK\n")


def test_a_changed_archive_is_refused(kept: Kept, archived: Archived) -> None:
    raw = bytearray(archived.path.read_bytes())
    raw[len(raw) // 2] ^= 1
    archived.path.write_bytes(raw)
    with pytest.raises(StationError, match="changed after it was signed"):
        prove_archive(archived.path, kept.anchors)


def test_search_goes_on_over_an_archived_order(kept: Kept, archived: Archived) -> None:
    assert kept.records.unit_history("AC22-000001") is not None
    assert [row.kind for row in kept.records.events("WO-1", "order-archived")] == ["order-archived"]


@pytest.mark.parametrize(
    ("order", "why"), [("WO-2", "is open"), ("WO-7", "no work order"), ("WO-1", "is there already")]
)
def test_only_what_changes_no_more_is_archived(kept: Kept, archived: Archived, order: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        make_archive(kept.config, kept.records, kept.signer, order, kept.disk, "qa-1")


def test_what_a_try_that_was_killed_left_is_no_part_of_the_next(kept: Kept) -> None:
    """Also where it had become longer than the whole archive is."""
    kept.records.set_order_state("WO-1", OrderState.CLOSED)
    (kept.disk / ".WO-1.archive.zip.partial").write_bytes(b"PK" * 1_000_000)
    made = make_archive(kept.config, kept.records, kept.signer, "WO-1", kept.disk, "qa-1")
    assert made.path.stat().st_size < 1_000_000
    prove_archive(made.path, kept.anchors)


def test_a_try_that_failed_leaves_nothing_and_the_next_makes_it(kept: Kept) -> None:
    """The HSM was away when the archive was to be signed."""

    def away(_: bytes) -> bytes:
        raise ServiceError(Service.HSM, "The HSM is away.")

    kept.records.set_order_state("WO-1", OrderState.CLOSED)
    with pytest.raises(ServiceError):
        make_archive(kept.config, kept.records, replace(kept.signer, sign=away), "WO-1", kept.disk, "qa-1")
    assert kept.left() == []
    made = make_archive(kept.config, kept.records, kept.signer, "WO-1", kept.disk, "qa-1")
    prove_archive(made.path, kept.anchors)
    assert [row.subject for row in kept.records.events(kind="order-archived")] == ["WO-1"]


def aged(path: Path, days: int) -> Path:
    """Make a file that is so old."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * 100)
    then = (utc_now() - timedelta(days=days)).timestamp()
    os.utime(path, (then, then))
    return path


def test_only_files_go_that_can_be_made_again(kept: Kept) -> None:
    """A PDF goes whose signed passport the records have; without a rule nothing does."""
    old = [aged(kept.directory / name, 40) for name in ("exports/u.csv", "passports/AC22-000001.pdf")]
    stay = [aged(kept.directory / name, 40) for name in ("passports/AC22-999999.pdf", "passports/notes.txt", "audit/y")]
    stay.append(aged(kept.directory / "exports/new.csv", 2))
    assert expired(kept.config, kept.records, utc_now()) == ()
    settings = kept.directory / "station.toml"
    settings.write_text(settings.read_text().replace("_days = 0", "_days = 30"))
    gone = delete(load_station(kept.directory), kept.records, "admin-1", utc_now())
    assert {one.path for one in gone} == set(old)
    assert [path.exists() for path in (*old, *stay)] == [False, False, True, True, True, True]
    assert b"exports/u.csv" in kept.records.events(kind="files-deleted")[0].body


def test_each_kind_of_file_stays_for_its_own_term(kept: Kept) -> None:
    settings = kept.directory / "station.toml"
    terms = settings.read_text().replace("exports_days = 0", "exports_days = 30")
    settings.write_text(terms.replace("passports_days = 0", "passports_days = 60"))
    aged(kept.directory / "exports/old.csv", 31)
    aged(kept.directory / "passports/AC22-000001.pdf", 61)
    stay = [aged(kept.directory / "exports/new.csv", 29), aged(kept.directory / "passports/AC22-000002.pdf", 59)]
    gone = delete(load_station(kept.directory), kept.records, "admin-1", utc_now())
    assert [one.path.name for one in gone] == ["AC22-000001.pdf", "old.csv"]
    assert [path.exists() for path in stay] == [True, True]


def test_tables_tell_their_size(kept: Kept) -> None:
    sizes = {size.table: size for size in kept.records.sizes()}
    assert (sizes["unit"].rows, sizes["measurement"].rows, sizes["unit"].oldest != "") == (2, 4, True)
    assert sum(size.bytes or 0 for size in sizes.values()) <= (kept.directory / "station.db").stat().st_size
