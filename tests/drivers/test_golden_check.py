"""A golden unit in a slot: found to be what it is by looks alone; the station is on hold if it is taken wrongly."""

from dataclasses import replace

import pytest

from fixtures.charger.process import read_state
from station.bench import Bench
from station.clock import Deadline
from station.errors import LinkError
from station.quality.golden import golden_check
from station.records import GoldenUnit, HoldScope
from station.version import software_version
from tests.drivers.firmware_world import Line


def expect(bench: Bench, expectation: str) -> None:
    uid = bench.unit.hardware_uid.hex()
    bench.services.records.reserve_golden(GoldenUnit(uid, "ac22", expectation, "made for checks", "engineer-1"))


def check(bench: Bench):
    return golden_check(bench, "1", "operator-1", Deadline(30))


def test_good_unit_is_found_good(product_line: Line) -> None:
    """It counts for this software, and says who put it there."""
    bench = product_line.bench()
    expect(bench, "PASS")
    found = check(bench)
    assert (found.found, found.as_expected, found.software) == ("PASS", True, software_version())
    (status,) = bench.services.records.golden_status("ac22")
    assert (status.last, status.last.who) == (found, "operator-1")
    assert bench.services.records.holds() == ()


@pytest.mark.parametrize(
    ("options", "defect"),
    [({"fault": "wrong-hardware"}, "wrong-hardware"), ({"fault": "wrong-power"}, "wrong-hardware")],
)
def test_bad_unit_is_found_bad(product_line: Line, options: dict, defect: str) -> None:
    """Another revision, and another variant of the right revision (F-A5, P07)."""
    bench = product_line.bench(**options)
    expect(bench, defect)
    found = check(bench)
    assert (found.found, found.as_expected) == (defect, True), found.sentence


def test_station_that_passes_a_known_bad_unit_is_on_hold(product_line: Line) -> None:
    """It had to find the fault and did not: nothing more is built here until quality knows why."""
    bench = product_line.bench()
    expect(bench, "lock")
    assert not check(bench).as_expected
    (held,) = bench.services.records.holds(HoldScope.STATION)
    assert "had to be found lock and was found PASS" in held.reason


def test_check_writes_nothing(product_line: Line, tmp_path) -> None:
    """A golden unit stays what it is, however often it is looked at."""
    bench = product_line.bench(fault="wrong-power")
    expect(bench, "wrong-hardware")
    before = read_state(tmp_path / "unit0")
    assert check(bench).found == check(bench).found == "wrong-hardware"
    assert read_state(tmp_path / "unit0") == before


def test_lost_contact_finds_nothing(product_line: Line) -> None:
    """A loose plug is no verdict about the station."""
    plugged = []
    line = replace(product_line, simulate=lambda **given: plugged.append(product_line.simulate(**given)) or plugged[0])
    bench = line.bench()
    expect(bench, "PASS")
    plugged[0].unplug()
    with pytest.raises(LinkError):
        golden_check(bench, "1", "operator-1", Deadline(3))
    (status,) = bench.services.records.golden_status()
    assert status.last is None
