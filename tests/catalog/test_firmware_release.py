"""Firmware releases as sets: what belongs together, for which products, and how a release comes into the catalogue."""

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from imgtool import keys as imgtool_keys

from fixtures.demo.place import acting
from fixtures.firmware import MANIFEST, Recipe, build_release, publish, sign
from fixtures.sbom import sbom
from station.catalog.firmware import Release, load_release, refuse_unsuited
from station.catalog.firmware_store import add_release, judge_release
from station.catalog.source import Folder
from station.cli import main
from station.cli.firmware import BY_STATE
from station.config import load_station
from station.errors import ConfigError
from station.model import Outcome
from station.records import (
    Disposition,
    DispositionKind,
    RunRequest,
    SerialBlock,
    StepResult,
    UnitState,
    WorkOrder,
    open_records,
)
from station.records.canonical import canonical
from tests.labels import stick
from tests.people.staff import staffed

SIZE = 4096
AC, DC = "ac22-1.4.0", "dc60-2.1.0"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases as their maker hands them over, with his keys and factory images in the same directories."""
    folder = tmp_path_factory.mktemp("built")
    for product, name in (("ac22", AC), ("dc60", DC)):
        build_release(folder / name, Recipe(size=SIZE), product)
    return folder


@pytest.fixture
def handed(built: Path, tmp_path: Path) -> Path:
    """The same, for a test that spoils them."""
    return Path(shutil.copytree(built, tmp_path / "built"))


def loaded(folder: Path, catalog: Path, name: str) -> Release:
    publish(folder / name, catalog)
    return load_release(Folder(catalog), name)


def edit(path: Path, old: str, new: str, count: int = -1) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def test_a_set_has_its_members_in_the_order_of_their_numbers(built: Path, tmp_path: Path) -> None:
    """F-C2: application, safety controller and modem are written; the bootloader is told by the device."""
    release = loaded(built, tmp_path, DC)
    assert [(rule.role, rule.number, rule.version) for rule in release.image] == [
        ("application", 0, "2.1.0"), ("safety", 1, "1.3.2"), ("modem", 2, "0.8.1")
    ]  # fmt: skip
    assert [(member.role, member.version) for member in release.reported] == [("bootloader", "2.1.0")]
    assert release.rollback is not None
    assert release.rollback.public_key == release.image[0].public_key


def test_every_file_of_a_release_is_judged(built: Path, tmp_path: Path) -> None:
    for name, count in ((AC, 1), (DC, 3)):
        publish(built / name, tmp_path)
        judged = judge_release(tmp_path, name)
        assert [image.version for _, image in judged.images] == [rule.version for rule in judged.release.image]
        assert len(judged.images) == count


@pytest.mark.parametrize(
    ("product", "schema", "told"),
    [
        ("dc60", 1, "firmware ac22-1.4.0 is for ac22, ac22-basic, ac22-password, ac22-volt, not for dc60"),
        ("ac22", 2, "reads configuration schema 1; product ac22 has 2"),
    ],
)
def test_a_release_for_something_else_is_refused(
    built: Path, tmp_path: Path, product: str, schema: int, told: str
) -> None:
    """F-C7, P03: another product, or another version of the configuration."""
    with pytest.raises(ConfigError, match=told):
        refuse_unsuited(loaded(built, tmp_path, AC), product, schema)


def test_the_schema_that_the_image_declares_is_inside_the_manifests_range(tmp_path: Path) -> None:
    """F-C7: the signed image says 3, a manifest that widens nothing says 3 too; one that says 1 to 2 is refused."""
    build_release(tmp_path / "firmware" / AC, Recipe(size=SIZE, schema="3"))
    judged = judge_release(tmp_path, AC)
    assert (judged.release.schema, judged.images[0][1].schema) == ((3, 3), 3)
    edit(tmp_path / "firmware" / AC / MANIFEST, "schema_min = 3\nschema_max = 3", "schema_min = 1\nschema_max = 2")
    with pytest.raises(ConfigError, match="configuration schema: 3, the manifest says 1 to 2"):
        judge_release(tmp_path, AC)


MISTAKES: dict[str, tuple[str, str, str]] = {
    "two images of one number": ("number = 2", "number = 1", "two images have the same number"),
    "no application": (
        'role = "application"',
        'role = "rfid"',
        "at least one \\[\\[image\\]\\] with role 'application'",
    ),
    "a version of its own": ('version = "2.1.0"', 'version = "2.1.1"', "must be that of the application, 2.1.0, which"),
    "two of one role": ('role = "modem"', 'role = "safety"', "two members have the same role"),
    "a product twice": (
        '["dc60"]',
        '["dc60", "dc60"]',
        "products: at least one product is expected, none of them twice",
    ),
    "another name": ('name = "dc60-2.1.0"', 'name = "dc60-2.1.1"', "differs from the directory's name"),
    "a name that leads out": ('name = "dc60-2.1.0"', 'name = "../dc60"', "release: name: 1 to 64 small letters"),
    "an unknown member": ('role = "modem"', 'role = "modern"', "unknown word 'modern'; did you mean 'modem'?"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_set_that_is_none_is_refused(built: Path, tmp_path: Path, what: str) -> None:
    old, new, told = MISTAKES[what]
    publish(built / DC, tmp_path)
    edit(tmp_path / "firmware" / DC / MANIFEST, old, new, 1)
    with pytest.raises(ConfigError, match=told):
        load_release(Folder(tmp_path), DC)


def test_any_member_of_a_set_decides(handed: Path, tmp_path: Path) -> None:
    """F-C2: a set whose modem is spoiled is no release, though the application is as released."""
    path = handed / DC / "dc60-modem-0.8.1.bin"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"dc60-modem-0\.8\.1\.bin: file digest"):
        add_release(tmp_path / "catalog", handed / DC)
    assert not (tmp_path / "catalog" / "firmware").exists()


def test_only_what_the_manifest_names_comes_into_the_catalogue(built: Path, tmp_path: Path) -> None:
    """The maker's private key lies beside the images; it must never reach a line."""
    judged, new = add_release(tmp_path, built / DC)
    names = {path.name for path in (tmp_path / "firmware" / DC).iterdir()}
    assert new
    assert names == {
        MANIFEST, "release.pub.pem", "dc60-2.1.0.bin", "dc60-safety-1.3.2.bin", "dc60-modem-0.8.1.bin",
        "dc60-2.1.0-rollback.bin", "dc60-recovery.bin", "recovery.pub.pem",
        *(f"{role}.cdx.json" for role in ("application", "safety", "modem", "bootloader")),
    }  # fmt: skip
    assert load_release(Folder(tmp_path), DC) == load_release(Folder(tmp_path), judged.release.name)
    assert [path.name for path in tmp_path.iterdir()] == ["firmware"]


def test_a_release_never_changes(handed: Path, tmp_path: Path) -> None:
    """P03: the same again is nothing new; another content under the same name is refused, and the first one stays."""
    add_release(tmp_path, handed / AC)
    assert not add_release(tmp_path, handed / AC)[1]
    before = load_release(Folder(tmp_path), AC)
    build_release(handed / AC, Recipe(size=SIZE + 16))
    with pytest.raises(ConfigError, match=r"firmware ac22-1\.4\.0 is in the catalogue with another"):
        add_release(tmp_path, handed / AC)
    assert load_release(Folder(tmp_path), AC) == before


def _fifo(folder: Path) -> None:
    (folder / "application.cdx.json").unlink()
    os.mkfifo(folder / "application.cdx.json")


def _huge(folder: Path) -> None:
    with (folder / "ac22-1.4.0.bin").open("r+b") as file:
        file.truncate(1 << 40)


SPOILERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no manifest": (lambda folder: (folder / MANIFEST).unlink(), "release.toml: No such file"),
    "a missing image": (lambda folder: (folder / "ac22-1.4.0.bin").unlink(), "ac22-1.4.0.bin: No such file"),
    "a pipe that never ends": (_fifo, "not a file of at most"),
    "a file of a tebibyte": (_huge, "not a file of at most"),
    "a rollback image that starts": (
        lambda folder: shutil.copy(folder / "ac22-1.4.0.bin", folder / "ac22-1.4.0-rollback.bin"),
        "ac22-1.4.0-rollback.bin: size",
    ),
}


@pytest.mark.parametrize("what", SPOILERS)
def test_what_is_no_release_is_not_added(handed: Path, tmp_path: Path, what: str) -> None:
    spoil, told = SPOILERS[what]
    spoil(handed / AC)
    with pytest.raises(ConfigError, match=told):
        add_release(tmp_path / "catalog", handed / AC)
    assert not (tmp_path / "catalog" / "firmware").exists()


@pytest.mark.parametrize("bad", ["wrong-key", "wrong-signature", "unsigned", "garbage"])
def test_a_release_with_a_bad_image_and_a_truthful_manifest_is_not_added(tmp_path: Path, bad: str) -> None:
    """F-C1: the manifest is no authority over signatures."""
    build_release(tmp_path / "handed", Recipe(size=SIZE, bad=bad))
    with pytest.raises(ConfigError, match=r"ac22-1\.4\.0\.bin: (key hash|signature|magic)"):
        add_release(tmp_path / "catalog", tmp_path / "handed")


@pytest.fixture
def station(tmp_path: Path) -> Callable[..., Result]:
    """The commands `station firmware …` on a station of the test's own."""
    staff, directory = staffed(tmp_path / "staff"), tmp_path / "line"
    staff.station.rename(directory)
    who = acting(staff.people, "qa-1")

    def run(*words: str | Path) -> Result:
        return CliRunner().invoke(main, ["firmware", *map(str, words), "--dir", str(directory)], env=who)

    return run


def test_a_release_is_added_listed_and_shown(built: Path, station: Callable[..., Result]) -> None:
    assert "is in the catalogue now" in station("add", built / DC).output
    assert json.loads(station("add", built / DC, "--json").output)["added"] is False
    station("add", built / AC)
    rows = json.loads(station("list", "--json").output)
    assert [(row["name"], row["version"], row["stopped"]) for row in rows] == [(AC, "1.4.0", ""), (DC, "2.1.0", "")]
    shown = json.loads(station("show", DC, "--json").output)
    assert [image["role"] for image in shown["images"]] == ["application", "safety", "modem"]
    assert [image["sbom"]["spec"] for image in shown["images"]] == ["1.6"] * 3
    assert "It may be built." in station("show", DC).output


def test_a_withdrawn_release_is_marked_everywhere(built: Path, station: Callable[..., Result]) -> None:
    """F-C4: with reason and the name of who did it; it can't be withdrawn a second time for another reason."""
    station("add", built / AC)
    told = json.loads(station("withdraw", AC, "--reason", "contactor may weld", "--json").output)
    assert told["units"] == []
    assert (told["restriction"]["kind"], told["restriction"]["subject"]) == ("firmware", AC)
    assert told["restriction"]["who"]
    stopped = "Firmware ac22-1.4.0 is withdrawn: contactor may weld."
    assert json.loads(station("list", "--json").output)[0]["stopped"] == stopped
    assert f"STOPPED: {stopped}" in station("show", AC).output


def test_a_minimum_stops_what_is_older(handed: Path, station: Callable[..., Result], tmp_path: Path) -> None:
    """F-C4: raised once the newer release is there; a minimum that nothing reaches is a slip of the hand."""
    station("add", handed / AC)
    early = station("minimum", "ac22", "1.5.0", "--reason", "CVE in the TLS library")
    assert early.exit_code == 2
    assert "the newest firmware for product 'ac22' in the catalogue is 1.4.0" in early.output
    assert station("minimum", "ac22", "1.4.0", "--reason", "CVE in the TLS library").exit_code == 0
    assert json.loads(station("list", "--json").output)[0]["stopped"] == ""
    newer(handed / AC, tmp_path / "line" / "catalog")
    assert station("minimum", "ac22", "1.4.1", "--reason", "CVE in the TLS library").exit_code == 0
    rows = {row["name"]: row["stopped"] for row in json.loads(station("list", "--json").output)}
    assert rows["ac22-1.4.1"] == ""
    assert "older than 1.4.1, the minimum for product ac22" in rows[AC]


def built_units(directory: Path) -> None:
    """Put units with AC's firmware into the station's records: one released, one at work, one scrapped."""
    config = load_station(directory)
    block = SerialBlock("AC22-", 1, 9)
    order = WorkOrder("WO-1", "ac22", "ac22-eu", 1, "a" * 64, 9, "Example Operator", block, "bench-test", "field")
    with open_records(config.database_url, config.station.id) as records:
        records.create_order(order)
        for number in (1, 2, 3):
            request = RunRequest("WO-1", f"aa{number:02}", str(number), ("flash",), "1.4.0", firmware_name=AC)
            run = records.open_run(request)
            records.finish_step(records.start_step(run, 0, "flash", 1), StepResult(Outcome.PASS))
            serial = f"AC22-{number:06}"
            stick(records, serial, serial)
            if number == 1:
                records.release(run, canonical({"unit": {"serial": serial}}), b"signature", "signer")
            if number == 3:
                records.close_run(run, Outcome.ABORTED)
                records.dispose(Disposition(DispositionKind.SCRAP, serial, "RC-DAMAGE", "It was dropped.", "lead-1"))


def test_each_state_of_a_unit_is_listed_under_one_heading() -> None:
    assert sorted(state for states in BY_STATE.values() for state in states) == sorted(UnitState)


@pytest.mark.parametrize("words", [("withdraw", AC), ("minimum", "ac22", "1.4.1")], ids=lambda words: words[0])
def test_units_are_listed_by_what_became_of_them(
    handed: Path, station: Callable[..., Result], tmp_path: Path, words: tuple[str, ...]
) -> None:
    """F-C4: whoever stops a firmware learns at once which units have it, and where they are."""
    station("add", handed / AC)
    if words[0] == "minimum":
        newer(handed / AC, tmp_path / "line" / "catalog")
    built_units(tmp_path / "line")
    ran = station(*words, "--reason", "contactor may weld")
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    assert lines[::2] == ["1 unit(s) in work:", "1 unit(s) released:", "1 unit(s) taken back or at their end:"]
    assert [line.split()[0] for line in lines[1::2]] == ["AC22-000002", "AC22-000001", "AC22-000003"]
    told = json.loads(station(*words, "--reason", "contactor may weld", "--json").output)
    assert [(unit["serial"], unit["state"]) for unit in told["units"]] == [
        ("AC22-000001", "released"), ("AC22-000002", "reserved"), ("AC22-000003", "scrapped")
    ]  # fmt: skip


def newer(folder: Path, catalog: Path) -> None:
    """Add a release 1.4.1, signed with the key of 1.4.0."""
    key = imgtool_keys.load(str(folder / "signing/release.key.pem"))
    image = sign(key, "1.4.1", Recipe(size=SIZE), counter=2)
    target = Path(shutil.copytree(catalog / "firmware" / AC, catalog / "firmware" / "ac22-1.4.1"))
    bill = sbom("ac22-application", "application", "1.4.1")
    (target / "ac22-1.4.0.bin").write_bytes(image)
    (target / "application.cdx.json").write_bytes(bill)
    found = load_release(Folder(catalog), AC).image[0]
    manifest = target / MANIFEST
    for old, new in (
        (found.sha256, sha256(image).hexdigest()),
        (f"size = {found.size}", f"size = {len(image)}"),
        (found.sbom.sha256 if found.sbom else "", sha256(bill).hexdigest()),
        ('"1.4.0"', '"1.4.1"'),
        ('"ac22-1.4.0"', '"ac22-1.4.1"'),
    ):
        edit(manifest, old, new)


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "withdraw a release that is not there": (("withdraw", "ac22-1.4", "--reason", "CVE"), "did you mean 'ac22-1.4.0'?"),
    "withdraw without a reason": (("withdraw", AC, "--reason", " "), "a reason has 3 to 200"),
    "show a path": (("show", "../../etc"), "there is no firmware release"),
    "a minimum that is no version": (("minimum", "ac22", "latest", "--reason", "CVE"), "'latest' is not of the form"),
    "a minimum for nothing": (("minimum", "ac99", "1.0.0", "--reason", "CVE"), "'ac99' in the catalogue is none"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_commands_refuse_with_exit_code_2(built: Path, station: Callable[..., Result], what: str) -> None:
    station("add", built / AC)
    words, told = REFUSED[what]
    ran = station(*words)
    assert ran.exit_code == 2
    assert told in ran.output


def test_one_broken_release_does_not_hide_the_others(
    built: Path, station: Callable[..., Result], tmp_path: Path
) -> None:
    for name in (AC, DC):
        station("add", built / name)
    (tmp_path / "line" / "catalog" / "firmware" / AC / "application.cdx.json").write_text("{}")
    rows = {row["name"]: row["stopped"] for row in json.loads(station("list", "--json").output)}
    assert rows[AC].startswith("can't be read: firmware/ac22-1.4.0/release.toml: image[0]: sbom_sha256")
    assert rows[DC] == ""
    assert station("show", AC).exit_code == 2


@pytest.mark.parametrize("command", ["add", "list", "show", "withdraw", "minimum"])
def test_every_command_helps_with_an_example(command: str) -> None:
    ran = CliRunner().invoke(main, ["firmware", command, "--help"])
    assert "Example:" in ran.output
    assert f"station firmware {command}" in ran.output
