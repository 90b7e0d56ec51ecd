"""The register of a meter: a new unit's has counted nothing, a returned unit's keeps what it counted (F-I4, F-M4)."""

import json

import pytest

from fixtures.charger.process import SimulatedCharger
from station.bench import Bench
from station.clock import Deadline
from station.errors import UnitError
from station.model import Outcome
from station.records import LifecycleEvent, LifecycleKind, Registration, StepResult
from station.steps.meters import read_meter
from tests.drivers.firmware_world import Line
from tests.labels import stick

COUNTED = 4711.5
pytestmark = [pytest.mark.timeout(120), pytest.mark.parametrize("product_line", ["dc60"], indirect=True)]


def used(line: Line) -> Bench:
    """Return a unit whose first meter has counted."""
    made: list[SimulatedCharger] = []
    plug = line.simulate
    line.simulate = lambda **options: made.append(plug(**options)) or made[-1]
    bench = line.bench()
    (unit,) = made
    unit.stop()
    path = unit.dir / "nvm.json"
    device = json.loads(path.read_text())
    device["meters"][0]["kwh"] = COUNTED
    path.write_text(json.dumps(device))
    unit.start()
    return bench


def ship(bench: Bench) -> None:
    """Let the unit be released and leave, by the records alone."""
    records, serial = bench.services.records, bench.unit.serial
    for position, name in enumerate(("flash", "update")):
        records.finish_step(records.start_step(bench.run, position, name, 1), StepResult(Outcome.PASS))
    stick(records, serial, f"SN:{serial}")
    records.release(bench.run, b'{"serial":"%s"}' % serial.encode(), b"signature", "signer")
    records.registered(serial, Registration("cpms", 1, b"{}", b"{}"))
    records.happened(LifecycleEvent(LifecycleKind.SHIPPED, serial, "lead-1", party="Example Operator"))


def test_counted_energy_fails_a_new_unit_and_not_one_that_was_in_the_field(product_line: Line) -> None:
    """The reading is signed by the meter in both cases, and stands in the record."""
    bench = used(product_line)
    outlet = bench.recipe.product.connector[0]
    with pytest.raises(UnitError, match="it is not new"):
        read_meter(bench, outlet, Deadline(20))
    ship(bench)
    bench.measurements.clear()
    meter = read_meter(bench, outlet, Deadline(20))
    assert meter
    assert meter.public_key
    assert {taken.name: taken.value for taken in bench.measurements}["meter A energy in the field"] == COUNTED
