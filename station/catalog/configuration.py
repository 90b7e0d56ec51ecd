"""The configuration of one unit in one environment: rendered from profiles, judged before any write (F-E1).

Everything is judged when the recipe loads, with a unit whose texts are as long as they may be: a recipe that loads has
values for every unit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from station.catalog.environments import EnvironmentDefinition
from station.catalog.fitting import home_problems, value_problems
from station.catalog.layers import Definitions, connector_of, facts, flags_of, layered
from station.catalog.parameters import PARAMETERS, UNSET, Owner, Parameter, find
from station.catalog.products import Product
from station.catalog.profiles import SECRET
from station.catalog.rendered import Configuration, Entry
from station.catalog.settings import Setting
from station.catalog.templates import Template
from station.errors import ConfigError
from station.strict import Problems, refuse

__all__ = ["Configuration", "Secrets", "check_configuration", "check_secrets", "no_secret", "render"]

SAMPLE_UNIT = {"serial": "S" * 25, "ocpp_identity": "S" * 25, "customer": "C"}
"""A unit whose identity is as long as it may be."""
LONGEST_SERIAL = 25
"""Of OCPP 1.6 and 2.0.1 BootNotification; the identity equals the serial."""
NOWHERE = Setting(absent="no product keeps it")

Secrets = Callable[[str], str]
"""Returns a secret by its name."""


def no_secret(name: str) -> str:
    """Refuse: there are no secrets here.

    Raises:
        ConfigError: Always.
    """
    raise ConfigError(f"there is no secret '{name}'", hint="Keep it in the station's secrets.")


def render(
    recipe: Definitions, environment: EnvironmentDefinition, unit: Mapping[str, str], secrets: Secrets | None = None
) -> Configuration:
    """Render the configuration of a unit; the same inputs give the same values on every station (F-N4).

    `secrets` returns a secret by its name; without it, secret parameters are left out.

    Raises:
        ConfigError: A template names something that does not exist, a value does not fit its kind, the device, OCPP or
            the hardware's rating, or must not ship.
    """
    if len(unit["serial"]) > LONGEST_SERIAL:
        raise ConfigError(f"unit {unit['serial'][:60]}: the serial is longer than {LONGEST_SERIAL} characters")
    product = recipe.product
    entries = (*_given(recipe, environment, unit, secrets), *_left_open(product))
    found = Configuration(
        entries=tuple(sorted(entries, key=lambda entry: entry.name)),
        flags=flags_of(recipe, environment),
        flags_key=product.reports.flags,
        version=product.ocpp_version,
        inputs=_inputs(recipe, environment, unit),
    )
    where = f"recipe {recipe.title}: {environment.name}"
    problems = (*value_problems(found, product, environment.kind), *_stray(found, product, environment, unit))
    refuse([f"{where}: {wrong}" for wrong in problems])
    return found


def _stray(
    found: Configuration, product: Product, environment: EnvironmentDefinition, unit: Mapping[str, str]
) -> Iterator[str]:
    """Tell what would make the device another one, or another environment's (F-B6, F-F5, F-K6)."""
    meant = {
        "ocpp_url": environment.endpoint,
        "ocpp_identity": unit["ocpp_identity"],
        "ocpp_version": product.ocpp_version.value,
        "ocpp_profile": str(product.security_profile),
    }
    if product.abilities.key_slots:
        meant["ocpp_key_slot"] = unit["slot"]
    for name, value in found.values.items():
        if value != meant.get(name, value):
            yield f"{name}: '{value}' is not what the unit has to have in this environment, '{meant[name]}'"


def check_configuration(recipe: Definitions, test: EnvironmentDefinition, ship: EnvironmentDefinition) -> None:
    """Judge a recipe's configuration as far as that is possible without a unit: with the longest one there can be.

    Raises:
        ConfigError: Names the profile or the product's key that is wrong; its `problems` are all that was found.
    """
    where, problems, found = f"products/{recipe.product.name}/product.toml", Problems(), []
    for environment in (test, ship):
        with problems.caught():
            wrong = home_problems(recipe.product, layered(recipe, environment))
            refuse([f"{where}: {one}" for one in wrong])
        with problems.caught():
            found.append(render(recipe, environment, SAMPLE_UNIT | {"slot": environment.kind.value}))
    refuse(problems.found)
    refuse(tuple(_lasting_problems(recipe, *found)))


def check_secrets(recipe: Definitions, environments: Sequence[EnvironmentDefinition], secrets: Secrets) -> None:
    """Judge the secrets that a recipe's configuration needs, so that a missing one is found before the first unit.

    Raises:
        ConfigError: A secret is missing, or does not fit; says its name and never its value.
    """
    for environment in environments:
        render(recipe, environment, SAMPLE_UNIT | {"slot": environment.kind.value}, secrets)


def _lasting_problems(recipe: Definitions, test: Configuration, ship: Configuration) -> Iterator[str]:
    """Tell what is set over OCPP in the test environment only: it stays in the device that ships (F-K6)."""
    for name in {**test.ocpp, **ship.ocpp}:
        if test.ocpp.get(name) != ship.ocpp.get(name):
            yield (
                f"recipe {recipe.title}: {name} is set over OCPP in the test environment and stays, so it can't be "
                f"'{test.ocpp.get(name)}' there and '{ship.ocpp.get(name)}' in the ship environment"
            )


def _given(
    recipe: Definitions, environment: EnvironmentDefinition, unit: Mapping[str, str], secrets: Secrets | None
) -> list[Entry]:
    """Return what the layers set."""
    product, layers = recipe.product, layered(recipe, environment)
    homes = {name: _home(product, name) for name in layers}
    lost = [name for name, (_, setting) in homes.items() if setting is None]
    refuse([f"{layers[name].where}: product {product.name} has no place for {name}" for name in lost])
    entries = []
    for name, (parameter, setting) in homes.items():
        hidden = parameter.owner is not Owner.FACTORY or (parameter.secret and secrets is None)
        if setting is not None and not setting.absent and not hidden:
            evse = connector_of(name)
            said = facts(product, environment, unit, evse)
            entries.append(Entry(name, parameter, setting, _value(parameter, layers[name], said, secrets), evse))
    return entries


def _home(product: Product, name: str) -> tuple[Parameter, Setting | None]:
    """Return a layer's parameter and where it lives on the product."""
    found = find(name)
    if found is None:
        raise LookupError(f"{name} was not checked")
    return found[0], product.configuration.get(found[0].name)


def _value(parameter: Parameter, template: Template, said: Mapping[str, object], secrets: Secrets | None) -> str:
    named = SECRET.fullmatch(template.text)
    if parameter.secret and named and secrets:
        return secrets(named[1].replace("_", "-"))
    return template.render(said)


def _left_open(product: Product) -> list[Entry]:
    """Return what the factory leaves open, with the device's value for that where it has one."""
    opened = (parameter for parameter in PARAMETERS.values() if parameter.owner is not Owner.FACTORY)
    homes = ((parameter, product.configuration.get(parameter.name, NOWHERE)) for parameter in opened)
    return [
        Entry(parameter.name, parameter, setting, UNSET)
        for parameter, setting in homes
        if setting is NOWHERE or not setting.absent
    ]


def _inputs(recipe: Definitions, environment: EnvironmentDefinition, unit: Mapping[str, str]) -> dict[str, object]:
    return {
        "recipe": {"title": recipe.title, "digest": recipe.digest},
        "product": {"name": recipe.product.name, "sha256": recipe.product.digest},
        "profiles": [
            {"name": profile.name, "layer": profile.layer.value, "revision": profile.revision, "sha256": profile.digest}
            for profile in recipe.profiles
        ],
        "environment": {"name": environment.name, "kind": environment.kind.value, "sha256": environment.digest},
        "unit": dict(unit),
    }
