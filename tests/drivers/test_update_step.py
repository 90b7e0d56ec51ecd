"""The step `update`: the way back is tried before it is needed, and proven once for a recipe (F-C5, F-C9, P16)."""

from dataclasses import replace

import pytest

from station.clock import Deadline
from station.errors import ConfigError, Defect, UnitError
from station.steps.slots import FlashOptions, Secondary
from station.steps.update import UpdateOptions, When
from tests.drivers.firmware_world import Line, perform, slots


@pytest.fixture
def line(product_line: Line) -> Line:
    return product_line


def optioned(line: Line, when: When, secondary: Secondary = Secondary.ANY) -> Line:
    options = {"flash": FlashOptions(secondary), "update": UpdateOptions(when)}
    line.recipe = replace(line.recipe, options=options)
    return line


@pytest.mark.parametrize("product_line", ["ac22", "dc60"], indirect=True)
def test_the_known_good_image_comes_back_and_says_so(line: Line) -> None:
    """What does not start is undone; what nobody signed never starts; counter and confirmation stay."""
    bench = line.bench()
    perform(bench, "flash")
    measured = perform(bench, "update")
    assert measured["boot_of_reverted_image"].value == "reverted"
    assert measured["boot_of_refused_image"].value == "refused"
    assert measured["security_counter"].value == 2.0
    assert measured["update_path"].value == "proven on this unit"
    state = slots(bench)[0, 0]
    assert (state.version, state.confirmed) == (line.recipe.release.version, True)


@pytest.mark.parametrize(
    ("secondary", "left"), [(Secondary.ERASED, []), (Secondary.PREVIOUS, ["1.4.0"]), (Secondary.ANY, [])]
)
def test_neither_bad_image_stays_in_the_second_slot(line: Line, secondary: Secondary, left: list[str]) -> None:
    bench = optioned(line, When.ALWAYS, secondary).bench()
    perform(bench, "flash")
    perform(bench, "update")
    assert [state.version for state in slots(bench).values() if not state.active] == left


def test_the_units_after_the_first_stand_on_its_proof(line: Line) -> None:
    """Nothing is written; the record names the step of the first article, not of the unit before."""
    first, second, third = line.bench(), line.bench(), line.bench()
    perform(first, "flash")
    perform(first, "update")
    proof = line.records.proof_of(line.recipe.digest, "update")
    before = slots(second)
    told = [perform(bench, "update")["update_path"].value for bench in (second, third)]
    assert proof is not None
    assert told == [f"proven in step {proof.station}/{proof.sequence}"] * 2
    assert slots(second) == before


def test_another_recipe_has_to_be_proven_anew(line: Line) -> None:
    bench = line.bench()
    perform(bench, "flash")
    perform(bench, "update")
    bench.recipe = replace(line.recipe, digest="f" * 64)
    assert perform(bench, "update", attempt=2)["update_path"].value == "proven on this unit"


def test_a_recipe_may_ask_for_it_on_every_unit(line: Line) -> None:
    optioned(line, When.ALWAYS)
    for bench in (line.bench(), line.bench()):
        perform(bench, "flash")
        assert perform(bench, "update")["update_path"].value == "proven on this unit"


@pytest.mark.parametrize("fault", ["accepts-unsigned", "no-rollback"])
def test_a_bootloader_that_protects_nothing_is_found(line: Line, fault: str) -> None:
    """F-C9, P16: it runs what nobody signed, or stays with what does not start."""
    limits = replace(line.recipe.product.limits, restart=4.0)
    line.recipe = replace(line.recipe, product=replace(line.recipe.product, limits=limits))
    bench = line.bench(fault=fault)
    perform(bench, "flash")
    with pytest.raises(UnitError) as caught:
        perform(bench, "update")
    assert caught.value.defect is Defect.FIRMWARE
    assert line.records.proof_of(line.recipe.digest, "update") is None


def test_a_unit_that_does_not_run_the_release_is_not_tried(line: Line) -> None:
    bench = line.bench()
    with pytest.raises(UnitError, match=r"runs 1\.0\.0 where application 1\.4\.0 was to be kept"):
        perform(bench, "update")
    assert [state.version for state in slots(bench).values()] == ["1.0.0"]


def test_a_killed_trial_is_ended_by_the_next_run(line: Line) -> None:
    """F-L1: killed when the image that does not start was marked."""
    bench = line.bench()
    perform(bench, "flash")
    rollback = line.recipe.release.rollback
    assert rollback is not None
    list(bench.charger.write_firmware(rollback.path.read_bytes(), Deadline(20)))
    bench.charger.try_firmware(slots(bench)[0, 1].digest, Deadline(20))
    optioned(line, When.ALWAYS, Secondary.ERASED)
    bench.recipe = line.recipe
    perform(bench, "flash", attempt=2)
    assert [(state.version, state.confirmed) for state in slots(bench).values()] == [("1.4.0", True)]


@pytest.mark.parametrize(
    ("without", "told"), [("rollback", "has no \\[rollback\\] image"), ("report", "has no reports\\.boot_result")]
)
def test_what_can_not_prove_anything_is_refused(line: Line, without: str, told: str) -> None:
    recipe, bench = line.recipe, line.bench()
    if without == "rollback":
        bench.recipe = replace(recipe, release=replace(recipe.release, rollback=None))
    else:
        bench.recipe = replace(
            recipe, product=replace(recipe.product, reports=replace(recipe.product.reports, boot_result=""))
        )
    with pytest.raises(ConfigError, match=told):
        perform(bench, "update")
