"""Work orders from the MES: what CFX says of an order, and what the station makes of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from station.errors import ConfigError
from station.mes.contract import Envelope
from station.records import OrderState

WHO = "service:mes"
"""Who stands in rows for what the MES orders."""
MOST_ORDERS, LONGEST_NUMBER, MOST_PROBLEMS = 100, 40, 3
RELEASED = frozenset({"ApprovedAndPending", "Scheduled", "InProcess"})
"""CFX WorkOrderStatus of an order that may be built."""
STATES = {
    **dict.fromkeys(RELEASED, OrderState.OPEN),
    "AwaitingApproval": OrderState.PAUSED,
    "OnHold": OrderState.PAUSED,
    "Completed": OrderState.CLOSED,
    "Closed": OrderState.CLOSED,
    "Cancelled": OrderState.CLOSED,
}
"""What a status of CFX means here."""


class OrderDesk(Protocol):
    """Where work orders are made; safe to use from several threads."""

    def create(self, job: Mapping[str, Any], who: str) -> str:
        """Make a work order of the MES's job, or find that it is there, and say so in one sentence.

        Raises:
            ConfigError: It can't be built here, or another order has its number or its serials.
        """
        ...

    def set_state(self, order: str, state: OrderState, reason: str, who: str) -> str:
        """Open, pause or close a work order and say so in one sentence.

        Raises:
            ConfigError: There is no such order.
        """
        ...


@dataclass(frozen=True)
class Verdict:
    """What became of one order of a message."""

    order: str
    accepted: bool
    sentence: str


def take(envelope: Envelope, desk: OrderDesk) -> tuple[Verdict, ...]:
    """Make the work orders of a message, each with its verdict: one that is refused stops no other.

    Raises:
        ConfigError: The message holds no orders, or too many.
        ServiceError: The records are away.
    """
    jobs = envelope.body.get("NewOrders")
    if not isinstance(jobs, list) or not 0 < len(jobs) <= MOST_ORDERS:
        raise ConfigError(f"NewOrders is not a list of 1 to {MOST_ORDERS} work orders")
    return tuple(_verdicts(jobs, desk))


def change_state(envelope: Envelope, desk: OrderDesk) -> Verdict:
    """Open, pause or close a work order as the MES says.

    Raises:
        ConfigError: The message names no order, or no status that there is.
    """
    order, status = number_of(envelope.body), envelope.body.get("NewStatus")
    if not isinstance(status, str) or status not in STATES:
        raise ConfigError(f"NewStatus is not one of {', '.join(STATES)}")
    return Verdict(order, True, desk.set_state(order, STATES[status], f"The MES says {status}.", WHO))


def number_of(body: Mapping[str, Any]) -> str:
    """Return the number of a work order.

    Raises:
        ConfigError: There is none.
    """
    identifier = body.get("WorkOrderIdentifier")
    number = identifier.get("WorkOrderId") if isinstance(identifier, dict) else None
    if not isinstance(number, str) or not number.isprintable() or not 0 < len(number) <= LONGEST_NUMBER:
        raise ConfigError("WorkOrderIdentifier names no work order")
    return number


def _verdicts(jobs: list[Any], desk: OrderDesk) -> Iterator[Verdict]:
    for job in jobs:
        table = job if isinstance(job, dict) else {}
        try:
            number = number_of(table)
        except ConfigError as error:
            yield Verdict("", False, f"{error.message}.")
            continue
        yield _made(number, table, desk)


def _made(number: str, job: Mapping[str, Any], desk: OrderDesk) -> Verdict:
    if job.get("Status") not in RELEASED:
        return Verdict(number, False, f"It is not released: its Status is none of {', '.join(sorted(RELEASED))}.")
    try:
        return Verdict(number, True, desk.create(job, WHO))
    except ConfigError as error:
        return Verdict(number, False, f"{'; '.join(error.problems[:MOST_PROBLEMS])}.")
