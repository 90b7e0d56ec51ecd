"""Whether a rendered configuration fits: kinds, device, OCPP, the hardware's rating, and what may ship at all."""

from collections.abc import Iterator, Mapping

from station.catalog.denials import denied, denied_flags
from station.catalog.layers import names_on
from station.catalog.parameters import PARAMETERS, UNSET, Owner, Parameter, fault, ocpp_fault
from station.catalog.products import Product
from station.catalog.rendered import Configuration, Entry
from station.catalog.settings import EVSE, Setting, Way
from station.catalog.templates import Template
from station.model import Environment
from station.strict import nearest

SWITCH = ("on", "off")


def value_problems(found: Configuration, product: Product, kind: Environment) -> Iterator[str]:
    """Tell which values fit not their kind, the device, OCPP or the hardware's rating, or must not ship."""
    sound = []
    for entry in found.entries:
        wrong = _fault(found, product, entry)
        if wrong:
            shown = "the secret" if entry.secret else f"'{entry.value}'"
            yield f"{entry.name}: {shown} {wrong}"
        else:
            sound.append(entry)
    yield from _flag_problems(found, product)
    if kind is Environment.SHIP:
        yield from denied({entry.name: entry.value for entry in sound})
        yield from denied_flags(found.flags)


def home_problems(product: Product, given: Mapping[str, Template]) -> Iterator[str]:
    """Tell what a product keeps and nobody sets, and what it can't keep as it says."""
    for name, setting in product.configuration.items():
        if name not in PARAMETERS:
            yield f"configuration: unknown name '{name}'{nearest(name, list(PARAMETERS))}"
            continue
        yield from (f"configuration: {name}: {wrong}" for wrong in _home(product, PARAMETERS[name], setting))
        if not setting.absent and PARAMETERS[name].owner is Owner.FACTORY:
            missing = (each for each in names_on(product, name) if each not in given)
            yield from (f"configuration: no profile of the recipe sets '{each}'" for each in missing)


def _home(product: Product, parameter: Parameter, setting: Setting) -> Iterator[str]:
    if parameter.each_connector and setting.key and EVSE not in setting.key:
        yield f"key: each connector has it, so '{EVSE}' stands in the key"
    if setting.over is Way.OCPP and not parameter.ocpp_name(product.ocpp_version):
        yield f"over: {product.ocpp_version} has no name for it"
    if parameter.owner is not Owner.FACTORY and setting.key and setting.unset is None:
        yield "unset: what does the device hold where the factory sets nothing?"


def _flag_problems(found: Configuration, product: Product) -> Iterator[str]:
    """Require a word for each flag of the product, and for no other (F-A8)."""
    unknown = (name for name in found.flags if name not in product.flags)
    yield from (f"flags: product {product.name} has no flag '{name}'" for name in unknown)
    open_ones = (name for name in product.flags if found.flags.get(name) not in SWITCH)
    yield from (f"flags: '{name}' of product {product.name} is neither on nor off" for name in open_ones)


def _fault(found: Configuration, product: Product, entry: Entry) -> str:
    if entry.value != UNSET:
        wrong = fault(entry.parameter, entry.value) or _above_rating(product, entry)
        if wrong:
            return wrong
    if entry.setting.over is Way.OCPP:
        return ocpp_fault(found.version, entry.parameter.ocpp_name(found.version), entry.value)
    try:
        return "" if not entry.key or entry.raw is not None else "does not fit the device"
    except (ValueError, KeyError, OverflowError) as error:
        return "does not fit the device" if entry.secret else f"does not fit the device: {error}"


def _above_rating(product: Product, entry: Entry) -> str:
    """Return why a limit is none of this hardware (F-E2): it may be below the rating, and never above."""
    name, connectors = entry.parameter.name, product.connector
    if entry.evse > len(connectors):
        return f"is for connector {entry.evse}; {product.name} has {len(connectors)}"
    if name == "connector_count":
        return "" if entry.value == str(len(connectors)) else f"is not the {len(connectors)} of {product.name}"
    rated = {
        "max_current": min(connector.max_current_a for connector in connectors),
        "connector_max_current": connectors[entry.evse - 1].max_current_a,
        "phases": max(connector.phases for connector in connectors),
    }.get(name)
    if rated is None or int(entry.value) <= rated:
        return ""
    return f"is above the rating of the hardware, {rated}"
