"""Units of measure by their UCUM codes: values and limits are compared in one unit, or not at all (F-I2).

UCUM codes are case-sensitive on purpose: `mOhm` and `MOhm` differ by nine powers of ten, and a tester's own spelling is
translated by its format before it comes here.
"""

import re
from functools import cache
from threading import Lock
from typing import Any

import pint
from lark.exceptions import LarkError
from ucumvert import InvalidUcumError, PintUcumRegistry

CODE = re.compile(r"[!-~]{1,40}")
"""What a code may look like before it is parsed."""
DIGITS = 12
"""Significant digits of a converted value: more than any instrument has, fewer than rounding errors need."""
_TROUBLE = (InvalidUcumError, LarkError, pint.PintError, ArithmeticError, AttributeError, ValueError)
"""What the library raises for a code that it can't make a unit of."""
_LOCK = Lock()


def why_no_unit(code: str) -> str:
    """Return why a text is no UCUM code, as part of a sentence; empty if it is one."""
    try:
        _quantity(1.0, code)
    except ValueError as error:
        return str(error)
    return ""


def converted(value: float, code: str, target: str) -> float:
    """Return a value of one unit in another, rounded to `DIGITS` where it had to be converted.

    Raises:
        ValueError: A code is unknown, or the units measure different things.
    """
    if code == target:
        return value
    quantity, wanted = _quantity(value, code), _quantity(1.0, target)
    with _LOCK:
        try:
            found = float(quantity.to(wanted.units).magnitude) / float(wanted.magnitude)
        except _TROUBLE as error:
            raise ValueError(f"'{code}' can't be converted to '{target}'") from error
    return float(f"{found:.{DIGITS}g}")


def _quantity(value: float, code: str) -> Any:
    """Return a value with its unit.

    Raises:
        ValueError: The code is no UCUM code.
    """
    if not CODE.fullmatch(code):
        raise ValueError(f"{code[:40]!r} is no UCUM code")
    # The registry fills its tables while it works, and slots, pages and folders ask at the same time.
    with _LOCK:
        registry = _registry()
        try:
            unit = registry.from_ucum(code)
            return registry.Quantity(value * float(unit.magnitude), unit.units)
        except _TROUBLE as error:
            raise ValueError(f"'{code}' is no UCUM code") from error


@cache
def _registry() -> Any:
    """Return the registry of all UCUM units; it takes more than a second to build, so it is built when first needed."""
    return PintUcumRegistry()
