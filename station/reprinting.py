"""Labels beside the slots: the print queue, and labels of released units that are printed again and scanned back.

What a slot has in work, the slot prints. A label that was sent is never sent again: somebody declares it void, says
why, and the next copy is printed. The label inside is not printed here, as its secret is gone from us.
"""

from collections.abc import Callable
from dataclasses import dataclass

from station.clock import Deadline
from station.documents.label_set import CheckedLabel, Print, Sort, checked_label, piece_named
from station.documents.printer import PRINTS_NOW, WAIT, Printer, print_label, printer_error
from station.errors import Interlocked, ServiceError
from station.labelled import LabelRoom
from station.person import Person
from station.records import LabelJob, LabelRow, LabelState, UnitState
from station.records.labels import UNSENT
from station.records.quality_rows import check_reason
from station.steps.printing import STATUS_SECONDS, Press
from station.web.labels import Act, LabelLine, PrinterCard

PRINT_SECONDS = 15.0
"""Longest wait for a label; whoever asked for it stands before the page."""
MOST_ENDED = 20


@dataclass(frozen=True)
class Desk:
    """The labels of one station, and its printer."""

    room: LabelRoom
    printer: Printer
    name: str
    """How people call the printer: its URI."""
    slot_of: Callable[[str], str] = lambda _: ""
    """Tell the slot in which a unit is now; empty for none."""

    def printers(self) -> tuple[PrinterCard, ...]:
        """Return the printer and how it is now; one at work is not asked, as many serve one connection at a time."""
        if not self.printer.lock.acquire(blocking=False):
            return (PrinterCard(self.name, ready=False, problem=PRINTS_NOW, hint=WAIT, waiting=None),)
        try:
            return (self._card(),)
        finally:
            self.printer.lock.release()

    def queue(self) -> tuple[LabelLine, ...]:
        """Return the labels that wait for the printer or for their scan, the oldest first."""
        return tuple(self._line(row) for row in self.room.records.open_labels())

    def ended(self) -> tuple[LabelLine, ...]:
        """Return the labels that were scanned back or declared void last."""
        return tuple(self._line(row) for row in self.room.records.ended_labels(MOST_ENDED))

    def labels(self, unit: str) -> tuple[LabelLine, ...]:
        """Return the latest copies of a unit's labels.

        Raises:
            Interlocked: There is no such unit, or it never had a label.
        """
        history = self.room.records.unit_history(unit)
        latest = {row.template: row for row in (history.labels if history else ())}
        if not latest:
            raise Interlocked(f"There is no label of a unit {unit}.", hint="Check the serial number.")
        return tuple(self._line(row) for row in latest.values())

    def picture(self, unit: str, label: str) -> bytes:
        """Return a label's picture as PNG, a secret as dots."""
        return self.room.preview(unit, label)

    def reprint(self, person: Person, act: Act) -> str:
        """Print the next copy of a released unit's label, the one before void from here on (F-J4).

        Raises:
            Interlocked: The unit was not released, or the label shows a secret.
            ServiceError: The printer is not ready, or did not print.
            ConfigError: It has another resolution than labels are made for.
        """
        self._demand_released(act.unit)
        check_reason(act.reason)
        self._press.demand_ready()
        row, made = self._next(person, act)
        self.room.records.event("label-reprinted", act.unit, _body(act, row), person.id)
        return self._print(row, made)

    def void(self, person: Person, act: Act) -> str:
        """Declare a label missing or spoilt.

        Raises:
            Interlocked: There is none, or its slot has it.
        """
        self._demand_released(act.unit)
        check_reason(act.reason)
        row = self.room.records.void_label(self._living(act), act.reason, person.id)
        self.room.records.event("label-void", act.unit, _body(act, row), person.id)
        return f"Label {row.template} copy {row.copy} of {row.unit} is void."

    def scan(self, person: Person, act: Act) -> str:
        """Take the scan-back of a label that was printed again.

        Raises:
            Interlocked: It is not that label's code, or its slot takes it.
        """
        self._demand_released(act.unit)
        row = self._living(act)
        if act.code != row.code or row.state in UNSENT:
            message = f"This is not label {row.template} copy {row.copy} of unit {row.unit}."
            raise Interlocked(message, hint="Scan the label that was printed last.")
        self.room.records.label_scanned(row, act.code)
        self.room.records.event("label-scanned", act.unit, _body(act, row), person.id)
        return f"Unit {row.unit} bears its label {row.template}, copy {row.copy}."

    def _card(self) -> PrinterCard:
        deadline = Deadline(STATUS_SECONDS)
        status = self.printer.status(deadline)
        try:
            serial = self.printer.serial_number(deadline) if status.waiting is not None else ""
        except ServiceError:
            serial = ""  # it fell away between two questions, and the next look says so
        return PrinterCard(self.name, status.ready, status.problem, status.hint, status.waiting, serial)

    def _next(self, person: Person, act: Act) -> tuple[LabelRow, CheckedLabel]:
        """Return the next copy, proven and recorded, or the living one if it was never sent."""
        records = self.room.records
        living = records.living_label(act.unit, act.label)
        if living is not None and living.state in UNSENT:
            made = self._made(act, living.copy)
            if made.sha256 == living.sha256:
                return living, made
        made = self._made(act, self._press.copies(act.unit, act.label) + 1)
        if living is not None:
            records.void_label(living, act.reason, person.id)
        return records.label_verified(
            records.label_rendered(LabelJob(act.unit, act.label, made.code, made.sha256))
        ), made

    def _made(self, act: Act, copy: int) -> CheckedLabel:
        record = self.room.record(act.unit)
        piece = piece_named(self.room.pieces(record), act.label)
        if piece.sort is Sort.INSIDE:
            message = f"The secret on the label inside unit {act.unit} is gone from us."
            raise Interlocked(message, hint="Send the unit to rework: it gets a new one.")
        return checked_label(record, piece, Print(copy, self._press.dpi))

    def _print(self, row: LabelRow, made: CheckedLabel) -> str:
        press, deadline = self._press, Deadline(PRINT_SECONDS)
        content, intend = press.content(made.zpl), press.intent(row, deadline)
        result = print_label(self.printer, content, deadline, intend, row.job_name)
        settled = press.settled(row, result)
        if settled is None:
            raise printer_error(result.problem, result.hint)
        what = f"Label {row.template} copy {row.copy} of {row.unit}"
        if settled.state is LabelState.PRINTED:
            return f"{what} is printed: stick it on and scan it back here."
        return f"{what} was sent, and nobody knows whether it is printed: look, and scan it back or declare it void."

    @property
    def _press(self) -> Press:
        return Press(self.room.records, self.printer, self.room.config.labels.dpi)

    def _living(self, act: Act) -> LabelRow:
        row = self.room.records.living_label(act.unit, act.label)
        if row is None:
            raise Interlocked(f"Unit {act.unit} has no label {act.label} that is not void.", hint="Print the next one.")
        return row

    def _demand_released(self, unit: str) -> None:
        row = self.room.records.unit(unit)
        if row is None or row.state not in (UnitState.RELEASED, UnitState.PACKABLE):
            message = f"Unit {unit} is not released: its labels are printed and scanned at its slot."
            raise Interlocked(message, hint="Plug it in, or check the serial number.")
        if slot := self.slot_of(unit):
            message = f"Unit {unit} is in slot {slot} now: its labels are printed and scanned there."
            raise Interlocked(message, hint="Go to the slot, or unplug the unit first.")

    def _line(self, row: LabelRow) -> LabelLine:
        unit = self.room.records.unit(row.unit) if row.state not in (LabelState.SCANNED, LabelState.VOID) else None
        at_slot = unit is not None and (unit.state is UnitState.RESERVED or bool(self.slot_of(row.unit)))
        since = row.intended_at if row.state in UNSENT else row.changed_at
        return LabelLine(row.unit, row.template, row.copy, row.state.value, since, at_slot, row.reason, row.who)


def _body(act: Act, row: LabelRow) -> dict[str, object]:
    return {"label": row.template, "copy": row.copy, "reason": act.reason}
