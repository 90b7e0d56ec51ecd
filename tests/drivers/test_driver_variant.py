"""Hardware that does not name its revision is recognised by what its settings show (F-A5)."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from station.bench import Bench, UnitInWork
from station.catalog.recipes import load_recipe
from station.catalog.source import Folder
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.records import RunRef
from station.steps import STEPS
from station.steps.identify import identify

CATALOG = Path(__file__).parents[2] / "fixtures" / "catalog"
TWO = """
[[hardware]]
revision = "rev-b"
shows = { "charger/hw/current" = "32", "charger/hw/connector_type" = "cType2" }

[[hardware]]
revision = "rev-c"
shows = { "charger/hw/current" = "16" }
"""


@pytest.fixture
def begin(tmp_path: Path, release: Path, simulated: Callable[..., Any]) -> Callable[..., Bench]:
    """Put a charger that names no revision on the bench, for a product of two revisions."""
    shutil.copytree(CATALOG, tmp_path / "catalog")
    shutil.copytree(release, tmp_path / "catalog/firmware" / release.name)

    def start(hardware: str = TWO, **options: Any) -> Bench:
        product = tmp_path / "catalog/products/ac22-basic/product.toml"
        product.write_text(product.read_text().replace('[[hardware]]\nrevision = "rev-b"\n', hardware))
        manifest = tmp_path / "catalog/firmware" / release.name / "release.toml"
        manifest.write_text(manifest.read_text().replace('hardware = ["rev-b"]', 'hardware = ["rev-b", "rev-c"]'))
        recipe = load_recipe(Folder(tmp_path / "catalog"), "ac22-basic-eu", STEPS)
        charger = simulated(baseline=True, **options).charger
        found = charger.identify(Deadline(20))
        unit = UnitInWork("AC22-000001", found.uid, "WO-1", "")
        # `identify` asks no service and no operator: it decides by device and product alone.
        return Bench(None, recipe, unit, RunRef("ST1", 1), charger, None, found, threading.Event(), lambda _: None)

    return start


def test_revision_is_recognised_by_what_it_shows(begin: Callable[..., Bench]) -> None:
    bench = begin()
    identify(bench, Deadline(20))
    shown = {taken.name: (taken.value, taken.expected, taken.passed) for taken in bench.measurements}
    assert bench.hardware == "rev-b"
    assert shown["charger/hw/current"] == ("32", "32", True)
    assert shown["charger/hw/power"] == ("22000", "22000", True)


def test_recognised_revision_of_another_variant_is_refused(begin: Callable[..., Bench]) -> None:
    """P07: rev-c is known, but has half the power of what is to be built."""
    bench = begin(power=11_000)
    with pytest.raises(UnitError, match="in W is '11000' and not '22000'") as caught:
        identify(bench, Deadline(20))
    assert caught.value.defect is Defect.WRONG_HARDWARE
    assert bench.hardware == "rev-c"


@pytest.mark.parametrize("hardware", [TWO.replace('"32"', '"63"').replace('"16"', '"80"'), TWO.replace('"16"', '"32"')])
def test_none_or_several_revisions_are_refused(begin: Callable[..., Bench], hardware: str) -> None:
    """What could be either is neither."""
    with pytest.raises(UnitError, match="shows none of the hardware revisions rev-b, rev-c, or several"):
        identify(begin(hardware), Deadline(20))


def test_hardware_that_shows_nothing_is_not_given_a_revision(begin: Callable[..., Bench]) -> None:
    """What is not shown is not claimed; the record says so."""
    bench = begin('[[hardware]]\nrevision = "rev-b"\n')
    identify(bench, Deadline(20))
    assert bench.hardware == ""
