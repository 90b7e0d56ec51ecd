"""Several images and their slots: what the driver sends, what it believes, and what real servers make of it (F-C2)."""

from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from station.clock import Deadline
from station.drivers.mcuboot import open_charger
from station.errors import Defect, UnitError

MPS2, SIMULATED = "mps2_an385.serial_recovery_buf1024", "simulated"
SERVERS = [SIMULATED, pytest.param(MPS2, marks=[pytest.mark.slow, pytest.mark.timeout(180)])]


def soon() -> Deadline:
    return Deadline(90)


@pytest.fixture
def world(request: pytest.FixtureRequest, simulated: Callable, zephyr: Callable) -> Any:
    return simulated() if request.param == SIMULATED else zephyr(request.param)


def slots(charger: Any) -> list[tuple[int, int, str]]:
    return [(state.image, state.slot, state.version) for state in charger.firmware(soon())]


@pytest.mark.parametrize("world", SERVERS, indirect=True)
def test_an_erased_slot_is_empty_and_the_other_goes_on(world: Any) -> None:
    """F-C5: what is told about slots is read back, also from a server that nobody here wrote."""
    before = slots(world.charger)
    list(world.charger.write_firmware(world.good.content, soon()))
    assert [(image, slot) for image, slot, _ in slots(world.charger)] == [(0, 0), (0, 1)]
    world.charger.erase_firmware(0, soon())
    assert slots(world.charger) == before


@pytest.mark.parametrize("world", SERVERS, indirect=True)
def test_a_slot_of_an_image_that_is_not_there_cannot_be_erased(world: Any) -> None:
    with pytest.raises(UnitError) as caught:
        world.charger.erase_firmware(1, soon())
    assert caught.value.defect is Defect.FLASH


@pytest.mark.slow
def test_a_real_server_with_one_image_takes_any_number_for_it(zephyr: Callable) -> None:
    """So an upload that was accepted proves nothing about where it went: the flash step looks at the list."""
    world = zephyr(MPS2)
    list(world.charger.write_firmware(world.good.content, soon(), number=1))
    assert [(image, slot) for image, slot, _ in slots(world.charger)] == [(0, 0), (0, 1)]


def test_the_slot_of_an_unfinished_update_is_not_erased(simulated: Callable) -> None:
    world = simulated()
    list(world.charger.write_firmware(world.good.content, soon()))
    world.charger.try_firmware(world.good.digest, soon())
    with pytest.raises(UnitError):
        world.charger.erase_firmware(0, soon())
    world.charger.restart(soon())
    assert world.charger.identify(soon()).firmware == "1.4.0"


def test_images_have_their_numbers_on_the_wire(peer: Any) -> None:
    """Upload names the image, erase the slot counted over all images, confirming the image's hash."""
    running = [{"image": n, "slot": 0, "version": "1.0.0", "hash": bytes([n]) * 32, "active": True} for n in range(3)]
    peer.replies |= {(0, 1, 0): {"images": running}, (2, 1, 0): {"images": running}, (2, 1, 5): {}}
    peer.replies[2, 1, 1] = lambda body: {"off": body["off"] + len(body["data"])}
    charger = open_charger(lambda: peer.node)
    list(charger.write_firmware(bytes(3000), soon(), number=2))
    charger.erase_firmware(2, soon())
    charger.confirm_firmware(bytes([2]) * 32, soon())
    charger.confirm_firmware(bytes([0]) * 32, soon())
    uploads, erases, states = ([cbor2.loads(m[8:]) for m in peer.asked(1, command)] for command in (1, 5, 0))
    assert [body.get("image") for body in uploads] == [2, None, None, None][: len(uploads)]
    assert erases == [{"slot": 5}]
    assert [body for body in states if body] == [{"hash": bytes([2]) * 32, "confirm": True}, {"confirm": True}]


NONSENSE = {
    "an image beyond the last": [{"image": 4, "slot": 0, "version": "1.0.0"}],
    "a negative image": [{"image": -1, "slot": 0, "version": "1.0.0"}],
    "a slot twice": [{"image": 1, "slot": 0, "version": "1.0.0"}, {"image": 1, "slot": 0, "version": "1.0.1"}],
    "too many slots": [{"image": n % 4, "slot": n // 4, "version": "1.0.0"} for n in range(9)],
}


@pytest.mark.parametrize("what", NONSENSE)
def test_a_list_that_no_device_has_is_refused(peer: Any, what: str) -> None:
    peer.replies[0, 1, 0] = {"images": NONSENSE[what]}
    with pytest.raises(UnitError) as caught:
        open_charger(lambda: peer.node).firmware(soon())
    assert caught.value.defect is Defect.PROTOCOL
