"""The recall package: the same units as CSV and JSON, a manifest signed by the record key, and never half of one."""

import csv
import io
import json
import subprocess
import zipfile
from base64 import b64decode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.batches import SampleRecords
from station.cli import main
from station.config import load_station
from station.errors import ConfigError
from station.records import Records, open_records
from station.trace.export import Signer
from station.trace.recall import ask
from station.trace.recall_package import PREDICATE, make_package
from tests.people.staff import staffed
from tests.trace.search_world import Shop

KEY = SampleRecords()
SIGNER = Signer(KEY.sign, KEY.certificate)


def contents(path: Path) -> dict[str, bytes]:
    """Return the files of a package."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_csv_and_json_have_the_same_units_and_the_manifest_their_digests(shop: Shop, tmp_path: Path) -> None:
    """The manifest says what was asked, and what could not be answered; openssl alone checks its signature."""
    unit = shop.failed(shop.order("WO-1", shop.bundle("r"), "AC22-"), "aa01", operator="=cmd|' /C calc'!A0")
    recall = ask(shop.records, {"serials": f"{unit} GONE-1", "state": "reserved"})
    made = make_package(shop.records, recall, "qa-1", tmp_path / "recall.zip", SIGNER)
    files = contents(made.path)
    (row,) = csv.DictReader(io.StringIO(files["units.csv"].decode()))
    (told,) = json.loads(files["units.json"])
    assert (row["serial"], row["operator"], told["operator"]) == (unit, "'=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0")
    envelope = json.loads(files["manifest.json"])
    statement = json.loads(b64decode(envelope["payload"]))
    digests = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    assert digests == {name: sha256(files[name]).hexdigest() for name in ("units.csv", "units.json")}
    predicate = statement["predicate"]
    assert (statement["predicateType"], predicate["units"], predicate["serials_unknown"]) == (PREDICATE, 1, ["GONE-1"])
    verify(tmp_path, envelope, files["records.pem"])
    (event,) = shop.records.events(made.sha256)
    assert (event.kind, event.who, made.sha256) == ("recall-made", "qa-1", sha256(made.path.read_bytes()).hexdigest())


def verify(folder: Path, envelope: dict[str, object], certificate: bytes) -> None:
    """Verify an envelope with openssl, from the text of the DSSE specification."""
    payload, kind = b64decode(str(envelope["payload"])), str(envelope["payloadType"])
    (folder / "said").write_bytes(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    (folder / "sig").write_bytes(b64decode(envelope["signatures"][0]["sig"]))  # type: ignore[index]
    (folder / "cert.pem").write_bytes(certificate)
    pem = subprocess.run(
        ["openssl", "x509", "-in", "cert.pem", "-pubkey", "-noout"], cwd=folder, capture_output=True, check=True
    )
    (folder / "key.pem").write_bytes(pem.stdout)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig", "said"]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=True)


def test_many_units_come_whole_and_in_order(history: Records, tmp_path: Path) -> None:
    """More than are read at a time, with the count that the filter gives."""
    own = tmp_path / "copy.db"
    own.write_bytes(Path(history.database.url.removeprefix("sqlite:///")).read_bytes())
    with open_records(f"sqlite:///{own}", "line1") as records:
        made = make_package(records, ask(records, {}), "qa-1", tmp_path / "all.zip", SIGNER)
    listed = [unit["serial"] for unit in json.loads(contents(made.path)["units.json"])]
    assert (len(listed), listed) == (made.units, sorted(set(listed)))


def test_a_package_that_fails_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    """A place that can't be written, and a signature that does not come, leave no file and no event."""
    shop.failed(shop.order("WO-1", shop.bundle("r"), "AC22-"), "aa01")
    recall, before = ask(shop.records, {}), sorted(tmp_path.iterdir())

    def away(message: bytes) -> bytes:
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigError, match="No space left"):
        make_package(shop.records, recall, "qa-1", tmp_path / "a.zip", replace(SIGNER, sign=away))
    with pytest.raises(ConfigError, match="No such file"):
        make_package(shop.records, recall, "qa-1", tmp_path / "gone" / "a.zip", SIGNER)
    assert sorted(tmp_path.iterdir()) == before
    assert shop.records.events(kind="recall-made") == ()


def test_an_earlier_package_is_never_written_over(shop: Shop, tmp_path: Path) -> None:
    """It may be what somebody was sent already."""
    shop.failed(shop.order("WO-1", shop.bundle("r"), "AC22-"), "aa01")
    target = tmp_path / "recall.zip"
    first = make_package(shop.records, ask(shop.records, {"order": "WO-1"}), "qa-1", target, SIGNER)
    with pytest.raises(ConfigError, match="is there already"):
        make_package(shop.records, ask(shop.records, {"order": "GONE"}), "qa-1", target, SIGNER)
    assert (sha256(target.read_bytes()).hexdigest(), len(shop.records.events(kind="recall-made"))) == (first.sha256, 1)


def test_commands_search_and_recall(tmp_path: Path) -> None:
    """Exit codes: 0 found, 1 nothing bears it, 2 what nothing can be; JSON for scripts."""
    staff = staffed(tmp_path)
    config = load_station(staff.station)
    with open_records(config.database_url, config.station.id) as records:
        unit = Shop(records).failed(Shop(records).order("WO-9", Shop(records).bundle("r"), "ZZ22-"), "aa01")

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, [*words, "--dir", str(staff.station)])
        return done.exit_code, done.stdout

    code, told = run("search", unit.lower(), "--json")
    assert (code, json.loads(told)["unit"]) == (0, unit)
    assert (run("search", "NOPE")[0], run("search", "a\x01")[0]) == (1, 2)
    code, told = run("recall", "list", "--component", "mbedtls@3.6.4", "--order", "WO-9", "--json")
    assert (code, json.loads(told)["count"]) == (0, 1)
    assert run("recall", "list", "--since", "0000-01-01")[0] == 2
    assert run("recall", "list", "--lot", "NOPE", "--count") == (0, "0\n")
    (tmp_path / "none.txt").write_text(" \n")
    assert run("recall", "list", "--serials", str(tmp_path / "none.txt")) == (2, "")
    assert " ".join(run("recall", "list", "--help")[1].split()).count("In UTC.") == 4
