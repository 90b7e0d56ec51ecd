"""The factory floor as the line lead's page shows it, and what people decide there.

The page asks anew each time; what it shows is counted from the records, never kept beside them. Who may do what is
asked before, by the table of roles and addresses.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from station.bench import Assignment
from station.clock import utc_now
from station.documents.log_code import checkpoint_code
from station.errors import ConfigError
from station.model import LineView, Outcome
from station.orders import Office, progress
from station.person import Person
from station.quality.handover import handover_report
from station.records import (
    Disposition,
    DispositionKind,
    FailureCount,
    GoldenStatus,
    Hold,
    HoldKind,
    HoldRow,
    HoldScope,
    OrderState,
    RowRef,
    SignOffKind,
    WorkOrder,
)
from station.records.orders import Edit
from station.scans import REASONS, reason_code
from station.steps import STEPS
from station.telling import told
from station.web.lead import FailureBar, GoldenLine, HoldLine, Order, OrderCard, Shift, StoryLine

HANDOVER_MINUTES = 60
"""How long a shift's report waits for its second signature; then it no longer says how things are."""


class TheLine(Protocol):
    """The line that builds one of the orders."""

    @property
    def assignment(self) -> Assignment:
        """Return what is built now, and with what."""
        ...

    def view(self) -> LineView:
        """Return the line as it is now."""
        ...


class Floor:
    """The orders of one station's records, and the line that builds one of them."""

    def __init__(self, office: Office, line: TheLine) -> None:
        """Show what the office's records hold and what the line does."""
        self._office = office
        self._records = office.records
        self._line = line
        self._acts: Mapping[str, Callable[[Person, Order], str]] = {
            "pause": lambda person, order: self._set_state(person, order, OrderState.PAUSED),
            "resume": lambda person, order: self._set_state(person, order, OrderState.OPEN),
            "close": lambda person, order: self._set_state(person, order, OrderState.CLOSED),
            "scrap": lambda person, order: self._dispose(person, order, DispositionKind.SCRAP),
            "rework": lambda person, order: self._dispose(person, order, DispositionKind.REWORK),
            "replace": self._replace,
            "hold": self._hold,
            "lift": self._lift,
            "first-article": self._first_article,
            "clearance": self._clearance,
            "handover": self._handover,
        }

    def orders(self) -> tuple[OrderCard, ...]:
        """Return the orders, the one that is built now first, then the open ones."""
        now, current = utc_now(), self._line.assignment
        cards = [self._card(order, now, current) for order in self._records.orders()]
        return tuple(sorted(cards, key=lambda card: (not card.current, card.state == "closed", card.id)))

    def holds(self) -> tuple[HoldLine, ...]:
        """Return the holds that stand, the newest first."""
        return tuple(_hold_line(row) for row in self._records.holds())

    def failures(self) -> tuple[FailureBar, ...]:
        """Return what ended runs since midnight (UTC), the most frequent first."""
        return bars(self._records.failures_since(midnight()))

    def shift(self) -> Shift:
        """Return what is to be known and signed at the change of a shift or product."""
        golden = tuple(_golden_line(status) for status in self._records.golden_status())
        last = self._records.last_checkpoint()
        return Shift(
            golden=golden,
            clearance=self._not_cleared(),
            handover=self._handed_over(),
            entries=last.size if last else 0,
            code=checkpoint_code(last.note) if last else None,
        )

    def reasons(self) -> Mapping[str, str]:
        """Return what scrap and rework are counted by: codes, each with what it means."""
        return REASONS

    def return_points(self) -> tuple[tuple[str, str], ...]:
        """Return the steps that a unit of the line's order can return to: name and title, in their order."""
        return tuple((step.use, STEPS[step.use].title) for step in self._line.assignment.recipe.file.step)

    def story(self, order: str) -> tuple[StoryLine, ...]:
        """Return what happened in an order, the newest first."""
        return told(self._records, order)

    def act(self, person: Person, order: Order) -> str:
        """Do what a person asked for, and return what was done in one sentence.

        Raises:
            StationError: It may not be done, or can't be recorded; nothing was done.
        """
        return self._acts[order.act](person, order)

    def _card(self, order: WorkOrder, now: datetime, current: Assignment) -> OrderCard:
        how_far = progress(self._records, order.id, now)
        tally = how_far.tally
        is_current = order.id == current.order.id
        gated = is_current and current.recipe.file.gates.first_article
        return OrderCard(
            id=order.id,
            product=order.product,
            customer=order.customer,
            bundle=order.bundle,
            state=order.state.value,
            quantity=order.quantity,
            released=tally.released,
            in_work=tally.reserved - tally.released - tally.scrapped,
            scrapped=tally.scrapped,
            failed_runs=tally.failed_runs,
            replacements=order.replacements,
            first_pass=how_far.first_pass,
            per_hour=how_far.per_hour,
            ends=how_far.ends,
            due=order.due,
            serials_left=next((supply.left for supply in tally.supplies if supply.name == "serial"), 0),
            article=self._article(order.id) if gated else "",
            current=is_current,
            version=order.version,
        )

    def _article(self, order: str) -> str:
        """Return the serial of an order's first released unit while nobody signed for it, or nothing."""
        first = self._records.first_released(order)
        signed = self._records.sign_offs(SignOffKind.FIRST_ARTICLE, order, 1)
        return first if first and not signed else ""

    def _not_cleared(self) -> str:
        """Return why the line waits for its clearance; a recipe without this gate waits for none."""
        current = self._line.assignment
        asked = current.recipe.file.gates.clearance
        return self._records.why_not_cleared(current.order.product) if asked else ""

    def _handed_over(self) -> str:
        newest = self._records.sign_offs(SignOffKind.HANDOVER, limit=2)
        if not newest or newest[0].at is None:
            return ""
        at = f"{newest[0].at:%Y-%m-%d %H:%M} UTC"
        if len(newest) == 2 and newest[0].subject == newest[1].subject:
            return f"The shift was handed over at {at} by {newest[1].who} to {newest[0].who}."
        return f"{newest[0].who} signed the handover at {at}; the second signature is missing."

    def _set_state(self, person: Person, order: Order, state: OrderState) -> str:
        self._records.set_order_state(order.subject, state, _edit(person, order))
        return f"Order {order.subject} is {state.value}."

    def _replace(self, person: Person, order: Order) -> str:
        self._office.replace(order.subject, 1, _edit(person, order))
        return f"Order {order.subject} may build one more unit."

    def _hold(self, person: Person, order: Order) -> str:
        if order.detail not in set(HoldScope):
            raise ConfigError("A hold stops a unit, an order, firmware, a lot, a slot or the station.")
        scope = HoldScope(order.detail)
        self._records.hold(Hold(scope, order.subject, order.reason, person.id))
        return f"{scope.value.capitalize()} {order.subject} is on hold."

    def _lift(self, person: Person, order: Order) -> str:
        row = self._records.lift(reference(order.subject), person.id, order.reason)
        return f"The hold on {row.subject} is lifted."

    def _dispose(self, person: Person, order: Order, kind: DispositionKind) -> str:
        if order.code and order.code not in REASONS:
            raise ConfigError("This is none of the reason codes.", hint="Choose one of the list.")
        code = order.code or reason_code(order.reason)
        self._records.dispose(Disposition(kind, order.subject, code, order.reason, person.id, order.detail))
        scrapped = kind is DispositionKind.SCRAP
        return f"Unit {order.subject} is scrapped." if scrapped else f"Unit {order.subject} goes to rework."

    def _first_article(self, person: Person, order: Order) -> str:
        self._records.sign_first_article(order.subject, person, order.reason)
        return f"The first article of order {order.subject} is signed off."

    def _clearance(self, person: Person, order: Order) -> str:
        product = self._line.assignment.order.product
        self._records.sign_clearance(product, person, order.reason)
        return f"{person.id} signed the line clearance for {product}."

    def _handover(self, person: Person, order: Order) -> str:
        """Sign the report that waits for its second signature, or else a new one."""
        newest = self._records.sign_offs(SignOffKind.HANDOVER, limit=2)
        alone = len({row.subject for row in newest}) == len(newest)
        oldest = utc_now() - timedelta(minutes=HANDOVER_MINUTES)
        if newest and alone and newest[0].at is not None and newest[0].at > oldest:
            report = newest[0].body
        else:
            report = handover_report(self._records, self._line.assignment.services.printer, utc_now())
        self._records.sign_handover(report, person, order.reason)
        return f"{person.id} signed the shift handover."


def bars(counts: tuple[FailureCount, ...]) -> tuple[FailureBar, ...]:
    """Return counts of failures as a Pareto: each with its share, and the share of all up to it."""
    whole = sum(one.count for one in counts)
    found, running = [], 0
    for one in counts:
        running += one.count
        unit = one.outcome is Outcome.FAIL
        found.append(FailureBar(one.fault, one.count, one.count / whole, running / whole, unit))
    return tuple(found)


def reference(text: str) -> RowRef:
    """Return the id of a row as pages write it.

    Raises:
        ConfigError: It is none.
    """
    station, _, sequence = text.rpartition("/")
    if not station or not sequence.isdecimal():
        raise ConfigError("There is no such row.", hint="Look at the list again.")
    return RowRef(station, int(sequence))


def _edit(person: Person, order: Order) -> Edit:
    return Edit(person.id, order.reason, order.version or None)


def midnight() -> datetime:
    """Return when today began where the station stands."""
    return utc_now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)


def _hold_line(row: HoldRow) -> HoldLine:
    quarantine = row.kind is HoldKind.QUARANTINE
    return HoldLine(str(row.ref), row.scope.value, row.subject, row.reason, row.who, row.at, quarantine)


def _golden_line(status: GoldenStatus) -> GoldenLine:
    last = status.last
    checked, right = (last.at, last.as_expected) if last else (None, False)
    return GoldenLine(f"…{status.unit.hardware_uid[-8:]}", status.unit.expectation, checked, right)
