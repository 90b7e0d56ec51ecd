"""The label: printed once, proven printed by the printer's odometer, and alive only after it was scanned back.

A print job whose fate is unknown is never repeated by itself: the person at the slot says whether the label is there.
"""

from station.bench import Bench
from station.clock import Deadline
from station.documents.label import label_code, parse_label_code, render_label
from station.documents.printer import PrintFate
from station.errors import Service, ServiceError
from station.records import LabelRow, LabelState
from station.steps.record import unit_record

TEMPLATE = "unit"
VOID = "CMD-VOID"
"""What the operator scans when a label is missing or spoilt."""
PRINT_SECONDS = 60.0


def label(bench: Bench, deadline: Deadline) -> None:
    """Print the unit's label and wait until it is scanned back (F-J2)."""
    record = unit_record(bench, "")
    while True:
        row = _printed(bench, record, deadline)
        answer = bench.operator.ask(_sentence(row), "Stick the label on the unit and scan it.", _judge(bench))
        if answer != VOID:
            break
        bench.services.records.void_label(row, "declared missing or spoilt at the slot")
    bench.services.records.verify_label(row)
    bench.measure("label", answer, expected=label_code(record))
    bench.note(template=TEMPLATE, copy=row.copy)
