"""Serials: reserved to one hardware UID, never given twice, whoever asks and whenever the power goes (F-B3, F-A4)."""

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.warm import run
from station.errors import ConfigError, Defect, Interlocked, UnitError
from station.model import Outcome
from station.records import OrderState, Records, SerialBlock, UnitState, open_records

WORKER = Path(__file__).with_name("kill_worker.py")
HARDWARE = [f"{number:04x}" for number in range(12)]


def another(records: Records, **changes: object) -> None:
    order = records.order("WO-1")
    assert order is not None
    records.create_order(replace(order, **{"id": "WO-2", "serials": SerialBlock("AC22-", 200, 250)} | changes))


def test_block_in_order(world) -> None:
    """Serials are given in the order of the block, and the identity equals the serial."""
    units = [world.unit_of(world.open(uid, slot=uid)) for uid in ("aa", "bb", "cc")]
    assert units == ["AC22-000001", "AC22-000002", "AC22-000003"]
    assert world.records.unit("AC22-000002").ocpp_identity == "AC22-000002"


def test_hardware_gets_its_serial_back(world) -> None:
    """After an aborted run the same hardware has the same serial, without a scan."""
    run = world.open("aa")
    world.records.close_run(run, Outcome.ABORTED, reason="unplugged")
    assert world.unit_of(world.open("aa")) == world.unit_of(run) == "AC22-000001"
    assert world.records.counts("WO-1").reserved == 1


def test_scanned_serial_is_skipped_by_the_block(world) -> None:
    """A pre-printed serial is taken, and the block never gives it again."""
    assert world.unit_of(world.open("aa", "AC22-000002")) == "AC22-000002"
    units = [world.unit_of(world.open(uid, slot=uid)) for uid in ("bb", "cc")]
    assert units == ["AC22-000001", "AC22-000003"]


@pytest.mark.parametrize(
    ("uid", "serial", "defect", "words"),
    [
        ("bb", "AC22-000005", Defect.DUPLICATE_IDENTITY, "belongs to hardware aa"),
        ("aa", "AC22-000006", Defect.DUPLICATE_IDENTITY, "has serial AC22-000005 already"),
        ("bb", "AC22-000100", Defect.WRONG_UNIT, "not of work order WO-1"),
        ("bb", "AC22-0000٣5", Defect.WRONG_UNIT, "no serial number"),
        ("bb", "AC22-00007", Defect.WRONG_UNIT, "not of work order WO-1"),
        ("bb", "'; DROP TABLE unit", Defect.WRONG_UNIT, "no serial number"),
        ("aa", "AC22-000005", Defect.DUPLICATE_IDENTITY, "in work in slot 1"),
    ],
)
def test_wrong_serial_is_refused_and_recorded(world, uid: str, serial: str, defect: Defect, words: str) -> None:
    """A serial of another unit, a second serial or one outside of the block gives one sentence and an event."""
    world.open("aa", "AC22-000005")
    with pytest.raises(UnitError, match=words) as caught:
        world.open(uid, serial, slot="2")
    assert caught.value.defect is defect
    assert caught.value.message.encode() in world.records.events(subject=uid, kind="run-refused")[0].body


def test_scan_is_judged_without_being_taken(world) -> None:
    """The page asks before a run is opened; asking gives nothing away."""
    world.open("aa", "AC22-000005")
    assert "belongs to hardware aa" in world.records.refuse_serial("WO-1", "AC22-000005", "bb")
    assert world.records.refuse_serial("WO-1", "AC22-000006", "bb") == ""
    assert world.records.unit("AC22-000006") is None


def test_quantity_and_block_end(world) -> None:
    """The unit after the last is refused; the block never wraps."""
    another(world.records, quantity=2, serials=SerialBlock("AC22-", 200, 201))
    for uid in ("aa", "bb"):
        world.open(uid, slot=uid, order="WO-2")
    with pytest.raises(UnitError, match="full: all 2 units"):
        world.open("cc", slot="cc", order="WO-2")


def test_unit_of_another_order_or_released(world) -> None:
    """A unit stays with its order, and a released one is not built again (F-B7)."""
    another(world.records)
    run, unit = world.ready("aa")
    world.records.release(run, f'{{"serial":"{unit}"}}'.encode(), b"s", "signer")
    with pytest.raises(UnitError, match="released already"):
        world.open("aa")
    with pytest.raises(UnitError, match="belongs to work order WO-1"):
        world.open("aa", order="WO-2")
    assert world.records.unit_of_hardware("aa").state is UnitState.RELEASED


def test_paused_order_takes_no_unit(world) -> None:
    """Only an open order is built."""
    world.records.set_order_state("WO-1", OrderState.PAUSED)
    with pytest.raises(Interlocked, match="WO-1 is paused"):
        world.open("aa")
    with pytest.raises(Interlocked, match="WO-9 is unknown"):
        world.open("aa", order="WO-9")


@pytest.mark.parametrize(
    "block",
    [SerialBlock("AC22-", 99, 120), SerialBlock("AC22-0", 0, 5, digits=5), SerialBlock("AC22-00", 90, 95, digits=4)],
)
def test_blocks_never_overlap(records: Records, block: SerialBlock) -> None:
    """Two orders never own one serial, also when prefix and digits are cut differently."""
    with pytest.raises(ConfigError, match="belongs to work order WO-1"):
        another(records, quantity=1, serials=block)


@pytest.mark.parametrize("values", [("AC22-", 5, 4), ("AC22-", 1, 1_000_000), ("ac22-", 1, 9), ("AC22-" * 5, 1, 9)])
def test_impossible_block(values: tuple[str, int, int]) -> None:
    """An empty block, one that would overflow, and one of invalid serials are refused at once."""
    with pytest.raises(ConfigError):
        SerialBlock(*values)


def test_order_larger_than_its_block(records: Records) -> None:
    """An order is refused when its serials can't suffice, or its id is taken."""
    with pytest.raises(ConfigError, match="does not fit"):
        another(records, quantity=52)
    with pytest.raises(ConfigError, match="exists already"):
        another(records, id="WO-1")


def test_race_for_one_serial(world) -> None:
    """Eight slots scan the same serial at once: one gets it."""

    def scan(number: int) -> str:
        try:
            return world.unit_of(world.open(f"bb{number}", "AC22-000007", slot=str(number)))
        except UnitError as refusal:
            return refusal.defect.value

    with ThreadPoolExecutor(8) as pool:
        got = sorted(pool.map(scan, range(8)))
    assert got == ["AC22-000007"] + ["duplicate-identity"] * 7


def test_race_for_the_block(world) -> None:
    """Eight slots build more units than ordered: every serial once, the rest refused."""

    def build(number: int) -> str:
        try:
            run = world.open(f"cc{number}", slot=str(number))
        except UnitError:
            return ""
        world.step(run, "identify")
        return world.unit_of(run)

    with ThreadPoolExecutor(8) as pool:
        got = [serial for serial in pool.map(build, range(20)) if serial]
    assert sorted(got) == [f"AC22-{number:06d}" for number in range(1, 13)]


@pytest.mark.parametrize("seed", range(4))
def test_kill_at_a_random_commit(url: str, records: Records, seed: int) -> None:
    """SIGKILL at any commit, again and again: a hardware UID has one serial for ever, a serial one hardware UID."""
    another(records, id="WO-K", quantity=10, serials=SerialBlock("AC22-", 500, 530))
    chance = random.Random(seed)
    told: set[tuple[str, str]] = set()
    for _ in range(3):
        told |= killed_worker(url, chance.randrange(1, 40), chance.randrange(10_000))
    with open_records(url, "line1") as fresh:
        fresh.abort_interrupted("power cut")
        kept = {(uid, unit.serial) for uid in HARDWARE if (unit := fresh.unit_of_hardware(uid)) is not None}
    assert told <= kept
    assert len({serial for _, serial in kept}) == len(kept) <= 10


def killed_worker(url: str, commits: int, seed: int) -> set[tuple[str, str]]:
    """Let eight threads build until they are killed; return what they were told."""
    command = [sys.executable, str(WORKER), url, str(commits), str(seed), *HARDWARE]
    done = run(command, timeout=60, modules=["station.records"])
    assert done.returncode == -9, done.stderr
    lines = [line for line in done.stdout.splitlines(keepends=True) if line.endswith("\n")]
    return {(uid, serial) for uid, serial in (line.split() for line in lines)}
