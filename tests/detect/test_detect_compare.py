"""Places, occupancy and settling as pure functions."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.config import SlotSection
from station.detect import (
    Change,
    ChangeKind,
    Occupancy,
    Presence,
    Sighting,
    SlotWatch,
    find_node,
    occupancies,
    slot_of,
    split_path,
    suggest_stanza,
    unbound,
)
from station.model import Port

HOST = "pci-0000:00:14.0-usb-0:"
SLOTS = (SlotSection("A", HOST + "1.1"), SlotSection("B", HOST + "1.2"), SlotSection("hub", HOST + "1.1.4"))

chains = st.lists(st.integers(1, 12), min_size=1, max_size=5).map(lambda ports: ".".join(map(str, ports)))
interfaces = st.tuples(st.integers(1, 4), st.integers(0, 30)).map(lambda pair: f"{pair[0]}.{pair[1]}")
ports = st.builds(
    Sighting,
    path=chains.map(lambda chain: HOST + chain),
    node=st.integers(0, 9).map(lambda number: f"/dev/ttyACM{number}"),
    interface=interfaces,
    arrival=st.sampled_from(["1", "2"]),
)
worlds = st.lists(ports, max_size=5).map(tuple)


def at(chain: str, node: str = "/dev/ttyACM0", interface: str = "1.0", arrival: str = "") -> Sighting:
    """Return a port at a chain of hub ports."""
    return Sighting(HOST + chain, node, interface, arrival=arrival)


@given(chains, interfaces)
def test_the_interface_is_split_off_and_the_hub_chain_never_is(chain: str, interface: str) -> None:
    """`1.1` at the end of a path without interface is a chain of hub ports, not an interface."""
    assert split_path(f"{HOST}{chain}:{interface}") == (HOST + chain, interface)
    assert split_path(HOST + chain) == (HOST + chain, "")


@pytest.mark.parametrize("path", ["platform-serial8250", "pci-0000:03:00.0", "platform-fd500000.pcie"])
def test_a_path_without_usb_is_kept_whole(path: str) -> None:
    """Only USB has interfaces."""
    assert split_path(path) == (path, "")


@pytest.mark.parametrize("path", ["", "a b", "pci\n", "x" * 201, "pci-\x1b[2J"])
def test_a_name_that_is_no_path_is_refused(path: str) -> None:
    """Names come from outside: no spaces, no control characters, no end."""
    with pytest.raises(ValueError, match="ID_PATH"):
        split_path(path)


@given(worlds)
def test_every_port_belongs_to_one_slot_or_to_none(world: tuple[Port, ...]) -> None:
    """Nothing is lost and nothing counted twice."""
    held = [port for occupancy in occupancies(SLOTS, world).values() for port in occupancy.ports]
    assert sorted(map(repr, held + list(unbound(SLOTS, world)))) == sorted(map(repr, world))


@given(worlds)
def test_a_node_comes_from_its_own_slot_with_one_device_only(world: tuple[Port, ...]) -> None:
    """A driver is never given a port of another slot, nor a guess among several devices."""
    for name, held in occupancies(SLOTS, world).items():
        node = find_node(SLOTS, name, world)
        assert (node is not None) == (held.presence is Presence.ONE)
        assert node is None or node in [port.node for port in held.ports]


def test_neighbours_with_a_longer_number_are_strangers() -> None:
    """Port 1.10 is not behind port 1.1; the nearest slot wins where slots are nested."""
    assert slot_of(SLOTS, HOST + "1.10") is None
    assert slot_of(SLOTS, HOST + "1.1.3") == SLOTS[0]
    assert slot_of(SLOTS, HOST + "1.1.4.2") == SLOTS[2]


def test_devices_are_counted_not_ports() -> None:
    """Two interfaces are one device; the same interface twice, or two places, are two."""
    assert Occupancy((at("1.1"), at("1.1", interface="1.2"))).devices == 1
    assert Occupancy((at("1.1"), at("1.1", "/dev/ttyACM1"))).devices == 2
    assert Occupancy((at("1.1.1"), at("1.1.2"))).devices == 2


def test_the_configured_interface_is_waited_for() -> None:
    """Interfaces of a composite device appear one after the other; a wrong one is no substitute."""
    slots = (SlotSection("A", HOST + "1.1", interface="1.2"),)
    assert find_node(slots, "A", [at("1.1", "/dev/ttyACM0", "1.0")]) is None
    both = [at("1.1", "/dev/ttyACM0", "1.0"), at("1.1", "/dev/ttyACM1", "1.2")]
    assert find_node(slots, "A", both) == "/dev/ttyACM1"


def test_the_lowest_interface_is_the_default() -> None:
    """`1.2` comes before `1.10`."""
    both = [at("1.1", "/dev/ttyACM9", "1.10"), at("1.1", "/dev/ttyACM3", "1.2")]
    assert find_node(SLOTS, "A", both) == "/dev/ttyACM3"


@given(ports)
def test_the_suggested_stanza_binds_the_port(port: Port) -> None:
    """What `station slots` prints can be pasted into station.toml as it is."""
    stanza = tomllib.loads(suggest_stanza(port, "7"))["slot"][0]
    assert find_node([SlotSection(**stanza)], "7", [port]) == port.node
    stricter = tomllib.loads(suggest_stanza(port, "7").replace("# interface", "interface"))["slot"][0]
    assert stricter["interface"] == port.interface


def kinds(watch: SlotWatch, world: tuple[Port, ...], now: float) -> list[ChangeKind]:
    """Return what settles at a time."""
    return [change.kind for change in watch.update(world, now)]


def test_a_bounce_does_not_count() -> None:
    """Contact bounce shorter than the hold is neither an arrival nor a departure."""
    watch = SlotWatch(SLOTS, hold=0.3)
    assert kinds(watch, (at("1.1"),), 0.0) == []
    assert kinds(watch, (), 0.2) == []
    assert kinds(watch, (), 0.6) == []
    assert watch.settled


def test_every_bounce_starts_the_hold_anew() -> None:
    """Only unbroken presence counts, also long after the slot last changed."""
    watch = SlotWatch(SLOTS, hold=0.3)
    for world, now in [((), 5.0), ((at("1.1"),), 6.0), ((), 6.2), ((at("1.1"),), 6.25)]:
        assert kinds(watch, world, now) == []
    assert kinds(watch, (at("1.1"),), 6.5) == []
    assert kinds(watch, (at("1.1"),), 6.6) == [ChangeKind.ARRIVED]


def test_an_arrival_counts_after_the_hold_and_once() -> None:
    """What holds still is told exactly once."""
    watch = SlotWatch(SLOTS, hold=0.3)
    watch.update((at("1.1"),), 0.0)
    assert kinds(watch, (at("1.1"),), 0.29) == []
    assert kinds(watch, (at("1.1"),), 0.30) == [ChangeKind.ARRIVED]
    assert kinds(watch, (at("1.1"),), 9.0) == []


def test_a_second_device_crowds_and_its_leaving_is_not_an_arrival() -> None:
    """After two devices, the one that stays may be either: it has to be asked who it is."""
    watch = SlotWatch(SLOTS, hold=0.0)
    assert kinds(watch, (at("1.2"),), 0.0) == [ChangeKind.ARRIVED]
    assert kinds(watch, (at("1.2"), at("1.2", "/dev/ttyACM1")), 1.0) == [ChangeKind.CROWDED]
    assert kinds(watch, (at("1.2", "/dev/ttyACM1"),), 2.0) == [ChangeKind.REPLACED]
    assert kinds(watch, (), 3.0) == [ChangeKind.LEFT]


@given(st.lists(st.tuples(worlds, st.floats(0.0, 0.5)), max_size=8))
def test_changes_chain_and_end_at_the_truth(story: list[tuple[tuple[Port, ...], float]]) -> None:
    """Each change starts where the slot's last one ended, and a world that holds still is what counts in the end."""
    watch, now, counted = SlotWatch(SLOTS, hold=0.3), 0.0, dict.fromkeys(["A", "B", "hub"], Occupancy())
    last = story[-1][0] if story else ()
    for world, pause in [*story, (last, 1.0), (last, 1.0)]:
        now += pause
        for change in watch.update(world, now):
            assert change == Change(change.slot, counted[change.slot], change.after)
            counted[change.slot] = change.after
    assert counted == occupancies(SLOTS, last)
