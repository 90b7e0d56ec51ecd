"""Recipes: the ordered steps that make a unit, pinned by the digest of everything they name (F-A1)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from math import isfinite
from typing import Any, Protocol

from station.catalog.configuration import check_configuration
from station.catalog.environments import EnvironmentDefinition, check_apart, check_trust, load_environment
from station.catalog.firmware import Release, load_release, refuse_unsuited
from station.catalog.gates import Gates
from station.catalog.labels import LabelSet, label_problems
from station.catalog.products import NAME, Product, load_product
from station.catalog.profiles import Profile, load_profiles
from station.catalog.source import Source
from station.errors import ConfigError
from station.model import Approval, Environment, KeyOrigin
from station.strict import nearest, parse, refuse, shown, toml_table, utf8_text
from station.units import why_no_unit


class StepKind(Protocol):
    """What a recipe has to know of a step that it may name."""

    @property
    def rule(self) -> str:
        """Why the step stands where it stands."""
        ...

    @property
    def options(self) -> type[Any] | None:
        """Dataclass of its options; None where it has none."""
        ...

    @property
    def required(self) -> bool:
        """Whether every recipe must have it."""
        ...

    @property
    def unfit(self) -> Callable[[Product, Release], str] | None:
        """Tell why a product or release can't be put through the step, as a sentence; empty if they can."""
        ...

    @property
    def needed(self) -> Callable[[Product], str] | None:
        """Tell why a product can't be built without the step, though others can; empty if it can."""
        ...


@dataclass(frozen=True)
class StepPlan:
    """One step as the recipe orders it."""

    use: str
    retries: int = 1
    """How often the step is tried again after lost contact."""
    limit_seconds: float = 300.0
    options: Mapping[str, object] = field(default_factory=dict)
    """As written; `Recipe.options` has them as the step reads them."""

    def __post_init__(self) -> None:
        """Keep retries and time within what a line can wait for."""
        if not 0 <= self.retries <= 5 or not 1 <= self.limit_seconds <= 7200:
            raise ValueError("retries must be 0 to 5 and limit_seconds 1 to 7200")


@dataclass(frozen=True)
class RequiredResult:
    """A result of another test bench that must lie within limits before the unit is released (F-I2)."""

    test: str
    unit: str
    """UCUM code of the limits, such as `MOhm`; a result in another unit is converted before it is compared."""
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Refuse limits that no value can keep, or that every value keeps, and a unit that nothing can be read in."""
        problems = [] if self.test.strip() else ["test: must not be empty"]
        problems += [f"unit: {why}" for why in (why_no_unit(self.unit),) if why]
        given = [limit for limit in (self.low, self.high) if limit is not None]
        if not given:
            problems.append("low or high: at least one limit is needed, the word PASS alone does not count")
        elif not all(isfinite(limit) for limit in given):
            problems.append("low and high must be finite numbers")
        elif given[0] > given[-1]:
            problems.append(f"low {self.low:g} is above high {self.high:g}")
        if problems:
            raise ValueError(*problems)

    @property
    def limits(self) -> str:
        """Return the limits as people say them, such as `at least 1 MOhm`."""
        if self.low is None:
            return f"at most {self.high:g} {self.unit}"
        if self.high is None:
            return f"at least {self.low:g} {self.unit}"
        return f"{self.low:g} to {self.high:g} {self.unit}"


@dataclass(frozen=True)
class RecipeFile:
    """A recipe as its file says it."""

    name: str
    revision: int
    product: str
    firmware: str
    test_environment: str
    ship_environment: str
    step: tuple[StepPlan, ...]
    profiles: tuple[str, ...]
    """Configuration profiles, the lowest layer first."""
    key_origin: KeyOrigin = KeyOrigin.HSM
    label: str = "unit"
    """Template of the rating plate."""
    labels: LabelSet = field(default_factory=LabelSet)
    """Further labels."""
    required_result: tuple[RequiredResult, ...] = ()
    max_attempts: int = 5
    """Runs of one unit that may end FAIL or ERROR before it goes to rework (F-L5)."""
    gates: Gates = field(default_factory=Gates)
    """What must be true besides the steps before a unit begins."""

    def __post_init__(self) -> None:
        """Keep names and numbers within what records and screens can hold."""
        problems = [
            f"{key}: must be 1 to 40 lower-case letters, digits and hyphens"
            for key in ("name", "label")
            if not NAME.fullmatch(getattr(self, key))
        ]
        problems += [f"revision: must be 1 to 9999, not {self.revision}"] if not 1 <= self.revision <= 9999 else []
        twins = sorted(test for test, times in Counter(one.test for one in self.required_result).items() if times > 1)
        problems += [f"required_result: '{test}' is required twice" for test in twins]
        problems += (
            [f"max_attempts: must be 1 to 20, not {self.max_attempts}"] if not 1 <= self.max_attempts <= 20 else []
        )
        if problems:
            raise ValueError(*problems)


@dataclass(frozen=True)
class Recipe:
    """A recipe with everything it names, loaded and checked."""

    file: RecipeFile
    product: Product
    release: Release
    test: EnvironmentDefinition
    ship: EnvironmentDefinition
    profiles: tuple[Profile, ...]
    digest: str
    """SHA-256 over the digests of recipe, product, release, environments, profiles and label; or that of its bundle."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Options by the step's name, for steps that have some."""
    label: str = ""
    """Text of the rating plate's template."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Texts of the further label templates, by what the labels are for."""
    approval: Approval = field(default_factory=Approval)
    """On whose word it is built; empty until a bundle was judged."""

    @property
    def title(self) -> str:
        """Return the name and revision as people say it."""
        return f"{self.file.name} r{self.file.revision}"

    def environment(self, kind: Environment) -> EnvironmentDefinition:
        """Return one of the two environments."""
        return self.test if kind is Environment.TEST else self.ship


def read_recipe(source: Source, name: str) -> RecipeFile:
    """Read `recipes/<name>.toml` alone, without what it names.

    Raises:
        ConfigError: The file is wrong; names the key path.
    """
    path = f"recipes/{name}.toml"
    recipe = parse(RecipeFile, toml_table(source.read(path), path), path)
    if recipe.name != name:
        raise ConfigError(f"{path}: name: '{recipe.name}' differs from the file's name")
    return recipe


def load_recipe(source: Source, name: str, steps: Mapping[str, StepKind]) -> Recipe:
    """Read `recipes/<name>.toml` and all that it names; `steps` are those that exist, in the one order that is safe.

    Raises:
        ConfigError: The recipe, or anything it names, is wrong; names the file and the key path.
    """
    path = f"recipes/{name}.toml"
    recipe = read_recipe(source, name)
    refuse(tuple(_step_problems(recipe, steps, path)))
    options = _options(recipe, steps, path)
    product = load_product(source, recipe.product)
    release = load_release(source, recipe.firmware)
    refuse_unsuited(release, product.name, product.configuration_schema)
    fits = (*_unfit(recipe, steps, (product, release), path), *_needed(recipe, steps, product, path))
    papers = label_problems(recipe.labels, product.inside, product.name, path)
    refuse((*_hardware_problems(product, release, path), *fits, *papers))
    test = load_environment(source, recipe.test_environment, Environment.TEST)
    ship = load_environment(source, recipe.ship_environment, Environment.SHIP)
    for environment in (test, ship):
        check_trust(environment, product)
    profiles = load_profiles(source, recipe.profiles, recipe.product, path)
    check_apart(test, ship, path)
    label_path = f"labels/{recipe.label}.zpl"
    label = source.read(label_path)
    labels = {sort: source.read(f"labels/{name}.zpl") for sort, name in recipe.labels.named}
    texts = {sort: utf8_text(raw, f"labels: {sort}") for sort, raw in labels.items()}
    layers = tuple(profile.digest for profile in profiles)
    layers += tuple(sha256(raw).hexdigest() for raw in (label, *labels.values()))
    parts = (sha256(source.read(path)).hexdigest(), product.digest, release.digest, test.digest, ship.digest, *layers)
    digest = sha256("\n".join(parts).encode()).hexdigest()
    plate = utf8_text(label, label_path)
    found = Recipe(recipe, product, release, test, ship, profiles, digest, options, plate, texts)
    check_configuration(found, test, ship)
    return found


def _step_problems(recipe: RecipeFile, steps: Mapping[str, StepKind], path: str) -> Iterator[str]:
    """Tell which steps are unknown, missing, named twice, or out of the one order that is safe, and why it is."""
    order = list(steps)
    known = [(index, plan.use) for index, plan in enumerate(recipe.step) if plan.use in steps]
    for index, plan in enumerate(recipe.step):
        if plan.use not in steps:
            yield f"{path}: step[{index}]: use: unknown step {shown(plan.use)}{nearest(plan.use, order)}"
    for (_, earlier), (index, later) in pairwise(known):
        if order.index(earlier) > order.index(later):
            yield f"{path}: step[{index}]: use: '{later}' can't come after '{earlier}': {steps[earlier].rule}"
    counts = Counter(name for _, name in known)
    for name in (name for name in counts if counts[name] > 1):
        yield f"{path}: step: '{name}' stands {counts[name]} times; each step is done once"
    for name in (name for name, step in steps.items() if step.required and not counts[name]):
        yield f"{path}: step: no step uses '{name}', and every unit needs it: {steps[name].rule}"


def _hardware_problems(product: Product, release: Release, path: str) -> Iterator[str]:
    """Tell for which of the product's hardware the release has no image."""
    for rule in release.image:
        for revision in product.revisions:
            if revision not in rule.hardware:
                told = f"the {rule.role} of {release.name} is for {', '.join(rule.hardware)}"
                yield f"{path}: firmware: product {product.name} is built on hardware {revision}, but {told}"


def _unfit(
    recipe: RecipeFile, steps: Mapping[str, StepKind], what: tuple[Product, Release], path: str
) -> Iterator[str]:
    """Tell which steps can't be done with this product and release: now, and not in the middle of a run."""
    for index, plan in enumerate(recipe.step):
        unfit = steps[plan.use].unfit
        if unfit is not None and (reason := unfit(*what)):
            yield f"{path}: step[{index}]: {reason}"


def _needed(recipe: RecipeFile, steps: Mapping[str, StepKind], product: Product, path: str) -> Iterator[str]:
    """Tell which optional steps this product can't do without."""
    for name in steps.keys() - {plan.use for plan in recipe.step}:
        needed = steps[name].needed
        if needed is not None and (reason := needed(product)):
            yield f"{path}: step: no step uses '{name}': {reason}"


def _options(recipe: RecipeFile, steps: Mapping[str, StepKind], path: str) -> dict[str, object]:
    """Parse each step's options into the dataclass that the step reads them from."""
    found: dict[str, object] = {}
    for index, plan in enumerate(recipe.step):
        where = f"{path}: step[{index}]: options"
        kind = steps[plan.use].options
        if kind is not None:
            found[plan.use] = parse(kind, plan.options, where)
        elif plan.options:
            raise ConfigError(f"{where}: step '{plan.use}' has no options")
    return found
