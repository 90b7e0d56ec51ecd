"""Work orders and their lists from files: one transaction for a whole file, so that nothing is ever half-imported."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, insert
from sqlalchemy.exc import IntegrityError

from station.clock import utc_now
from station.errors import ConfigError
from station.identifiers import Identifier
from station.records import tables
from station.records.holds import note
from station.records.identifiers_rows import ImportRow
from station.records.orders import Section, add_orders, value
from station.records.values import WorkOrder

BATCH = 1000
COLUMNS: dict[str, Any] = {name: bindparam(name) for name in ("kind", "value", "written", "work_order")}


@dataclass(frozen=True)
class OrderFile:
    """A file of work orders, as it is imported."""

    sha256: str
    name: str
    rows: int
    who: str


class OrderImports(Section):
    """Files of work orders and of the identifiers that they bring."""

    def imported(self, sha256: str) -> ImportRow | None:
        """Return when a file was imported, or None."""
        with self.database.read() as session:
            row = session.get(tables.OrderImport, sha256)
            return None if row is None else value(ImportRow, row)

    def import_orders(
        self, file: OrderFile, orders: Sequence[WorkOrder], listed: Iterable[tuple[str, Identifier]]
    ) -> bool:
        """Add all that a file brings, or nothing; tell whether there was something to do.

        Args:
            file: The file; one that was imported before changes nothing.
            orders: New work orders.
            listed: Identifiers with the ids of their orders, new or known.

        Raises:
            ConfigError: Something in it is taken meanwhile; nothing was added.
        """
        with self.database.write() as session:
            if session.get(tables.OrderImport, file.sha256) is not None:
                return False
            add_orders(session, orders)
            try:
                _add_listed(session.connection(), listed)
            except IntegrityError as error:
                message = f"{file.name}: something in it came in another way meanwhile; nothing was imported"
                raise ConfigError(message, hint="Look at the preview again.") from error
            session.add(tables.OrderImport(**vars(file), at=utc_now()))
            body = {"sha256": file.sha256, "rows": file.rows, "orders": [order.id for order in orders]}
            note(self.database, session, "orders-imported", file.name, file.who, body)
            return True


def _add_listed(connection: Connection, listed: Iterable[tuple[str, Identifier]]) -> None:
    """Add rows straight through the driver: slots wait for this lock, and SQLAlchemy would double the time of a row."""
    statement = str(insert(tables.ListedIdentifier).values(COLUMNS).compile(dialect=connection.dialect))
    for rows in _batches(listed):
        connection.exec_driver_sql(statement, rows)


def _batches(listed: Iterable[tuple[str, Identifier]]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows in parts that fit into memory whatever the file, each with its values in the order of `COLUMNS`."""
    rows = ((found.kind.value, found.value, found.written, order) for order, found in listed)
    while batch := list(islice(rows, BATCH)):
        yield batch
