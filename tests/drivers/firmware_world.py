"""A bench with a simulated charger, real records and sample firmware, on which firmware steps are run alone."""

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fixtures.charger.process import SimulatedCharger
from fixtures.firmware import FACTORY_IMAGE, PUBLIC_KEY, Recipe, build_release, factory_image, publish
from station.bench import Bench, Services, UnitInWork
from station.catalog.recipes import Recipe as Loaded
from station.catalog.recipes import load_recipe
from station.catalog.source import Folder
from station.clock import Deadline
from station.drivers.mcuboot import open_charger
from station.errors import UnitError
from station.model import ImageState, Measurement, Outcome
from station.records import Records, RunRequest, SerialBlock, StepResult, WorkOrder
from station.steps import STEPS

CATALOG = Path(__file__).parents[2] / "fixtures" / "catalog"
SIZE = 8 * 1024
DC = {"model": "DC60", "hardware": "rev-a", "power": 60_000, "meters": 2, "sim": "present", "images": 3}


def make_catalog(directory: Path, product: str, *, encrypted: bool = False) -> Path:
    """Make the sample catalogue with the firmware of one product; its images stay beside it."""
    shutil.copytree(CATALOG, directory / "catalog")
    build_release(directory / "firmware", Recipe(size=SIZE, encrypted=encrypted), product)
    publish(directory / "firmware", directory / "catalog")
    return directory / "catalog"


@dataclass
class Line:
    """Records with an order for one recipe, and units that come along."""

    records: Records
    catalog: Path
    recipe: Loaded
    simulate: Callable[..., SimulatedCharger]
    units: int = 0
    chargers: list[Any] = field(default_factory=list)

    @property
    def images(self) -> Path:
        """Return where the images are that the catalogue does not hold."""
        return self.catalog.parent / "firmware"

    def bench(self, **changes: Any) -> Bench:
        """Plug a charger and open a run of its unit."""
        given = {"firmware": self.images / FACTORY_IMAGE, "release_key": self.images / PUBLIC_KEY}
        if self.recipe.product.name == "dc60":
            given |= DC | {role: self.images / factory_image(role) for role in ("safety", "modem")}
        unit = self.simulate(**(given | changes))
        charger = open_charger(lambda: unit.node)
        self.chargers.append(charger)
        identity = charger.identify(Deadline(20))
        self.units += 1
        serial = f"UNIT-{self.units:06d}"
        plan = ("flash", "update")
        request = RunRequest("WO-1", identity.uid.hex(), str(self.units), plan, self.recipe.release.version, serial)
        run = self.records.open_run(replace(request, firmware_name=self.recipe.release.name))
        services = Services(self.records, *[None] * 4)  # type: ignore[arg-type]
        return Bench(
            services=services,
            recipe=self.recipe,
            unit=UnitInWork(serial, identity.uid, "WO-1", "Example Operator"),
            run=run,
            charger=charger,
            operator=None,  # type: ignore[arg-type]
            identity=identity,
            stopping=threading.Event(),
            on_progress=lambda share: None,
        )


def open_order(records: Records, recipe: Loaded) -> None:
    """Create the order that every run belongs to."""
    block = SerialBlock("UNIT-", 1, 99)
    names = (recipe.file.name, recipe.file.revision, recipe.digest)
    records.create_order(
        WorkOrder("WO-1", recipe.product.name, *names, 20, "Example Operator", block, "bench-test", "field")
    )


def load(catalog: Path, name: str) -> Loaded:
    """Load a recipe of a catalogue."""
    return load_recipe(Folder(catalog), name, STEPS)


def perform(bench: Bench, name: str, attempt: int = 1) -> dict[str, Measurement]:
    """Do a step as a run does, with its rows in the record, and return what it measured by name."""
    row = bench.services.records.start_step(bench.run, ("flash", "update").index(name), name, attempt)
    bench.measurements.clear()
    bench.detail.clear()
    try:
        STEPS[name].function(bench, Deadline(60))
    except BaseException as error:
        blamed = (Outcome.FAIL, error.defect) if isinstance(error, UnitError) else (Outcome.ERROR, "config")
        bench.services.records.finish_step(row, StepResult(blamed[0], fault=blamed[1], reason=str(error)))
        raise
    bench.services.records.finish_step(row, StepResult(Outcome.PASS, measurements=tuple(bench.measurements)))
    return {measured.name: measured for measured in bench.measurements}


def slots(bench: Bench) -> dict[tuple[int, int], ImageState]:
    """Return the device's slots by image and slot."""
    return {(state.image, state.slot): state for state in bench.charger.firmware(Deadline(20))}
