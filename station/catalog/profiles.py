"""Configuration profiles: layers of values that a recipe puts on top of each other (F-E1).

base → product → market → customer, then the environment, then the unit; the later one counts. A profile speaks the
canonical names of `parameters`, may not name what belongs to the operator or the site (F-A6), and holds no address:
those come from the environment alone (F-F5).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from hashlib import sha256
from itertools import pairwise

from station.catalog.parameters import PARAMETERS, UNSET, Owner, Parameter, Place, find
from station.catalog.source import Source
from station.catalog.templates import Template, template
from station.errors import ConfigError
from station.strict import Problems, nearest, parse, refuse, toml_table

FACTS = ("environment", "unit", "product", "connector", "secret")
"""What templates may speak of."""
SECRET = re.compile(r"\{\{ *secret\.([a-z][a-z0-9_]{0,62}) *\}\}")
FLAG = re.compile(r"[a-z][a-z0-9_]{0,40}")
WHO = {Owner.OPERATOR: "the operator", Owner.FIELD: "the site"}


class Layer(StrEnum):
    """The layers of profiles, the first lowest."""

    BASE = "base"
    PRODUCT = "product"
    MARKET = "market"
    CUSTOMER = "customer"


@dataclass(frozen=True)
class ProfileFile:
    """A profile as its file says it."""

    name: str
    layer: Layer
    revision: int
    values: Mapping[str, str]
    """Canonical name -> template."""
    products: tuple[str, ...] = ()
    """Products that it is for; empty where it is for every product."""
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """A profile with its templates checked."""

    name: str
    layer: Layer
    revision: int
    products: tuple[str, ...]
    values: Mapping[str, Template]
    flags: Mapping[str, str]
    digest: str
    """SHA-256 of the file."""


def load_profile(source: Source, name: str) -> Profile:
    """Read `profiles/<name>.toml`.

    Raises:
        ConfigError: The file is wrong, or sets what a profile may not set; names the file and the key path.
    """
    path = f"profiles/{name}.toml"
    raw = source.read(path)
    found = parse(ProfileFile, toml_table(raw, path), path)
    if found.name != name:
        raise ConfigError(f"{path}: name: '{found.name}' differs from the file's name")
    if found.layer is Layer.PRODUCT and not found.products:
        raise ConfigError(f"{path}: products: a profile of layer 'product' names the products that it is for")
    problems = Problems()
    values = problems.attempt(partial(checked_values, found.values, f"{path}: values")) or {}
    flags = problems.attempt(partial(checked_flags, found.flags, f"{path}: flags")) or {}
    refuse(problems.found)
    return Profile(name, found.layer, found.revision, found.products, values, flags, sha256(raw).hexdigest())


def load_profiles(source: Source, names: Sequence[str], product: str, where: str) -> tuple[Profile, ...]:
    """Read a recipe's profiles, which stand in the order of their layers, and are for its product.

    Raises:
        ConfigError: A profile is wrong, for another product, out of order, or one that every recipe needs is missing.
    """
    found = tuple(load_profile(source, name) for name in names)
    for profile in found:
        if profile.products and product not in profile.products:
            told = ", ".join(profile.products)
            raise ConfigError(f"{where}: profiles: '{profile.name}' is for {told}, not for {product}")
    order = list(Layer)
    for earlier, later in pairwise(found):
        if order.index(earlier.layer) >= order.index(later.layer):
            raise ConfigError(
                f"{where}: profiles: '{later.name}' ({later.layer}) can't come after '{earlier.name}' "
                f"({earlier.layer}): one of each layer, in the order {', '.join(order)}"
            )
    for layer in (Layer.BASE, Layer.PRODUCT):
        if layer not in [profile.layer for profile in found]:
            raise ConfigError(f"{where}: profiles: none is of layer '{layer}', and no configuration fits all products")
    return found


def checked_values(values: Mapping[str, str], where: str, *, of_environment: bool = False) -> dict[str, Template]:
    """Return the templates of a layer by name; in an environment, what comes from it may be written out.

    Raises:
        ConfigError: A name is unknown or not the factory's to set, or a template holds what it may not.
    """
    problems, found = Problems(), {}
    for name, text in values.items():
        with problems.caught():
            value = found[name] = _checked(name, text, f"{where}: {name}")
            _check_secret(_parameter(name, value.where), value)
            if not of_environment:
                _check_origin(_parameter(name, value.where), value)
    refuse(problems.found)
    return found


def checked_flags(flags: Mapping[str, str], where: str) -> Mapping[str, str]:
    """Return a layer's flags.

    Raises:
        ConfigError: A name or value is no plain word.
    """
    for name, value in flags.items():
        if not FLAG.fullmatch(name) or not FLAG.fullmatch(value):
            raise ConfigError(f"{where}: {name}: '{value}': names and values of flags are words of a-z, 0-9 and _")
    return flags


def _checked(name: str, text: str, where: str) -> Template:
    parameter = _parameter(name, where)
    if parameter.owner is not Owner.FACTORY and text != UNSET:
        message = f"{where}: {WHO[parameter.owner]} decides it; a profile may only leave it '{UNSET}' (F-A6)"
        raise ConfigError(message, hint=f"Leave {name} out.")
    if parameter.owner is Owner.FACTORY and UNSET in text:
        raise ConfigError(f"{where}: the factory decides it, so it can't stay '{UNSET}'")
    return template(text, where, FACTS)


def _parameter(name: str, where: str) -> Parameter:
    found = find(name)
    if found is None:
        raise ConfigError(f"{where}: unknown name{nearest(name, list(PARAMETERS))}")
    return found[0]


def _check_secret(parameter: Parameter, value: Template) -> None:
    """Refuse a secret that is written out, and a secret that would become something readable (P15)."""
    if parameter.secret != bool(SECRET.fullmatch(value.text)) or (not parameter.secret and "secret" in value.names):
        told = "is a secret, so it is '{{ secret.name }}' and nothing else" if parameter.secret else "is no secret"
        raise ConfigError(f"{value.where}: it {told}")


def _check_origin(parameter: Parameter, value: Template) -> None:
    """Refuse addresses, and values of one environment or unit, that are written out in a profile (P05)."""
    if "://" in value.literal:
        raise ConfigError(f"{value.where}: an address may stand in an environment only (F-F5)")
    wanted = {Place.ENVIRONMENT: "environment", Place.UNIT: "unit"}.get(parameter.place)
    if wanted and (value.names != {wanted} or value.literal.strip()):
        raise ConfigError(f"{value.where}: it comes from the {wanted} alone, such as '{{{{ {wanted}.… }}}}' (F-F5)")
