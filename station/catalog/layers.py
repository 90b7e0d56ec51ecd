"""How a recipe's layers become one template for each parameter, and one word for each flag.

base → product → market → customer → environment; the later one counts. The unit comes last: templates ask for it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from typing import Protocol

from station.catalog.environments import EnvironmentDefinition
from station.catalog.parameters import find
from station.catalog.products import Product
from station.catalog.profiles import Profile, checked_flags, checked_values
from station.catalog.templates import Template

SAID = ("name", "kind", "endpoint", "host", "owner", "ntp", "dns", "time_zone")
"""What templates may ask of an environment."""


class Definitions(Protocol):
    """What a recipe says of configuration."""

    @property
    def title(self) -> str:
        """Return the name and revision as people say it."""
        ...

    @property
    def product(self) -> Product:
        """Return what is built."""
        ...

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """Return the layers, the lowest first."""
        ...

    @property
    def digest(self) -> str:
        """Return the digest of everything that the recipe names."""
        ...


def layered(recipe: Definitions, environment: EnvironmentDefinition) -> dict[str, Template]:
    """Return the template that counts for each name, one name for each connector where a parameter has one for each.

    Raises:
        ConfigError: The environment sets what an environment may not set.
    """
    where = f"environments/{environment.name}.toml: environment: values"
    above = checked_values(environment.values, where, of_environment=True)
    found: dict[str, Template] = {}
    for values in (*(profile.values for profile in recipe.profiles), above):
        for name, template in sorted(values.items(), key=lambda item: (connector_of(item[0]), item[0])):
            found.update(dict.fromkeys(names_on(recipe.product, name), template))
    return found


def flags_of(recipe: Definitions, environment: EnvironmentDefinition) -> dict[str, str]:
    """Return the word that counts for each flag; nothing for a product that has no flags.

    Raises:
        ConfigError: The environment has a flag that is no plain word.
    """
    where = f"environments/{environment.name}.toml: environment: flags"
    above = checked_flags(environment.flags, where)
    found: dict[str, str] = {}
    for flags in (*(profile.flags for profile in recipe.profiles), above):
        found |= flags
    return found if recipe.product.flags else {}


def connector_of(name: str) -> int:
    """Return the connector that a name ends in; 0 for all of them."""
    found = find(name)
    return found[1] if found else 0


def names_on(product: Product, name: str) -> tuple[str, ...]:
    """Return the names that a profile's name stands for, on this product."""
    found = find(name)
    if found is None or not found[0].each_connector or found[1]:
        return (name,)
    return tuple(f"{name}_{connector.evse}" for connector in product.connector)


def facts(
    product: Product, environment: EnvironmentDefinition, unit: Mapping[str, str], evse: int
) -> dict[str, object]:
    """Return what templates may speak of, as plain data; `connector` only where a value is for one."""
    connectors = [_plain(asdict(connector)) for connector in product.connector]
    said = {name: _plain(getattr(product, name)) for name in ("name", "vendor", "model", "ocpp_version")}
    around = {name: _plain(getattr(environment, name)) for name in SAID}
    found = {
        "environment": around,
        "unit": dict(unit),
        "product": said | {"security_profile": product.security_profile, "connector": connectors},
    }
    return found | ({"connector": connectors[evse - 1]} if 0 < evse <= len(connectors) else {})


def _plain(value: object) -> object:
    """Return data as mappings, lists, texts and numbers only."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, str | int | float) else str(value)
