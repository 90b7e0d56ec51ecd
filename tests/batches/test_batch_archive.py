"""An archive holds what was stored at release, all of it, once, in one form (F-G8)."""

import json
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates

from fixtures.batches import ORDER, Plant
from pki.ledger import Reason, Revocation
from station.errors import ConfigError, StationError, UnitError
from station.records import BatchFilter, Hold, HoldScope
from station.whole import whole_file
from tests.batches.conftest import Office, read

TOOLS = """
unzip -q {batch} -d batch && cd batch
openssl x509 -in {anchor} -pubkey -noout > records.pub
openssl dgst -sha256 -verify records.pub -signature manifest.sig manifest.json
grep -o "\\"name\\":\\"SHA256SUMS\\",\\"sha256\\":\\"$(sha256sum SHA256SUMS | cut -d' ' -f1)\\"" manifest.json
sha256sum --check --strict --quiet SHA256SUMS
"""


def test_every_released_unit_is_in_it_with_its_signed_passport_and_chain(filled: Office) -> None:
    made = filled.make()
    assert (made.row.units, made.row.work_order, made.left_out) == (3, ORDER, ())
    for unit in filled.made:
        folder = f"units/{unit.serial}"
        document = read(made.path, f"{folder}/passport.json")
        passport = filled.records.passport(unit.serial)
        assert passport is not None
        assert (document, read(made.path, f"{folder}/passport.json.sig")) == (passport.document, passport.signature)
        leaf, issuing = load_pem_x509_certificates(read(made.path, f"{folder}/certificate.pem"))
        assert f"{leaf.serial_number:X}" == unit.certificate_serial
        leaf.verify_directly_issued_by(issuing)


def test_openssl_unzip_and_sha256sum_alone_verify_it(filled: Office, tmp_path: Path) -> None:
    """The commands stand in the README inside the archive; a changed file is found by them too."""
    made = filled.make()
    readme = read(made.path, "README.txt").decode()
    assert all(line.split(" {")[0].split(" -in")[0] in readme for line in TOOLS.strip().splitlines())
    script = TOOLS.format(batch=made.path, anchor=filled.anchor_file())
    done = subprocess.run(["bash", "-ec", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("Verified OK\n")
    (tmp_path / "batch" / "units.csv").write_text("other")
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    changed = subprocess.run(check, cwd=tmp_path / "batch", capture_output=True, text=True, timeout=60, check=False)
    assert "units.csv: FAILED" in changed.stdout


def test_same_units_give_the_same_bytes_and_one_row(filled: Office) -> None:
    """Asking twice gives the same answer, as everywhere: also signature and time are those of the first."""
    first, second = filled.make(), filled.make()
    assert first.path.read_bytes() == second.path.read_bytes()
    assert filled.records.batches(ORDER) == (first.row,)
    assert first.row.sha256 == sha256(first.path.read_bytes()).hexdigest()


def test_other_units_are_another_batch(filled: Office) -> None:
    first = filled.make()
    filled.release("AC22-000004")
    second = filled.make()
    assert (first.row.name != second.row.name, second.row.units) == (True, 4)
    assert [row.name for row in filled.records.batches(unit="AC22-000004")] == [second.row.name]
    assert [row.units for row in filled.records.batches(unit="AC22-000001")] == [3, 4]


def test_a_range_of_serials_splits_an_order(filled: Office) -> None:
    made = filled.make(units=BatchFilter(ORDER, "AC22-000002", "AC22-000002"))
    assert [unit["serial"] for unit in json.loads(read(made.path, "units.json"))["units"]] == ["AC22-000002"]


def test_what_was_made_stands_in_the_records_for_good(filled: Office) -> None:
    made = filled.make()
    (event,) = filled.records.events(ORDER, "batch-made")
    assert json.loads(event.body) == {"batch": made.row.name, "sha256": made.row.sha256, "units": 3}
    assert (event.who, made.row.who, made.row.sealed_for) == ("lead-1", "lead-1", "")


def test_units_on_hold_and_with_revoked_certificates_are_left_out_by_name(filled: Office) -> None:
    filled.records.hold(Hold(HoldScope.UNIT, "AC22-000001", "customer complains", "qa-1"))
    serial = filled.made[1].certificate_serial
    end = load_pem_x509_certificates(filled.plant.records.certificate.encode())[0].not_valid_after_utc
    filled.plant.ledger.revoke_once(Revocation("ship-issuing", serial, Reason.KEY_COMPROMISE, "stolen", end))
    made = filled.make()
    assert made.row.units == 1
    assert dict(made.left_out) == {
        "AC22-000001": "it is on hold, a golden unit, or of another owner or operator by now",
        "AC22-000002": "its certificate was revoked: keyCompromise",
    }
    assert read(made.path, "units.json").count(b'"serial":"AC22-') == 1


def test_only_packable_units_where_that_is_asked(filled: Office) -> None:
    with pytest.raises(ConfigError, match="no released unit"):
        filled.make(units=BatchFilter(ORDER, packable=True))


def test_unknown_order_and_taken_name_are_refused(filled: Office) -> None:
    with pytest.raises(ConfigError, match="no work order WO-9"):
        filled.make(units=BatchFilter("WO-9"))
    made = filled.make()
    with pytest.raises(ConfigError, match="is there already"):
        filled.make(target=made.path)


def test_a_passport_that_was_changed_in_the_records_stops_the_batch(filled: Office) -> None:
    """What somebody wrote into the database past its guards leaves in no archive."""
    with filled.records.database.write() as session:
        connection = session.connection()
        connection.exec_driver_sql("DROP TRIGGER guard_passport_unchanged")
        changed = "CAST(replace(document, '\"AC22\"', '\"AC99\"') AS BLOB)"
        connection.exec_driver_sql(f"UPDATE passport SET document = {changed} WHERE unit = 'AC22-000002'")
    with pytest.raises(StationError, match="the passport of AC22-000002: it was not signed by the trust anchor"):
        filled.make()
    assert list(filled.folder.glob("*.zip")) == []


def test_a_certificate_of_another_ca_stops_the_batch(filled: Office) -> None:
    """Also of a CA that bears the same name; among generations of one name the one that signed is found."""
    other, own = Plant(filled.plant.ledger), filled.plant
    for authorities in ((own.root,), (other.root, other.issuing)):
        with pytest.raises(StationError, match="no CA here signed"):
            filled.make(keys={"authorities": authorities})
    filled.prove(filled.make(keys={"authorities": (own.root, other.issuing, own.issuing)}).path)


def test_a_value_that_only_the_site_may_set_stops_the_batch(filled: Office) -> None:
    """P18: a site's power limit that was finalised in the factory is found before it is handed over."""
    filled.release("AC22-000009", values={"site_max_current": "16"})
    with pytest.raises(UnitError, match="AC22-000009 was configured with site_max_current, which only the field"):
        filled.make()
    assert filled.records.batches() == ()


def test_rendered_passports_travel_if_they_are_those_that_the_outbox_drew(filled: Office) -> None:
    drawings = filled.folder / "passports"
    drawings.mkdir()
    for serial, content in {"AC22-000001": b"%PDF-1", "AC22-000002": b"%PDF-other"}.items():
        (drawings / f"{serial}.pdf").write_bytes(content)
        told(filled, serial, f"{serial}.pdf {sha256(b'%PDF-1').hexdigest()}")
    made = filled.make(passports=drawings)
    with ZipFile(made.path) as archive:
        assert [name for name in archive.namelist() if name.startswith("units/") and name.endswith(".pdf")] == [
            "units/AC22-000001/passport.pdf"
        ]
    filled.prove(made.path)


def told(office: Office, unit: str, answer: str) -> None:
    """Have the outbox answered for a unit's PDF."""
    with office.records.database.write() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO outbox (station, sequence, unit, revision, kind, key, body, created_at, attempts, next_at,"
            " error, done_at, answer) SELECT 'line1', count(*) + 1, ?, 1, 'passport-pdf', ?, x'7b7d', ?, 1, ?, '', ?, ?"
            " FROM outbox",
            (unit, unit, *("2026-11-21T00:00:00.000Z",) * 3, answer.encode()),
        )


def test_the_latest_revision_counts(filled: Office) -> None:
    """A unit that was built again is in the batch once, with its new passport."""
    before = filled.make()
    again(filled, "AC22-000001")
    made = filled.make()
    assert [unit["revision"] for unit in json.loads(read(made.path, "units.json"))["units"]] == [2, 1, 1]
    assert before.row.name != made.row.name


def again(office: Office, unit: str) -> None:
    """Have a unit released once more."""
    with office.records.database.write() as session:
        connection = session.connection()
        for table, change in (
            ("run", "sequence = 101"),
            ("passport", "sequence = 101, run_sequence = 101, revision = 2"),
        ):
            connection.exec_driver_sql(f"CREATE TEMP TABLE other AS SELECT * FROM {table} WHERE unit = '{unit}'")
            connection.exec_driver_sql(f"UPDATE other SET {change}")
            connection.exec_driver_sql(f"INSERT INTO {table} SELECT * FROM other")
            connection.exec_driver_sql("DROP TABLE other")


KILLED = """
import os, signal, sys
from pathlib import Path
from cryptography import x509
from pki.ledger import open_ledger
from station.batches import Keys, Wanted, make_batch
from station.records import BatchFilter, open_records
folder = Path(sys.argv[1])
ledger = open_ledger(folder / "ledger.sqlite", "fixture")
cas = x509.load_pem_x509_certificates((folder / "cas.pem").read_bytes())
keys = Keys(bytes, (folder / "records.pem").read_text(), ledger.stored, cas)
with open_records(f"sqlite:///{folder / 'station.db'}", "line1") as records:
    kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    make_batch(records, keys, Wanted(BatchFilter("WO-1001"), "lead-1"), folder / "batch.zip", kill)
"""


def test_killed_half_way_leaves_nothing_under_its_name(filled: Office) -> None:
    """The next one begins anew, and ends well."""
    filled.anchor_file()
    cas = (filled.plant.root, filled.plant.issuing)
    (filled.folder / "cas.pem").write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in cas))
    done = subprocess.run([sys.executable, "-c", KILLED, filled.folder], timeout=60, check=False)
    target = filled.folder / "batch.zip"
    assert (done.returncode, target.exists(), filled.records.batches()) == (-signal.SIGKILL, False, ())
    assert (filled.folder / ".batch.zip.partial").stat().st_size > 0
    assert filled.make(target=target).row.units == 3
    assert list(filled.folder.glob(".*partial")) == []


def test_two_at_once_write_no_common_file(filled: Office) -> None:
    target = filled.folder / "batch.zip"
    with whole_file(target), pytest.raises(ConfigError, match="somebody else is writing"):
        filled.make(target=target)


ENDING = """
import sys
from pathlib import Path
from station.whole import whole_file

target = Path(sys.argv[1])
partial = target.with_name(f".{target.name}.partial")


def ended(event, _arguments):
    # The other one ends just before this one's lock: its file gets its name.
    if event == "fcntl.flock" and partial.exists():
        partial.write_bytes(b"finished")
        partial.rename(target)


sys.addaudithook(ended)
with whole_file(target) as file:
    file.write(b"mine")
"""


def test_a_file_that_another_just_finished_is_not_written_over(tmp_path: Path) -> None:
    """It was opened while it had no name yet, and locked when it had one."""
    words = [sys.executable, "-c", ENDING, tmp_path / "b"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert "somebody else is writing" in done.stderr
    assert (tmp_path / "b").read_bytes() == b"finished"
