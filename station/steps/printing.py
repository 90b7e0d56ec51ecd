"""A label and the station's printer: made for its resolution, its intent durable, and what became of it recorded.

Slots and the page *Labels* print by the same rules, which stand here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from station.clock import Deadline
from station.documents.label_picture import RESOLUTIONS, label_pdf
from station.documents.printer import JOB_SECONDS, Language, Printer, PrintFate, PrintMark, PrintResult, printer_error
from station.errors import ConfigError
from station.records import LabelRow, Records

STATUS_SECONDS = 3.0


@dataclass(frozen=True)
class Press:
    """A printer, and the records that keep what became of each label."""

    records: Records
    printer: Printer
    dots: int
    """Per inch, of the station's label printer as it is configured."""

    @property
    def dpi(self) -> int:
        """Return the resolution that labels are made for; a PDF has the finest there is."""
        return max(RESOLUTIONS) if self.printer.language is Language.PDF else self.dots

    def content(self, zpl: bytes) -> bytes:
        """Return a label in the language of the printer.

        Raises:
            ConfigError: It is no ZPL that a printer would print.
        """
        return label_pdf(zpl, self.dpi) if self.printer.language is Language.PDF else zpl

    def demand_ready(self) -> None:
        """Require a printer that prints, before a label that a unit bears becomes void for the next one.

        Raises:
            ServiceError: It is not ready.
        """
        if not self.printer.lock.acquire(blocking=False):
            return  # it prints another label now
        try:
            status = self.printer.status(Deadline(STATUS_SECONDS))
        finally:
            self.printer.lock.release()
        if not status.ready:
            raise printer_error(status.problem, status.hint)

    def intent(self, row: LabelRow, deadline: Deadline) -> Callable[[PrintMark], None]:
        """Return what makes it durable that a label is sent now, once the printer proved to be of its resolution."""

        def intend(mark: PrintMark) -> None:
            self.demand_resolution(deadline)
            self.records.label_sent(row, mark.number, mark.printer)

        return intend

    def demand_resolution(self, deadline: Deadline) -> None:
        """Refuse a printer of another resolution than labels are made for: they would be too large or too small.

        Raises:
            ConfigError: It tells another one than station.toml.
            ServiceError: It does not tell what it is.
        """
        told = self.printer.dpi(deadline.at_most(JOB_SECONDS))
        if told not in (0, self.dpi):
            message = f"The label printer has {told} dots per inch, and labels are made for {self.dpi}."
            raise ConfigError(message, hint="Correct [labels] dpi in station.toml.")

    def settled(self, row: LabelRow, result: PrintResult) -> LabelRow | None:
        """Record what is certain of a print job, and return the label as it is now; None if none lives any more.

        One that was never printed is void; one whose fate is unknown stays for a person to judge.
        """
        if result.fate is PrintFate.PRINTED and result.odometer_after is not None:
            return self.records.label_printed(row, result.odometer_after)
        if result.fate is PrintFate.NOT_PRINTED:
            self.records.void_label(row, "was never printed, as the printer's own count proves", "station")
            return None
        return self.records.living_label(row.unit, row.template)

    def copies(self, unit: str, template: str) -> int:
        """Return the number of the latest copy of a label; 0 if there is none."""
        history = self.records.unit_history(unit)
        labels = history.labels if history else ()
        return max((row.copy for row in labels if row.template == template), default=0)
