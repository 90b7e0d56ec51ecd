"""Station directories to spoil, commands as real processes, and an operator who works step by step."""

import atexit
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from fixtures import warm
from fixtures.approval import approved_bundle
from fixtures.charger.options import Options
from fixtures.charger.process import SimulatedCharger
from fixtures.demo.operator import Crew
from fixtures.demo.place import Addresses, Place, acting, free_ports, prepare
from fixtures.demo.world import World

BIN = Path(sys.executable).parent
QUICK: dict[str, Any] = {"baud": 0, "boot_seconds": 0.2, "flash_seconds_per_kib": 0.0}
QUANTITY = 20


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return the output as JSON."""
        return json.loads(self.out)


def run(*command: str | Path, timeout: float = 60.0, who: str = "lead-1") -> Ran:
    """Run one of the product's commands as a process of its own, for somebody who works at the station of its --dir."""
    words = [str(word) for word in command]
    people = Path(words[words.index("--dir") + 1]).parent / "people" if "--dir" in words[:-1] else Path("people")
    done = warm.run([str(BIN / words[0]), *words[1:]], timeout=timeout, env=os.environ | acting(people, who))
    return Ran(done.returncode, done.stdout, done.stderr)


@cache
def _master(cpms_uri: str, factory: int, quantity: int) -> tuple[Place, Addresses]:
    """Make one complete station directory for each CPMS and order; every other one is a copy of it."""
    del factory  # each has a CPMS of its own
    folder = Path(tempfile.mkdtemp(prefix="station-master-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    place = Place(folder, 4, cpms_uri=cpms_uri, firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, quantity)
    return place, addresses


def copied(directory: Path, cpms_uri: str = "", factory: int = 1, quantity: int = QUANTITY) -> tuple[Place, Addresses]:
    """Return a station directory of the caller's own below `directory`, with addresses of its own.

    The CPMS keeps its address: it stands in the ship environment, which the work order pins. So lines that run at the
    same time are of different factories.
    """
    master, old = _master(cpms_uri, factory, quantity)
    place, new = replace(master, directory=directory), replace(free_ports(), cpms=old.cpms)
    shutil.copytree(master.directory, directory, symlinks=True, dirs_exist_ok=True)
    for name in ("station/station.toml", "station/softhsm2.conf", "hosts"):
        text = (directory / name).read_text().replace(str(master.directory), str(directory))
        for before, after in zip(astuple(old), astuple(new), strict=True):
            text = text.replace(f":{before}", f":<{after}>").replace(f"port = {before}\n", f"port = <{after}>\n")
        (directory / name).write_text(text.replace("<", "").replace(">", ""))
    return place, new


def alone(directory: Path) -> Path:
    """Return a station directory whose printer and CPMS are folders, so that nothing else need run."""
    place, addresses = copied(directory, "file:cpms")
    edit(place.station / "station.toml", f"tcp://127.0.0.1:{addresses.printer}", "file:labels")
    return place.station


def register_with(line: Path, uri: str) -> None:
    """Give a station of `alone` another CPMS: its address is part of what is built, so there is a new order for it."""
    edit(line / "catalog/environments/field.toml", "file:cpms", uri)
    made = run("station", "order", "create", "WO-2", "--dir", line, "--bundle", next_bundle(line), "--quantity", "1",
               "--prefix", "AC22-", "--first", "500")  # fmt: skip
    assert made.code == 0, made.err
    edit(line / "station.toml", 'order = "WO-1001"', 'order = "WO-2"')


def next_bundle(line: Path) -> str:
    """Freeze the drafts of a station as they are now, have them approved, and return the bundle's name."""
    return approved_bundle(line / "catalog", line.parent / "people", "ac22-eu").name


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


class Operator:
    """One person at a line: plugs chargers in, looks at the page, scans."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.crew = Crew(world, iter(()))
        self.plugged: dict[str, SimulatedCharger] = {}

    def plug(self, number: int, slot: str, **options: Any) -> SimulatedCharger:
        """Plug the n-th charger into a slot."""
        given = replace(Options(Path(), Path(), ""), **(QUICK | options))
        charger = self.world.charger(number, int(slot), given)
        self.plugged[slot] = charger
        charger.start()
        return charger

    def unplug(self, slot: str) -> None:
        """Unplug a slot, see its verdict, and wait until the slot is empty."""
        if (charger := self.plugged.pop(slot, None)) is not None:
            charger.stop()
        self.world.client.post(f"/api/slots/{slot}/acknowledge", json={})
        self.until(slot, "empty")

    def away(self) -> None:
        """Unplug everything."""
        for slot in list(self.plugged):
            self.plugged.pop(slot).stop()

    def slot(self, slot: str) -> dict[str, Any]:
        """Return what the page shows of a slot."""
        return self.crew.slot(slot)

    def line(self) -> dict[str, Any]:
        """Return what the page shows of the line."""
        shown: dict[str, Any] = self.world.client.get("/api/line").json()
        return shown

    def until(self, slot: str, *states: str, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until a slot shows one of these states, and return what it shows."""
        return eventually(lambda: self.slot(slot), lambda view: view.get("state") in states, timeout)

    def scan(self, code: str) -> dict[str, Any]:
        """Scan a code and return the answer."""
        answer: dict[str, Any] = self.world.client.post("/api/scan", json={"code": code}).json()
        return answer

    def begin(self, number: int, slot: str, **options: Any) -> str:
        """Plug a charger in, give it its serial, and return the serial."""
        self.plug(number, slot, **options)
        self.until(slot, "scan serial")
        serial = self.world.place.serial(number)
        self.scan(f"SL-{slot}")
        assert self.scan(serial)["accepted"]
        return serial

    def to_label(self, number: int, slot: str, **options: Any) -> str:
        """Bring a charger up to the scan of its label, and return its serial."""
        serial = self.begin(number, slot, **options)
        shown = self.until(slot, "scan label", "FAIL", "ERROR", "ABORTED")
        assert shown["state"] == "scan label", shown["sentence"]
        return serial

    def finish(self, slot: str) -> dict[str, Any]:
        """Scan labels as asked for until the verdict."""
        shown = self.until(slot, "scan label", "PASS", "FAIL", "ERROR", "ABORTED")
        if shown["state"] == "scan label":
            self.crew.scan(slot, f"SN:{shown['serial']}")
            shown = self.until(slot, "PASS", "FAIL", "ERROR", "ABORTED")
        return shown

    def released(self, number: int, slot: str, **options: Any) -> str:
        """Make a released unit, leave its charger plugged, and return its serial."""
        serial = self.to_label(number, slot, **options)
        verdict = self.finish(slot)
        assert verdict["state"] == "PASS", verdict["sentence"]
        return serial


def eventually(look: Callable[[], Any], good: Callable[[Any], bool], timeout: float = 60.0) -> Any:
    """Look again and again until what is seen is good, and return it."""
    end = time.monotonic() + timeout
    while not good(seen := look()):
        assert time.monotonic() < end, f"still {seen}"
        time.sleep(0.1)
    return seen


def files_of(folder: Path) -> dict[Path, bytes]:
    """Read all files of a line at work; once more if one of them went away meanwhile."""
    while True:
        with suppress(FileNotFoundError):
            return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unit_of(world: World, serial: str) -> dict[str, Any]:
    """Return what `station unit` tells about a unit."""
    ran = run("station", "unit", serial, "--dir", world.place.station, "--json")
    assert ran.code == 0, ran.err
    found: dict[str, Any] = ran.json
    return found


def outcomes(world: World, serial: str) -> list[str]:
    """Return how a unit's runs ended, oldest first."""
    rows = run("station", "runs", "--unit", serial, "--dir", world.place.station, "--json").json
    return [row["outcome"] for row in reversed(rows)]
