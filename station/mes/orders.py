"""Work orders from the MES on their way into the station's own: by the same import as every file of orders.

What CFX's WorkOrder has no member for stands in a member `Station` of our own, which other readers of CFX pass over.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from station.config import StationConfig
from station.errors import ConfigError
from station.mes.jobs import number_of
from station.orders import Office
from station.orders.importing import examined
from station.records import Edit, OrderState, Records

OWN = ("prefix", "first", "check", "serials_from", "environment", "rework")
"""Members of `Station` that are columns of the import."""
LONGEST_TEXT = 128
MOST_NUMBERS = 50_000
Row = Mapping[str, str]


class StationOrders:
    """Where the MES's work orders are made; not safe for several threads at once."""

    def __init__(self, config: StationConfig, records: Records, development: Callable[[], bool]) -> None:
        """Make orders at a station; `development` tells whether the factory may build drafts."""
        self._records = records
        self._office = Office(config, records, development)

    def create(self, job: Mapping[str, Any], who: str) -> str:
        """Make the work order of a job with its numbers, all or nothing; the same again changes nothing.

        Raises:
            ConfigError: Something of it is refused; names what.
            ServiceError: Records or ledger can't be written.
        """
        rows = rows_of(job)
        with TemporaryDirectory() as place:
            path = Path(place) / "job.json"
            path.write_text(json.dumps(rows), "utf-8")
            with examined(self._office, path, f"MES job {rows[0]['order']}") as found:
                return found.commit(who).sentence

    def set_state(self, order: str, state: OrderState, reason: str, who: str) -> str:
        """Open, pause or close a work order and say so in one sentence.

        Raises:
            ConfigError: There is no such order, or it is closed.
        """
        known = self._records.order(order)
        if known is None or known.state is not state:
            self._records.set_order_state(order, state, Edit(who, reason))
        return f"Work order {order} is {state}."


def rows_of(job: Mapping[str, Any]) -> list[Row]:
    """Return a job as rows of the import: one that makes the order, and one for each number that it brings.

    Raises:
        ConfigError: A member is of another type, or there are too many numbers.
    """
    order, own = number_of(job), job.get("Station") or {}
    if not isinstance(own, dict):
        raise ConfigError(f"work order {order}: Station is no object")
    router, revision = _text(job, "Router"), _text(job, "RouterRevision")
    cells = {
        "order": order,
        "quantity": _whole(job),
        "bundle": f"{router}-r{revision}" if router and revision else router,
        "product": _text(job, "PartNumber"),
        "customer": _text(job, "Customer"),
        "due": _text(job, "DateRequired")[:10],
        **{name: _text(own, name) for name in OWN},
    }
    rows: list[Row] = [{name: text for name, text in cells.items() if text}]
    rows += ({"order": order, kind: number} for kind, number in _numbers(order, own))
    return rows


def _numbers(order: str, own: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    lists = own.get("numbers") or {}
    if not isinstance(lists, dict) or not all(isinstance(found, list) for found in lists.values()):
        raise ConfigError(f"work order {order}: numbers is no object of lists")
    if sum(map(len, lists.values())) > MOST_NUMBERS:
        raise ConfigError(f"work order {order}: more than {MOST_NUMBERS} numbers")
    for kind, found in lists.items():
        yield from ((str(kind)[:LONGEST_TEXT], _text({kind: one}, kind)) for one in found)


def _whole(job: Mapping[str, Any]) -> str:
    """Return the quantity, which CFX writes as `220.0`."""
    quantity = job.get("Quantity")
    if isinstance(quantity, bool) or not isinstance(quantity, int | float) or quantity % 1 != 0:  # 1e999 % 1 is NaN
        raise ConfigError("Quantity is no whole number")
    return str(int(quantity))


def _text(table: Mapping[str, Any], name: str) -> str:
    value = table.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > LONGEST_TEXT:
        raise ConfigError(f"{name} is no text of at most {LONGEST_TEXT} characters")
    return str(value)
