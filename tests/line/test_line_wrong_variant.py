"""Chargers that are another variant than their order builds: found before anything is written (F-A5, P07)."""

from typing import Any

import pytest

from fixtures.charger.process import UnitState, read_state
from fixtures.demo.operator import Result
from fixtures.demo.world import World
from tests.line.conftest import Make

pytestmark = pytest.mark.timeout(300)

VARIANTS: dict[str, tuple[dict[str, Any], str]] = {
    "11 kW jumpers": ({"power": 11_000}, "its power of an outlet in W is '11000' and not '22000'"),
    "half the power stages": ({"fault": "wrong-power"}, "its power of an outlet in W is '11000' and not '22000'"),
    "one outlet": ({"connectors": 1}, "its number of outlets is '1' and not '2'"),
    "a meter too many": ({"meters": 1}, "its number of meters is '1' and not '0'"),
    "a SIM": ({"sim": "present"}, "its SIM is 'present' and not 'absent'"),
    "two things at once": ({"sim": "present", "connectors": 3}, "outlets is '3' and not '2', its SIM is 'present'"),
    "another product": ({"model": "DC60"}, "The device is a DC60; the order builds AC22"),
}


@pytest.fixture(scope="module")
def built(make: Make, world: World) -> dict[str, tuple[Result, UnitState]]:
    """Try to build each variant, and one unit that is right."""
    made = make(*(options for options, _ in VARIANTS.values()), {})
    states = (read_state(world.place.charger(number)) for number in sorted(made))
    return dict(
        zip((*VARIANTS, "right"), zip((made[number] for number in sorted(made)), states, strict=True), strict=True)
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_other_variant_fails_and_the_sentence_says_what_differs(built: dict[str, Any], variant: str) -> None:
    result, _ = built[variant]
    assert result.outcome == "FAIL"
    assert VARIANTS[variant][1] in result.reason


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_was_written_to_another_variant(built: dict[str, Any], variant: str) -> None:
    """F-A5: no serial, key, setting or byte of firmware."""
    state = built[variant][1]
    assert (state.serial, state.keys, state.certificates, state.settings) == ("", {}, {}, {})
    assert set(state.slots[1]) == {0xFF}


def test_right_variant_is_built_and_what_it_showed_is_recorded(built: dict[str, Any]) -> None:
    """The same checks let the right unit pass: they look at the unit, not at nothing."""
    result, state = built["right"]
    assert result.outcome == "PASS", result.reason
    assert state.serial
