"""Recipes: the one order that is safe, typed options, and everything they name as a whole (F-A1, F-L6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from station.catalog.lint import lint_recipe
from station.catalog.recipes import Recipe, StepKind, load_recipe
from station.catalog.source import Folder
from station.errors import ConfigError
from station.steps import STEPS
from tests.catalog.conftest import edit

RECIPES = ("ac22-eu", "ac22-device-key-eu", "ac22-basic-eu", "ac22-password-eu", "ac22-volt-eu", "dc60-eu")
SAFE = tuple(name for name, step in STEPS.items() if step.required)
PAIRS = tuple(pairwise(SAFE))


@dataclass(frozen=True)
class Depth:
    """Options of a step made up for these tests."""

    metres: float = 1.0
    wet: bool = False


@dataclass(frozen=True)
class Dive:
    """A step made up for these tests."""

    rule: str = "'dive' needs water"
    options: type[Depth] | None = Depth
    required: bool = False
    unfit: None = None
    needed: None = None


DEEP = {**STEPS, "dive": Dive()}


def ordered(catalog: Path, *names: str, more: str = "") -> None:
    """Give the recipe ac22-eu these steps."""
    path = catalog / "recipes/ac22-eu.toml"
    head = path.read_text().split("[[step]]")[0]
    path.write_text(head + "".join(f'[[step]]\nuse = "{name}"\n' for name in names) + more)


def loaded(catalog: Path, name: str = "ac22-eu", steps: Mapping[str, StepKind] = STEPS) -> Recipe:
    return load_recipe(Folder(catalog), name, steps)


def refusal(catalog: Path, name: str = "ac22-eu", steps: Mapping[str, StepKind] = STEPS) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(catalog, name, steps)
    return caught.value.message


@pytest.mark.parametrize("name", RECIPES)
def test_sample_recipes_are_as_they_must_be(complete: Path, name: str) -> None:
    assert lint_recipe(STEPS, Folder(complete), name) == ()


def test_the_safe_order_alone_is_enough(whole: Path) -> None:
    """F-A1: nothing but the required steps, with every option as it is by default."""
    ordered(whole, *SAFE)
    assert [plan.use for plan in loaded(whole).file.step] == list(SAFE)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_swapped_steps_are_refused_with_the_rule(whole: Path, first: str, second: str) -> None:
    """F-L6: whatever two neighbours change places, the sentence says why they may not."""
    swapped = [{first: second, second: first}.get(name, name) for name in SAFE]
    ordered(whole, *swapped)
    assert f"'{first}' can't come after '{second}': {STEPS[second].rule}" in refusal(whole)


@pytest.mark.parametrize("name", [name for name in SAFE if name not in ("seal", "label")])
def test_nothing_but_the_label_comes_after_the_seal(whole: Path, name: str) -> None:
    """F-L6: what can't be undone is last."""
    ordered(whole, *(step for step in SAFE if step not in (name, "label")), name, "label")
    assert f"'{name}' can't come after 'seal': 'seal' locks the device" in refusal(whole)


@pytest.mark.parametrize("name", SAFE)
def test_no_step_that_every_unit_needs_can_be_left_out(whole: Path, name: str) -> None:
    """P03, P15: shortcuts stay out of production."""
    ordered(whole, *(step for step in SAFE if step != name))
    assert f"no step uses '{name}', and every unit needs it" in refusal(whole)


@pytest.mark.parametrize("name", SAFE)
def test_no_step_stands_twice(whole: Path, name: str) -> None:
    ordered(whole, *(part for step in SAFE for part in ([step] * (2 if step == name else 1))))
    assert f"'{name}' stands 2 times" in refusal(whole)


def test_no_steps_at_all_are_refused(whole: Path) -> None:
    """F-A1: an empty recipe would release anything."""
    path = whole / "recipes/ac22-eu.toml"
    path.write_text("step = []\n" + path.read_text().split("[[step]]")[0])
    assert "no step uses 'identify'" in refusal(whole)


def test_options_reach_the_step_as_its_own_type(whole: Path) -> None:
    """Typed options: what is left out is as it is by default."""
    ordered(whole, *SAFE, "dive", more="[step.options]\nmetres = 3\n")
    assert loaded(whole, steps=DEEP).options["dive"] == Depth(3.0, wet=False)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("metre = 3", "options: unknown key 'metre'; did you mean 'metres'?"),
        ('metres = "deep"', "options: metres: float is expected, not 'deep'"),
        ("wet = 1", "options: wet: bool is expected, not 1"),
    ],
)
def test_options_that_are_almost_right_are_refused(whole: Path, options: str, told: str) -> None:
    ordered(whole, *SAFE, "dive", more=f"[step.options]\n{options}\n")
    assert refusal(whole, steps=DEEP).endswith(f"step[{len(SAFE)}]: {told}")


def test_step_without_options_takes_none(whole: Path) -> None:
    ordered(whole, *SAFE, more="[step.options]\ncopies = 2\n")
    assert f"step[{len(SAFE) - 1}]: options: step 'label' has no options" in refusal(whole)


def test_optional_step_may_be_left_out(whole: Path) -> None:
    ordered(whole, *SAFE)
    assert "dive" not in loaded(whole, steps=DEEP).options


REQUIRED = '[[required_result]]\ntest = "insulation"\nunit = "MOhm"\n'


def test_required_results_say_their_limits(whole: Path) -> None:
    """F-I2: a recipe says which results of other benches a unit needs, with unit and one limit at least."""
    ordered(whole, *SAFE, more=REQUIRED + "low = 1\n")
    (required,) = loaded(whole).file.required_result
    assert required.limits == "at least 1 MOhm"


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (REQUIRED, "low or high: at least one limit is needed"),
        (REQUIRED + "low = 2\nhigh = 1\n", "low 2 is above high 1"),
        (REQUIRED + "low = nan\n", "low and high must be finite numbers"),
        (REQUIRED.replace("MOhm", "MΩ") + "low = 1\n", "unit: 'MΩ' is no UCUM code"),
        (REQUIRED + "low = 1\n" + REQUIRED + "low = 2\n", "required_result: 'insulation' is required twice"),
    ],
)
def test_limits_that_check_nothing_are_refused(whole: Path, result: str, told: str) -> None:
    """A limit that nothing would check must not look like one."""
    ordered(whole, *SAFE, more=result)
    assert told in refusal(whole)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('firmware = "ac22-1.4.0"', 'firmware = "dc60-2.1.0"', "firmware dc60-2.1.0 is for dc60, not for ac22"),
        ('"base", "ac22", "eu"', '"base", "dc60", "eu"', "'dc60' is for dc60, not for ac22"),
        ('product = "ac22"', 'product = "../ac22"', "'products/../ac22/product.toml'"),
        ('label = "unit"', 'label = "../unit"', "label: must be 1 to 40"),
        ("revision = 1", "revision = 0", "revision: must be 1 to 9999, not 0"),
        ('name = "ac22-eu"', 'name = "ac22-us"', "'ac22-us' differs from the file's name"),
    ],
)
def test_what_does_not_belong_together_is_refused(whole: Path, old: str, new: str, told: str) -> None:
    """P03, P07: firmware and profiles are those of the product."""
    path = whole / "recipes/ac22-eu.toml"
    path.write_text(path.read_text().replace('key_origin = "hsm"', 'key_origin = "hsm"\nlabel = "unit"'))
    edit(path, old, new)
    assert told in refusal(whole)


def test_firmware_must_be_for_all_hardware_of_the_product(whole: Path) -> None:
    """P03: a revision that the firmware is not made for is found before the first unit comes."""
    edit(whole / "products/ac22/product.toml", '[[hardware]]\nrevision = "rev-b"', '[[hardware]]\nrevision = "rev-c"')
    assert "product ac22 is built on hardware rev-c, but the application of ac22-1.4.0 is for rev-b" in refusal(whole)


def test_firmware_must_read_the_products_configuration(whole: Path) -> None:
    """F-C7: the schema's version lies in the range that the firmware declares."""
    product = whole / "products/ac22/product.toml"
    edit(product, "security_profile = 3\n", "security_profile = 3\nconfiguration_schema = 2\n")
    assert "reads configuration schema 1; product ac22 has 2" in refusal(whole)


def test_lint_tells_what_is_wrong_in_every_file_at_once(whole: Path) -> None:
    """Who corrects a recipe sees all that is wrong with it and with what it names."""
    edit(whole / "recipes/ac22-eu.toml", 'use = "flash"', 'use = "flahs"')
    edit(whole / "products/ac22/product.toml", 'model = "AC22"', 'model = ""')
    edit(whole / "environments/field.toml", "[environment]\n", "[environment]\nnaem = 1\n")
    edit(whole / "profiles/eu.toml", "revision = 1", 'revision = "1"')
    told = "\n".join(lint_recipe(STEPS, Folder(whole), "ac22-eu"))
    for part in ("did you mean 'flash'", "no step uses 'flash'", "model: must be", "'naem'", "eu.toml: revision: int"):
        assert part in told


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (
            "products/ac22/product.toml",
            'boot_result = "charger/boot/last"\n',
            "",
            "has no reports.boot_result, which shows how it started: leave 'update' out",
        ),
        ("firmware/ac22-1.4.0/release.toml", "[rollback]", "[rollbacks]", "did you mean 'rollback'"),
    ],
)
def test_step_that_could_prove_nothing_is_refused_when_the_recipe_is_loaded(
    whole: Path, file: str, old: str, new: str, told: str
) -> None:
    """F-C5: not in the middle of the first run."""
    ordered(whole, *SAFE[:3], "update", *SAFE[3:])
    assert loaded(whole).options["update"] is not None
    edit(whole / file, old, new)
    assert told in refusal(whole)


def test_release_without_a_rollback_image_can_not_be_put_through_the_update(whole: Path) -> None:
    """F-C5: the image that does not start belongs to the release."""
    ordered(whole, *SAFE[:3], "update", *SAFE[3:])
    manifest = whole / "firmware/ac22-1.4.0/release.toml"
    manifest.write_text(manifest.read_text().split("[rollback]")[0])
    assert "firmware ac22-1.4.0 has no [rollback] image: add one, or leave 'update' out" in refusal(whole)
