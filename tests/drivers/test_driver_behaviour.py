"""What the driver does, the same tests over every server that can do it: simulated chargers, and real Zephyr 4.4.

`ABLE` says which server is asked what; README *Limits* names what the Zephyr servers cannot do.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest

from station.clock import Deadline
from station.drivers.mcuboot import open_charger
from station.errors import Defect, UnitError

MPS2, NATIVE, SIMULATED = "mps2_an385.serial_recovery_buf1024", "native_sim.serial_fs", "simulated"
ABLE = {
    "images": (SIMULATED, MPS2),
    "files": (SIMULATED, NATIVE),
    "swap": (SIMULATED,),
    "restart": (SIMULATED, MPS2, NATIVE),
    "factory": (SIMULATED,),
}


@pytest.fixture
def world(request: pytest.FixtureRequest, simulated: Callable, zephyr: Callable) -> Any:
    name = request.param
    return simulated() if name == SIMULATED else zephyr(name)


def able(what: str) -> pytest.MarkDecorator:
    """Run a test on every server that can do `what`."""
    marks = {MPS2: [pytest.mark.slow, pytest.mark.timeout(180)]}
    params = [pytest.param(name, marks=marks.get(name, [])) for name in ABLE[what]]
    return pytest.mark.parametrize("world", params, indirect=True)


def soon() -> Deadline:
    return Deadline(90)


def active(world: Any) -> bytes:
    return next(state.digest for state in world.charger.firmware(soon()) if state.active)


@able("images")
def test_new_firmware_runs_after_a_restart_and_stays(world: Any) -> None:
    """F-C3: upload, test, restart, confirm, restart; only what is read back counts."""
    charger = world.charger
    assert active(world) != world.good.digest
    *_, written = charger.write_firmware(world.good.content, soon())
    assert written == len(world.good.content)
    charger.try_firmware(world.good.digest, soon())
    charger.restart(soon())
    charger.confirm_firmware(world.good.digest, soon())
    charger.restart(soon())
    assert [(s.digest, s.confirmed) for s in charger.firmware(soon()) if s.active] == [(world.good.digest, True)]


@able("images")
def test_a_broken_image_is_accepted_and_never_runs(world: Any) -> None:
    """F-C3: "upload accepted" and "test accepted" prove nothing."""
    before = active(world)
    list(world.charger.write_firmware(world.broken.content, soon()))
    world.charger.try_firmware(world.broken.digest, soon())
    world.charger.restart(soon())
    assert active(world) == before


@able("images")
def test_an_upload_continues_where_the_cable_was_pulled(world: Any) -> None:
    """F-C1: the device file has another name afterwards; nothing is sent twice."""
    upload = world.charger.write_firmware(world.good.content, soon())
    offsets = [next(upload), next(upload), next(upload)]
    node = world.find_node()
    world.replug()
    offsets += list(upload)
    assert world.find_node() != node
    assert offsets == sorted(set(offsets))
    assert offsets[-1] == len(world.good.content)


@able("images")
def test_another_station_process_continues_the_upload(world: Any) -> None:
    """F-C1: the device remembers an image by its SHA-256 as long as it keeps power."""
    upload = world.charger.write_firmware(world.good.content, soon())
    reached = [next(upload), next(upload), next(upload)][-1]
    world.charger.close()
    assert next(open_charger(world.find_node).write_firmware(world.good.content, soon())) >= reached


@able("swap")
def test_untested_firmware_is_reverted(world: Any) -> None:
    before = active(world)
    list(world.charger.write_firmware(world.good.content, soon()))
    world.charger.try_firmware(world.good.digest, soon())
    world.charger.restart(soon())
    assert active(world) == world.good.digest
    world.charger.restart(soon())
    assert active(world) == before


@able("swap")
def test_a_slot_taken_by_an_unfinished_update_is_freed(world: Any) -> None:
    """A station that was killed between `test` and restart leaves a pending image: NO_FREE_SLOT."""
    for _ in range(2):
        list(world.charger.write_firmware(world.good.content, soon()))
        world.charger.try_firmware(world.good.digest, soon())
    world.charger.restart(soon())
    assert active(world) == world.good.digest


@able("swap")
def test_only_running_firmware_can_be_confirmed(world: Any) -> None:
    list(world.charger.write_firmware(world.good.content, soon()))
    with pytest.raises(UnitError) as caught:
        world.charger.confirm_firmware(world.good.digest, soon())
    assert caught.value.defect is Defect.FIRMWARE


@able("files")
def test_files_come_back_as_they_were_written(world: Any) -> None:
    path, content = f"{world.folder}/anchors.pem", random.Random(1).randbytes(3000)
    world.charger.write_file(path, content, soon())
    world.charger.write_file(path, content[:2500], soon())
    assert world.charger.read_file(path, soon()) == content[:2500]
    assert world.charger.read_file(f"{world.folder}/none.pem", soon()) is None


@able("files")
def test_files_survive_a_restart(world: Any) -> None:
    path = f"{world.folder}/chain.pem"
    world.charger.write_file(path, b"certificates", soon())
    world.charger.restart(soon())
    assert world.charger.read_file(path, soon()) == b"certificates"


@able("restart")
def test_the_charger_answers_after_a_restart(world: Any) -> None:
    assert not world.charger.in_recovery(soon())
    world.charger.restart(soon())
    assert not world.charger.in_recovery(soon())


@able("factory")
def test_identity_is_what_the_hardware_says(world: Any) -> None:
    found = world.charger.identify(soon())
    assert (found.model, found.hardware, found.firmware, found.locked) == ("AC22", "rev-b", "1.0.0", False)
    assert found.keys == {"test": b"", "ship": b""}
    assert {"challenge", "certificate-read", "serial"} <= found.abilities
    assert found.transport is not None
    assert found.transport.algorithm == "rsa-oaep"


@able("factory")
def test_settings_are_durable(world: Any) -> None:
    values = {"charger/ocpp/url": b"wss://csms.test.example/ocpp", "charger/power/max_current": b"32"}
    world.charger.write_settings(values, soon())
    world.charger.restart(soon())
    assert world.charger.read_settings((*values, "charger/net/ntp"), soon()) == {**values, "charger/net/ntp": None}


@able("factory")
def test_a_setting_that_cannot_be_read_is_the_units_fault(world: Any) -> None:
    name = "charger/" + "x" * 400
    with pytest.raises(UnitError, match="reading setting charger/x") as caught:
        world.charger.read_settings((name,), soon())
    assert caught.value.defect is Defect.CONFIGURATION


@able("factory")
def test_a_password_is_kept_by_the_device_to_itself(world: Any) -> None:
    """P01: a setting that may only be written reads as one that is not there, also once it was written."""
    world.charger.write_settings({"charger/ocpp/password": b"0thErUn1tsPassw0rdxY"}, soon())
    assert world.charger.read_settings(("charger/ocpp/password",), soon()) == {"charger/ocpp/password": None}


@able("factory")
def test_a_key_is_made_read_again_and_not_replaced_unasked(world: Any) -> None:
    request = world.charger.create_key("test", "AC22-000001", replace=False, deadline=soon())
    assert world.charger.read_request("test", soon()) == request
    assert world.charger.read_request("ship", soon()) is None
    with pytest.raises(UnitError) as caught:
        world.charger.create_key("test", "AC22-000001", replace=False, deadline=soon())
    assert caught.value.defect is Defect.KEY


@able("factory")
def test_a_foreign_certificate_is_refused(world: Any) -> None:
    world.charger.create_key("ship", "AC22-000001", replace=True, deadline=soon())
    with pytest.raises(UnitError) as caught:
        world.charger.install_certificate("ship", b"\x30\x03\x02\x01\x01", soon())
    assert caught.value.defect is Defect.CERTIFICATE
    assert world.charger.read_certificate("ship", soon()) is None


@able("factory")
def test_another_serial_number_is_refused(world: Any) -> None:
    world.charger.assign_serial("AC22-000001", soon())
    world.charger.assign_serial("AC22-000001", soon())
    with pytest.raises(UnitError):
        world.charger.assign_serial("AC22-000002", soon())
    assert world.charger.identify(soon()).serial == "AC22-000001"


@able("factory")
def test_the_clock_is_set_to_utc(world: Any) -> None:
    with pytest.raises(UnitError) as caught:
        world.charger.clock_offset(soon())
    assert caught.value.defect is Defect.CLOCK
    world.charger.set_clock(soon())
    assert abs(world.charger.clock_offset(soon())) < 2


@able("factory")
def test_a_locked_charger_stays_locked_and_takes_nothing(world: Any) -> None:
    world.charger.lock(soon())
    world.charger.lock(soon())
    with pytest.raises(UnitError) as caught:
        world.charger.write_settings({"charger/ocpp/url": b"wss://other.example"}, soon())
    assert caught.value.defect is Defect.LOCK
    world.charger.restart(soon())
    assert world.charger.identify(soon()).locked
