"""A recall package proves itself anywhere, with the factory's record certificate as only trust."""

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.batches import SampleRecords
from station.cli import main
from station.trace.export import Signer
from station.trace.recall import ask
from station.trace.recall_package import make_package
from tests.trace.search_world import Shop

SCRIPT = Path(__file__).parents[2] / "deploy" / "verify_manifest.py"
KEY, OTHER = SampleRecords(), SampleRecords()


@pytest.fixture
def package(shop: Shop, tmp_path: Path) -> Path:
    """Return a package of one unit, beside the factory's certificate and another factory's."""
    unit = shop.failed(shop.order("WO-1", shop.bundle("r"), "AC22-"), "aa01")
    (tmp_path / "records.pem").write_text(KEY.certificate)
    (tmp_path / "other.pem").write_text(OTHER.certificate)
    recall = ask(shop.records, {"serials": f"{unit} GONE-1"})
    return make_package(shop.records, recall, "qa-1", tmp_path / "recall.zip", Signer(KEY.sign, KEY.certificate)).path


def judged(package: Path, anchor: str = "records.pem") -> tuple[int, str]:
    """Return exit code and words of the command, which needs no station."""
    words = ("recall", "verify", str(package), "--anchor", str(package.with_name(anchor)))
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.output


def changed(package: Path, instead: Mapping[str, bytes]) -> Path:
    """Write the package again with other files in it."""
    made = package.with_name("changed.zip")
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            if instead.get(name) != b"":
                new.writestr(name, instead.get(name, old.read(name)))
    return made


def test_package_proves_itself_and_says_what_it_does_not(package: Path) -> None:
    """What the factory could not answer is no proof."""
    code, told = judged(package)
    assert (code, "no byte of them was changed" in told, "The records had 1 such unit(s)" in told) == (0, True, True)
    assert "Anything of 1 serial number(s) that no unit has." in told.partition("Not proved:")[2]


@pytest.mark.parametrize(
    ("instead", "why"),
    [
        ({"units.csv": b"serial\r\n"}, "units.csv was changed"),
        ({"units.json": b"[]"}, "units.json was changed"),
        ({"units.json": b""}, "is not made as a recall package"),
        ({"manifest.json": b"{}"}, "it is no signed statement"),
        ({"manifest.json": b"[" * 4_000_001}, "its manifest is too large"),
    ],
)
def test_changed_package_is_refused(package: Path, instead: dict[str, bytes], why: str) -> None:
    """One sentence says which part is not what was signed."""
    code, told = judged(changed(package, instead))
    assert (code, why in told) == (1, True)


def test_another_factory_and_damaged_files_are_refused(package: Path) -> None:
    """The certificate inside is not believed; a file that is cut off, none at all, or not there is no traceback."""
    assert judged(package, "other.pem")[0] == 1
    cut = package.with_name("cut.zip")
    for content in (package.read_bytes()[:-40], b"", bytes(5000)):
        cut.write_bytes(content)
        assert (judged(cut)[0], "no ZIP archive" in judged(cut)[1]) == (1, True)
    flipped = bytearray(package.read_bytes())
    flipped[60] ^= 1
    cut.write_bytes(flipped)
    assert judged(cut)[0] == 1
    assert judged(package.with_name("gone.zip"))[0] == 2


def outsider(folder: Path, anchor: Path, manifest: str = "manifest.json") -> tuple[int, str, str]:
    """Run the script that needs none of our code on an unpacked package."""
    command = [sys.executable, "-I", str(SCRIPT), str(folder / manifest), str(anchor)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_outsider_checks_a_package_with_openssl_alone(package: Path, tmp_path: Path) -> None:
    """Python's own library and openssl suffice; what is wrong is one sentence."""
    folder, anchor = tmp_path / "unpacked", package.with_name("records.pem")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    code, told, _ = outsider(folder, anchor)
    assert (code, told.splitlines()[-1]) == (0, "Good: units.csv, units.json as signed.")
    wrong = [outsider(folder, package.with_name("other.pem")), outsider(folder, folder / "README.txt")]
    wrong += [outsider(folder, anchor, "units.json"), outsider(folder, anchor, "gone.json")]
    (folder / "units.csv").write_text("serial\r\n")
    wrong.append(outsider(folder, anchor))
    assert [(code, told) for code, told, _ in wrong] == [(1, "")] * 5
    assert ("Traceback" in "".join(error for *_, error in wrong), wrong[-1][2]) == (
        False,
        "Not what was signed: units.csv.\n",
    )
