"""Recovery (F-L2): a device is blank again, read back; a locked one only by what its recovery key signed."""

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.firmware import RECOVERY_KEY, build_release
from fixtures.firmware import Recipe as FirmwareRecipe
from station.bench import Bench
from station.catalog.firmware import load_release
from station.catalog.source import Folder
from station.clock import Deadline
from station.errors import ConfigError, Defect, UnitError
from station.model import Phase
from station.steps.reimage import recoverable, reimage
from tests.drivers.firmware_world import Line, slots

SERIAL = "UNIT-000001"
URL = "charger/ocpp/url"
pytestmark = [pytest.mark.timeout(120), pytest.mark.parametrize("product_line", ["ac22"], indirect=True)]


@pytest.fixture
def line(product_line: Line) -> Line:
    return product_line


def given(line: Line, *, lock: bool, **changes: object) -> Bench:
    """Return a device that was given a serial number, a key, an address and a file, and perhaps is locked."""
    bench = line.bench(recovery_key=line.images / RECOVERY_KEY, **changes)
    charger, deadline = bench.charger, Deadline(30)
    charger.assign_serial(SERIAL, deadline)  # type: ignore[attr-defined]
    charger.create_key("ship", SERIAL, replace=False, deadline=deadline)
    charger.write_settings({URL: b"wss://csms.ship.example/ocpp"}, deadline)
    charger.write_file("/lfs/chain_ship.pem", b"chain", deadline)
    if lock:
        charger.lock(deadline)
    bench.identity = charger.identify(deadline)
    return bench


def assert_blank(bench: Bench) -> None:
    found = bench.charger.identify(Deadline(20))
    assert (found.locked, found.has_key, found.serial) == (False, False, "")
    assert bench.charger.read_settings((URL,), Deadline(20)) == {URL: None}
    assert bench.charger.read_file("/lfs/chain_ship.pem", Deadline(20)) is None
    assert slots(bench)[0, 0].version == bench.recipe.release.version


@pytest.mark.parametrize("lock", [False, True])
def test_device_is_blank_again_and_runs_the_released_firmware(line: Line, lock: bool) -> None:
    """Settings, files, keys, serial number and lock are gone; who it is stays."""
    bench = given(line, lock=lock)
    uid = bench.identity.uid
    reimage(bench, Deadline(100))
    assert_blank(bench)
    assert (bench.phase, bench.identity.uid) == (Phase.BLANK, uid)
    measured = {taken.name: taken.value for taken in bench.measurements}
    assert (measured["key"], measured["phase"]) == (False, "blank")
    assert ("recovery_key_sha256" in bench.detail) is lock


def test_unlocked_device_is_erased_again_after_a_cut(line: Line) -> None:
    """What was done already is no obstacle: blank stays blank."""
    bench = given(line, lock=False)
    reimage(bench, Deadline(100))
    reimage(bench, Deadline(100))
    assert_blank(bench)


def test_locked_device_without_a_recovery_image_stays_locked(line: Line) -> None:
    bench = given(line, lock=True)
    bench.recipe = replace(bench.recipe, release=replace(bench.recipe.release, recovery=None))
    assert not recoverable(bench.recipe, bench.identity)
    with pytest.raises(UnitError, match="no recovery image") as refused:
        reimage(bench, Deadline(60))
    assert refused.value.defect is Defect.LOCK
    assert bench.charger.identify(Deadline(20)).locked


def test_locked_device_refuses_an_image_of_another_recovery_key(line: Line, tmp_path: Path) -> None:
    """The device judges by itself: an image that the station believes in changes nothing."""
    build_release(tmp_path / "firmware" / "ac22-1.4.0", FirmwareRecipe(size=8 * 1024))
    other = load_release(Folder(tmp_path), "ac22-1.4.0")
    bench = given(line, lock=True)
    bench.recipe = replace(bench.recipe, release=replace(bench.recipe.release, recovery=other.recovery))
    with pytest.raises(UnitError, match="refused the recovery image"):
        reimage(bench, Deadline(60))
    found = bench.charger.identify(Deadline(20))
    assert (found.locked, found.serial, found.has_key) == (True, SERIAL, True)


def test_locked_device_takes_no_released_image_over_the_cable(line: Line) -> None:
    """The release key never unlocks anything, and a locked device doesn't change its firmware by cable either."""
    bench = given(line, lock=True)
    release = bench.recipe.release
    bench.recipe = replace(bench.recipe, release=replace(release, recovery=release.image[0]))
    before = slots(bench)[0, 0].digest
    with pytest.raises(UnitError, match="refused the recovery image"):
        reimage(bench, Deadline(60))
    assert slots(bench)[0, 0].digest == before
    assert bench.charger.identify(Deadline(20)).locked


def test_recovery_key_that_signs_releases_is_refused(line: Line) -> None:
    """Whoever signs what ships could otherwise open every unit in the field."""
    folder = line.catalog / "firmware" / "ac22-1.4.0"
    (folder / RECOVERY_KEY).write_bytes((folder / "release.pub.pem").read_bytes())
    with pytest.raises(ConfigError, match="must not unlock devices"):
        load_release(Folder(line.catalog), "ac22-1.4.0")
