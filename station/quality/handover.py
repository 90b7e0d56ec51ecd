"""What one shift hands over to the next, as the two sign it: open units, holds, queues, labels, golden units."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from station.clock import Deadline, iso
from station.documents.printer import Printer
from station.errors import ServiceError
from station.records import GoldenStatus, HoldRow, OrderState, Records, RunFilter, RunRow

MOST = 50
"""Most rows of a kind that a report names; the number of all stands beside them."""
PRINTER_SECONDS = 5.0


def handover_report(records: Records, printer: Printer, now: datetime) -> Mapping[str, Any]:
    """Return the report of a shift as JSON, from the records and the printer's own counter.

    Raises:
        ServiceError: The records are away; a printer that is away is a line of the report.
    """
    holds = records.holds()
    return {
        "station": records.database.station,
        "at": iso(now),
        "slots": [_run(run) for run in records.runs(RunFilter(live=True), MOST)],
        "unfinished": [_run(run) for run in records.unfinished(MOST)],
        "holds": [_hold(hold) for hold in holds[:MOST]],
        "holds_in_all": len(holds),
        "messages": dict(records.waiting_messages()),
        "printer": _printer(printer),
        "golden": [_golden(status) for status in records.golden_status()[:MOST]],
        "log": _log(records),
        "orders": [_order(records, order.id) for order in records.orders() if order.state is OrderState.OPEN][:MOST],
    }


def _log(records: Records) -> dict[str, Any]:
    """Return the newest checkpoint of the audit log: two people sign it, so that it can't be another later."""
    last = records.last_checkpoint()
    return {"entries": last.size, "checkpoint": last.note.decode()} if last else {}


def _run(run: RunRow) -> dict[str, str]:
    ended = {"ended": iso(run.closed_at), "outcome": run.outcome or "", "reason": run.reason} if run.closed_at else {}
    return {"slot": run.slot, "unit": run.unit, "order": run.work_order, "begun": iso(run.started_at), **ended}


def _hold(hold: HoldRow) -> dict[str, str]:
    return {"hold": str(hold.ref), "since": iso(hold.at), "sentence": hold.sentence}


def _printer(printer: Printer) -> dict[str, Any]:
    """Return the printer's counter and state; one that is away must not keep a shift from handing over."""
    deadline = Deadline(PRINTER_SECONDS)
    try:
        labels, status = printer.odometer(deadline), printer.status(deadline)
    except ServiceError as error:
        return {"problem": error.message}
    return {"labels": labels, "problem": status.problem}


def _golden(status: GoldenStatus) -> dict[str, str]:
    last = status.last
    seen = {"checked": iso(last.at), "found": last.found} if last else {}
    return {"unit": status.unit.hardware_uid, "expected": status.unit.expectation, **seen}


def _order(records: Records, order: str) -> dict[str, Any]:
    counts = records.counts(order)
    return {"order": order, "quantity": counts.quantity, "released": counts.released, "failed": counts.failed}
