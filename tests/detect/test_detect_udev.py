"""An unchanged pyudev against libumockdev with hub topology (F-B1)."""

import os
import subprocess
import time

import pytest
import serial

from fixtures.usb import UsbProduct, UsbTree, id_path
from station.config import SlotSection
from station.detect import Change, ChangeKind, Presence, UdevPorts, Watch, open_ports

pytestmark = pytest.mark.testbed

SLOTS = (SlotSection("A", id_path("1.1")), SlotSection("B", id_path("1.2"), interface="1.2"))


def first_change(watch: Watch, within: float = 20.0) -> Change:
    """Poll as the line does until something has settled."""
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        if changes := watch.poll(1.0):
            return changes[0]
    pytest.fail(f"nothing settled within {within} s")


def test_plug_is_seen_within_two_seconds(usb: UsbTree) -> None:
    """F-B1: a slot's state is known at most 2 s after the plug."""
    watch = Watch(open_ports("udev:"), SLOTS)
    usb.plug("1.1", ["ttyACM0"])
    change = first_change(watch, within=2.0)
    assert (change.slot, change.kind) == ("A", ChangeKind.ARRIVED)
    assert watch.find_node("A") == "/dev/ttyACM0"
    assert watch.find_node("B") is None


def test_plugged_before_start_arrives_like_anything_else(usb: UsbTree) -> None:
    """A station that starts with chargers plugged finds them without any event."""
    usb.plug("1.1", ["ttyACM0"])
    change = first_change(Watch(UdevPorts(), SLOTS))
    assert change.kind is ChangeKind.ARRIVED


def test_unplug_leaves_the_slot_empty(usb: UsbTree) -> None:
    """What vanishes is gone, whatever the last event said."""
    usb.plug("1.1", ["ttyACM0"])
    watch = Watch(UdevPorts(), SLOTS)
    first_change(watch)
    usb.unplug("1.1")
    assert first_change(watch).kind is ChangeKind.LEFT
    assert watch.find_node("A") is None


def test_swapped_cables_swap_the_slots(usb: UsbTree) -> None:
    """The place decides, not the order of enumeration: the file names move with the devices."""
    usb.plug("1.1", ["ttyACM0"])
    usb.plug("1.2", ["ttyACM1", "ttyACM2"])
    watch = Watch(UdevPorts(), SLOTS)
    assert (watch.find_node("A"), watch.find_node("B")) == ("/dev/ttyACM0", "/dev/ttyACM2")
    usb.unplug("1.1")
    usb.unplug("1.2")
    usb.plug("1.1", ["ttyACM1", "ttyACM2"])
    usb.plug("1.2", ["ttyACM3", "ttyACM0"])
    assert (watch.find_node("A"), watch.find_node("B")) == ("/dev/ttyACM1", "/dev/ttyACM0")


def test_restart_with_a_new_number_is_found_again(usb: UsbTree) -> None:
    """Each restart of a device may give another ttyACM number at the same place."""
    usb.plug("1.1", ["ttyACM0"])
    watch = Watch(UdevPorts(), SLOTS)
    first_change(watch)
    usb.unplug("1.1")
    usb.plug("1.1", ["ttyACM7"])
    assert watch.find_node("A") == "/dev/ttyACM7"
    assert first_change(watch).kind is ChangeKind.REPLACED


def test_quick_swap_under_the_same_number_is_noticed(usb: UsbTree) -> None:
    """A verdict must not stay on screen for another unit, however quick the hands were."""
    usb.plug("1.1", ["ttyACM0"])
    watch = Watch(UdevPorts(), SLOTS)
    first_change(watch)
    usb.unplug("1.1")
    usb.plug("1.1", ["ttyACM0"])
    assert first_change(watch).kind is ChangeKind.REPLACED


def test_events_without_change_change_nothing(usb: UsbTree) -> None:
    """Events are hints: the comparison decides."""
    tty = usb.plug("1.1", ["ttyACM0"])[0]
    ports = UdevPorts()
    watch = Watch(ports, SLOTS)
    first_change(watch)
    usb.hint(tty)
    assert ports.wait(20.0)
    assert watch.poll(0.1) == ()


def test_two_devices_behind_a_hub_in_one_slot(usb: UsbTree) -> None:
    """Two devices on one slot are said to be so, and no driver picks one."""
    usb.plug("1.1.1", ["ttyACM0"])
    usb.plug("1.1.4", ["ttyACM1"])
    watch = Watch(UdevPorts(), SLOTS)
    assert first_change(watch).kind is ChangeKind.CROWDED
    assert watch.occupancy("A").presence is Presence.SEVERAL
    assert watch.find_node("A") is None


def test_composite_device_is_one_device_with_the_configured_interface(usb: UsbTree) -> None:
    """Several CDC ports of one charger are one device; the slot's interface picks the port."""
    usb.plug("1.2", ["ttyACM4", "ttyACM5"])
    watch = Watch(UdevPorts(), SLOTS)
    assert first_change(watch).after.presence is Presence.ONE
    assert [port.interface for port in watch.occupancy("B").ports] == ["1.0", "1.2"]
    assert watch.find_node("B") == "/dev/ttyACM5"


def test_ports_of_one_converter_are_one_device(usb: UsbTree) -> None:
    """Several ports on one USB interface are told apart by their number, as udev's own by-path links do."""
    usb.plug_converter("1.1", ["ttyUSB0", "ttyUSB1"])
    watch = Watch(UdevPorts(), SLOTS)
    assert first_change(watch).after.presence is Presence.ONE
    assert [port.interface for port in watch.occupancy("A").ports] == ["1.0", "1.0-port1"]
    assert watch.find_node("A") == "/dev/ttyUSB0"


def test_unknown_port_is_listed_with_what_it_says_of_itself(usb: UsbTree) -> None:
    """A port that is no slot is shown, not used."""
    usb.plug("1.3", ["ttyACM0"], product=UsbProduct("0403", "6001", "FT232R\x07"))
    watch = Watch(UdevPorts(), SLOTS)
    (port,) = watch.unbound
    assert (port.path, port.product) == (id_path("1.3"), "0403:6001 FT232R")


def test_tty_without_a_place_does_not_exist(usb: UsbTree) -> None:
    """Consoles and ttys that udev has not finished with have no ID_PATH."""
    usb.add_console("tty1")
    assert UdevPorts().list() == ()


def test_found_port_opens_and_carries_bytes(usb: UsbTree) -> None:
    """What detection finds is what a driver opens, exclusively."""
    host, device = os.openpty()
    usb.plug("1.1", {"ttyACM0": os.ttyname(device)})
    node = Watch(UdevPorts(), SLOTS).find_node("A")
    with serial.Serial(node, timeout=2, exclusive=True) as port:
        os.write(host, b"hello")
        assert port.read(5) == b"hello"


def test_path_is_what_systemd_computes(usb: UsbTree) -> None:
    """The tree's ID_PATH is not ours: systemd's own path_id gives the same for this topology."""
    tty = usb.plug("1.1.3", ["ttyACM0"])[0]
    command = ["udevadm", "test-builtin", "path_id", tty.removeprefix("/sys")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert f"ID_PATH={id_path('1.1.3:1.0')}\n" in answer
