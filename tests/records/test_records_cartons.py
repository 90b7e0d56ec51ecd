"""Numbers of cartons are given once, and a unit keeps its own (F-J1)."""

import pytest

from station.errors import ConfigError, UnitError
from station.identifiers.cartons import CartonBlock, is_sscc, sscc
from tests.records.conftest import World

BLOCK = CartonBlock("4012345", 3, 17, 18)


def units(world: World, count: int) -> list[str]:
    return [world.unit_of(world.open(f"aa0{number}", slot=str(number))) for number in range(count)]


def test_each_unit_gets_the_next_number_and_the_same_again(world: World) -> None:
    first, second = units(world, 2)
    given = [world.records.number_carton(unit, BLOCK, "operator-1") for unit in (first, second, first)]
    assert given == [sscc("4012345", number, 3) for number in (17, 18, 17)]
    assert world.records.carton(second) == given[1]


def test_block_that_is_used_up_gives_nothing(world: World) -> None:
    first, second, third = units(world, 3)
    for unit in (first, second):
        world.records.number_carton(unit, BLOCK, "operator-1")
    with pytest.raises(ConfigError, match="all carton numbers"):
        world.records.number_carton(third, BLOCK, "operator-1")
    other = CartonBlock("4012345", 4, 17, 18)
    assert world.records.number_carton(third, other, "operator-1") == sscc("4012345", 17, 4)


def test_scanned_carton_is_of_one_unit_only(world: World) -> None:
    first, second = units(world, 2)
    code = sscc("0614141", 123456789, 1)
    assert world.records.take_carton(first, code, "operator-1") == world.records.take_carton(first, code, "operator-1")
    with pytest.raises(UnitError, match=f"Carton {code} has unit {first}"):
        world.records.take_carton(second, code, "operator-1")
    with pytest.raises(UnitError, match=f"has carton {code}"):
        world.records.take_carton(first, sscc("0614141", 5, 1), "operator-1")


def test_check_digit_is_that_of_the_general_specifications() -> None:
    """GS1's own example: (00) 1 0614141 123456789 7."""
    assert sscc("0614141", 123456789, 1) == "106141411234567897"
    assert [is_sscc(text) for text in ("106141411234567897", "106141411234567898", "10614141123456789", "x" * 18)] == [
        True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [("401", 0, 1, 2), ("4012345", 10, 1, 2), ("4012345", 0, 3, 2), ("4012345", 0, 1, 10**9), ("40x2345", 0, 1, 2)],
)
def test_block_that_is_none_is_refused(wrong: tuple[str, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"prefix|extension|first and last"):
        CartonBlock(*wrong)


def test_void_label_that_was_not_made_again_keeps_a_unit_here(world: World) -> None:
    """F-J4: a connector's label that fell off is lacking, whatever the plate says."""
    from station.records import LabelJob
    from station.records.packing import is_labelled

    (unit,) = units(world, 1)
    world.label(unit)
    other = world.records.label_rendered(LabelJob(unit, "connector-A", "code", "0" * 64))
    world.records.label_scanned(world.records.label_sent(other, 7, "Z1"), "code")
    with world.records.database.read() as session:
        assert is_labelled(session, unit)
    world.records.void_label(other, "fell off", "lead-1")
    with world.records.database.read() as session:
        assert not is_labelled(session, unit)
