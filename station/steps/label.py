"""The label: printed once, proven printed by the printer's odometer, and alive only after it was scanned back.

A print job whose fate is unknown is never repeated by itself: the person at the slot says whether the label is there.
"""

from hashlib import sha256

from station.bench import Bench
from station.clock import Deadline
from station.documents.label import label_code, render_label
from station.documents.printer import PrintFate, PrintResult, await_fate, print_label, printer_error
from station.model import UnitRecord
from station.records import LabelJob, LabelRow, LabelState
from station.steps.record import unit_record

TEMPLATE = "unit"
VOID = "CMD-VOID"
"""What the operator scans when a label is missing or spoilt."""
PRINT_SECONDS = 60.0
MOST_COPIES = 20
"""More copies of one label than this are a fault of printer or person, not bad luck."""


def label(bench: Bench, deadline: Deadline) -> None:
    """Print the unit's label and wait until it is scanned back (F-J2).

    Raises:
        ServiceError: The printer did not print.
    """
    record = unit_record(bench, "")
    for _ in range(MOST_COPIES):
        row = _living(bench, deadline) or _print(bench, record, deadline)
        if row.state is LabelState.VERIFIED or _scanned_back(bench, row):
            bench.measure("label", row.code, expected=label_code(record, row.copy))
            bench.note(template=TEMPLATE, copy=row.copy)
            return
    raise printer_error(f"{MOST_COPIES} labels of unit {record.serial} were declared missing or spoilt")


def _living(bench: Bench, deadline: Deadline) -> LabelRow | None:
    """Return the label that an earlier run left, once its fate is as clear as it can be; None if there is none."""
    records = bench.services.records
    row = records.living_label(bench.unit.serial, TEMPLATE)
    if row is None or row.state in (LabelState.PRINTED, LabelState.VERIFIED):
        return row
    result = await_fate(bench.services.printer, row.odometer_before, deadline.at_most(PRINT_SECONDS))
    return _settled(bench, row, result)


def _print(bench: Bench, record: UnitRecord, deadline: Deadline) -> LabelRow:
    """Print the next copy, its intent durable before the printer gets a byte."""
    records, printer = bench.services.records, bench.services.printer
    copy = _copies(bench) + 1
    zpl = render_label(record, TEMPLATE, copy)
    rows: list[LabelRow] = []

    def intend(odometer: int) -> None:
        code, digest = label_code(record, copy), sha256(zpl).hexdigest()
        rows.append(records.intend_label(LabelJob(record.serial, TEMPLATE, code, digest, odometer, run=bench.run)))

    result = print_label(printer, zpl, deadline.at_most(PRINT_SECONDS), intend)
    row = _settled(bench, rows[0], result)
    if row is None:
        raise printer_error(result.problem, result.hint)
    return row


def _copies(bench: Bench) -> int:
    """Return the number of the latest copy; a run is the only one that prints for its unit."""
    history = bench.services.records.unit_history(bench.unit.serial)
    labels = history.labels if history else ()
    return max((row.copy for row in labels if row.template == TEMPLATE), default=0)


def _settled(bench: Bench, row: LabelRow, result: PrintResult) -> LabelRow | None:
    """Record what is certain of a print job: printed, or never printed and so void; unknown stays for the operator."""
    records = bench.services.records
    if result.fate is PrintFate.PRINTED and result.odometer_after is not None:
        return records.label_printed(row, result.odometer_after)
    if result.fate is PrintFate.NOT_PRINTED:
        records.void_label(row, "was never printed, as the printer's odometer proves", "station")
        return None
    return row if row.state is LabelState.SENT else records.label_sent(row)


def _scanned_back(bench: Bench, row: LabelRow) -> bool:
    """Let the operator scan the label, or declare it void."""
    doubt = "" if row.state is LabelState.PRINTED else " It may not have been printed."
    answer = bench.operator.ask(
        f"The label of {row.unit} was sent to the printer.{doubt}",
        f"Stick it on the unit and scan it; scan {VOID} if it is missing or spoilt.",
        lambda code: "" if code in (row.code, VOID) else f"This is not label {row.copy} of unit {row.unit}.",
    )
    if answer == VOID:
        bench.services.records.void_label(row, "declared missing or spoilt at the slot", "operator")
        return False
    bench.services.records.verify_label(row, answer)
    return True
