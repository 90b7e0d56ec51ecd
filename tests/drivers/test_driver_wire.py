"""What the driver survives on the wire, and how it tells a bad cable from a bad charger."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest

from fixtures.charger.process import read_state
from station.clock import Deadline
from station.drivers import (
    Challenges,
    Clocks,
    KeyPackages,
    SerialNumbers,
    StoredCertificates,
    StoredRequests,
    ability,
)
from station.drivers.mcuboot import open_charger
from station.drivers.table import DRIVERS
from station.errors import Defect, LinkError, UnitError

NATIVE_SMALL, MPS2 = "native_sim.serial_bigrx", "mps2_an385.serial_recovery_buf1024"


def soon() -> Deadline:
    return Deadline(100)


LEAST = {"lost-bytes": 3, "flipped-bits": 3, "stalls": 1, "slow-answers": 1, "unplug": 1, "power-cut": 2}
"""How often each disturbance must have happened to have been survived."""


@pytest.mark.slow
@pytest.mark.parametrize("disturb", LEAST)
def test_a_disturbed_charger_is_brought_to_its_firmware_and_settings(
    simulated: Callable, tmp_path: Path, disturb: str
) -> None:
    """F-C1: what a good line survives costs time, never a unit."""
    world = simulated(disturb=disturb, seed=1, baud=460_800)
    names = ("power/max_current", "power/1/max_current", "power/2/max_current", "thermal/derate_from")
    names += ("log/rotation_kib", "site/max_current")
    charger, values = world.charger, {f"charger/{name}": b"%d" % number for number, name in enumerate(names, 20)}
    assert list(charger.write_firmware(world.good.content, soon()))[-1] == len(world.good.content)
    charger.try_firmware(world.good.digest, soon())
    charger.restart(soon())
    charger.confirm_firmware(world.good.digest, soon())
    charger.write_settings(values, soon())
    charger.write_file("/lfs/anchors.pem", world.good.content[:4000], soon())
    charger.restart(soon())
    assert charger.identify(soon()).firmware == "1.4.0"
    assert charger.read_settings(tuple(values), soon()) == values
    assert charger.read_file("/lfs/anchors.pem", soon()) == world.good.content[:4000]
    charger.restart(soon())
    assert json.loads((tmp_path / "unit0" / "stats.json").read_text())["disturbances"] >= LEAST[disturb]


@pytest.mark.slow
def test_lost_bytes_and_flipped_bits_before_a_real_server(zephyr: Callable) -> None:
    """The same over Zephyr's own SMP server: every fortieth piece on the wire is damaged."""
    chance, pieces = random.Random(7), iter(range(1_000_000))

    def mangle(data: bytes) -> bytes:
        if next(pieces) % 40 != 39:
            return data
        at = chance.randrange(len(data))
        return data[:at] + data[at + 1 :] if chance.random() < 0.5 else data[:at] + b"\x41" + data[at + 1 :]

    world = zephyr(MPS2, mangle=mangle)
    part = world.good.content[: 40 * 1024]
    offsets = list(world.charger.write_firmware(part, soon()))
    assert next(pieces) > 80
    assert offsets == sorted(set(offsets))
    assert offsets[-1] == len(part)


def test_a_blank_part_is_recovered_through_its_bootloader(simulated: Callable) -> None:
    """MCUboot recovery: no echo, no parameters, no identity; the reset is answered with rc 0."""
    world = simulated(blank=True)
    assert world.charger.in_recovery(soon())
    with pytest.raises(UnitError) as caught:
        world.charger.identify(soon())
    assert caught.value.defect is Defect.FIRMWARE
    list(world.charger.write_firmware(world.good.content, soon()))
    world.charger.try_firmware(world.good.digest, soon())
    world.charger.restart(soon())
    assert world.charger.identify(soon()).firmware == "1.4.0"


def test_baseline_hardware_works_without_slots_and_abilities(simulated: Callable) -> None:
    world = simulated(baseline=True)
    found = world.charger.identify(soon())
    assert (found.keys, found.transport, found.abilities) == (None, None, frozenset())
    assert world.charger.create_key("", "AC22-000001", replace=False, deadline=soon())[:1] == b"\x30"
    with pytest.raises(UnitError, match="does not offer") as caught:
        world.charger.challenge("", bytes(32), soon())
    assert caught.value.defect is Defect.PROTOCOL
    world.charger.lock(soon())
    assert world.charger.identify(soon()).locked


@pytest.mark.parametrize(("fault", "defect"), [("silent", Defect.SILENT), ("garbage", Defect.PROTOCOL)])
def test_a_charger_that_never_makes_sense_is_bad(simulated: Callable, fault: str, defect: Defect) -> None:
    with pytest.raises(UnitError) as caught:
        simulated(fault=fault).charger.identify(Deadline(4))
    assert caught.value.defect is defect


def test_a_charger_that_falls_silent_is_a_lost_link(peer: Any) -> None:
    charger = open_charger(lambda: peer.node)
    charger.identify(soon())
    peer.replies[0, 64, 0] = None
    with pytest.raises(LinkError):
        charger.identify(Deadline(3))


def test_nothing_plugged_is_a_lost_link() -> None:
    with pytest.raises(LinkError, match="No charger"):
        open_charger(lambda: None).identify(Deadline(0.2))


def test_another_unit_at_the_port_is_refused(simulate: Callable) -> None:
    """F-B3: the slot is the port; who is in it is checked each time the port was opened."""
    first, second = simulate(), simulate()
    node = [first]
    charger = open_charger(lambda: node[0].node)
    uid = charger.identify(soon()).uid
    node[0] = second
    first.stop()
    with pytest.raises(UnitError, match=uid.hex()) as caught:
        charger.write_settings({"charger/ocpp/url": b"wss://csms.example"}, soon())
    assert caught.value.defect is Defect.WRONG_UNIT
    assert not read_state(second.dir).settings


def test_only_the_expected_unit_is_accepted(simulate: Callable) -> None:
    unit = simulate()
    with pytest.raises(UnitError) as caught:
        open_charger(lambda: unit.node, expected_uid=b"someone else").identify(soon())
    assert caught.value.defect is Defect.WRONG_UNIT
    open_charger(lambda: unit.node, expected_uid=unit.uid).identify(soon())


def test_a_port_is_opened_by_one_alone(simulate: Callable) -> None:
    unit = simulate()
    first, second = open_charger(lambda: unit.node), open_charger(lambda: unit.node)
    first.identify(soon())
    with pytest.raises(LinkError, match="in use"):
        second.identify(soon())
    first.close()
    assert second.identify(soon()).uid == unit.uid


@pytest.mark.parametrize("buffer", [384, 1023])
def test_a_small_buffer_is_refused_when_the_port_is_opened(simulated: Callable, buffer: int) -> None:
    """A certificate would not fit: said at once, not in the middle of a run."""
    with pytest.raises(UnitError, match=f"{buffer} bytes; 1024") as caught:
        simulated(buffer=buffer).charger.identify(soon())
    assert caught.value.defect is Defect.WRONG_HARDWARE


def test_a_real_server_with_a_small_buffer_is_refused(zephyr: Callable) -> None:
    with pytest.raises(UnitError, match="384 bytes; 1024"):
        zephyr(NATIVE_SMALL).charger.identify(soon())


def test_late_answers_to_earlier_requests_are_dropped(peer: Any, wire: Any) -> None:
    """The first request is answered twice, the second time in the middle of the next one."""
    charger, late = open_charger(lambda: peer.node), []

    def answer(_: Any) -> bytes:
        mine = wire.framed(wire.respond(peer.requests[-1], {"val": b"%d" % len(late)}))
        late.append(mine)
        return b"".join(late[-2:])

    peer.replies[0, 3, 0] = answer
    assert charger.read_settings(("a", "b", "c"), soon()) == {"a": b"0", "b": b"1", "c": b"2"}


def test_a_key_is_never_taken_from_the_answer_to_an_abandoned_attempt(
    simulated: Callable, peer: Any, wire: Any
) -> None:
    """Each attempt to make a key makes another key, so an earlier attempt's answer must not count."""
    charger, seen = open_charger(lambda: peer.node), []

    def answer(_: Any) -> bytes | None:
        seen.append(peer.requests[-1])
        first = wire.framed(wire.respond(seen[0], {"csr": b"first key"}))
        return None if len(seen) == 1 else first + wire.framed(wire.respond(seen[1], {"csr": b"second key"}))

    peer.replies[2, 64, 1] = answer
    assert charger.create_key("", "AC22-000001", replace=True, deadline=soon()) == b"second key"


def test_boot_messages_between_frames_do_no_harm(peer: Any, wire: Any) -> None:
    """A console that the charger shares with its log."""
    charger = open_charger(lambda: peer.node)
    log = b"[00:00:00.000] <inf> app: \xc3\x28 started\r\n" * 50

    def answer(_: Any) -> bytes:
        frame = wire.framed(wire.respond(peer.requests[-1], {"val": b"x" * 300}))
        return log + b"half a line " + frame + log

    peer.replies[0, 3, 0] = answer
    assert charger.read_settings(("a",), soon()) == {"a": b"x" * 300}


@pytest.mark.parametrize(
    "kind",
    [KeyPackages, Challenges, StoredRequests, StoredCertificates, SerialNumbers, Clocks],
    ids=lambda k: k.__name__,
)
def test_the_driver_has_every_optional_ability(kind: type) -> None:
    charger = DRIVERS["mcuboot"](lambda: None)
    assert ability(charger, kind) is charger


def test_settings_that_a_killed_station_wrote_are_made_durable(simulated: Callable, sim_ask: Callable) -> None:
    """F-E1: they read back as wanted and would be gone after a restart; saving nothing new keeps them."""
    world = simulated(baud=0)
    body = cbor2.dumps({"name": "charger/log/level", "val": b"debug"})
    written = sim_ask(world.find_node(), bytes([2, 0]) + len(body).to_bytes(2) + bytes([0, 3, 1, 0]) + body)
    assert written.get("rc", 0) == 0
    world.charger.write_settings({}, soon())
    world.charger.restart(soon())
    assert world.charger.read_settings(("charger/log/level",), soon()) == {"charger/log/level": b"debug"}
