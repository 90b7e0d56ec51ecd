"""The gate at the end of a run, over what the records hold of it: one place that differs, and the unit stays (F-B6)."""

import shutil
import threading
from dataclasses import replace
from typing import Any

import pytest

from fixtures.firmware import Recipe as FirmwareRecipe
from fixtures.firmware import build_release, publish
from fixtures.office import CATALOG
from fixtures.samples import sample_unit
from station.bench import Bench, Services, UnitInWork
from station.catalog.recipes import Recipe, load_recipe
from station.catalog.source import Folder
from station.documents.passport import passport_document
from station.errors import Defect, UnitError
from station.model import DeviceIdentity, Measurement
from station.records import LabelJob
from station.steps import STEPS
from station.steps.equality import require_equality

OTHER = "AC22-000099"
UID = "aa01"
MEASURED = {
    "boot_serial_number": "The boot notification",
    "device_serial": "The device",
    "certificate_name": "The certificate's CN",
    "ocpp_identity": "The end of the endpoint's address",
}
"""What steps measured -> the place of which the sentence speaks."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Return a recipe whose product keeps its serial number."""
    folder = tmp_path_factory.mktemp("equality")
    build_release(folder / "firmware", FirmwareRecipe(size=4096), "ac22")
    published = folder / "catalog"
    shutil.copytree(CATALOG, published)
    publish(folder / "firmware", published)
    return load_recipe(Folder(published), "ac22-eu", STEPS)


class Ended:
    """A run whose steps all passed, with one place that may differ."""

    def __init__(self, world: Any, recipe: Recipe, *, label: str = "", device: str = "", **measured: str) -> None:
        self.run = world.open(UID)
        self.serial = world.unit_of(self.run)
        for name in ("identify", "flash"):
            taken = {key: measured.get(key, self.serial) for key in MEASURED}
            world.step(self.run, name, measurements=tuple(Measurement(*one) for one in taken.items()))
        code = f"SN:{label or self.serial}"
        row = world.records.label_rendered(LabelJob(self.serial, "unit", code, "0" * 64))
        world.records.label_scanned(world.records.label_printed(world.records.label_sent(row, 1, "Z1"), 101), code)
        world.step(self.run, "label")
        identity = DeviceIdentity(bytes.fromhex(UID), "AC22", True, True, True, serial=device or self.serial)
        # The gate asks the records alone: neither factory nor CPMS, printer, charger or operator.
        services = Services(world.records, *[None] * 4)  # type: ignore[arg-type]
        unit = UnitInWork(self.serial, identity.uid, "WO-1", "")
        self.bench = Bench(services, recipe, unit, self.run, None, None, identity, threading.Event(), print)  # type: ignore[arg-type]

    def judge(self, passport: str = "", **record: str) -> None:
        """Have the unit judged with a passport of its record, or of another number."""
        made = sample_unit(self.serial, ocpp_identity=self.serial, certificate_subject=f"CN={self.serial},O=Customer")
        document = passport_document(replace(made, serial=passport or self.serial), (), ())
        require_equality(self.bench, replace(made, **record), document)


def test_one_number_everywhere(world: Any, recipe: Recipe) -> None:
    """Equal in all places: the unit may leave."""
    Ended(world, recipe).judge()


@pytest.mark.parametrize("name", MEASURED)
def test_step_saw_another_number(world: Any, recipe: Recipe, name: str) -> None:
    """A step that passed without comparing does not let the unit through."""
    with pytest.raises(UnitError) as refused:
        Ended(world, recipe, **{name: OTHER}).judge()
    assert (refused.value.defect, bool(refused.value.hint)) == (Defect.WRONG_UNIT, True)
    assert refused.value.message == f"{MEASURED[name]} says '{OTHER}'; the record says 'AC22-000001'."


@pytest.mark.parametrize(
    ("ended", "judged", "told"),
    [
        ({"label": OTHER}, {}, f"The label says '{OTHER}'"),
        ({"device": OTHER}, {}, f"The device says '{OTHER}'"),
        ({}, {"certificate_subject": f"CN={OTHER},O=Customer"}, f"The certificate's CN says '{OTHER}'"),
        ({}, {"passport": OTHER}, f"The passport says '{OTHER}'"),
        ({}, {"ocpp_identity": OTHER}, f"The OCPP identity says '{OTHER}'"),
    ],
)
def test_place_says_another_number(
    world: Any, recipe: Recipe, ended: dict[str, str], judged: dict[str, str], told: str
) -> None:
    """Each place counts for itself, and the sentence names it."""
    with pytest.raises(UnitError, match=told) as refused:
        Ended(world, recipe, **ended).judge(**judged)
    assert refused.value.defect is Defect.WRONG_UNIT
