"""`station check`: every promise of the configuration is tested, and what is broken is named by its key path."""

import os
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.firmware import Recipe, build_release
from tests.station.cli_world import Ran, alone, edit, next_bundle, register_with, run

IMAGE = "catalog/firmware/ac22-1.4.0/ac22-1.4.0.bin"
PROMISES = {
    "station.database", "line.order", "station.catalog", "pki.directory", "printer.uri",
    "environment.ca", "environment.cpms", "results", "station.ports", "clock", "disk",
}  # fmt: skip


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Return a station directory that keeps every promise, until the test breaks one."""
    return alone(tmp_path)


def checked(line: Path) -> tuple[int, dict[str, str]]:
    """Return the exit code and the broken promises: what -> detail with hint."""
    ran = run("station", "check", "--dir", line, "--json")
    assert "Traceback" not in ran.err
    return ran.code, {row["what"]: f"{row['detail']} {row['hint']}" for row in ran.json if not row["ok"]}


def test_good_directory_keeps_every_promise(line: Path) -> None:
    ran = run("station", "check", "--dir", line, "--json")
    assert ran.code == 0
    assert {row["what"] for row in ran.json} == PROMISES
    assert all(row["ok"] for row in ran.json)


def test_findings_for_people_name_key_and_next_step(line: Path) -> None:
    edit(line / "station.toml", 'order = "WO-1001"', 'order = "WO-9"')
    ran: Ran = run("station", "check", "--dir", line)
    assert ran.code == 2
    assert re.search(r"^BAD  line\.order: .*'WO-9'\n +Create it with 'station order create", ran.out, re.MULTILINE)


def spoil(line: Path, offset: int) -> None:
    content = bytearray((line / IMAGE).read_bytes())
    content[offset] ^= 1
    (line / IMAGE).write_bytes(content)


BUNDLE = "catalog/bundles/ac22-eu-r1"
TOKEN = 'token = ""                       # name'
BROKEN: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "testers' token that is missing": (
        lambda line: edit(line / "station.toml", TOKEN, 'token = "of-testers"  # name'), "results", "of-testers"
    ),
    "flipped bit in the image": (lambda line: spoil(line, 5000), "station.catalog", "ac22-1.4.0.bin"),
    "truncated image": (lambda line: os.truncate(line / IMAGE, 9000), "station.catalog", "ac22-1.4.0.bin"),
    "missing image": (lambda line: (line / IMAGE).unlink(), "station.catalog", "ac22-1.4.0.bin"),
    "edited bundle": (
        lambda line: edit(line / BUNDLE / "bundle.json", "csms.ship.example", "csms.evil.example"),
        "line.order",
        "was edited after it was approved",
    ),
    "unapproved bundle": (
        lambda line: (line / BUNDLE / "approver-line-lead.sig").unlink(), "line.order", "0 of 1 approvals"
    ),
    "bundle that is gone": (lambda line: shutil.rmtree(line / BUNDLE), "line.order", "ac22-eu-r1/bundle.json"),
    "no approvers": (lambda line: (line / "approvers").unlink(), "line.order", "approvers"),
    "no such catalogue": (lambda line: shutil.rmtree(line / "catalog"), "line.order", "ac22-eu-r1"),
    "no ports directory": (lambda line: (line.parent / "ports").rmdir(), "station.ports", "does not exist"),
    "unbound port": (
        lambda line: (line.parent / "ports" / "pci-0000:00:14.0-usb-0:1.9").symlink_to("/dev/null"),
        "station.ports",
        "usb-0:1.9",
    ),
    "unknown printer": (
        lambda line: edit(line / "station.toml", "file:labels", "fax:123"), "printer.uri", "unknown scheme"
    ),
    "unknown CPMS": (lambda line: register_with(line, "gopher:x"), "environment.cpms", "gopher"),
    "secret open to others": (lambda line: (line / "secrets/hsm-pin").chmod(0o644), "pki.directory", "hsm-pin"),
    "secret missing": (lambda line: (line / "secrets/hsm-pin").unlink(), "pki.directory", "hsm-pin"),
    "certificate missing": (
        lambda line: (line / "pki/certificates/ship-issuing.pem").unlink(), "pki.directory", "ship-issuing.pem"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_promise_is_named_by_its_key_path(line: Path, name: str) -> None:
    """Exit code 2: configuration. What depends on the broken promise may be named too, nothing else."""
    spoiler, key, told = BROKEN[name]
    spoiler(line)
    code, broken = checked(line)
    assert code == 2
    assert told in broken[key]
    assert set(broken) <= {key, "line.order", "station.catalog", "environment.ca", "environment.cpms"}


def wrong_pin(line: Path) -> None:
    (line / "secrets/hsm-pin").write_text("0000000000000000")


AWAY: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "token missing": (lambda line: shutil.rmtree(line / "tokens"), "pki.directory", "can't be started"),
    "token empty": (
        lambda line: [shutil.rmtree(token) for token in (line / "tokens").iterdir()], "pki.directory", "is missing"
    ),
    "wrong PIN": (wrong_pin, "pki.directory", "tried once"),
    "database missing": (lambda line: (line / "station.db").unlink(), "station.database", "there is no database"),
    "database damaged": (
        lambda line: (line / "station.db").write_bytes(b"no database " * 1000), "station.database", "no database"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AWAY)
def test_service_that_is_away_is_exit_code_3(line: Path, name: str) -> None:
    """Exit code 3: something the station depends on is away."""
    spoiler, key, told = AWAY[name]
    spoiler(line)
    code, broken = checked(line)
    assert code == 3
    assert told in broken[key]


@pytest.mark.parametrize("key", ["printer.uri", "environment.cpms"])
def test_nobody_at_the_other_end_is_exit_code_3(line: Path, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    if key == "printer.uri":
        edit(line / "station.toml", "file:labels", f"tcp://127.0.0.1:{port}")
    else:
        register_with(line, f"staging+http://127.0.0.1:{port}")
    code, broken = checked(line)
    assert code == 3
    assert list(broken) == [key]
    assert str(port) in broken[key]


def test_wrong_pin_is_never_tried_a_second_time(line: Path) -> None:
    """Bad input: one try, never a loop; SoftHSM notes the failed try in the token."""
    wrong_pin(line)
    started = run("station", "run", "--dir", line)
    status = run("pki", "status", "--dir", line / "pki")
    assert (started.code, status.code) == (3, 3)
    for ran in (started, status):
        assert ran.err.count("it was tried once") == 1
        assert "0000000000000000" not in ran.out + ran.err


@pytest.mark.parametrize(
    "name", ["flipped bit in the image", "truncated image", "missing image", "edited bundle", "unapproved bundle"]
)
def test_station_does_not_start_on_a_broken_catalogue(line: Path, name: str) -> None:
    """Bad input: one clear sentence before any device is touched."""
    spoiler, _, told = BROKEN[name]
    spoiler(line)
    ran = run("station", "run", "--dir", line, timeout=30)
    assert ran.code == 2
    assert told in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("bad", "told"), [("wrong-key", "signed with another key"), ("garbage", "magic"), ("truncated", "TLV")]
)
def test_station_does_not_start_on_an_image_that_its_manifest_vouches_for(line: Path, bad: str, told: str) -> None:
    """F-C1: a bad image with a truthful manifest and an order of its own is still no image of ours."""
    folder = line / "catalog/firmware/ac22-1.4.0"
    shutil.rmtree(folder)
    build_release(folder, Recipe(4096, bad=bad))
    made = run("station", "order", "create", "WO-2", "--dir", line, "--bundle", next_bundle(line), "--quantity", "1",
               "--prefix", "AC22-", "--first", "500")  # fmt: skip
    assert made.code == 0, made.err
    edit(line / "station.toml", 'order = "WO-1001"', 'order = "WO-2"')
    ran = run("station", "run", "--dir", line, timeout=30)
    assert ran.code == 2
    assert "ac22-1.4.0.bin" in ran.err
    assert told in ran.err


@pytest.mark.parametrize("key", ["port", "test_port"])
def test_taken_address_is_told(line: Path, key: str) -> None:
    """The page's or the OCPP server's port is someone else's: nothing starts."""
    number = int(re.findall(rf"^{key} = (\d+)", (line / "station.toml").read_text(), re.MULTILINE)[0])
    with socket.create_server(("127.0.0.1", number)):
        ran = run("station", "run", "--dir", line, timeout=30)
    assert ran.code in (2, 3)
    assert str(number) in ran.err
    assert "Traceback" not in ran.err
