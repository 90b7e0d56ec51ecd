"""The configuration of one unit in one environment, rendered from the recipe's templates (F-E1)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256

import jinja2

from station.catalog.environments import EnvironmentDefinition, refuse_samples
from station.catalog.products import Setting, encode
from station.catalog.recipes import Recipe
from station.errors import ConfigError
from station.model import Environment

TEMPLATES = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - values are device settings


@dataclass(frozen=True)
class Configuration:
    """Rendered values by our names, beside the device's keys and bytes."""

    values: Mapping[str, str]
    settings: Mapping[str, Setting]

    @property
    def device(self) -> dict[str, bytes]:
        """Return the device's keys with the bytes to write, the endpoint last.

        The endpoint decides the phase of the device, so a power cut before it leaves the device in its earlier phase.
        """
        names = sorted(self.values, key=lambda name: name == "ocpp_url")
        return {self.settings[name].key: encode(self.settings[name], self.values[name]) for name in names}

    @property
    def readable(self) -> dict[str, bytes]:
        """Return what must read back equal: everything but secrets."""
        secret = {setting.key for setting in self.settings.values() if setting.secret}
        return {key: value for key, value in self.device.items() if key not in secret}

    @property
    def recorded(self) -> dict[str, str]:
        """Return the values as they may be recorded: secrets as a mark only."""
        return {name: "(secret)" if self.settings[name].secret else value for name, value in self.values.items()}

    @property
    def sha256(self) -> str:
        """Return the digest of the recorded values."""
        return sha256(json.dumps(self.recorded, sort_keys=True).encode()).hexdigest()


def render(recipe: Recipe, environment: EnvironmentDefinition, unit: Mapping[str, str]) -> Configuration:
    """Render the configuration of a unit; the same inputs give the same values on every station (F-N4).

    Raises:
        ConfigError: A template names something that does not exist, or a value does not fit the device.
    """
    context = {"environment": asdict(environment), "unit": unit, "product": recipe.product}
    values = {name: _render(recipe.file.name, name, text, context) for name, text in recipe.file.settings.items()}
    for name, value in values.items():
        _fits(recipe, name, value)
    if environment.kind is Environment.SHIP:
        refuse_samples(values, f"recipe {recipe.title}: settings")
    return Configuration(values, recipe.product.configuration)


def _render(recipe: str, name: str, text: str, context: Mapping[str, object]) -> str:
    try:
        return TEMPLATES.from_string(text).render(context)
    except jinja2.TemplateError as error:
        raise ConfigError(f"recipe {recipe}: settings: {name}: {error}") from error


def _fits(recipe: Recipe, name: str, value: str) -> None:
    try:
        encode(recipe.product.configuration[name], value)
    except (ValueError, KeyError, OverflowError) as error:
        raise ConfigError(f"recipe {recipe.title}: settings: {name}: '{value}' does not fit: {error}") from error
