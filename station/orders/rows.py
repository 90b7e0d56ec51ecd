"""What a row of a file asks for: a work order, identifiers for one, or both."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from station.identifiers import MOD_37_36, Identifier, Kind, Rules, parse
from station.orders.files import LISTS, ORDER
from station.orders.making import OrderOptions
from station.records.values import STATION, TRAVELLER

NUMBERS = ("quantity", "first", "rework")
CHOICES = {"check": (MOD_37_36,), "serials_from": (TRAVELLER, STATION)}
KINDS = {kind.value: kind for kind in LISTS}
ROUNDED = re.compile(r"\d[.,]\d+E\+?\d+")


@dataclass(frozen=True)
class Asked:
    """What a row asks for."""

    order: str
    options: OrderOptions | None
    """None where the row only brings identifiers for an order."""
    numbers: tuple[tuple[Kind, str], ...]


def asked(cells: Mapping[str, str]) -> Asked:
    """Read the cells of a row.

    Raises:
        ValueError: Something in it is wrong; the message is one sentence.
    """
    if "order" not in cells:
        raise ValueError("It names no order.")
    numbers = tuple((kind, cells[column]) for column, kind in KINDS.items() if column in cells)
    options = _options(cells)
    if options is None and not numbers:
        raise ValueError("It has neither a quantity nor a number for the order.")
    return Asked(cells["order"], options, numbers)


def number(kind: Kind, text: str, rules: Rules) -> Identifier:
    """Read an identifier of a list.

    Raises:
        ValueError: It is none; the message is one sentence.
    """
    if ROUNDED.fullmatch(text):
        raise ValueError(f"'{text}' was a {kind.value} until a spreadsheet rounded it; format its column as text.")
    return parse(kind, text, rules=rules)


def _options(cells: Mapping[str, str]) -> OrderOptions | None:
    given = {column: cells[column] for column in ORDER if column in cells}
    if not given:
        return None
    missing = [column for column in ("quantity", "prefix", "bundle") if column not in given]
    if missing:
        raise ValueError(f"It has no {missing[0]}; a new order needs quantity, prefix and bundle.")
    for column, words in CHOICES.items():
        if given.get(column, words[0]) not in words:
            raise ValueError(f"Its {column} is none of {', '.join(words)}.")
    values: dict[str, Any] = {**given, **{name: _whole(name, given[name]) for name in NUMBERS if name in given}}
    return OrderOptions(**values)


def _whole(column: str, text: str) -> int:
    """Read a whole number; a point or comma in it means thousands to some and decimals to others."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"Its {column} is '{text[:20]}'; write digits only, such as 1000.")
    return int(text)
