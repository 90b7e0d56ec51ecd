"""Find everything that is wrong with a definition, not only the first thing.

A definition is linted by loading it exactly as a run would, and each of its parts for itself beside that: what stops
the whole from loading early must not hide what is wrong further on.
"""

from collections.abc import Callable, Mapping
from functools import partial

from station.catalog.environments import load_environment
from station.catalog.firmware import load_release
from station.catalog.products import Product, load_product
from station.catalog.profiles import load_profile
from station.catalog.recipes import RecipeFile, StepKind, load_recipe, read_recipe
from station.catalog.source import Source
from station.errors import ConfigError
from station.model import Environment
from station.strict import Problems, nearest

Lint = Callable[[Source, str], tuple[str, ...]]
"""Return what is wrong with one definition; nothing if all is well."""


def lint_product(drivers: tuple[str, ...], source: Source, name: str) -> tuple[str, ...]:
    """Return what is wrong with a product; `drivers` are the names of those that exist."""
    problems = Problems()
    product = problems.attempt(partial(load_product, source, name))
    if product is not None:
        with problems.caught():
            _check_driver(product, drivers)
    return problems.found


def lint_recipe(steps: Mapping[str, StepKind], source: Source, name: str) -> tuple[str, ...]:
    """Return what is wrong with a recipe and with everything that it names."""
    problems = Problems()
    problems.attempt(partial(load_recipe, source, name, steps))
    file = problems.attempt(partial(read_recipe, source, name))
    for load in _parts(source, file) if file else ():
        problems.attempt(load)
    return problems.found


def _parts(source: Source, file: RecipeFile) -> tuple[Callable[[], object], ...]:
    return (
        partial(load_product, source, file.product),
        partial(load_release, source, file.firmware),
        partial(load_environment, source, file.test_environment, Environment.TEST),
        partial(load_environment, source, file.ship_environment, Environment.SHIP),
        *(partial(load_profile, source, profile) for profile in file.profiles),
    )


def _check_driver(product: Product, drivers: tuple[str, ...]) -> None:
    if product.driver not in drivers:
        told = nearest(product.driver, list(drivers))
        raise ConfigError(f"products/{product.name}/product.toml: driver: unknown word '{product.driver}'{told}")
