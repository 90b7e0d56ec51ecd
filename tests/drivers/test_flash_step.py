"""The step `flash` on simulated chargers: every member runs and is kept, or the reason is said (F-C1 to F-C7, P03)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from imgtool import keys as imgtool_keys

from fixtures.firmware import DEVICE_KEY, KEYS, Recipe, sign
from station.catalog.restrictions import Restriction, RestrictionKind
from station.clock import Deadline
from station.errors import ConfigError, Defect, UnitError
from station.steps.slots import FlashOptions, Secondary, member, write
from tests.drivers.firmware_world import SIZE, Line, perform, slots

DC_VERSIONS = {(0, 0): "2.1.0", (1, 0): "1.3.2", (2, 0): "0.8.1"}
OFFICER = {"reason": "contactor may weld", "who": "qa"}


@pytest.fixture
def line(product_line: Line) -> Line:
    return product_line


def optioned(line: Line, secondary: Secondary) -> Line:
    """Let the recipe name what the second slot holds."""
    line.recipe = replace(line.recipe, options={"flash": FlashOptions(secondary)})
    return line


def own_image(line: Line, path: Path, version: str, counter: int, **recipe: Any) -> Path:
    """Sign an image with the release key, as somebody else of the same maker might."""
    key = imgtool_keys.load(str(line.images / "signing/release.key.pem"))
    path.write_bytes(sign(key, version, Recipe(SIZE, **recipe), counter))
    return path


@pytest.mark.parametrize("product_line", ["dc60"], indirect=True)
def test_every_member_of_the_set_runs_and_is_kept(line: Line) -> None:
    """F-C2: application, safety controller and modem start together; bootloader and SBOMs stand in the record."""
    bench = line.bench()
    measured = perform(bench, "flash")
    assert {place: state.version for place, state in slots(bench).items() if state.confirmed} == DC_VERSIONS
    said = {name: one.value for name, one in measured.items() if name.endswith("_version")}
    assert said == {"application_version": "2.1.0", "safety_version": "1.3.2", "modem_version": "0.8.1",
                    "bootloader_version": "2.1.0"}  # fmt: skip
    assert measured["modem_sbom_sha256"].value == line.recipe.release.image[2].sbom.sha256
    assert (measured["security_counter_before"].value, measured["security_counter"].value) == (1.0, 2.0)
    assert [entry["version"] for entry in bench.detail["slots_before"]] == ["1.0.0", "0.5.0", "0.5.0"]
    assert len([entry for entry in bench.detail["slots_after"] if entry["active"]]) == 3


@pytest.mark.parametrize("product_line", ["dc60"], indirect=True)
def test_a_set_of_which_one_member_runs_already_is_completed(line: Line) -> None:
    """Killed when the safety controller alone waited to be confirmed: it is undone, then all start together."""
    bench = line.bench()
    content = (line.catalog / "firmware/dc60-2.1.0/dc60-safety-1.3.2.bin").read_bytes()
    list(bench.charger.write_firmware(content, Deadline(20), number=1))
    bench.charger.try_firmware(slots(bench)[1, 1].digest, Deadline(20))
    bench.restart(Deadline(20))
    perform(bench, "flash")
    assert bench.detail["unfinished"] == ["image 1: 1.3.2"]
    assert all(slots(bench)[number, 0].confirmed for number in range(3))


@pytest.mark.parametrize("product_line", ["dc60"], indirect=True)
def test_controllers_that_never_had_firmware_are_given_it(line: Line) -> None:
    """Blank modem and safety controller: nothing runs there, so nothing is listed before."""
    bench = line.bench(safety=None, modem=None)
    perform(bench, "flash")
    assert {place: state.version for place, state in slots(bench).items() if state.active} == DC_VERSIONS


@pytest.mark.slow
@pytest.mark.parametrize("product_line", ["dc60"], indirect=True)
def test_an_image_that_went_elsewhere_is_never_started(line: Line, zephyr: Callable) -> None:
    """A real Zephyr server with one image takes the safety controller's for its own: the list tells."""
    bench, world = line.bench(), zephyr("mps2_an385.serial_recovery_buf1024")
    bench.charger = world.charger
    with pytest.raises(UnitError, match=r"took safety 1\.3\.2 and does not list it as image 1"):
        write(bench, member(line.recipe.release.image[1]), Deadline(60))
    assert [(place, state.pending) for place, state in slots(bench).items()] == [((0, 0), False), ((0, 1), False)]


@pytest.mark.parametrize("product_line", ["dc60"], indirect=True)
def test_a_unit_without_its_controllers_is_refused(line: Line) -> None:
    """A charger with one image: the safety controller's image is told to be nowhere, and never starts."""
    bench = line.bench(images=1, safety=None, modem=None)
    with pytest.raises(UnitError) as caught:
        perform(bench, "flash")
    assert caught.value.defect in (Defect.FLASH, Defect.PROTOCOL)
    assert [state.version for state in slots(bench).values() if state.active] == ["1.0.0"]


@pytest.mark.parametrize(
    ("secondary", "left"), [(Secondary.ERASED, []), (Secondary.PREVIOUS, ["1.0.0"]), (Secondary.ANY, ["1.0.0"])]
)
def test_the_second_slot_is_as_the_recipe_says(line: Line, secondary: Secondary, left: list[str]) -> None:
    """F-C5, P16: what would be booted instead is decided by the recipe and read back."""
    bench = optioned(line, secondary).bench()
    measured = perform(bench, "flash")
    assert [state.version for state in slots(bench).values() if not state.active] == left
    assert measured["application_secondary"].value == (left[0] if left else "erased")


def test_a_second_slot_with_something_unknown_gets_the_released_image(line: Line) -> None:
    """F-C5: what nobody saw running here is no known-good firmware, whatever version it claims."""
    bench = optioned(line, Secondary.PREVIOUS).bench()
    perform(bench, "flash")
    bench.charger.erase_firmware(0, Deadline(20))
    foreign = own_image(line, line.images / "foreign.bin", "1.3.0", counter=2)
    list(bench.charger.write_firmware(foreign.read_bytes(), Deadline(20)))
    perform(bench, "flash", attempt=2)
    assert [state.version for state in slots(bench).values()] == ["1.4.0", "1.4.0"]


def test_newer_firmware_than_the_released_is_refused_before_any_write(line: Line) -> None:
    """F-C3: older is replaced, newer comes from somewhere else."""
    newer = own_image(line, line.images / "newer.bin", "1.4.1", counter=2)
    bench = line.bench(firmware=newer)
    with pytest.raises(UnitError, match=r"runs application 1\.4\.1, newer than the released 1\.4\.0") as caught:
        perform(bench, "flash")
    assert caught.value.defect is Defect.FIRMWARE
    assert [state.version for state in slots(bench).values()] == ["1.4.1"]


def test_a_higher_anti_rollback_counter_is_refused_before_any_write(line: Line) -> None:
    """F-C6: the released image would not start there, and the counter is never lowered."""
    bench = line.bench(firmware=own_image(line, line.images / "ahead.bin", "1.3.0", counter=3))
    with pytest.raises(UnitError, match="counter is 3"):
        perform(bench, "flash")
    assert [state.version for state in slots(bench).values()] == ["1.3.0"]


def test_a_bootloader_that_trusts_another_key_is_refused_before_any_write(line: Line, tmp_path: Path) -> None:
    """F-C9: the update trust anchor is compared with the key that signed the release."""
    other = KEYS["ecdsa-p256"]()
    other.export_public(str(tmp_path / "other.pem"))
    image = tmp_path / "other.bin"
    image.write_bytes(sign(other, "1.0.0", Recipe(SIZE), counter=1))
    bench = line.bench(firmware=image, release_key=tmp_path / "other.pem")
    with pytest.raises(UnitError, match="does not trust the key"):
        perform(bench, "flash")
    assert [state.version for state in slots(bench).values()] == ["1.0.0"]


def test_firmware_that_reads_another_configuration_is_refused(line: Line) -> None:
    """F-C7: a release whose manifest declares another range than the running image has."""
    line.recipe = replace(line.recipe, release=replace(line.recipe.release, schema=(2, 3)))
    with pytest.raises(UnitError, match="configuration schema '1'; the release declares 2 to 3") as caught:
        perform(line.bench(), "flash")
    assert caught.value.defect is Defect.CONFIGURATION


def test_another_bootloader_than_the_released_is_refused(line: Line) -> None:
    """F-C2: a member that can't be written is verified by what the device tells."""
    reported = tuple(replace(one, version="2.2.0") for one in line.recipe.release.reported)
    line.recipe = replace(line.recipe, release=replace(line.recipe.release, reported=reported))
    with pytest.raises(UnitError, match=r"bootloader is '2\.1\.0'; firmware ac22-1\.4\.0 needs 2\.2\.0"):
        perform(line.bench(), "flash")


@pytest.mark.parametrize(
    ("restriction", "told"),
    [
        (Restriction(RestrictionKind.FIRMWARE, "ac22-1.4.0", **OFFICER), "Firmware ac22-1.4.0 is withdrawn: contactor"),
        (Restriction(RestrictionKind.MINIMUM, "ac22", "1.4.1", **OFFICER), "older than 1.4.1, the minimum"),
    ],
)
def test_what_was_withdrawn_meanwhile_is_not_written(line: Line, restriction: Restriction, told: str) -> None:
    """F-C4, P03: withdrawn after the run began; the unit is not to blame, and nothing was written."""
    bench = line.bench()
    line.records.restrict(restriction)
    with pytest.raises(ConfigError, match=told):
        perform(bench, "flash")
    assert [state.version for state in slots(bench).values()] == ["1.0.0"]
    assert [unit.serial for unit in line.records.affected(restriction)] == [bench.unit.serial]


def test_an_image_replaced_after_it_was_released_is_not_written(line: Line) -> None:
    """F-C1, P03: also one that is validly signed."""
    bench = line.bench()
    own_image(line, line.catalog / "firmware/ac22-1.4.0/ac22-1.4.0.bin", "1.4.0", counter=2, schema="1")
    with pytest.raises(ConfigError, match=r"ac22-1\.4\.0\.bin: size|digest"):
        perform(bench, "flash")
    assert [state.version for state in slots(bench).values()] == ["1.0.0"]


def test_an_update_that_another_run_left_half_done_is_ended_first(line: Line) -> None:
    """F-L1: killed after the mark; the bootloader ends it, then the release is written."""
    bench = line.bench()
    foreign = own_image(line, line.images / "foreign.bin", "1.3.0", counter=1)
    list(bench.charger.write_firmware(foreign.read_bytes(), Deadline(20)))
    digest = slots(bench)[0, 1].digest
    bench.charger.try_firmware(digest, Deadline(20))
    measured = perform(bench, "flash")
    assert bench.detail["unfinished"] == ["image 0: 1.3.0"]
    assert measured["application_version"].value == "1.4.0"


def test_a_set_that_only_waits_to_be_confirmed_is_not_written_again(line: Line) -> None:
    """Killed between the restart and the confirmation: it is confirmed, not reverted and flashed anew."""
    bench = line.bench()
    content = (line.catalog / "firmware/ac22-1.4.0/ac22-1.4.0.bin").read_bytes()
    list(bench.charger.write_firmware(content, Deadline(20)))
    bench.charger.try_firmware(slots(bench)[0, 1].digest, Deadline(20))
    bench.restart(Deadline(20))
    perform(bench, "flash")
    assert "unfinished" not in bench.detail
    assert slots(bench)[0, 0].confirmed


@pytest.mark.parametrize("product_line", ["ac22 encrypted"], indirect=True)
def test_encrypted_firmware_runs_where_its_key_is(line: Line) -> None:
    """F-C1: the device lists the digest of the plain image, and the record says who computed it."""
    bench = line.bench(encryption_key=line.images / DEVICE_KEY)
    perform(bench, "flash")
    assert [(state.version, state.confirmed) for state in slots(bench).values() if state.active] == [("1.4.0", True)]
    assert bench.detail["application_encrypted"] == (
        "The digest is of the plain image; only the device could compute it."
    )
    assert perform(bench, "update")["update_path"].value == "proven on this unit"


@pytest.mark.parametrize("product_line", ["ac22 encrypted"], indirect=True)
def test_encrypted_firmware_for_other_devices_is_refused_at_boot(line: Line) -> None:
    """The station can't know; the device does, and keeps what it had."""
    with pytest.raises(UnitError, match=r"refused firmware application 1\.4\.0 at boot; it runs 1\.0\.0"):
        perform(line.bench(), "flash")


def test_a_member_that_the_flash_does_not_keep_is_told_by_name(line: Line) -> None:
    """A stuck bit: the bootloader refuses the image at boot."""
    with pytest.raises(UnitError, match=r"refused firmware application 1\.4\.0 at boot; it runs 1\.0\.0") as caught:
        perform(line.bench(fault="bad-flash"), "flash")
    assert caught.value.defect is Defect.FLASH
