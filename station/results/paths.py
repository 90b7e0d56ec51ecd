"""JMESPath as formats use it, with one function of ours: `descendants(node, 'Test')`, for testers that nest steps."""

from collections.abc import Iterator
from typing import Any

import jmespath
from jmespath import functions
from jmespath.parser import ParsedResult


class _Functions(functions.Functions):  # type: ignore[misc]  # the library has no types
    """The library's functions and ours."""

    @functions.signature({"types": ["object", "array"]}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_descendants(self, node: object, name: str) -> list[object]:
        """Return everything called `name` at any depth below a node, in the order of the file."""
        return list(_below(node, name))


_OPTIONS = jmespath.Options(custom_functions=_Functions())


def compiled(path: str) -> ParsedResult:
    """Return a path ready for `found`.

    Raises:
        JMESPathError: It is no path.
    """
    return jmespath.compile(path)


def found(path: ParsedResult, scope: dict[str, Any]) -> Any:
    """Return what a path leads to, or None.

    Raises:
        JMESPathError: A function of the path gets something else than it takes.
    """
    return path.search(scope, _OPTIONS)


def _below(node: object, name: str) -> Iterator[object]:
    if isinstance(node, list):
        for item in node:
            yield from _below(item, name)
    elif isinstance(node, dict):
        for key, item in node.items():
            if key == name:
                yield from item if isinstance(item, list) else [item]
            yield from _below(item, name)
