"""The labels: each printed once, proven by the printer's odometer or job, and alive only after it was scanned back.

A print job whose fate is unknown is never repeated by itself: the person at the slot says whether the label is there.
Each label is drawn and decoded before the printer is touched. The secret of the inside label is opened for its print
and gone from us with its scan-back.
"""

import re
from dataclasses import dataclass, replace

from station.bench import Bench
from station.clock import Deadline
from station.documents.label_set import CheckedLabel, Piece, Print, Secret, Sort, checked_label, pieces
from station.documents.printer import JOB_SECONDS, PrintMark, await_fate, print_when_ready, printer_error
from station.documents.printers import FolderPrinter
from station.errors import ConfigError, ServiceError
from station.identifiers.cartons import is_sscc
from station.model import UnitRecord
from station.records import LabelJob, LabelRow, LabelState
from station.records.labels import UNSENT
from station.steps.printing import Press
from station.steps.record import unit_record

TEMPLATE = Sort.UNIT.value
"""Name of the rating plate among a unit's labels."""
VOID = "CMD-VOID"
"""What the operator scans when a label is missing or spoilt."""
SCANNED_SSCC = re.compile(r"(?:\]C1)?(?:\(00\)|00)?([0-9]{18})")
KEEPS = "A file printer keeps what it prints, and a secret stands on its label alone."
MOST_COPIES = 20
"""More copies of one label than this are a fault of printer or person, not bad luck."""


@dataclass(frozen=True)
class Patience:
    """How long one label is tried to be printed."""

    seconds: float
    awaits_printer: bool = True
    """Whether a printer that is not ready is asked again until then."""


def label(bench: Bench, deadline: Deadline) -> None:
    """Print the unit's labels and wait until each is scanned back (F-J1, F-J2).

    Each print has the step's whole time for itself, from its own begin on: people take as long as they take.

    Raises:
        ServiceError: The printer did not print.
        ConfigError: A label can't show what it has to, or the printer may not have its secret.
        UnitError: The secret of the inside label is gone.
    """
    record = _numbered(bench, unit_record(bench, ""))
    copies = {}
    for piece in pieces(record, _templates(bench)):
        row = _verified(bench, record, piece, Patience(deadline.seconds))
        name = "label" if piece.sort is Sort.UNIT else f"label_{piece.name}"
        bench.measure(name, row.code, expected=piece.code(record, row.copy))
        copies[piece.name] = row.copy
    bench.note(template=TEMPLATE, copy=copies[TEMPLATE], labels=copies)


def reprint(bench: Bench, reason: str, deadline: Deadline) -> tuple[LabelRow, ...]:
    """Print and scan back the labels that a released unit lacks; the next copy of the plate where it lacks none.

    The plate before it is declared void for the reason. Cut in between, the unit has no such label: what was printed
    and not scanned back is none. A printer that is not ready is not awaited: who asked is told at once.

    Raises:
        ServiceError: The printer is not ready, or did not print.
        UnitError: The label inside is lacking, and its secret is gone from us.
    """
    record = _numbered(bench, unit_record(bench, ""))
    found = pieces(record, _templates(bench))
    lacking = [piece for piece in found if not _borne(bench, piece)]
    if not lacking:
        plate = bench.services.records.living_label(bench.unit.serial, TEMPLATE)
        if plate is not None:
            _press(bench).demand_ready()
            bench.services.records.void_label(plate, reason, bench.operator.who)
    patience = Patience(deadline.seconds, awaits_printer=False)
    return tuple(_verified(bench, record, piece, patience) for piece in lacking or found[:1])


def _borne(bench: Bench, piece: Piece) -> bool:
    living = bench.services.records.living_label(bench.unit.serial, piece.name)
    return living is not None and living.state is LabelState.SCANNED


def _templates(bench: Bench) -> dict[str, str]:
    return {TEMPLATE: bench.recipe.label, **bench.recipe.labels}


def _numbered(bench: Bench, record: UnitRecord) -> UnitRecord:
    """Return the record with the number of its carton, given or scanned now where it needs one."""
    if Sort.CARTON not in bench.recipe.labels or record.sscc:
        return record
    records, block = bench.services.records, bench.services.labelling.cartons
    if block.prefix:
        return replace(record, sscc=records.number_carton(record.serial, block, bench.operator.who))
    code = bench.ask(
        f"Unit {record.serial} needs a carton.",
        "Take a numbered carton and scan its SSCC.",
        lambda text: "" if is_sscc(_bare(text)) else "This is no SSCC: its length or check digit is wrong.",
    )
    return replace(record, sscc=records.take_carton(record.serial, _bare(code), bench.operator.who))


def _bare(code: str) -> str:
    """Return the 18 digits of a scanned SSCC: scanners send the application identifier with them."""
    found = SCANNED_SSCC.fullmatch(code)
    return found[1] if found else ""


def _verified(bench: Bench, record: UnitRecord, piece: Piece, patience: Patience) -> LabelRow:
    """Return the label that was scanned back, after as many copies as it takes.

    Raises:
        ServiceError: The printer did not print.
    """
    for _ in range(MOST_COPIES):
        row = _living(bench, piece, patience) or _print(bench, record, piece, patience)
        if row.state is LabelState.SCANNED or _scanned_back(bench, row, piece):
            _forget(bench, piece)
            return row
    raise printer_error(f"{MOST_COPIES} labels of unit {record.serial} were declared missing or spoilt")


def _living(bench: Bench, piece: Piece, patience: Patience) -> LabelRow | None:
    """Return the label that an earlier run sent, once its fate is as clear as it can be; None if there is none."""
    row = bench.services.records.living_label(bench.unit.serial, piece.name)
    if row is None or row.odometer_before is None or row.state in (LabelState.PRINTED, LabelState.SCANNED):
        return None if row is None or row.state in UNSENT else row
    mark = PrintMark(row.odometer_before, row.printer, row.job_name)
    deadline = Deadline(min(patience.seconds, JOB_SECONDS))
    return _press(bench).settled(row, await_fate(bench.services.printer, mark, deadline))


def _print(bench: Bench, record: UnitRecord, piece: Piece, patience: Patience) -> LabelRow:
    """Print the next copy, proven before the printer is asked, its intent durable before it gets a byte.

    A printer that is not ready is awaited as long as the recipe gives the step; only this unit waits for it.
    """
    row, made = _pending(bench, record, piece)
    press, deadline = _press(bench), Deadline(patience.seconds)

    def wait(error: ServiceError) -> None:
        if not patience.awaits_printer:
            raise error
        bench.progress(0.0)
        bench.on_doing(f"{error.message}. {error.hint}")

    content, intend = press.content(made.zpl), press.intent(row, deadline)
    result = print_when_ready(press.printer, content, deadline, intend, wait, row.job_name)
    bench.on_doing("")
    settled = press.settled(row, result)
    if settled is None:
        raise printer_error(result.problem, result.hint)
    return settled


def _pending(bench: Bench, record: UnitRecord, piece: Piece) -> tuple[LabelRow, CheckedLabel]:
    """Return a label that was never sent, and its content: the one that an earlier run left, or the next copy."""
    records = bench.services.records
    row = records.living_label(record.serial, piece.name)
    copy = row.copy if row is not None else _press(bench).copies(record.serial, piece.name) + 1
    made = _made(bench, record, piece, copy)
    if row is None:
        job = LabelJob(record.serial, piece.name, made.code, made.sha256, bench.run)
        return records.label_verified(records.label_rendered(job)), made
    if row.sha256 == made.sha256:
        return row, made
    records.void_label(row, "was never sent, and its content is another by now", "station")
    return _pending(bench, record, piece)


def _made(bench: Bench, record: UnitRecord, piece: Piece, copy: int) -> CheckedLabel:
    """Render and prove a label, with its secret if it has one."""
    secret = None
    if piece.sort is Sort.INSIDE:
        if isinstance(bench.services.printer, FolderPrinter):
            raise ConfigError(KEEPS, hint="Name a label printer in station.toml.")
        kind = bench.recipe.product.inside.kind
        secret = Secret(kind.value, bench.services.secrets_inside.open(record.serial, kind).reveal())
    made = checked_label(record, piece, Print(copy, _press(bench).dpi, secret))
    bench.services.labelling.shelf.put(record.serial, piece.name, made.shown)
    return made


def _press(bench: Bench) -> Press:
    services = bench.services
    return Press(services.records, services.printer, services.labelling.dpi)


def _forget(bench: Bench, piece: Piece) -> None:
    """Let go of the secret that was seen on its label."""
    if piece.sort is Sort.INSIDE:
        bench.services.secrets_inside.forget(bench.unit.serial, bench.recipe.product.inside.kind)


def _scanned_back(bench: Bench, row: LabelRow, piece: Piece) -> bool:
    """Let the operator scan the label, or declare it void."""
    doubt = "" if row.state is LabelState.PRINTED else " It may not have been printed."
    sent = f"Label {piece.name} of unit {row.unit} was sent to the printer.{doubt}"
    wrong = f"This is not label {piece.name}, copy {row.copy}, of unit {row.unit}."
    if piece.sort is Sort.UNIT:
        sent = f"The label of {row.unit} was sent to the printer.{doubt}"
        wrong = f"This is not label {row.copy} of unit {row.unit}."
    answer = bench.ask(sent, _to_do(piece), lambda code: "" if code in (row.code, VOID) else wrong)
    if answer == VOID:
        bench.services.records.void_label(row, "declared missing or spoilt at the slot", bench.operator.who)
        return False
    bench.services.records.label_scanned(row, answer)
    return True


def _to_do(piece: Piece) -> str:
    """Return what the operator does with a label."""
    match piece.sort:
        case Sort.CONNECTOR:
            return f"Stick it beside outlet {piece.outlet} and scan it; scan {VOID} if it is missing or spoilt."
        case Sort.INSIDE:
            return f"Stick it inside the unit and scan it; scan {VOID} if it is missing or spoilt."
        case Sort.CARTON:
            return f"Stick it on the carton and scan it; scan {VOID} if it is missing or spoilt."
    return f"Stick it on the unit and scan it; scan {VOID} if it is missing or spoilt."
