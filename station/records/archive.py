"""Everything of one work order, row by row, as it leaves for an archive; the rows themselves stay.

One look at the records is one consistent state. People, sign-ins and tokens of programs are no part of an order.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, select, text
from sqlalchemy.orm import Session

from station.errors import ConfigError
from station.records import tables
from station.records.holds import note
from station.records.log_form import LOGGED
from station.records.orders import Section, value
from station.records.rows import PassportRow
from station.records.values import OrderState

ARCHIVED = "order-archived"
"""Kind of the event; its subject is the order."""
PORTION = 1000
APART = frozenset(("person", "person_session", "sign_in", "training", "api_token", "mes_received", "golden_unit"))
"""Tables that are of the station and of no order."""
UNITS = "SELECT serial FROM unit WHERE work_order = :work_order"
RUNS = "SELECT station, sequence FROM run WHERE work_order = :work_order"
STEPS = f"SELECT station, sequence FROM step_event WHERE (station, run_sequence) IN ({RUNS})"  # noqa: S608 - own names
MESSAGES = f"SELECT station, sequence FROM outbox WHERE unit IN ({UNITS})"  # noqa: S608 - own names
DIGESTS = "SELECT recipe_digest FROM run WHERE work_order = :work_order"
OF: Mapping[str, str] = {
    "work_order": "id = :work_order",
    "unit": "work_order = :work_order",
    "run": "work_order = :work_order",
    "measurement": f"(station, step_sequence) IN ({STEPS})",
    "delivery_decision": f"(message_station, message_sequence) IN ({MESSAGES})",
    "bundle": f"digest IN ({DIGESTS})",
    "bundle_file": f"digest IN ({DIGESTS})",
}
"""How rows of a table belong to an order, where their columns do not tell."""


@dataclass(frozen=True)
class OrderLook:
    """One consistent state of everything of a work order."""

    session: Session
    order: str

    def tables(self) -> tuple[str, ...]:
        """Return the tables that may have rows of an order."""
        return tuple(name for name in LOGGED if name not in APART and _condition(name))

    def passports(self) -> Iterator[PassportRow]:
        """Yield every revision of every unit's passport."""
        row, unit = tables.Passport, tables.Unit
        query = select(row).join(unit, unit.serial == row.unit).where(unit.work_order == self.order)
        ordered = query.order_by(row.unit, row.revision).execution_options(yield_per=PORTION)
        yield from (value(PassportRow, found) for found in self.session.scalars(ordered))

    def lines(self, table: str) -> Iterator[bytes]:
        """Yield the rows of a table, each as one line of JSON; bytes stand as base64."""
        key = ", ".join(column.name for column in _table(table).primary_key.columns)
        query = text(f"SELECT * FROM {table} WHERE {_condition(table)} ORDER BY {key}")  # noqa: S608 - own names
        found = self.session.execute(query.execution_options(yield_per=PORTION), {"work_order": self.order})
        for row in found.mappings():
            yield json.dumps(dict(row), default=_plain, sort_keys=True, ensure_ascii=False).encode() + b"\n"


class Archives(Section):
    """Closed orders that leave as a file of their own."""

    @contextmanager
    def order_look(self, order: str) -> Iterator[OrderLook]:
        """Yield everything of a closed order.

        Raises:
            ConfigError: There is no such order, or it is not closed.
        """
        with self.database.read() as session:
            row = session.get(tables.WorkOrder, order)
            if row is None:
                raise ConfigError(f"there is no work order {order[:80]}", hint="See 'station order list'.")
            if row.state is not OrderState.CLOSED:
                message = f"work order {order} is {row.state.value}: what is archived changes no more"
                raise ConfigError(message, hint=f"Close it first: station order close {order}.")
            yield OrderLook(session, order)

    def archived(self, order: str, who: str, told: Mapping[str, Any]) -> None:
        """Record that an order was archived, and as what."""
        with self.database.write() as session:
            note(self.database, session, ARCHIVED, order, who, told)


def _table(name: str) -> Table:
    return tables.Base.metadata.tables[name]


def _condition(name: str) -> str:
    """Return which rows of a table are of an order; nothing where none can be."""
    if name in OF:
        return OF[name]
    columns = _table(name).columns
    if "work_order" in columns:
        return "work_order = :work_order"
    if "unit" in columns and columns["unit"].foreign_keys:
        return f"unit IN ({UNITS})"
    if "run_sequence" in columns:
        return f"(station, run_sequence) IN ({RUNS})"
    if "subject" in columns:
        return f"(subject = :work_order OR subject IN ({UNITS}))"
    return ""


def _plain(value: object) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"a database holds no {type(value).__name__}")
