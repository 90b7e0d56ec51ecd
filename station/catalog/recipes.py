"""Recipes: the ordered steps that make a unit, pinned by the digest of everything they name (F-A1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from station.catalog.environments import EnvironmentDefinition, load_environment
from station.catalog.firmware import Release, load_release
from station.catalog.products import Product, load_product
from station.errors import ConfigError
from station.model import Environment, KeyOrigin
from station.strict import nearest, parse, read_toml


@dataclass(frozen=True)
class StepPlan:
    """One step as the recipe orders it."""

    use: str
    retries: int = 1
    """How often the step is tried again after lost contact."""
    limit_seconds: float = 300.0

    def __post_init__(self) -> None:
        """Keep retries and time within what a line can wait for."""
        if not 0 <= self.retries <= 5 or not 1 <= self.limit_seconds <= 7200:
            raise ValueError("retries must be 0 to 5 and limit_seconds 1 to 7200")


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
    settings: Mapping[str, str]
    """Configuration name -> Jinja2 template over `environment`, `unit` and `product`."""
    ocpp_settings: Mapping[str, str] = field(default_factory=dict)
    """Values set and read back over OCPP while the unit is Pending."""
    key_origin: KeyOrigin = KeyOrigin.HSM
    max_attempts: int = 5
    """Runs of one unit that may end FAIL or ERROR before it goes to rework (F-L5)."""


@dataclass(frozen=True)
class Recipe:
    """A recipe with everything it names, loaded and checked."""

    file: RecipeFile
    product: Product
    release: Release
    test: EnvironmentDefinition
    ship: EnvironmentDefinition
    digest: str
    """SHA-256 over the digests of recipe, product, release and environments."""

    @property
    def title(self) -> str:
        """Return the name and revision as people say it."""
        return f"{self.file.name} r{self.file.revision}"

    def environment(self, kind: Environment) -> EnvironmentDefinition:
        """Return one of the two environments."""
        return self.test if kind is Environment.TEST else self.ship


def load_recipe(directory: Path, name: str, steps: Mapping[str, object]) -> Recipe:
    """Read `recipes/<name>.toml` and all that it names; `steps` are the step names that exist.

    Raises:
        ConfigError: The recipe, or anything it names, is wrong; names the file and the key path.
    """
    path = directory / "recipes" / f"{name}.toml"
    table, digest = read_toml(path)
    recipe = parse(RecipeFile, table, str(path))
    _check_steps(recipe, steps, path)
    product = load_product(directory, recipe.product)
    release = load_release(directory / "firmware" / recipe.firmware / "release.toml")
    test = load_environment(directory, recipe.test_environment, Environment.TEST)
    ship = load_environment(directory, recipe.ship_environment, Environment.SHIP)
    _check_settings(recipe, product, path)
    if test.host == ship.host:
        raise ConfigError(f"{path}: test_environment and ship_environment have the same host '{ship.host}'")
    parts = (digest, product.digest, release.digest, test.digest, ship.digest)
    return Recipe(recipe, product, release, test, ship, sha256("\n".join(parts).encode()).hexdigest())


def _check_steps(recipe: RecipeFile, steps: Mapping[str, object], path: Path) -> None:
    """Refuse unknown, repeated or reordered steps: every unit passes all of them, in the one order that is safe."""
    names = [plan.use for plan in recipe.step]
    for index, name in enumerate(names):
        if name not in steps:
            raise ConfigError(f"{path}: step[{index}]: use: unknown step '{name}'{nearest(name, list(steps))}")
    if names != list(steps):
        raise ConfigError(f"{path}: step: the steps must be {', '.join(steps)}, in this order; not {', '.join(names)}")


def _check_settings(recipe: RecipeFile, product: Product, path: Path) -> None:
    for name in recipe.settings:
        if name not in product.configuration:
            raise ConfigError(f"{path}: settings: unknown name '{name}'{nearest(name, list(product.configuration))}")
    missing = set(product.configuration) - set(recipe.settings)
    if missing:
        raise ConfigError(f"{path}: settings: '{min(missing)}' of product {product.name} has no value")
