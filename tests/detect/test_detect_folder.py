"""A directory of links as a source of ports: what the demo and the simulators plug into."""

import os
import threading
from pathlib import Path

import pytest

from station.config import SlotSection
from station.detect import ChangeKind, FolderPorts, Presence, Watch, open_ports
from station.errors import ConfigError

PATH = "pci-0000:00:14.0-usb-0:1.1"
SLOTS = (SlotSection("A", PATH),)


def plug(folder: Path, name: str = PATH) -> str:
    """Link a new pty into the directory and return its device file."""
    node = os.ttyname(os.openpty()[1])
    (folder / name).symlink_to(node)
    return node


def settle(watch: Watch) -> list[ChangeKind]:
    """Poll until something settles, for at most two seconds of waiting."""
    for _ in range(20):
        if changes := watch.poll(0.1):
            return [change.kind for change in changes]
    return []


def test_plug_restart_unplug(tmp_path: Path) -> None:
    """A restart gives a new pty behind the same name."""
    watch = Watch(open_ports(f"dir:{tmp_path}"), SLOTS, hold=0.05)
    first = plug(tmp_path)
    assert settle(watch) == [ChangeKind.ARRIVED]
    (tmp_path / PATH).unlink()
    second = plug(tmp_path)
    assert (settle(watch), watch.find_node("A"), first != second) == ([ChangeKind.REPLACED], second, True)
    (tmp_path / PATH).unlink()
    assert settle(watch) == [ChangeKind.LEFT]


def test_a_second_device_at_the_same_place(tmp_path: Path) -> None:
    """`@2` is another device at the same port."""
    plug(tmp_path)
    plug(tmp_path, f"{PATH}@2")
    watch = Watch(FolderPorts(tmp_path), SLOTS, hold=0.05)
    assert settle(watch) == [ChangeKind.CROWDED]
    assert watch.occupancy("A").presence is Presence.SEVERAL


def test_a_dangling_link_is_nothing(tmp_path: Path) -> None:
    """A charger whose pty is gone is gone; so is a name with control characters."""
    (tmp_path / PATH).symlink_to("/dev/pts/no-such-pty")
    (tmp_path / "bad\x1bname").symlink_to("/dev/null")
    assert FolderPorts(tmp_path).list() == ()


def test_wait_wakes_for_a_change_and_on_close(tmp_path: Path) -> None:
    """A waiting line learns of a plug at once and of a shutdown too."""
    ports = FolderPorts(tmp_path)
    threading.Timer(0.2, plug, [tmp_path]).start()
    assert ports.wait(30)
    threading.Timer(0.2, ports.close).start()
    assert not ports.wait(30)


def test_a_directory_that_vanishes_is_empty(tmp_path: Path) -> None:
    """The end of a demo is not a fault."""
    folder = tmp_path / "ports"
    folder.mkdir()
    ports = FolderPorts(folder)
    folder.rmdir()
    assert ports.list() == ()


@pytest.mark.parametrize("uri", ["dir:/no/such/place", "usb:", ""])
def test_a_source_that_is_not_there_is_refused_with_a_next_step(uri: str) -> None:
    """A wrong `ports` setting is told at load."""
    with pytest.raises(ConfigError) as caught:
        open_ports(uri)
    assert caught.value.hint
