"""Templates of configuration values: Jinja2, cut down to what a value needs (F-E1).

A template may name the given facts, take a part of one, and put it through one of few filters. Nothing else passes: no
calls, loops, macros, arithmetic or tests, so a template always ends and never reaches further than plain data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment

from station.errors import ConfigError

MAX_TEMPLATE = 500
"""Longest template, in characters."""
MAX_PARTS = 60
"""Most names, places and filters in one template; Python refuses to compile what is nested deeper than 200."""
MAX_VALUE = 1_000
"""Longest rendered value, in characters."""

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.Filter,
)


class _Plain(SandboxedEnvironment):
    """Looks into mappings and lists only: no attribute of any Python object can be named."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and argument in obj:
            return obj[argument]
        if isinstance(obj, list | tuple) and type(argument) is int and 0 <= argument < len(obj):
            return obj[argument]
        return self.undefined(obj=obj, name=argument)


def listed(value: object) -> str:
    """Return a list's items separated by commas; a single value as it is.

    Raises:
        jinja2.TemplateRuntimeError: An item is neither text nor number.
    """
    items = value if isinstance(value, list | tuple) else [value]
    return ",".join(str(_scalar(item)) for item in items)


def length(value: object) -> int:
    """Return how many items a list has.

    Raises:
        jinja2.TemplateRuntimeError: It is no list.
    """
    if not isinstance(value, list | tuple):
        raise jinja2.TemplateRuntimeError("length is for lists")
    return len(value)


def _cased(change: Any) -> Any:
    return lambda value: change(str(_scalar(value)))


def _scalar(value: object) -> object:
    """Let only text and numbers reach a value."""
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises with the name that is missing
    if type(value) not in (str, int, float):
        raise jinja2.TemplateRuntimeError("a text or a number is expected here")
    return value


FILTERS = {"listed": listed, "length": length, "lower": _cased(str.lower), "upper": _cased(str.upper)}


def _environment() -> _Plain:
    environment = _Plain(undefined=jinja2.StrictUndefined, autoescape=False, finalize=_scalar)
    environment.filters = dict(FILTERS)
    environment.globals = {}
    environment.tests = {}
    return environment


_JINJA = _environment()


@lru_cache(maxsize=1024)
def _compiled(text: str) -> jinja2.Template:
    """Return the template of a checked text; the same values are rendered for every unit."""
    return _JINJA.from_string(text)


@dataclass(frozen=True)
class Template:
    """A template that passed the check."""

    text: str
    where: str
    """File and key path, for messages."""
    names: frozenset[str]
    """What it speaks of, such as `environment`."""
    literal: str
    """What it says by itself."""

    def render(self, facts: Mapping[str, object]) -> str:
        """Return the value.

        Raises:
            ConfigError: A name is missing, or the value is too long.
        """
        try:
            value = _compiled(self.text).render(dict(facts))
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise ConfigError(f"{self.where}: {error}") from error
        if len(value) > MAX_VALUE:
            raise ConfigError(f"{self.where}: longer than {MAX_VALUE} characters")
        return value


def template(text: str, where: str, facts: Sequence[str]) -> Template:
    """Check a template against the short list of what it may hold; `facts` are the names it may speak of.

    Raises:
        ConfigError: It is too long, no template, or holds something else; names the line's key path.
    """
    if len(text) > MAX_TEMPLATE:
        raise ConfigError(f"{where}: longer than {MAX_TEMPLATE} characters")
    try:
        tree = _JINJA.parse(text)
    except (jinja2.TemplateError, RecursionError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error
    parts = (tree, *tree.find_all(nodes.Node))
    if len(parts) > MAX_PARTS:
        raise ConfigError(f"{where}: more than {MAX_PARTS} parts")
    for node in parts:
        _check(node, where, facts)
    literal = "".join(node.data for node in tree.find_all(nodes.TemplateData))
    places = {id(node.arg) for node in tree.find_all(nodes.Getitem)}
    constants = (str(node.value) for node in tree.find_all(nodes.Const) if id(node) not in places)
    names = frozenset(node.name for node in tree.find_all(nodes.Name))
    return Template(text, where, names, literal + "".join(constants))


def _check(node: nodes.Node, where: str, facts: Sequence[str]) -> None:
    if type(node) not in _ALLOWED:
        raise ConfigError(f"{where}: a template may not hold '{type(node).__name__.lower()}'")
    if isinstance(node, nodes.Name) and node.name not in facts:
        raise ConfigError(f"{where}: '{node.name}' is not known; known: {', '.join(facts)}")
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        raise ConfigError(f"{where}: '{node.attr}' may not be named")
    if isinstance(node, nodes.Filter):
        _check_filter(node, where)


def _check_filter(node: nodes.Filter, where: str) -> None:
    if node.node is None or node.name not in FILTERS:
        raise ConfigError(f"{where}: unknown filter '{node.name}'; known: {', '.join(sorted(FILTERS))}")
    if node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
        raise ConfigError(f"{where}: filter '{node.name}' takes no arguments")
