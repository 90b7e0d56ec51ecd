"""Import a file of work orders: a verdict for each row before anything is written, then all rows or none (F-A4, F-A7).

`examined` judges a file against itself and the records without locking them; `commit` adds what is new in one
transaction. The same file again, or a row that the records have already, changes nothing and is told as such.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from station.errors import ConfigError
from station.identifiers import Kind, Rules
from station.orders.files import LISTS, Row, digest, read_rows
from station.orders.making import Office, OrderOptions
from station.orders.rows import asked, number
from station.orders.staging import RowVerdict, Staged, Staging, Verdict
from station.records import ImportRow, OrderFile, OrderState, WorkOrder

MOST_ORDERS = 200
"""Orders of one file."""
MOST_SHOWN = 100
"""Refused rows that a preview shows; the acknowledgement has all."""


@dataclass(frozen=True)
class Preview:
    """What a file would do, before it does it."""

    name: str
    sha256: str
    new: int
    same: int
    refused: int
    orders: tuple[WorkOrder, ...]
    """Those that it would make."""
    problems: tuple[RowVerdict, ...]
    """The first refused rows."""
    before: ImportRow | None = None
    """When this very file was imported, if it was."""

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return self.new + self.same + self.refused

    @property
    def sentence(self) -> str:
        """Return in one sentence what it would do, or did."""
        if self.before is not None:
            return f"{self.name} was imported by {self.before.who} on {self.before.at:%Y-%m-%d}; nothing changes."
        if self.refused:
            return f"{self.name}: {self.refused} of {self.rows} rows are refused, so nothing is imported."
        return f"{self.name}: {self.new} rows are new, {self.same} known already; orders made: {len(self.orders)}."


@dataclass(frozen=True)
class _Drawn:
    """An order that a row asks for."""

    order: WorkOrder
    rework: int
    line: int
    known: bool


class Examination:
    """A file with the verdicts of its rows; of one thread, and good while `examined` is open."""

    def __init__(self, office: Office, path: Path, name: str, staging: Staging) -> None:
        """Begin with an unread file."""
        self._office, self._name, self._staging = office, name, staging
        self._sha256 = digest(path)
        self._before = office.records.imported(self._sha256)
        self._orders: dict[str, _Drawn] = {}
        self._rules: dict[str, Rules] = {}
        self._blocks = [(order.id, order.serials) for order in office.records.orders()]
        office.refresh()
        for row in read_rows(path):
            self._judge(row)
        for kind in LISTS:
            self._compare(kind)
        staging.settle()

    @property
    def preview(self) -> Preview:
        """Return what the file would do."""
        counts = self._staging.counts()
        made = tuple(drawn.order for drawn in self._orders.values() if not drawn.known)
        problems = tuple(islice(self._staging.verdicts(Verdict.REFUSED), MOST_SHOWN))
        return Preview(
            self._name, self._sha256, counts[Verdict.NEW], counts[Verdict.SAME], counts[Verdict.REFUSED], made,
            problems, self._before,
        )  # fmt: skip

    def verdicts(self) -> Iterator[RowVerdict]:
        """Yield what becomes of every row, by line."""
        return self._staging.verdicts()

    def commit(self, who: str) -> Preview:
        """Add what is new, all of it or nothing, and grant the orders their certificates.

        Raises:
            ConfigError: A row is refused, or something came in another way meanwhile; nothing was imported.
            ServiceError: Records or ledger can't be written.
        """
        preview = self.preview
        if preview.refused and preview.before is None:
            problems = tuple(f"line {row.line}: {row.sentence}" for row in preview.problems)
            raise ConfigError(
                preview.sentence.removesuffix("."), hint="Correct the rows and send the file again.", problems=problems
            )
        file = OrderFile(self._sha256, self._name, preview.rows, who)
        orders = tuple(replace(order, created_by=who) for order in preview.orders)
        self._office.records.import_orders(file, orders, self._staging.new_numbers())
        for drawn in self._orders.values():
            self._office.grant(drawn.order, drawn.rework)
        return preview

    def _judge(self, row: Row) -> None:
        """Give a row its first verdict; that of its numbers comes when they are compared with the records."""
        order = row.cells.get("order", "")
        try:
            verdict = self._taken(row)
        except ValueError as error:
            self._staging.add(RowVerdict(row.line, order, Verdict.REFUSED, str(error)))
        except ConfigError as error:
            sentence = f"{error.message[:1].upper()}{error.message[1:]}."
            self._staging.add(RowVerdict(row.line, order, Verdict.REFUSED, sentence))
        else:
            self._staging.add(RowVerdict(row.line, order, verdict))

    def _taken(self, row: Row) -> Verdict:
        if row.problem:
            raise ValueError(row.problem)
        wanted = asked(row.cells)
        drawn = self._drawn(row.line, wanted.order, wanted.options) if wanted.options else None
        rules = self._rules_of(wanted.order)
        for kind, text in wanted.numbers:
            before = self._staging.add_number(Staged(row.line, wanted.order, number(kind, text, rules)))
            if before:
                raise ValueError(f"The {kind.value} {text} is in line {before} too.")
        return Verdict.NEW if drawn and not drawn.known else Verdict.SAME

    def _drawn(self, line: int, name: str, options: OrderOptions) -> _Drawn:
        if name in self._orders:
            raise ValueError(f"Order {name} has a row in line {self._orders[name].line} too.")
        if len(self._orders) >= MOST_ORDERS:
            raise ValueError(f"A file makes at most {MOST_ORDERS} orders.")
        order = self._office.drawn(name, options, "")
        known = self._office.known(order)
        if not known:
            self._refuse_overlap(order)
        self._orders[name] = _Drawn(order, options.rework, line, known)
        return self._orders[name]

    def _refuse_overlap(self, order: WorkOrder) -> None:
        for other, block in self._blocks:
            if block.overlaps(order.serials):
                raise ValueError(f"A part of its serial block belongs to work order {other}.")
        self._blocks.append((order.id, order.serials))

    def _rules_of(self, name: str) -> Rules:
        """Return the rules for an order's numbers, known or of a row before."""
        if name not in self._rules:
            order = self._orders[name].order if name in self._orders else self._office.records.order(name)
            if order is None:
                raise ValueError(f"There is no work order {name[:40]}; the row that makes it comes before its numbers.")
            if order.state is OrderState.CLOSED:
                raise ValueError(f"Work order {name} is closed.")
            self._rules[name] = self._office.rules(order)
        return self._rules[name]

    def _compare(self, kind: Kind) -> None:
        """Compare the numbers of a kind with those that the records have, many at once."""
        records = self._office.records
        for batch in self._staging.batches(kind):
            known = records.known_identifiers(kind, [staged.found.value for staged in batch])
            same = []
            for staged in batch:
                there = known.get(staged.found.value)
                if there is None:
                    continue
                holder = there.order or self._order_of(there.unit)
                if holder != staged.order:
                    told = f"The {kind.value} {staged.found.written} belongs to work order {holder}."
                    self._staging.refuse(staged.line, told)
                elif there.order:
                    same.append(staged.found.value)
            self._staging.known(kind, same)

    def _order_of(self, serial: str) -> str:
        unit = self._office.records.unit(serial)
        return unit.work_order if unit else ""


@contextmanager
def examined(office: Office, path: Path, name: str = "") -> Iterator[Examination]:
    """Yield a file with the verdicts of its rows.

    Args:
        office: Where orders are made.
        path: The file; `.json` is JSON, everything else CSV.
        name: As it is known to people, where that is not the file's own name.

    Raises:
        ConfigError: The file can't be read as a whole.
        ServiceError: The records are away.
    """
    with closing(Staging()) as staging:
        yield Examination(office, path, name or path.name, staging)
